"""Problem details of the API, and secrets in the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from api.http.problems import Problem, Reason, field_errors, gathered, preferred_language, problem_response
from infra.settings import Settings
from infra.telemetry import logs


def _no_ports() -> Any:
    raise AssertionError("reasons need no server")


APP = create_app(Settings(), _no_ports)


class TestSentences:
    @pytest.mark.parametrize(
        ("accepted", "language"),
        [
            ("", "en"),
            ("zh", "zh"),
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
            ("en-GB,en;q=0.9,zh;q=0.8", "en"),
            ("fr;q=0.9, zh-Hant;q=0.5", "zh"),
            ("*", "en"),
            ("en;q=0, zh;q=0.1", "zh"),
            ("zh;q=0", "en"),
            ("zh;q=nan", "en"),
            ("zh;q=9", "en"),
        ],
    )
    def test_the_preferred_language_is_used(self, accepted: str, language: str) -> None:
        assert preferred_language(accepted) == language

    @given(st.text(max_size=300))
    def test_any_header_gives_a_language(self, accepted: str) -> None:
        assert preferred_language(accepted) in ("en", "zh")

    def test_every_reason_has_a_sentence_in_both_languages(self) -> None:
        for code, reason in APP.state.reasons.items():
            assert code.isidentifier()
            assert 400 <= reason.status < 600
            assert reason.en.endswith(".")
            assert reason.zh.endswith("。")

    def test_a_code_has_one_meaning(self) -> None:
        with pytest.raises(ValueError, match="two meanings"):
            gathered(APP.state.reasons, {"not_found": Reason(404, "Gone.", "没了。")})

    @pytest.mark.parametrize(("reason", "status"), [("too_blue", 422), ("conflict", 409), ("email_taken", 409)])
    def test_a_problem_with_an_unknown_reason_is_answered(self, reason: str, status: int) -> None:
        request = Request({"type": "http", "headers": [], "app": APP})
        assert problem_response(request, Problem(reason)).status_code == status

    def test_errors_do_not_repeat_the_input(self) -> None:
        errors = field_errors(
            [{"loc": ("body", "a/b"), "type": "x", "msg": "Wrong", "input": "hunter2", "ctx": {"v": 1}}]
        )
        assert errors == [{"pointer": "/body/a~1b", "code": "x", "detail": "Wrong"}]


def test_a_traceback_in_the_log_has_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        logs.configure("info")
        password = "hunter2 is what I type"  # noqa: F841
        try:
            raise RuntimeError("broken")
        except RuntimeError:
            structlog.get_logger().exception("failed")
    finally:
        structlog.configure(**before)
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["exception"][0]["exc_value"] == "broken"
    assert "hunter2" not in line
