"""What the command line advises about connections that a login still has after its end."""

from __future__ import annotations

import pytest

from infra.cli.actions.identity import _note_connections_left


def test_what_is_left_is_counted_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    _note_connections_left(3)

    advice = capsys.readouterr().err
    assert advice.startswith("3 connections of the shop are still open")
    assert "Repeat this in half a minute" in advice
    assert "rabbitmqctl list_connections user peer_host" in advice


@pytest.mark.parametrize("left", [0, None], ids=["none is left", "the broker was not looked at"])
def test_nothing_is_left_to_say(left: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    _note_connections_left(left)

    assert capsys.readouterr().err == ""
