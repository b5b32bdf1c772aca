"""A request without a login costs little, however large or strange it is."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, get_args

import httpx
import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from structlog.testing import capture_logs

from api.app import create_app
from api.http.bodies import ERRORS_MAX, PARTS_MAX, Body, read_json
from api.http.limits import Limits, needs_login
from api.http.openapi import operations
from api.http.problems import field_errors
from api.http.requests import (
    _OWN_COOKIE,
    DRAFT_BYTES_MAX,
    SMALL_BODY_BYTES_MAX,
    BodyLimited,
    EachRequest,
    TooLarge,
    login_cookie,
)
from api.identity.opaque import new_secret
from api.identity.principal import InvalidToken
from api.orders.bodies import NewRefund
from api.orders.checks import OrderOfLines, SimpleOrder
from api.rules.routes import Draft
from api.stock.adjustments import Adjustment
from infra.ports.cache import CacheUnavailable, Taken
from infra.settings import Settings
from tests.described import api_document
from tests.unit.test_api_ids import ROUTES

FORMS = ["/oauth/token", "/oauth/revoke", "/oauth/authorize", "/oauth/logout"]
LOGINS = ["/api/auth/login", "/api/auth/refresh", "/api/auth/logout", "/api/auth/register"]
OWN = login_cookie(https=False)


def _no_ports() -> Any:
    raise AssertionError("nothing here needs a server")


class _NoCache:
    async def take(self, *_: object, **__: object) -> Taken:
        raise CacheUnavailable("away")


class _RefusesEachToken:
    async def verify(self, token: str) -> Any:
        raise InvalidToken("unknown")


APP = create_app(Settings(), _no_ports)
APP.state.ports = SimpleNamespace(
    limits=Limits(_NoCache(), Settings()),  # type: ignore[arg-type]
    identity=SimpleNamespace(verifier=_RefusesEachToken()),
)


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    """The models of a body, which may have several forms."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_of(inner)]


async def _ask(method: str, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://a.example") as client:
        return await client.request(method, path, **options)


async def _cookies_after(https: bool, *headers: bytes) -> dict[str, str]:
    """What the application reads of these Cookie headers."""
    seen: list[dict[str, str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(Request(scope).cookies)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    named = [(b"cookie", header) for header in headers]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"a.example"), *named]}
    await EachRequest(app, https=https)(scope, _no_ports, send)
    assert (b"cache-control", b"no-store") in sent[0]["headers"]
    assert scope["headers"][0] == (b"host", b"a.example")
    return seen[0]


class TestCookies:
    @pytest.mark.parametrize(
        "header",
        [
            b'a="' + b'\\"' * 100 + b'"',
            f'{OWN}="'.encode() + b'\\"' * 30 + b'"',
            f"{OWN}=".encode() + b"a" * 129,
            f"{OWN}=".encode(),
            f"{OWN}".encode(),
            f"x{OWN}=abc".encode(),
            f"__Host-{OWN}=abc".encode(),
            b";" * 100,
            b"\xff=\xff",
        ],
    )
    async def test_only_ours_is_read(self, header: bytes) -> None:
        assert await _cookies_after(False, header) == {}

    @pytest.mark.parametrize("https", [False, True])
    async def test_ours_is_kept_beside_others(self, https: bool) -> None:
        name = login_cookie(https=https)
        own = f"{name}=aZ09-_".encode()
        for headers in ((own,), (b'a="b\\"";' + own + b"; c=d",), (b"a=b", own), (own, f"{name}=$".encode())):
            assert await _cookies_after(https, *headers) == {name: "aZ09-_"}
        assert await _cookies_after(https, own, f"{name}=second".encode()) == {name: "second"}

    def test_each_value_that_is_set_is_read_again(self) -> None:
        assert all(_OWN_COOKIE.fullmatch(new_secret().encode()) for _ in range(100))


class TestBodies:
    @pytest.mark.parametrize("path", [*FORMS, *LOGINS])
    @pytest.mark.parametrize("in_chunks", [False, True])
    async def test_a_login_or_form_is_small(self, path: str, in_chunks: bool) -> None:
        kind = "application/json" if path in LOGINS else "application/x-www-form-urlencoded"

        async def chunks(content: bytes) -> Any:
            yield content[: len(content) // 2]
            yield content[len(content) // 2 :]

        async def status(size: int) -> httpx.Response:
            content = b"%" * size
            sent: Any = chunks(content) if in_chunks else content
            return await _ask("POST", path, content=sent, headers={"Content-Type": kind})

        refused = await status(SMALL_BODY_BYTES_MAX + 1)
        assert (refused.status_code, refused.json()["reason"]) == (413, "body_too_large")
        assert str(SMALL_BODY_BYTES_MAX) in refused.json()["detail"]
        with capture_logs():  # What is behind the limit has no ports here, and its traceback would be printed.
            assert (await status(SMALL_BODY_BYTES_MAX)).status_code != 413

    def test_the_small_limit_covers_every_operation_that_needs_no_login(self) -> None:
        limited = BodyLimited(_no_ports, body_bytes_max=2**20)  # type: ignore[arg-type]
        for path, method, operation in operations(api_document()):
            if "requestBody" in operation:
                small = limited._bytes_max(path) == SMALL_BODY_BYTES_MAX
                assert small or operation.get("security"), f"{method} {path}"

    async def test_a_draft_to_explain_has_a_limit_of_its_own(self) -> None:
        """Every login may have drafts explained, and the process does nothing else meanwhile."""
        with capture_logs():
            refused = await _ask("POST", "/api/rules/explain", content=b"%" * (DRAFT_BYTES_MAX + 1))
            within = await _ask("POST", "/api/rules/explain", content=b"%" * DRAFT_BYTES_MAX)

        assert (refused.status_code, refused.json()["reason"]) == (413, "body_too_large")
        assert str(DRAFT_BYTES_MAX) in refused.json()["detail"]
        assert within.status_code != 413

    def test_a_smaller_limit_of_the_operator_stands(self) -> None:
        limited = BodyLimited(_no_ports, body_bytes_max=100)  # type: ignore[arg-type]
        assert [limited._bytes_max(path) for path in ("/oauth/token", "/api/rules/explain", "/api/rules")] == [100] * 3

    async def test_nothing_is_read_before_the_login_is_verified(self) -> None:
        async def receive() -> Any:
            raise AssertionError("the body was read")

        described = [
            (method.upper(), path)
            for path, method, operation in operations(api_document())
            if "requestBody" in operation and needs_login(path)
        ]
        assert len(described) > 20
        for token, reason in (([], "unauthenticated"), ([(b"authorization", b"Bearer x")], "invalid_token")):
            for method, path in described:
                filled = path.replace("{", "").replace("}", "")
                headers = [(b"content-type", b"application/json"), (b"content-length", b"9"), *token]
                sent: list[Any] = []

                async def send(message: Any, sent: list[Any] = sent) -> None:
                    sent.append(message)

                scope = {"type": "http", "method": method, "path": filled, "headers": headers, "query_string": b""}
                await APP(scope, receive, send)
                answer = json.loads(sent[1]["body"])
                assert (sent[0]["status"], answer["reason"]) == (401, reason), (method, path)

    @pytest.mark.parametrize("part", ["[],", '{"a":1},', "1,", '"",'])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
    def test_a_body_has_a_limited_number_of_values(self, part: str, encoding: str) -> None:
        parts = sum(map(part.count, ",:[{"))
        fitting = (PARTS_MAX - 1) // parts
        assert len(read_json(f"[{part * fitting}1]".encode(encoding))) == fitting + 1
        with pytest.raises(TooLarge, match=str(PARTS_MAX)):
            read_json(f"[{part * (fitting + 1)}1]".encode(encoding))


class TestErrors:
    def test_many_unknown_fields_are_one_error(self) -> None:
        class Sample(Body):
            a: int = 1

        with pytest.raises(ValidationError) as refused:
            Sample.model_validate({f"k{number}": 1 for number in range(101)})
        assert [error["type"] for error in refused.value.errors()] == ["too_many_fields"]
        with pytest.raises(ValidationError) as refused:
            Sample.model_validate({f"k{number}": 1 for number in range(100)})
        assert len(refused.value.errors()) == 100

    def test_many_errors_are_counted(self) -> None:
        class Sample(Body):
            parts: list[int]

        for few in (1, ERRORS_MAX):
            with pytest.raises(ValidationError) as refused:
                Sample.model_validate({"parts": ["x"] * few})
            assert refused.value.error_count() == few
        with pytest.raises(ValidationError) as refused:
            Sample.model_validate({"parts": ["x"] * (ERRORS_MAX + 1)})
        assert [(error["type"], error["msg"]) for error in refused.value.errors()] == [
            ("too_many_errors", f"{ERRORS_MAX + 1} fields or values are wrong.")
        ]
        assert Sample.model_validate({"parts": [1]}).parts == [1]

    def test_every_body_has_few_errors(self) -> None:
        fields = [route.body_field for route in ROUTES.values() if route.body_field]
        found = [model for field in fields for model in _models_of(field.field_info.annotation)]
        assert {SimpleOrder, OrderOfLines, NewRefund, Draft} <= set(found)
        found.append(Adjustment)
        assert [model for model in found if not issubclass(model, Body)] == []

    @pytest.mark.parametrize("line", [{f"field-{number}": 1 for number in range(48)}, {}, {"quantity": "x"}])
    def test_the_lines_of_an_order_end_at_the_first_invalid_one(self, line: dict[str, Any]) -> None:
        """A body of 235 KB with 24,000 errors took most of a second, in which nothing else ran."""
        for body in (OrderOfLines, NewRefund):
            with pytest.raises(ValidationError) as refused:
                body.model_validate({"distributor_id": 1, "lines": [line] * 499})
            places = {error["loc"][:2] for error in refused.value.errors()}
            assert ("lines", 0) in places
            assert ("lines", 1) not in places

    async def test_names_of_fields_are_cut(self) -> None:
        answer = await _ask("POST", "/api/auth/logout", json={"~" * 9000: 1, "refresh_token": "x"})
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_request")
        assert answer.json()["errors"][0]["pointer"] == "/body/" + "~0" * 100

    def test_sentences_are_cut(self) -> None:
        error = {"type": "union_tag_invalid", "loc": ("body",), "msg": "x" * 9000}
        assert field_errors(RequestValidationError([error]).errors())[0]["detail"] == "x" * 500


async def test_the_document_is_serialized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    expected, asked = api_document(), []

    def counted() -> Any:
        asked.append(1)
        return expected

    monkeypatch.setattr(APP, "openapi", counted)
    answers = [await _ask("GET", "/openapi.json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[2].json() == expected
    assert answers[0].headers["content-type"] == "application/json"
    assert len(asked) <= 1
