"""What W&B's server is sent, by a small server of the test that answers as W&B's does, as far as runs need it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from selfcorrect.storage.runs.tracking import TrackedRun, WandbLog, WandbTarget


@dataclass
class Server:
    """The runs that it was sent, as W&B keeps them."""

    address: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Operations and their variables."""
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data of all operations that a run asks for."""
        self.asked.append((query.split("(")[0].split()[-1], variables))
        entity = {"id": "E", "name": "me"}
        project = {"id": "P", "name": variables.get("project"), "entity": entity}
        run = {"id": "R", "name": variables.get("name"), "project": project, "tags": [], "config": "{}"}
        run |= {
            "displayName": None,
            "notes": None,
            "summaryMetrics": "{}",
            "eventsTail": "[]",
            "wandbConfig": '{"t":1}',
        }
        run |= {"historyLineCount": len(self.history), "logLineCount": 0, "eventsLineCount": 0}
        run |= {"wandbConfig": '{"t":1}', "historyTail": json.dumps([json.dumps(row) for row in self.history[-1:]])}
        files = [{"name": name, "uploadUrl": f"{self.address}/{name}"} for name in variables.get("files", ())]
        return {
            "model": {**project, "bucket": run if self.history else None},
            "upsertBucket": {"bucket": run, "inserted": not self.history},
            "createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files},
            "viewer": {"id": "U", **entity, "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}},
            "serverInfo": {"features": []},
        }

    def take(self, files: dict[str, dict[str, Any]]) -> None:
        """Keep what a run streams: new lines of its history, from an offset on, and its summary."""
        if sent := files.get("wandb-history.jsonl"):
            assert sent["offset"] == len(self.history)
            self.history += map(json.loads, sent["content"])
        if sent := files.get("wandb-summary.json"):
            self.summary = json.loads(sent["content"][-1])


@contextmanager
def serving() -> Iterator[Server]:
    recording_server = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def body(self) -> bytes:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return gzip.decompress(sent) if self.headers.get("Content-Encoding") == "gzip" else sent

        def reply(self, value: object) -> None:
            content = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_PUT(self) -> None:
            self.body()
            recording_server.uploaded.append(self.path)
            self.reply({})

        def do_POST(self) -> None:
            sent = json.loads(self.body())
            if self.path == "/graphql":
                self.reply({"data": recording_server.answer(sent["query"], sent.get("variables") or {})})
            else:
                recording_server.take(sent.get("files") or {})
                self.reply({"exitcode": None, "limits": {}})

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recording_server.address = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield recording_server
        server.shutdown()


@pytest.fixture
def fresh_wandb() -> Iterator[None]:
    """W&B as in a new process: it reads its variables once, and tests before and after this one have others."""
    import wandb  # takes seconds

    wandb.teardown()
    yield
    wandb.teardown()


def arm(*generations: int) -> TrackedRun:
    rows = [{"generation": number, "recall": 0.5 + 0.1 * number} for number in generations]
    return TrackedRun("arm a", "motion-demo", {"corrector": "physics"}, rows, tags=["physics"], job_type="arm")


@pytest.mark.usefixtures("fresh_wandb")
def test_a_run_that_is_resumed_sends_each_generation_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        for generations in ((0, 1), (0, 1, 2)):
            with WandbLog(tmp_path, WandbTarget("online", "mine")) as log:
                log.log(arm(*generations))
            assert not log.failed
    assert [(row["generation"], row["_step"]) for row in server.history] == [(0, 0), (1, 1), (2, 2)]
    assert server.summary["recall"] == pytest.approx(0.7)
    begun = [variables for operation, variables in server.asked if operation == "UpsertBucket" and variables["jobType"]]
    assert len(begun) == 2
    assert begun[0]["name"] == begun[1]["name"]  # the id
    shown = {name: begun[0][name] for name in ("project", "groupName", "displayName", "jobType", "tags")}
    assert shown == {
        "project": "mine", "groupName": "motion-demo", "displayName": "arm a", "jobType": "arm", "tags": ["physics"]
    }  # fmt: skip
    assert json.loads(begun[0]["config"])["corrector"] == {"value": "physics"}
    assert not any(begun[0][name] for name in ("host", "program", "repo", "commit"))  # nothing of the machine
    assert {Path(path).name for path in server.uploaded} <= {"wandb-summary.json", "config.yaml"}
