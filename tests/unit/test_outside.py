"""A process that makes calls has an adapter for each of them."""

from pathlib import Path

import pytest

from infra.adapters.outside.channels import trusted_by
from infra.processes import outside
from infra.processes.start import StartError
from infra.runtime import roster
from infra.settings import Settings
from tests.receiver import NOTIFICATION_DUE, WEBHOOK_DUE
from tests.workflow.system import System


def test_a_process_without_the_adapter_does_not_start() -> None:
    workers = [roster.load("catalog"), roster.load("notification_delivery")]

    with pytest.raises(StartError, match=r"notification_delivery needs an adapter for notification\.due, webhook\.due"):
        outside.check(workers, {})
    system = System([workers[0]])
    outside.check(workers, {NOTIFICATION_DUE: system.outside, WEBHOOK_DUE: system.shop_receiver})


@pytest.mark.parametrize("name", ["empty.pem", "missing.pem"])
def test_certificates_that_cannot_be_read_are_reported_with_a_sentence(tmp_path: Path, name: str) -> None:
    """A start error is not tried again: a restart would fail in the same way."""
    (tmp_path / "empty.pem").touch()
    settings = Settings(outside_ca_file=str(tmp_path / name))

    with pytest.raises(StartError, match=rf"TRIBUTARY_OUTSIDE_CA_FILE: .*{name} has no certificates in PEM; name "):
        outside.outside_of(settings, System([]).store)


def test_no_receiver_chooses_the_size_of_a_key() -> None:
    """With DHE it does, and a handshake of 10,000 bits takes a second of the event loop."""
    assert {cipher["kea"] for cipher in trusted_by(None).get_ciphers()} <= {"kx-ecdhe", "kx-any"}
