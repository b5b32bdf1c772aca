"""Conditional requests (RFC 9110, section 13): no edit overwrites an unseen change, no read is sent twice.

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
        description="The ETag of the version that you edit; 412 if it has changed since.",
        examples=['"3"'],
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=400,
        description="The ETag of the version that you have; 304 if it is still current.",
        examples=['"3"'],
    ),
]

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_OF_CONTENT = re.compile(r'"([0-9]+)-[0-9a-f]{16}"')
"""A version, and a hash of the content shown with it."""


def etag_of(version: int | str) -> str:
    return f'"{version}"'


def content_etag(body: bytes) -> str:
    """The ETag of content without a version."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def check_match(if_match: str | None, etag: str | None) -> None:
    """Raise Problem precondition_failed unless If-Match has `etag`, which is None for what does not exist."""
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
    """Whether If-None-Match has the ETag."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in (tag for _, tag in _TAG.findall(if_none_match))


def json_of(shown: BaseModel) -> str:
    """The JSON of a view; that of a page item by item, since no other thread runs during one call."""
    items: list[BaseModel] | None = getattr(shown, "items", None)
    if not items:
        return shown.model_dump_json()
    rest = shown.model_dump_json(exclude={"items"})[1:-1]
    return f'{{"items":[{",".join([item.model_dump_json() for item in items])}]{"," + rest if rest else ""}}}'


def read_response(
    request: Request,
    shown: BaseModel,
    version: int | str | None = None,
    *,
    content_too: bool = False,
    vary: str = "Authorization",
) -> Response:
    """What is shown, with its ETag; 304 where the client has it. Without a version the ETag is a hash of the content.

    With `content_too` the ETag has both, for a view with parts that do not change the version; If-Match then compares
    only the version.
    """
    body = json_of(shown).encode()
    etag = content_etag(body) if version is None else etag_of(version)
    if content_too:
        etag = etag_of(f"{version}-{sha256(body).hexdigest()[:16]}")
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": vary}
    if is_known(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def written_response(shown: BaseModel, version: int) -> Response:
    """The answer to a write: the new state, and the ETag for the next edit."""
    return Response(shown.model_dump_json(), media_type="application/json", headers={"ETag": etag_of(version)})


NOT_MODIFIED: Responses = {304: {"description": "Not modified since the ETag of If-None-Match."}}
"""For `responses=` of a conditional read."""
