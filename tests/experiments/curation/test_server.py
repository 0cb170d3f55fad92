"""The server of the page: who is answered, what is refused, and that a killed one has lost no answer."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.curation.database import RatingDatabase
from selfcorrect.experiments.curation.server import HOST, CurationServer, is_own_request
from selfcorrect.experiments.curation.session import Session

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server(session: Session) -> Iterator[CurationServer]:
    with CurationServer(session) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def request_page(
    address: str, path: str = "", body: Any = None, **headers: str
) -> tuple[int, str, http.client.HTTPMessage]:
    """Status, text and headers of an answer."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    content = body if body is None or isinstance(body, str) else json.dumps(body)
    all_headers = {
        **({} if content is None else JSON),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    connection.request("GET" if content is None else "POST", place.path + path, content, all_headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.headers


def answer_of(state: dict[str, Any], word: str = "left") -> dict[str, Any]:
    return {**{name: state[name] for name in ("attempt", "left", "right")}, "answer": word, "seconds": 1}


def test_it_listens_on_this_machine_alone_and_sends_one_page_that_loads_nothing(server: CurationServer) -> None:
    assert server.server_address[0] == HOST == "127.0.0.1"
    status, page, headers = request_page(server.address)
    assert status == 200
    assert "{{" not in page.replace("{{ scene }}", "")
    assert "http://" not in page
    assert "https://" not in page
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


def test_answers_and_undoing_by_requests(server: CurationServer) -> None:
    state = json.loads(request_page(server.address, "state")[1])
    status, text, _ = request_page(server.address, "answer", answer_of(state, "tie"))
    assert (status, json.loads(text)["done"]) == (200, 1)
    status, text, _ = request_page(server.address, "undo", {"done": 1})
    assert (status, json.loads(text)["left"]) == (200, state["left"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80", "Origin": "http://evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_foreign_names_and_pages_are_refused(server: CurationServer, headers: dict[str, str]) -> None:
    state = json.loads(request_page(server.address, "state")[1])
    for path, body in (("", None), ("state", None), ("answer", answer_of(state)), ("undo", {"done": 0})):
        assert request_page(server.address, path, body, **headers)[0] == 403
    assert server.session.database.choices() == []


@pytest.mark.parametrize(
    ("host", "origin", "has_own_token"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("LOCALHOST:8080", "http://localhost:8080", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("localhost:9000", "http://localhost:9000", True),  # a forwarded port
        ("localhost:8080", None, True),  # a program
        ("localhost:8080", "https://localhost.evil.example:8080", False),
        ("localhost:8080", "http://localhost:3000", False),  # another server of this machine
        ("localhost:8080", "", False),
        ("evil.example:8080", "http://evil.example:8080", False),  # a name that leads here
        ("192.168.1.7:8080", "http://192.168.1.7:8080", False),
        ("", "http://", False),
        ("[::1", "http://[::1", False),
        ("localhost:8080@evil.example", "http://localhost:8080@evil.example", False),
    ],
)
def test_who_is_answered(host: str, origin: str | None, has_own_token: bool) -> None:
    origins = [] if origin is None else [origin]
    assert is_own_request([host], origins) == has_own_token
    assert not is_own_request([], origins)
    assert not is_own_request([host, host], origins)
    assert not is_own_request([host], ["http://localhost:8080", "http://evil.example"])


def test_its_own_page_is_answered(server: CurationServer) -> None:
    port = server.server_address[1]
    state = json.loads(request_page(server.address, "state")[1])
    assert request_page(server.address, "answer", answer_of(state), Origin=f"http://127.0.0.1:{port}")[0] == 200


def test_without_the_token_there_is_nothing(server: CurationServer) -> None:
    bare = f"http://{HOST}:{server.server_address[1]}"
    for path in (
        "/",
        "",
        "/state",
        "/wrong/state",
        f"/{server.token}%C3%A9/",
        f"/{server.token[:-1]}/",
    ):
        assert request_page(bare, path)[0] in (400, 404)
    assert request_page(server.address, "other")[0] == 404
    assert request_page(server.address, "state", {})[0] == 404
    assert len(server.token) >= 24


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("{", {}, 400),
        ("[]", {}, 400),
        ("[" * 3000, {}, 400),
        ("{}", {}, 400),
        ('{"attempt": 0}', {"Content_Type": "text/plain"}, 415),
        ("x" * 5000, {}, 400),
        (f'{{"attempt": 0, "left": "", "right": "", "answer": "left", "seconds": 1{"0" * 400}}}', {}, 400),
        (f'{{"attempt": 0, "left": "", "right": "", "answer": "left", "seconds": 1{"0" * 4000}}}', {}, 400),
    ],
)
def test_malformed_requests_are_refused(
    server: CurationServer, body: str, headers: dict[str, str], status: int
) -> None:
    assert request_page(server.address, "answer", body, **headers)[0] == status
    assert server.session.database.choices() == []


def test_a_browser_that_leaves_is_no_error(server: CurationServer, capfd: pytest.CaptureFixture[str]) -> None:
    place = urlsplit(server.address)
    for _ in range(5):
        with socket.create_connection((place.hostname, place.port)) as leaving:
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # resets on closing
            leaving.sendall(f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    assert request_page(server.address)[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_port_that_is_taken_is_named(server: CurationServer) -> None:
    with pytest.raises(SettingError, match=r"port \d+ of 127.0.0.1 cannot be used"):
        CurationServer(server.session, server.server_address[1])


@pytest.mark.slow
def test_a_killed_server_has_every_answer_that_it_acknowledged_and_resumes(clips: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    acknowledged = 0
    command = [sys.executable, "-m", "selfcorrect.experiments.cli", "curate", str(clips), "--database", str(file)]
    for expected in (2, 5):
        with subprocess.Popen([*command, "--rater", "ada", "--no-open"], stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout
            first = program.stdout.readline()
            address = program.stdout.readline().split()[0]
            assert first.startswith(f"ada: {acknowledged} of ")
            state = json.loads(request_page(address, "state")[1])
            while acknowledged < expected:
                status, text, _ = request_page(address, "answer", answer_of(state))
                assert status == 200
                acknowledged = acknowledged + 1
                state = json.loads(text)
            program.kill()
        with RatingDatabase(file) as database:
            assert len(database.choices()) == acknowledged == expected
