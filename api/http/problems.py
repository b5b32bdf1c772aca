"""Problem details (RFC 9457): what went wrong, as a code for programs and a sentence for people.

A refusal's reason code becomes the problem's `reason` and the end of its `type`; the sentence is English or Chinese as
`Accept-Language` asks. Each noun has a table `REASONS` of its own; `api.app` gathers them, and the application keeps
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
"""What a route documents of its answers, by status."""

UNRESOLVED = "default"
REASON_CODES = "x-reasons"
"""Where a route lists the reasons it may end with, until the OpenAPI document is made."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What a reason code means: the status it answers with, and a sentence in each language."""

    status: int
    en: str
    zh: str

    def in_language(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


REASONS: dict[str, Reason] = {
    "invalid_request": Reason(
        422, "Something in the request is not as documented; see errors.", "请求内容不符合文档要求，请查看 errors。"
    ),
    "inconsistent_request": Reason(
        422, "What the request says does not fit together; see errors.", "请求内容前后矛盾，请查看 errors。"
    ),
    "malformed_request": Reason(400, "The request cannot be read.", "无法读取该请求。"),
    "not_found": Reason(404, "There is nothing here, or nothing that you may see.", "此处没有内容，或您无权查看。"),
    "method_not_allowed": Reason(405, "This address does not take that method.", "此地址不支持该请求方法。"),
    "body_too_large": Reason(413, "The body is larger than this address takes.", "请求正文超出允许的大小。"),
    "unsupported_media_type": Reason(415, "The body is not of a type that is read here.", "不支持该正文类型。"),
    "conflict": Reason(409, "This contradicts what is already recorded.", "与已有记录冲突。"),
    "precondition_failed": Reason(
        412, "It was changed by somebody else; read it again, then decide.", "内容已被他人修改，请重新读取后再操作。"
    ),
    "precondition_required": Reason(
        428, "Say which version you edit, with If-Match.", "请使用 If-Match 指明要修改的版本。"
    ),
    "too_many_requests": Reason(429, "Too many requests; wait, then try again.", "请求过于频繁，请稍后再试。"),
    "internal_error": Reason(500, "Something failed on our side; it has been logged.", "服务器内部错误，已记录。"),
    "store_unavailable": Reason(503, "The database is away; try again soon.", "数据库暂时不可用，请稍后重试。"),
    "broker_unavailable": Reason(
        503,
        "The message broker is away, so nothing can be written now; try again soon.",
        "消息系统暂时不可用，无法写入，请稍后重试。",
    ),
    "busy": Reason(503, "Too much is going on right now; try again soon.", "系统繁忙，请稍后重试。"),
}
"""The reasons that belong to no noun."""


def gathered(*tables: Mapping[str, Reason]) -> dict[str, Reason]:
    """All tables in one. Raises ValueError where a code has two meanings."""
    reasons: dict[str, Reason] = {}
    for table in tables:
        for code, reason in table.items():
            if reasons.setdefault(code, reason) != reason:
                raise ValueError(f"reason {code} has two meanings")
    return reasons


def reasons_of(request: Request) -> Mapping[str, Reason]:
    """Every reason that the application answers with."""
    reasons: Mapping[str, Reason] = request.app.state.reasons
    return reasons


class Problem(Exception):
    """Ends a request with problem details. The sentence comes from the reason, and so does `status` unless given.

    `detail` tells this one occurrence and is shown as it is; never put a secret or another's data into it.
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
    """What is wrong with one part of the request; `pointer` is a JSON pointer, the value itself is never repeated."""

    model_config = ConfigDict(frozen=True)

    pointer: str = Field(examples=["/body/email"])
    code: str = Field(examples=["string_too_short"])
    detail: str = Field(examples=["String should have at least 12 characters"])


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(
        description="Identifies the kind of problem; it can be read there.", examples=["/api/problems/conflict"]
    )
    title: str = Field(description="A sentence for a person, in the language asked for.")
    status: int = Field(examples=[409])
    reason: str = Field(description="The reason code, for programs; it stays the same.", examples=["conflict"])
    detail: str | None = Field(default=None, description="What was wrong this time.")
    request_id: str | None = Field(default=None, description="Names this request in our logs.")
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
    """The `responses=` of a route that may end with these reasons, beside those that every route of its kind shares.

    `api.http.openapi` makes an answer for each status of it.
    """
    return {UNRESOLVED: {"description": "", REASON_CODES: reasons}}


def problem_answer(description: str) -> dict[str, Any]:
    """An answer that is problem details."""
    schema = {"$ref": "#/components/schemas/" + ProblemDetails.__name__}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def field_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """What pydantic says, without the values that it says it about: one of them may be a password."""
    return [
        {
            "pointer": "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in error["loc"]),
            "code": str(error["type"]),
            "detail": str(error["msg"]),
        }
        for error in errors[:50]
    ]
