"""Conditional requests (RFC 9110, section 13): nobody overwrites what they have not seen, nobody reads it twice.

A version makes a strong ETag. `If-Match` is compared strongly, `If-None-Match` weakly, lists and `*` included.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated

from fastapi import Header, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.http.problems import Problem, Responses

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=400,
        description="The ETag of what you edit; 412 where it has changed since.",
        examples=['"3"'],
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=400,
        description="The ETag of what you have; 304 where it is still so.",
        examples=['"3"'],
    ),
]

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_OF_CONTENT = re.compile(r'"([0-9]+)-[0-9a-f]{16}"')
"""A version, and what was shown with it."""


def etag_of(version: int | str) -> str:
    return f'"{version}"'


def content_etag(body: bytes) -> str:
    """For what has no version of its own."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def check_match(if_match: str | None, etag: str | None) -> None:
    """Raise Problem precondition_failed unless `etag`, None for what does not exist, is among those of If-Match."""
    if if_match is None:
        return
    if if_match.strip() == "*":
        matches = etag is not None
    else:
        tags: list[str] = [tag for weak, tag in _TAG.findall(if_match) if not weak]
        matches = etag in [_OF_CONTENT.sub(r'"\1"', tag) for tag in tags]
    if not matches:
        raise Problem("precondition_failed", headers={"ETag": etag} if etag else None)


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has it already."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in (tag for _, tag in _TAG.findall(if_none_match))


def read_response(
    request: Request,
    shown: BaseModel,
    version: int | str | None = None,
    *,
    content_too: bool = False,
    vary: str = "Authorization",
) -> Response:
    """What is shown, with its ETag; 304 where the client has it. Without a version the content makes the tag.

    With `content_too` both make it, for what is shown together with more than the version counts; If-Match then looks
    at the version alone.
    """
    body = shown.model_dump_json().encode()
    etag = content_etag(body) if version is None else etag_of(version)
    if content_too:
        etag = etag_of(f"{version}-{sha256(body).hexdigest()[:16]}")
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": vary}
    if is_known(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def written_response(shown: BaseModel, version: int) -> Response:
    """For an answer to a write: what it has become, and the ETag to edit it by, without reading it first."""
    return Response(shown.model_dump_json(), media_type="application/json", headers={"ETag": etag_of(version)})


NOT_MODIFIED: Responses = {304: {"description": "It is still what the ETag of If-None-Match names."}}
"""For `responses=` of a conditional read."""
