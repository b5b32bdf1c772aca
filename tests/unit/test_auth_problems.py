"""Problem details of the API, secrets in the log, and the verification of the audit log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from api.http.problems import Problem, Reason, field_errors, gathered, preferred_language, problem_response
from api.storage.audit_log import Entry, Head, _document, verify
from infra.settings import Settings
from infra.telemetry import logs


def _no_ports() -> Any:
    raise AssertionError("reasons need no server")


APP = create_app(Settings(), _no_ports)
NOW = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)


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


class _Log:
    """A store with only these entries."""

    def __init__(self, documents: Sequence[dict[str, Any]]) -> None:
        self.documents = documents

    async def stream(
        self, collection: str, where: Mapping[str, Any], *, sort: Any = (), fields: Any = ()
    ) -> AsyncIterator[dict[str, Any]]:
        for document in sorted(self.documents, key=lambda document: document["_id"]):
            yield document


def a_log(length: int = 5) -> tuple[list[dict[str, Any]], Head]:
    documents, head = [], Head()
    for number in range(length):
        who = {"kind": "admin", "subject": "u1", "client": None}
        entry = Entry(
            who, "user.changed", f"user/{number}", "r1", before={"n": 2**53 + number}, after={"名": [1.5, None]}
        )
        documents.append(_document(entry, head, NOW))
        head = Head(documents[-1]["_id"], documents[-1]["hash"])
    return documents, head


class TestAudit:
    async def test_an_untouched_log_is_valid(self) -> None:
        documents, head = a_log()
        verified = await verify(_Log(documents), head, Head(3, documents[2]["hash"]))
        assert (verified.head, verified.breaches) == (head, [])
        assert (await verify(_Log([]), Head())).breaches == []

    @pytest.mark.parametrize("field", ["at", "who", "action", "target", "correlation", "before", "after", "previous"])
    async def test_a_changed_entry_is_detected(self, field: str) -> None:
        documents, head = a_log()
        documents[2] = {**deepcopy(documents[2]), field: NOW.replace(year=2020) if field == "at" else {"n": 1}}
        assert "entry 3 is not what was written" in (await verify(_Log(documents), head)).breaches

    async def test_a_changed_entry_with_a_new_hash_is_detected_in_the_next(self) -> None:
        documents, head = a_log()
        entry = Entry({"kind": "admin"}, "nothing.happened", "user/2", "r1")
        documents[2] = _document(entry, Head(2, documents[1]["hash"]), NOW)
        breaches = (await verify(_Log(documents), head)).breaches
        assert breaches == ["entry 4 does not follow entry 3: one of them was changed"]

    async def test_a_missing_entry_and_a_missing_end_are_detected(self) -> None:
        documents, head = a_log()
        assert (await verify(_Log(documents[:2] + documents[3:]), head)).breaches[0] == "entries 3 to 3 are missing"
        [breach] = (await verify(_Log(documents[:4]), head)).breaches
        assert breach == "the log ends with entry 4, but its head is entry 5"

    async def test_a_rewritten_log_is_detected_by_a_recorded_head(self) -> None:
        documents, _ = a_log()
        recorded = Head(3, documents[2]["hash"])
        rewritten, head = [], Head()
        for document in documents:
            entry = Entry({}, "nothing.happened", document["target"], "r1")
            rewritten.append(_document(entry, head, NOW))
            head = Head(rewritten[-1]["_id"], rewritten[-1]["hash"])
        assert (await verify(_Log(rewritten), head)).breaches == []
        assert "is not in the log" in (await verify(_Log(rewritten), head, recorded)).breaches[0]
