"""Problem details (RFC 9457): what went wrong, as a code for programs and a sentence for people.

A refusal's reason code becomes the problem's `reason` and the end of its `type`; the sentence is English or Chinese, by
`Accept-Language`. Each noun has a table `REASONS` of its own; `api.app` gathers them, and the application keeps
them as `state.reasons`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"
TYPES_AT = "/api/problems/"

Language = Literal["en", "zh"]

Responses = dict[int | str, dict[str, Any]]
"""The documented answers of a route, by status."""

UNRESOLVED = "default"
REASON_CODES = "x-reasons"
"""Where a route lists its reasons, until the OpenAPI document is made."""


@dataclass(frozen=True, slots=True)
class Reason:
    """The meaning of a reason code: a status, and a sentence in each language."""

    status: int
    en: str
    zh: str

    def in_language(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


REASONS: dict[str, Reason] = {
    "invalid_request": Reason(
        422, "Part of the request is not as documented; see errors.", "请求内容不符合文档要求，请查看 errors。"
    ),
    "inconsistent_request": Reason(
        422, "Parts of the request contradict each other; see errors.", "请求内容前后矛盾，请查看 errors。"
    ),
    "malformed_request": Reason(400, "The request cannot be read.", "无法读取该请求。"),
    "not_found": Reason(404, "Not found, or you may not see it.", "此处没有内容，或您无权查看。"),
    "method_not_allowed": Reason(405, "This address does not allow that method.", "此地址不支持该请求方法。"),
    "body_too_large": Reason(413, "The body is larger than allowed.", "请求正文超出允许的大小。"),
    "unsupported_media_type": Reason(415, "The media type of the body is not supported.", "不支持该正文类型。"),
    "conflict": Reason(409, "This contradicts what is already recorded.", "与已有记录冲突。"),
    "precondition_failed": Reason(
        412, "Someone else has changed it; read it again, then decide.", "内容已被他人修改，请重新读取后再操作。"
    ),
    "precondition_required": Reason(
        428, "Name the version that you edit in If-Match.", "请使用 If-Match 指明要修改的版本。"
    ),
    "too_many_requests": Reason(429, "Too many requests; wait, then try again.", "请求过于频繁，请稍后再试。"),
    "internal_error": Reason(500, "Something failed on our side; it has been logged.", "服务器内部错误，已记录。"),
    "store_unavailable": Reason(503, "The database is unavailable; try again soon.", "数据库暂时不可用，请稍后重试。"),
    "broker_unavailable": Reason(
        503,
        "The message broker is unavailable, so nothing can be written now; try again soon.",
        "消息系统暂时不可用，无法写入，请稍后重试。",
    ),
    "busy": Reason(503, "The server is busy; try again soon.", "系统繁忙，请稍后重试。"),
}
"""The reasons that belong to no noun."""


def gathered(*tables: Mapping[str, Reason]) -> dict[str, Reason]:
    """The merged tables. Raises ValueError for a code with two meanings."""
    reasons: dict[str, Reason] = {}
    for table in tables:
        for code, reason in table.items():
            if reasons.setdefault(code, reason) != reason:
                raise ValueError(f"reason {code} has two meanings")
    return reasons


def reasons_of(request: Request) -> Mapping[str, Reason]:
    """All reasons of the application."""
    reasons: Mapping[str, Reason] = request.app.state.reasons
    return reasons


class Problem(Exception):
    """Ends a request with problem details. The sentence comes from the reason, and so does `status` unless given.

    `detail` describes this occurrence and is sent unchanged; never put a secret or another's data into it.
    """

    def __init__(
        self,
        reason: str,
        *,
        detail: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.status = status
        self.headers = dict(headers or {})
        self.members = members


class FieldError(BaseModel):
    """An error in one part of the request; `pointer` is a JSON pointer. The value itself is never sent back."""

    model_config = ConfigDict(frozen=True)

    pointer: str = Field(examples=["/body/email"])
    code: str = Field(examples=["string_too_short"])
    detail: str = Field(examples=["String should have at least 12 characters"])


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(
        description="Identifies the kind of problem; its address explains it.", examples=["/api/problems/conflict"]
    )
    title: str = Field(description="A sentence for a person, in the requested language.")
    status: int = Field(examples=[409])
    reason: str = Field(description="The reason code, for programs; it never changes.", examples=["conflict"])
    detail: str | None = Field(default=None, description="What was wrong with this request.")
    request_id: str | None = Field(default=None, description="The id of this request in our logs.")
    errors: list[FieldError] | None = None


def language_of(request: Request) -> Language:
    return preferred_language(request.headers.get("accept-language", ""))


def preferred_language(accepted: str) -> Language:
    """English, unless `Accept-Language` weighs Chinese higher (RFC 9110, section 12.5.4)."""
    weights: dict[str, float] = {}
    for part in accepted.split(",")[:32]:
        tag, _, parameter = part.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        weights[primary] = max(weights.get(primary, 0.0), _weight(parameter))
    return "zh" if weights.get("zh", 0.0) > weights.get("en", weights.get("*", 0.0) * 0.5) else "en"


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


def problem_response(request: Request, problem: Problem) -> JSONResponse:
    language = language_of(request)
    known = reasons_of(request).get(problem.reason)
    status = problem.status or (known.status if known else 422)
    body: dict[str, Any] = {
        "type": TYPES_AT + problem.reason,
        "title": known.in_language(language) if known else problem.reason.replace("_", " "),
        "status": status,
        "reason": problem.reason,
    }
    if problem.detail is not None:
        body["detail"] = problem.detail
    body |= problem.members
    if (request_id := request.scope.get("tributary.request_id")) is not None:
        body["request_id"] = request_id
    headers = {"Content-Language": language, "Vary": "Accept-Language", "Cache-Control": "no-store", **problem.headers}
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def documented(*reasons: str) -> Responses:
    """The `responses=` of a route with these reasons, in addition to those that every route of its kind shares.

    `api.http.openapi` turns them into one answer per status.
    """
    return {UNRESOLVED: {"description": "", REASON_CODES: reasons}}


def problem_answer(description: str) -> dict[str, Any]:
    """The documentation of an answer with problem details."""
    schema = {"$ref": "#/components/schemas/" + ProblemDetails.__name__}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


_NAME_SHOWN_MAX = 100
_DETAIL_SHOWN_MAX = 500


def field_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Pydantic's errors without the values: a value may be a password. Names are the client's own, and are cut."""
    return [
        {
            "pointer": "/" + "/".join(map(_pointed, error["loc"])),
            "code": str(error["type"]),
            "detail": str(error["msg"])[:_DETAIL_SHOWN_MAX],
        }
        for error in errors[:50]
    ]


def _pointed(part: object) -> str:
    return str(part)[:_NAME_SHOWN_MAX].replace("~", "~0").replace("/", "~1")
