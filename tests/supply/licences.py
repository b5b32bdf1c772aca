"""`make licences`: the licence of every locked package, and until when servers and libraries are supported.

Exits with 1 if a licence is unknown or not among the accepted ones, or if production runs on what has ended.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from email.message import EmailMessage
from importlib import metadata
from typing import cast

from infra.terminal.printing import print_line
from tests.supply.lock import pins
from tests.supply.support import SUPPORT, ended

ACCEPTED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-2.1-or-later", "MIT", "MIT-0", "MIT-CMU",
        "MPL-2.0", "PSF-2.0", "PSFL", "Unlicense",
    }
)  # fmt: skip
"""Licences that allow use in a service and in a product without giving its source away. The LGPL does for a package
that is installed beside it, unchanged, so that others can replace it: python-stdnum.
"""

_OLD_NAMES = {
    "Apache 2": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "LGPL": "LGPL-2.1-or-later",
    "MIT License": "MIT",
}
UNKNOWN = "unknown"


def licence_of(package: str) -> str:
    """The SPDX expression that an installed package declares, read from its old fields where it has no new one."""
    try:
        declared = cast(EmailMessage, metadata.metadata(package))
    except metadata.PackageNotFoundError:
        return UNKNOWN
    if expression := declared.get("License-Expression"):
        return str(expression)
    classifiers = [each.rpartition(" :: ")[2] for each in declared.get_all("Classifier") or [] if "License ::" in each]
    text = str(declared.get("License") or "").strip().partition("\n")[0].strip()
    named = [_OLD_NAMES.get(each, each) for each in ([text] if text and len(text) <= 40 else classifiers)]
    return " OR ".join(named) or UNKNOWN


def is_accepted(expression: str) -> bool:
    """Of alternatives one must be accepted, of a conjunction all."""
    alternatives = re.split(r" OR ", expression.replace("(", "").replace(")", ""))
    return any(all(part in ACCEPTED for part in re.split(r" AND ", each)) for each in alternatives)


def problems(licences: Mapping[str, str], today: date) -> list[str]:
    found = [
        f"{package}: {licence} is not among the accepted licences"
        for package, licence in licences.items()
        if not is_accepted(licence)
    ]
    return found + [f"{each.name} {each.version}: {each.state(today)}; {each.note}" for each in ended(today)]


def main() -> int:
    today, locked = datetime.now(UTC).date(), pins()
    licences = {package: licence_of(package) for package in locked}
    for package, version in locked.items():
        print_line(f"{package:<24} {version:<16} {licences[package]}")
    print_line("")
    for each in SUPPORT:
        print_line(f"{each.name:<12} {each.version:<8} {each.licence:<14} {each.state(today)}; {each.note}")
    found = problems(licences, today)
    for problem in found:
        print_line(problem, err=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
