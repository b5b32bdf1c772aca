"""The chat robots of DingTalk, Feishu, WeCom and Slack, as their documents describe them.

They answer 200 with a code in the body, Slack with a status and a word; they check signatures and keywords, and take 20
messages, as in a minute.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

MESSAGES_MAX = 20
WECOM_TEXT_BYTES_MAX = 2048
BODY_BYTES_MAX = 20_000


@dataclass
class Robots:
    """One robot of each kind in a group. `texts` are what people in the group read, by robot."""

    token: str
    secret: str
    keyword: str | None = None
    overloaded: bool = False
    messages_max: int = MESSAGES_MAX
    texts: dict[str, list[str]] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/robot/send", self._dingtalk, methods=["POST"]),
                Route("/open-apis/bot/v2/hook/{token}", self._feishu, methods=["POST"]),
                Route("/cgi-bin/webhook/send", self._wecom, methods=["POST"]),
                Route("/services/{token}", self._slack, methods=["POST"]),
            ]
        )

    async def _dingtalk(self, request: Request) -> Response:
        text = (await _json(request))["text"]["content"]
        if request.query_params.get("access_token") != self.token:
            return _errcode(300001, "token is not exist")
        milliseconds = request.query_params.get("timestamp", "0")
        expected = hmac.new(self.secret.encode(), f"{milliseconds}\n{self.secret}".encode(), hashlib.sha256).digest()
        if base64.b64encode(expected).decode() != request.query_params.get("sign"):
            return _errcode(310000, "sign not match, more: [https://ding-doc.dingtalk.com]")
        if abs(time.time() - int(milliseconds) / 1000) > 3600:
            return _errcode(310000, "invalid timestamp")
        if self.keyword is not None and self.keyword not in text:
            return _errcode(310000, "keywords not in content")
        return _errcode(0, "ok") if self._take("dingtalk", text) else _errcode(130101, "send too fast")

    async def _feishu(self, request: Request) -> Response:
        body = await _json(request)
        if request.path_params["token"] != self.token:
            return _code(19001, "param invalid: incoming webhook access token invalid")
        key = f"{body.get('timestamp')}\n{self.secret}".encode()
        expected = base64.b64encode(hmac.new(key, digestmod=hashlib.sha256).digest()).decode()
        if body.get("sign") != expected or abs(time.time() - int(body["timestamp"])) > 3600:
            return _code(19021, "sign match fail or timestamp is not within one hour from current time")
        text = body["content"]["text"]
        if self.keyword is not None and self.keyword not in text:
            return _code(19024, "Key Words Not Found")
        return _code(0, "success") if self._take("feishu", text) else _code(11232, "frequency limited")

    async def _wecom(self, request: Request) -> Response:
        text = (await _json(request))["text"]["content"]
        if request.query_params.get("key") != self.token:
            return _errcode(93000, f"invalid webhook url, key {request.query_params.get('key')}")
        if len(text.encode()) > WECOM_TEXT_BYTES_MAX:
            return _errcode(40058, "text.content exceeds 2048 bytes")
        return _errcode(0, "ok") if self._take("wecom", text) else _errcode(45009, "api freq out of limit")

    async def _slack(self, request: Request) -> Response:
        text = (await _json(request))["text"]
        if request.path_params["token"] != self.token:
            return PlainTextResponse("no_service", 404)
        if not self._take("slack", text):
            return PlainTextResponse("rate_limited", 429, {"retry-after": "30"})
        return PlainTextResponse("ok")

    def _take(self, robot: str, text: str) -> bool:
        texts = self.texts.setdefault(robot, [])
        if self.overloaded or len(texts) >= self.messages_max:
            return False
        texts.append(text)
        return True


async def _json(request: Request) -> Any:
    body = await request.body()
    assert len(body) <= BODY_BYTES_MAX
    return json.loads(body)


def _errcode(code: int, text: str) -> Response:
    return JSONResponse({"errcode": code, "errmsg": text})


def _code(code: int, text: str) -> Response:
    return JSONResponse({"code": code, "msg": text, "data": {}})
