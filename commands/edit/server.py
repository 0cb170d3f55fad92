"""A server of one page for this machine, which corrects again what a person edits.

It listens on 127.0.0.1 only. Addresses begin with a random token, and requests must name this server as host and, if
they name an origin, as origin, so that no other page can talk to it. The page may load nothing from elsewhere.
"""

import hmac
import json
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.runtime.bugs import describe_failure
from selfcorrect.runtime.progress import watch_progress
from selfcorrect.storage.files.strict_json import parse_json, read_as, to_json

from .session import EditSession
from .state import EditState

_LARGEST_BODY = 8 * 2**20
"""Maximum size of a request, in bytes. Contacts of an hour of walking take less than 2 MB."""
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy: everything is in the page, and it connects to this server alone."""


class _SupersededError(Exception):
    """A newer edit has arrived, so this one's result is not needed."""


class _Latest:
    """Runs jobs one after the other in a single thread, and drops all but the newest.

    A correction that runs stops at its next report of progress.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="correct")
        self._lock = threading.Lock()
        self._newest = 0

    def run(self, work: Callable[[], Any]) -> Any:
        """Run a job, or raise _SupersededError if another one comes before it is done."""
        with self._lock:
            self._newest += 1
            number = self._newest

        def check(share: float = 0.0) -> None:
            del share
            if number != self._newest:
                raise _SupersededError

        def work_unless_superseded() -> Any:
            check()
            with watch_progress(check):
                return work()

        return self._pool.submit(work_unless_superseded).result()

    def finish(self, work: Callable[[], Any]) -> Any:
        """Run a job that nothing supersedes, such as saving."""
        return self._pool.submit(work).result()

    def close(self) -> None:
        """Drop what waits, and stop what runs."""
        with self._lock:
            self._newest += 1
        self._pool.shutdown(cancel_futures=True)


class EditServer(ThreadingHTTPServer):
    """Serves the page of a session."""

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, session: EditSession, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.session = session
        self.token = secrets.token_urlsafe(24)
        self.latest = _Latest()

    @property
    def address(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of this server in requests."""
        return f"127.0.0.1:{self.server_port}", f"localhost:{self.server_port}"

    def server_close(self) -> None:
        super().server_close()
        self.latest.close()


class _Handler(BaseHTTPRequestHandler):
    server_version = "selfcorrect"
    sys_version = ""
    timeout = 60
    ACTIONS: ClassVar[tuple[str, ...]] = ("correct", "save")

    @property
    def _editing(self) -> EditServer:
        assert isinstance(self.server, EditServer)
        return self.server

    def do_GET(self) -> None:
        """Answer with the page."""
        if self._find_action() == "":
            page = self._editing.latest.finish(self._editing.session.render).html
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", page.encode())

    def do_POST(self) -> None:
        """Correct or save, and answer with JSON."""
        action = self._find_action()
        if action is None:
            return
        if action not in self.ACTIONS or self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        text = self.rfile.read(int(length)).decode(errors="replace")
        answer = json.dumps(to_json(self._act(action, text)), allow_nan=False)
        self._answer(HTTPStatus.OK, "application/json", answer.encode())

    def _act(self, action: str, text: str) -> dict[str, Any]:
        """Do what the page asks for. Mistakes and failures become a sentence."""
        session = self._editing.session
        try:
            state = read_as(EditState, parse_json(text, "the edits"), "the edits")
            if action == "correct":
                return self._editing.latest.run(lambda: session.correct(state))
            paths = self._editing.latest.finish(lambda: session.save(state))
        except _SupersededError:
            return {"superseded": True}
        except (SelfcorrectError, OSError) as error:
            return {"error": str(error)}
        except Exception as error:  # the page says what failed, and the person can undo it
            return {"error": describe_failure(session.source, error)}
        return {"saved": [str(path) for path in paths]}

    def _find_action(self) -> str | None:
        """Return what follows the token in the address, or refuse the request and return None."""
        _, token, action = [*self.path.split("/", 2), "", ""][:3]
        origin = self.headers.get("Origin")
        is_here = self.headers.get("Host") in self._editing.hosts
        is_same_origin = origin is None or origin in [f"http://{host}" for host in self._editing.hosts]
        is_token = hmac.compare_digest(token.encode(), self._editing.token.encode())
        if not (is_here and is_same_origin and is_token):
            self._refuse(HTTPStatus.FORBIDDEN)
            return None
        if action not in ("", *self.ACTIONS):
            self._refuse(HTTPStatus.NOT_FOUND)
            return None
        return action

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._answer(status, "text/plain", status.phrase.encode())

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", _POLICY),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing about requests."""
