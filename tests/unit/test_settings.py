"""A setting that cannot be right is refused with its name, before any server is reached."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from infra.settings import Settings

WRONG = {
    "TRIBUTARY_BATCH_EVENTS_MAX": ["-5", "0", "1_0", "٥", "1e3", "+1", "five"],
    "TRIBUTARY_PREFETCH_COMMANDS": ["-1", "1_000"],
    "TRIBUTARY_STARTUP_WAIT_S": ["-1", "nan", "soon"],
    "TRIBUTARY_RETRY_DELAYS_S": ["[5, -60]", "5"],
    "TRIBUTARY_HEALTH_PORT": ["1_0", "-1"],
    "TRIBUTARY_CONFLICT_TRIES_MAX": ["0"],
}


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_an_impossible_value_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(Exception, match=variable.removeprefix("TRIBUTARY_").lower()):
        Settings()


@pytest.mark.parametrize(
    "name", [name for name, field in Settings.model_fields.items() if field.annotation in (int, float)]
)
def test_no_number_is_negative(name: str) -> None:
    given: dict[str, Any] = {name: -1}

    with pytest.raises(ValidationError, match=name):
        Settings(**given)
