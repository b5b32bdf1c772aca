"""A process that makes calls has an adapter for each of them."""

import pytest

from infra.processes import outside
from infra.processes.start import StartError
from infra.runtime import roster
from tests.receiver import NOTIFICATION_DUE, WEBHOOK_DUE
from tests.workflow.system import System


def test_a_process_without_the_adapter_does_not_start() -> None:
    workers = [roster.load("catalog"), roster.load("notification_delivery")]

    with pytest.raises(StartError, match=r"notification_delivery needs an adapter for notification\.due, webhook\.due"):
        outside.check(workers, {})
    system = System([workers[0]])
    outside.check(workers, {NOTIFICATION_DUE: system.outside, WEBHOOK_DUE: system.shop_receiver})
