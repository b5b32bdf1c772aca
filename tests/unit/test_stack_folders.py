"""The folders of a local stack belong to its user alone: data, logs and the cookie of Erlang are in them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from infra.local import preflight, record


def mode_of(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_new_stack_is_private(tmp_path: Path) -> None:
    folder = tmp_path / ".tributary" / "default"
    preflight.prepare(folder)
    assert (mode_of(folder), mode_of(folder.parent)) == (0o700, 0o700)


def test_an_older_stack_becomes_private(tmp_path: Path) -> None:
    folder = tmp_path / ".tributary" / "default"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    record.create_private(folder)
    assert (mode_of(folder), mode_of(folder.parent)) == (0o700, 0o700)


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_shared_home_stays_as_it_is(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "shared"
    home.mkdir()
    home.chmod(mode)
    record.create_private(home / "default")
    assert (mode_of(home / "default"), mode_of(home)) == (0o700, mode)
