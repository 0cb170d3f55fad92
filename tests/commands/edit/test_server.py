"""The server answers its own page, and nobody else."""

import http.client
import json
import threading
import time
from collections.abc import Mapping

import pytest

from selfcorrect.commands.edit.server import EditServer, _Latest, _SupersededError
from selfcorrect.runtime.progress import report_progress


def ask(
    server: EditServer, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, Mapping[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    given = {"Content-Type": "application/json", **(headers or {})}
    connection.request("GET" if body is None else "POST", path, body, given)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


def test_page_is_served_with_token(server: EditServer) -> None:
    status, page, headers = ask(server, f"/{server.token}/")
    assert status == 200
    assert b"walk.bvh" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/wrong-token/", {}),
        ("/{token}/", {"Host": "example.org"}),
        ("/{token}/", {"Host": "127.0.0.1:1"}),
        ("/{token}/correct", {"Origin": "http://example.org"}),
        ("/{token}/save", {"Origin": "null"}),
        ("/{token}/save", {"Origin": "https://127.0.0.1"}),
    ],
)
def test_others_are_refused(server: EditServer, path: str, headers: dict[str, str]) -> None:
    body = None if path.endswith("/") else "{}"
    status, content, _ = ask(server, path.format(token=server.token), body, headers)
    assert status == 403
    assert b"walk" not in content
    assert not server.session.out.exists()


def test_forms_of_other_pages_are_refused(server: EditServer) -> None:
    status, _, _ = ask(server, f"/{server.token}/save", "{}", {"Content-Type": "text/plain"})
    assert status == 404
    assert not server.session.out.exists()
    assert ask(server, f"/{server.token}/other")[0] == 404
    assert ask(server, f"/{server.token}/save", "{}", {"Content-Length": str(2**40)})[0] == 413


@pytest.mark.parametrize("body", ["{", '{"amount": 7}', '{"contacts": {"frames": 3, "fps": 30}}', '{"what": 1}'])
def test_wrong_edits_are_a_sentence(server: EditServer, body: str) -> None:
    status, content, _ = ask(server, f"/{server.token}/correct", body)
    assert status == 200
    assert json.loads(content)["error"]


def test_save_through_server(server: EditServer) -> None:
    origin = {"Origin": f"http://127.0.0.1:{server.server_port}"}
    _, content, _ = ask(server, f"/{server.token}/save", "{}", origin)
    assert json.loads(content) == {"saved": [str(server.session.out), str(server.session.contacts_out)]}
    assert server.session.out.is_file()


def test_newer_jobs_stop_older_ones() -> None:
    latest = _Latest()
    started = threading.Event()
    outcomes = []

    def slow() -> str:
        started.set()
        for share in range(1, 3000):
            time.sleep(0.01)
            report_progress(share / 3000)
        return "slow"

    def ask_slowly() -> None:
        try:
            outcomes.append(latest.run(slow))
        except _SupersededError:
            outcomes.append("superseded")

    thread = threading.Thread(target=ask_slowly)
    thread.start()
    started.wait(10)
    assert latest.run(lambda: "quick") == "quick"
    thread.join(10)
    assert outcomes == ["superseded"]
    latest.close()
