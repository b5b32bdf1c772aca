"""The packages of a lock file."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCTION = ROOT / "requirements.lock"

_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^ ;\\]+)")


def pins(lock: Path = PRODUCTION) -> dict[str, str]:
    """The locked version of each package, by its normal name."""
    found = (match for line in lock.read_text().splitlines() if (match := _PIN.match(line)))
    return {match[1].lower().replace("_", "-"): match[2] for match in found}
