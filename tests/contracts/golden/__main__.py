"""`python -m tests.contracts.golden`: give new messages their golden bytes."""

from __future__ import annotations

from tests.contracts.golden import write_missing

for path in write_missing():
    print(f"Wrote {path}.")  # noqa: T201
