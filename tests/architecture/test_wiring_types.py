"""mypy refuses a message, a rule or a repository in the wrong place. One run checks all planted faults."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.architecture.sources import ROOT

pytestmark = pytest.mark.slow

_ERROR = re.compile(r"^(?P<file>[^:]+):\d+: error: (?P<text>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    """Changes in one file of a worker (replaced text to new text), and the error that mypy must report there."""

    file: str
    changes: dict[str, str]
    error: str


FAULTS = {
    "two rules swapped": Fault(
        "workers/reward_checks/handlers.py",
        {
            "on(OrderRefunded, decide=take_back_refund)": "on(OrderRefunded, decide=take_back_sale)",
            "on(OrderCancelled, decide=take_back_sale)": "on(OrderCancelled, decide=take_back_refund)",
        },
        r'Argument "decide" to "on" .*Message\[OrderCancelled\].*; expected .*Message\[OrderRefunded\].*\[arg-type\]',
    ),
    "a handler for the wrong payload": Fault(
        "workers/commission_calculation/handlers.py",
        {"on(AfterSaleChanged, decide=note_after_sale)": "on(OrderPaid, decide=note_after_sale)"},
        r'Argument "decide" to "on" .*Message\[AfterSaleChanged\].*; expected .*Message\[OrderPaid\].*\[arg-type\]',
    ),
    "a rule that takes an answer without a call": Fault(
        "workers/notification_delivery/handlers.py",
        {
            "import Worker, performs": "import Worker, on",
            "performs(NotificationDue, key=key_of, owner=route_of,": "on(NotificationDue,",
        },
        r'Argument "decide" to "on" .*Message\[NotificationDue\], Answer\].*\[arg-type\]',
    ),
    "an older version in place of the newest": Fault(
        "workers/order_intake/handlers.py",
        {"on(v2.PlaceOrder, older=(v1.PlaceOrder,)": "on(v1.PlaceOrder, older=(v2.PlaceOrder,)"},
        r'Argument "decide" to "on" .*v2\.PlaceOrder.*; expected .*v1\.PlaceOrder.*\[arg-type\]',
    ),
    "another command's refusal": Fault(
        "workers/network/handlers.py",
        {
            "decide=decide.create_team, refuse=decide.refuse_unreadable_team": (
                "decide=decide.create_team, refuse=decide.refuse_unreadable_shop"
            )
        },
        r'Argument "refuse" to "on" .*Refusing\[RegisterShop\].*; expected .*Conflict\[CreateTeam\].*\[arg-type\]',
    ),
    "a refusal that does not name its commands": Fault(
        "workers/alerting/decide.py",
        {"Refusing[SettleDeadLetter](": "Refusing("},
        r'Need type annotation for "refuse_unreadable_settlement" .*\[var-annotated\]',
    ),
    "a repository of another state": Fault(
        "workers/rule_book/handlers.py",
        {
            "from workers.rule_book.repository import RuleBookRepository": (
                "from workers.catalog.repository import CatalogRepository as RuleBookRepository"
            )
        },
        r'Cannot infer value of type parameter "S" of "Worker"  \[misc\]',
    ),
    "a field that a repository misspells": Fault(
        "workers/reward_checks/repository.py",
        {"{order.distributor_id for order in orders}": "{order.distributor_idd for order in orders}"},
        r'has no attribute "distributor_idd".*\[union-attr\]',
    ),
    "a field that only some messages of a repository have": Fault(
        "workers/commission_calculation/repository.py",
        {"(d.rule_version for d in data if isinstance(d, OrderPaid))": "(d.rule_version for d in data)"},
        r'Item "OrderCompleted" of .* has no attribute "rule_version".*\[union-attr\]',
    ),
    "a repository that hides its messages behind Any": Fault(
        "workers/alerting/repository.py",
        {
            "from typing import ClassVar": "from typing import Any, ClassVar",
            "def state_for(self, message: Message[Consumed])": "def state_for(self, message: Message[Any])",
        },
        r'Explicit "Any" is not allowed  \[explicit-any\]',
    ),
    "a field that a rule misspells": Fault(
        "workers/catalog/decide.py",
        {"state.products.get(command.product_id)": "state.products.get(command.productid)"},
        r'"DefineProduct" has no attribute "productid".*\[attr-defined\]',
    ),
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """mypy's errors in the product by file, with the project's configuration and every fault planted.

    A copy of the cache makes it fast after an earlier run of mypy, and keeps the faults out of the next run.
    """
    folder = tmp_path_factory.mktemp("planted")
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", folder / "cache")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(folder / "cache"), "--no-error-summary"]
    command += [word for package in ("contracts", "workers", "api", "infra") for word in ("--package", package)]
    for number, fault in enumerate(FAULTS.values()):
        planted = folder / f"{number}.py"
        planted.write_text(_planted(fault))
        command += ["--shadow-file", fault.file, str(planted)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    found: dict[str, list[str]] = {}
    for error in _ERROR.finditer(ran.stdout):
        found.setdefault(error["file"], []).append(error["text"])
    return found


def _planted(fault: Fault) -> str:
    text = (ROOT / fault.file).read_text()
    for sound, faulty in fault.changes.items():
        assert text.count(sound) == 1, f"{fault.file} must have this once: {sound}"
        text = text.replace(sound, faulty)
    # If the shadow file had the size of the original, mypy would use the cached result.
    return text + "#" * 100 + "\n"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_is_refused(errors: dict[str, list[str]], fault: Fault) -> None:
    found = errors.get(fault.file, [])

    assert [error for error in found if re.search(fault.error, error)], found


def test_nothing_else_is_refused(errors: dict[str, list[str]]) -> None:
    assert set(errors) == {fault.file for fault in FAULTS.values()}
