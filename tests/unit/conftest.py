"""Property tests use the same examples on every machine, so that a failure is reproducible."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.sampling import sampled
from tests.unit.command_line import CommandLine

# A busy machine does not fail a property. `make check` tries fewer examples of each than `make test`.
SLOW = [HealthCheck.too_slow]
EXAMPLES_MAX = int(os.environ.get("UNIT_EXAMPLES", sampled("20", whole="80")))
settings.register_profile(
    "unit", derandomize=True, deadline=None, max_examples=EXAMPLES_MAX, suppress_health_check=SLOW
)
settings.load_profile("unit")


@pytest.fixture
def tributary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[CommandLine]:
    """The command line with an empty home directory, where no stack was ever started."""
    monkeypatch.setenv("TRIBUTARY_HOME", str(tmp_path))
    yield CommandLine(monkeypatch, capsys)
    # A worker configures the log of its whole process, here the process of the tests.
    structlog.reset_defaults()
