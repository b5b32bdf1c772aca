"""The golden bytes, and the function that writes those of a new message."""

from __future__ import annotations

from pathlib import Path

from contracts.wire.catalogue import ALL
from contracts.wire.examples import example_of

FOLDER = Path(__file__).parent


def write_missing() -> list[Path]:
    """Write the bytes of each message that has none yet; existing files are never touched."""
    missing = {FOLDER / f"{name}.json": payload for name, payload in ALL.items()}
    missing = {path: payload for path, payload in missing.items() if not path.exists()}
    for path, payload in missing.items():
        path.write_bytes(example_of(payload).to_bytes())
    return list(missing)
