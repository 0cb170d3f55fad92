"""Serve the page of a rater and its requests on this machine only.

The server listens at 127.0.0.1. A request must name that host and must not come from another site's page. It must know
the random token in the address, too. So neither other users of the machine nor other pages answer for the rater.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selfcorrect.core.errors import InputError, SelfcorrectError, SettingError
from selfcorrect.motion.pictures.player import SCENE_MARK
from selfcorrect.motion.pictures.player import TEMPLATE as PLAYER
from selfcorrect.storage.files.strict_json import parse_json

from .session import Session

HOST = "127.0.0.1"
_HOST_NAMES = frozenset({"localhost", HOST, "::1"})
TEMPLATE = Path(__file__).with_name("curate.html")
_PLAYER_MARK = '"{{ player }}"'
_LONGEST_REQUEST = 4096
_IDLE_S = 60

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class CurationServer(ThreadingHTTPServer):
    """A server for one session; `address` is what the rater opens."""

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        """Listen at a port, at any free one by default; SettingError if it is in use."""
        self.session = session
        self.token = secrets.token_urlsafe(18)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise SettingError(f"port {port} of {HOST} cannot be used: {error.strerror or error}") from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print one sentence for a request that failed, and none for a browser that left before its answer."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"selfcorrect: a request of the page failed ({type(error).__name__}: {error})", file=sys.stderr)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/{self.token}/"


class _RequestRefused(Exception):
    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: CurationServer  # type: ignore[assignment]
    timeout = _IDLE_S

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        """Send the page or the state that a request asks for, or a sentence if it is refused."""
        try:
            content_type, text = self._respond()
        except _RequestRefused as error:
            self._refuse(error.status, str(error))
        except InputError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except SelfcorrectError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        else:
            self._send(HTTPStatus.OK, content_type, text)

    def _respond(self) -> tuple[str, str]:
        """Return content type and content for a request that is allowed."""
        if not is_own_request(self.headers.get_all("Host", []), self.headers.get_all("Origin", [])):
            raise _RequestRefused(HTTPStatus.FORBIDDEN, "this server answers only its own pages")
        _, token, *rest = [*self.path.split("/", 2), ""]
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise _RequestRefused(HTTPStatus.NOT_FOUND, "open the whole address that `selfcorrect curate` printed")
        session = self.server.session
        match self.command, rest[0]:
            case "GET", "":
                return "text/html; charset=utf-8", render_page()
            case "GET", "state":
                state = session.state()
            case "POST", "answer":
                state = session.answer(self._read_body())
            case "POST", "undo":
                state = session.undo(self._read_body())
            case _:
                raise _RequestRefused(HTTPStatus.NOT_FOUND, "there is no such page")
        return "application/json", json.dumps(state)

    def _read_body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 9 or int(length) > _LONGEST_REQUEST:
            raise InputError(f"a request has at most {_LONGEST_REQUEST} bytes")
        if self.headers.get_content_type() != "application/json":
            raise _RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a request is JSON")
        request = parse_json(self.rfile.read(int(length)), "the request")
        if not isinstance(request, dict):
            raise InputError("a request is an object")
        return request

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True
        self._send(status, "text/plain; charset=utf-8", f"{reason}\n")

    def _send(self, status: HTTPStatus, content_type: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": content_type, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal quiet."""


def render_page() -> str:
    """Return the page, which holds the player of motions and loads only the server's answers."""
    player = {"page": PLAYER.read_text(encoding="utf-8").replace("{{ title }}", "Motions"), "mark": SCENE_MARK}
    text = json.dumps(player).replace("<", "\\u003c")
    return TEMPLATE.read_text(encoding="utf-8").replace(_PLAYER_MARK, text)


def is_own_request(hosts: Sequence[str], origins: Sequence[str]) -> bool:
    """Return whether a request with these Host and Origin headers comes from a page of this server.

    The host must be this machine as it calls itself; a name that a stranger's DNS gives it is not. A page's origin must
    be that host with its port, whichever port that is: ports are forwarded. Programs send no origin.
    """
    if len(hosts) != 1 or len(origins) > 1:
        return False
    try:
        name = urlsplit(f"//{hosts[0]}").hostname
    except ValueError:
        return False
    if name not in _HOST_NAMES:
        return False
    return not origins or origins[0].lower() in (f"http://{hosts[0]}".lower(), f"https://{hosts[0]}".lower())
