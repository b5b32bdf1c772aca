"""A setting that cannot be right is refused with its name, before any server is reached."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from infra.settings import Settings

WRONG = {
    "TRIBUTARY_BATCH_EVENTS_MAX": ["-5", "0", "1_0", "٥", "1e3", "+1", "five", "9" * 20],
    "TRIBUTARY_PREFETCH_COMMANDS": ["-1", "1_000"],
    "TRIBUTARY_STARTUP_WAIT_S": ["-1", "-0.5", "nan", "inf", "1_0", "٥", "1e3", "+1", " 1", ".5", "9" * 400, "soon"],
    "TRIBUTARY_RETRY_DELAYS_S": ["[5, -60]", "5", '["1_0"]', '["٥"]', "[NaN]", "[1e999]"],
    "TRIBUTARY_HEALTH_PORT": ["1_0", "-1"],
    "TRIBUTARY_CONFLICT_TRIES_MAX": ["0"],
}


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_an_impossible_value_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(Exception, match=variable.removeprefix("TRIBUTARY_").lower()):
        Settings()


@pytest.mark.parametrize(("value", "seconds"), [("30", 30.0), ("0.5", 0.5), ("0", 0.0)])
def test_a_wait_may_have_decimals(monkeypatch: pytest.MonkeyPatch, value: str, seconds: float) -> None:
    monkeypatch.setenv("TRIBUTARY_STARTUP_WAIT_S", value)

    assert Settings().startup_wait_s == seconds


@pytest.mark.parametrize(
    "name", [name for name, field in Settings.model_fields.items() if field.annotation in (int, float)]
)
def test_no_number_is_negative(name: str) -> None:
    given: dict[str, Any] = {name: -1}

    with pytest.raises(ValidationError, match=name):
        Settings(**given)
