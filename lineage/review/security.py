"""Every request passes here first: who may ask, how much may be sent, what a browser may do with the answer.

The server answers this machine alone. What is left are pages of other sites that are open in the same
browser: they may send requests to 127.0.0.1, or give it a name of their own (DNS rebinding). They do not know
the token.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "x-review-token"
MAX_BODY = 256 * 1024  # bytes; a correction has some hundreds
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Refused(Exception):
    """A request that gets no further."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Guard:
    """Stands before the app.

    Args:
        app: what answers the requests that pass.
        token: asked for under `/api/`.
        port: of the server.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self.app = app
        self.token = token.encode()
        self.hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refused request here, pass on any other."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            answer = _with_headers(send, is_api=_is_api(scope))
            try:
                self._check(scope)
                body = await _body(receive) if scope["method"] == "POST" else b""
            except Refused as refused:
                response = JSONResponse({"error": str(refused)}, refused.status, {"Connection": "close"})
                await response(scope, receive, answer)
            else:
                await self.app(scope, _once(body, receive), answer)

    def _check(self, scope: Scope) -> None:
        """Raise Refused unless the request comes from our own page, and is one that we know."""
        headers = scope["headers"]
        host = _only(headers, b"host")
        if host not in self.hosts:
            raise Refused(403, "the address is another than the server's: open the one that it printed")
        origin = _only(headers, b"origin")
        if origin is not None and origin != b"http://" + host:
            raise Refused(403, "the request comes from the page of another site")
        if not _is_opened_by_hand(scope) and _only(headers, b"sec-fetch-site") not in (
            None,
            b"same-origin",
            b"none",
        ):
            raise Refused(403, "the request comes from the page of another site")
        if scope["method"] not in ("GET", "POST"):
            raise Refused(405, f"{scope['method'][:20]} is not answered here: GET and POST are")
        if not _is_api(scope):
            return
        given = _only(headers, TOKEN.encode())
        if given is None or not hmac.compare_digest(given, self.token):
            raise Refused(401, "the token is missing or wrong: open the address that the server printed")
        if scope["method"] == "POST":
            _check_kind(headers)


def _is_api(scope: Scope) -> bool:
    return bool(scope["path"].startswith("/api"))


def _is_opened_by_hand(scope: Scope) -> bool:
    """A link to the page, wherever it stands: in a web terminal, in a mail. The page alone holds no data."""
    headers = scope["headers"]
    return (
        scope["path"] == "/"
        and scope["method"] == "GET"
        and _only(headers, b"sec-fetch-mode") == b"navigate"
        and _only(headers, b"sec-fetch-dest") == b"document"
    )


def _only(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The header of that name; several of them are no request of a browser's."""
    found = [value for key, value in headers if key.lower() == name]
    if len(found) > 1:
        raise Refused(400, f"the header {name.decode()} is there {len(found)} times")
    return found[0] if found else None


def _check_kind(headers: list[tuple[bytes, bytes]]) -> None:
    """A form of another site can send text and forms, never JSON."""
    kind = (_only(headers, b"content-type") or b"").split(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Refused(415, "wanted is JSON, sent as application/json")
    length = _only(headers, b"content-length")
    if length is None:
        return  # it is counted as it comes
    if not length.isdigit() or len(length) > 12 or int(length) > MAX_BODY:
        raise Refused(413, f"more than {MAX_BODY // 1024} kB in one request")


async def _body(receive: Receive) -> bytes:
    """All of it; not every sender says beforehand how much it is."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the request ends in the middle")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise Refused(413, f"more than {MAX_BODY // 1024} kB in one request")
    return body


def _once(body: bytes, receive: Receive) -> Receive:
    """What was read of a request, for the app to read."""
    is_read = False

    async def read() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return read


def _with_headers(send: Send, *, is_api: bool) -> Send:
    """Every answer says what a browser may do with it."""

    async def answer(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers["Cache-Control"] = "no-store" if is_api else "no-cache"
        await send(message)

    return answer
