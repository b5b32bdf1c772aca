"""HTTP/1.1 as uvicorn reads it, with limits on what a client may send before the application sees it.

The parser itself bounds nothing: a header may grow for ever, and half a request may stay open for ever. Bytes are
counted as they arrive, because the parser reports a header only once it is complete. Each connection has one timer that
looks at its deadline, so that a request on time costs no timer of its own.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from math import inf

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEADER_BYTES_MAX = 64 * 1024
"""The request line and all headers; an access token takes up to 8 KB."""

HEADERS_MAX = 100
CONNECTIONS_MAX = 600
"""Beyond it the connection that has waited longest for its client's next request ends, so that others come through. The
server itself refuses requests from 900 connections on.
"""

URL_BYTES_MAX = 16 * 1024
HEADERS_WITHIN_S = 10.0
BODY_WITHIN_S = 30.0
"""Enough for the largest body, 1 MB, over a slow line."""

FRAMING_TIMES = 8
"""The framing of a body in chunks, with extensions and trailers: this many times its content, and HEADER_BYTES_MAX."""

READS_WITHIN_S = 60.0
"""A client that does not read its answers is cut off after this time."""

DISCARDED_BYTES_MAX = 16 * 1024 * 1024
DISCARDED_WITHIN_S = 5.0
"""What a refused client still sends is read and discarded: if it were not, the client would see no answer at all."""

PIPELINED_MAX = 16
"""Requests that wait for the answer before theirs. uvicorn keeps any number, with 75 bytes of memory for each byte."""

_LOOKS_EVERY_S = 2.0
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class _Refused(Exception):
    """Ends the parsing of a request."""


class BoundedHttp(HttpToolsProtocol):
    """Refuses with 431, 400 or 408, and closes the connection."""

    _deadline = inf
    _begun = False
    """Whether a request has begun and is not complete."""
    _has_headers = False
    _received = 0
    """Bytes since the request began, less those of its body's content times FRAMING_TIMES."""
    _status = HTTPStatus.BAD_REQUEST
    _timer: asyncio.TimerHandle | None = None
    _unread_since: float | None = None
    _refused = False
    _waits_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waits_since = self.loop.time()
        self._deadline = self._waits_since + HEADERS_WITHIN_S
        self._timer = self.loop.call_later(_LOOKS_EVERY_S, self._look)
        if len(self.connections) > CONNECTIONS_MAX:
            waiting = [one for one in self.connections if isinstance(one, BoundedHttp) and one._waits_for_client()]
            min(waiting, key=lambda one: one._waits_since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._received += len(data)
            if self._received > DISCARDED_BYTES_MAX:
                self.transport.abort()
            return
        self._received += len(data)
        super().data_received(data)
        if self._received > HEADER_BYTES_MAX and self._begun:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif not self._begun:
            self._received = 0
            if self._deadline == inf and self.timeout_keep_alive_task is None and not self._is_answering():
                # Only line ends: no request has begun, and uvicorn's own timer has stopped.
                self._deadline = self.loop.time() + HEADERS_WITHIN_S

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun, self._has_headers = True, False
        self._received = 0
        self._deadline = self.loop.time() + HEADERS_WITHIN_S

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_BYTES_MAX:
            self._end_parsing(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Fields after the body are no headers (RFC 9110, section 6.5.1); uvicorn would add them.
        if not self._has_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        hosts = [value for name, value in self.headers if name == b"host"]
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > HEADER_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            self._end_parsing(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            self._end_parsing(HTTPStatus.BAD_REQUEST)
        if len(self.pipeline) >= PIPELINED_MAX:
            self._end_parsing(HTTPStatus.TOO_MANY_REQUESTS)
        self._has_headers = True
        self._received = 0
        self._deadline = self.loop.time() + BODY_WITHIN_S
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._received -= len(body) * FRAMING_TIMES
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._begun = False
        self._waits_since = self.loop.time()
        self._received = 0
        self._deadline = inf
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Also for what uvicorn itself refuses: its parser failed, or one of the callbacks above."""
        self._refuse(self._status)

    def _waits_for_client(self) -> bool:
        """Whether the client is to send its next request, or the rest of one."""
        return (self._begun or not self._is_answering()) and not self.transport.is_closing()

    def _end_parsing(self, status: HTTPStatus) -> None:
        self._status = status
        raise _Refused

    def _refuse(self, status: HTTPStatus) -> None:
        if self._refused or self.transport.is_closing():
            return
        if self.pipeline or (self._is_answering() and self.cycle.response_started):
            # Another answer is being written; a second one would be read as a part of it.
            self.transport.close()
            return
        self._refused = True
        if self._is_answering():
            # The application waits for the rest of the body; it must not answer any more.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        text = status.phrase.encode()
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncache-control: no-store\r\n"
            + b"content-length: %d\r\n\r\n%s" % (len(text), text)
        )
        self._received = 0
        self._deadline = self.loop.time() + DISCARDED_WITHIN_S
        self.transport.write_eof()

    def shutdown(self) -> None:
        if self._refused:
            self.transport.close()
        else:
            super().shutdown()

    def _is_answering(self) -> bool:
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def _look(self) -> None:
        now = self.loop.time()
        self._timer = self.loop.call_later(_LOOKS_EVERY_S, self._look)
        if not (self.transport.is_closing() or self.flow.write_paused):
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > READS_WITHIN_S:
            self.transport.abort()
        if self._refused:
            if now > self._deadline:
                self.transport.abort()
        elif now > self._deadline and not self._is_working():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _is_working(self) -> bool:
        """Whether we owe an answer to a complete request: then the client is not the one to wait for."""
        return bool(self.pipeline) or (
            self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        )
