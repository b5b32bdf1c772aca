"""Generate docs/mutation-testing.md from the last run of mutmut, so that no figure is typed by hand.

Fails where a module's score is below the minimum, where a survivor has no reason in reasons.toml, and where a reason
has no survivor: `python -m tests.mutation.report`, after `mutmut run`.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mutmut.configuration import config
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

SCORE_MIN_PERCENT = 90
DOCUMENT = Path("docs/mutation-testing.md")
NOTICED = {"killed", "timeout"}

INTRODUCTION = """\
# Mutation testing of the money modules

`make mutants` applies every small change that mutmut knows to every function of the modules below (a `<` to `<=`, a `+`
to `-`, a number by one, an argument to `None` ...), one at a time, and runs the tests named under `[tool.mutmut]`
in pyproject.toml. A mutant is killed when a test fails, and timed out when the tests run many times longer than
without the change; both count as detected, and the score is their share of all mutants. Every survivor is listed with
the reason why no test can detect it (*equivalent*) or needs to (*harmless*). The command writes this file, and fails
where a module scores below {score} %, where a survivor has no reason, or where a reason has no survivor; the reasons
are in tests/mutation/reasons.toml. Property tests and the naive oracle cover them too, and are not counted.

Written by `make mutants` on {today}, with mutmut {mutmut}.
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why survivors do not matter: changes of one of the lines `was` to a line with one of the fragments `now`."""

    modules: tuple[str, ...]
    kind: str
    why: str
    was: tuple[str, ...]
    now: tuple[str, ...]

    def explains(self, module: str, was: str, now: str) -> bool:
        return module in self.modules and was in self.was and any(fragment in now for fragment in self.now)


def main() -> None:
    reasons = [
        Reason(tuple(found["modules"]), found["kind"], found["why"], tuple(found["was"]), tuple(found["now"]))
        for found in tomllib.loads(Path(__file__).with_name("reasons.toml").read_text())["reason"]
    ]
    statuses = {module: dict(statuses_of(module)) for module in config().only_mutate}
    complaints: list[str] = []
    listed = [
        f"### {module}\n\n{text}" for module in statuses if (text := survivors(module, statuses[module], reasons))
    ]
    text = "\n".join([introduction(), *table(statuses, complaints), "\n## Survivors\n", "\n".join(listed)])
    DOCUMENT.write_text(text.rstrip() + "\n")
    complaints += [f"A survivor has no reason: {line}" for line in text.splitlines() if "NO REASON" in line]
    complaints += [f"A reason has no survivor; remove it: {r.was[0]}" for r in reasons if r.why not in text]
    sys.exit("\n".join(complaints) or None)


def introduction() -> str:
    return INTRODUCTION.format(score=SCORE_MIN_PERCENT, today=f"{datetime.now(UTC):%Y-%m-%d}", mutmut=version("mutmut"))


def statuses_of(module: str) -> Iterator[tuple[str, str]]:
    """Each mutant of the module, and what became of it; a module without functions has none."""
    path = Path("mutants") / f"{module}.meta"
    if path.exists():
        for mutant, exit_code in json.loads(path.read_text())["exit_code_by_key"].items():
            yield mutant, status_by_exit_code[exit_code]


def table(statuses: dict[str, dict[str, str]], complaints: list[str]) -> Iterator[str]:
    yield "| module | mutants | killed | timed out | survived | score |"
    yield "|---|---:|---:|---:|---:|---:|"
    total: Counter[str] = Counter()
    for module, by_mutant in statuses.items():
        counts = Counter(by_mutant.values())
        total += counts
        yield row(module, counts)
        if score(counts) < SCORE_MIN_PERCENT:
            complaints.append(f"{module} scores {score(counts):.1f} %; {SCORE_MIN_PERCENT} % is the least.")
    yield row("**all**", total)


def row(name: str, counts: Counter[str]) -> str:
    figures = (counts.total(), counts["killed"], counts["timeout"], counts.total() - noticed(counts))
    percent = f"{score(counts):.1f} %" if counts else "nothing to change"
    return f"| {name} | {' | '.join(map(str, figures))} | {percent} |"


def noticed(counts: Counter[str]) -> int:
    return sum(counts[status] for status in NOTICED)


def score(counts: Counter[str]) -> float:
    return 100 * noticed(counts) / counts.total() if counts else 100.0


def survivors(module: str, by_mutant: dict[str, str], reasons: list[Reason]) -> str:
    """The undetected changes, grouped by reason."""
    found: dict[str, list[str]] = {}
    for mutant, status in by_mutant.items():
        if status not in NOTICED:
            was, now = change(mutant)
            known = next((reason for reason in reasons if reason.explains(module, was, now)), None)
            why = f"*{known.kind}*: {known.why}" if known else f"NO REASON ({status}): {mutant}"
            found.setdefault(why, []).append(f"  - `{was}` → `{now}`")
    return "".join(f"- {why}\n" + "\n".join(changes) + "\n" for why, changes in found.items())


def change(mutant: str) -> tuple[str, str]:
    """The line as it was and as it became."""
    lines = [line for line in get_diff_for_mutant(mutant).splitlines() if not line.startswith(("---", "+++"))]
    was, now = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return was, now


if __name__ == "__main__":
    main()
