"""`make advisories`: known vulnerabilities of the locked packages, by pip-audit, and honest about what was not checked.

pip-audit skips a package that its service does not know, and then reports that no vulnerability is known. Where the
service cannot be reached, or only a mirror answers, that would be all of them. Exits with 0 if every package was
checked and nothing is known, with 1 if something is, and with 3 if any package was not checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from infra.terminal.printing import print_line
from tests.supply.lock import PRODUCTION, pins

EXIT_FOUND = 1
EXIT_NOT_CHECKED = 3
_WITHIN_S = 300
_SERVICES = ("pypi", "osv")
"""Asked one after the other, until one knows every package."""


def verdict(report: Any, locked: Sequence[str]) -> tuple[int, list[str]]:
    """The exit code and what to print, for the report of pip-audit; None stands for no report at all."""
    answered = report.get("dependencies", []) if isinstance(report, dict) else []
    checked = {each["name"] for each in answered if "skip_reason" not in each}
    found = [
        f"{each['name']} {each['version']}: {known['id']}, fixed in {', '.join(known['fix_versions']) or 'none yet'}"
        for each in answered
        for known in each.get("vulns", ())
    ]
    missing = [package for package in locked if package not in checked]
    if missing:
        found.append(
            f"NOT CHECKED: {len(missing)} of {len(locked)} packages. The advisories cannot be reached from here, or do "
            "not know them; this says nothing about their safety. Run it where they can be reached. They are: "
            f"{', '.join(missing)}."
        )
    if len(found) > bool(missing):
        return EXIT_FOUND, found
    return (EXIT_NOT_CHECKED, found) if missing else (0, [f"{len(locked)} packages checked; nothing is known of them."])


def _ask(service: str) -> Any:
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner", "off"]
    options = ["--vulnerability-service", service, "--format", "json", "--requirement", str(PRODUCTION)]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=_WITHIN_S, check=False)
        return json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None


def main() -> int:
    locked, code, lines = list(pins()), EXIT_NOT_CHECKED, [""]
    for service in _SERVICES:
        code, lines = verdict(_ask(service), locked)
        if code != EXIT_NOT_CHECKED:
            break
    for line in lines:
        print_line(line, err=bool(code))
    return code


if __name__ == "__main__":
    sys.exit(main())
