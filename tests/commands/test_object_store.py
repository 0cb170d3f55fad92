"""Sets of motions work in an object store, a server of the S3 protocol on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from helpers import Says, write_walks

from selfcorrect.datasets.files.parquet import read_named
from selfcorrect.storage.files.places import Place

moto_server = pytest.importorskip("moto.server")
pytestmark = pytest.mark.nightly  # the server is not among what the gate installs

MOTIONS = 10


@pytest.fixture
def server() -> Iterator[Any]:
    started = moto_server.ThreadedMotoServer("127.0.0.1", 0)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def bucket(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a folder in an empty bucket."""
    monkeypatch.chdir(tmp_path)
    variables = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    host, port = server.get_host_and_port()
    import boto3

    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="bucket")
    return f"s3://bucket/FOLDER?scheme=http&endpoint_override={host}:{port}"


@pytest.fixture
def requests(server: Any) -> Iterator[list[tuple[str, str]]]:
    """Record the method and path of each request."""
    from flask import request, signals

    seen: list[tuple[str, str]] = []

    def note(*_: Any, **__: Any) -> None:
        seen.append((request.method, request.path))

    signals.request_started.connect(note)
    yield seen
    signals.request_started.disconnect(note)


def list_read(requests: list[tuple[str, str]]) -> list[str]:
    """The names of all shards that were read."""
    return [path for method, path in requests if method == "GET" and path.endswith(".parquet")]


def test_remote_set_is_corrected(bucket: str, requests: list[tuple[str, str]], says: Says) -> None:
    write_walks(Path("clips"), MOTIONS)
    shards = bucket.replace("FOLDER", "shards")
    out = bucket.replace("FOLDER", "out")
    says(f"data shard clips -o {shards} --motions-per-shard 2 --workers 1")
    assert len(Place(shards).list_sets()) == MOTIONS // 2
    first = says(f"correct {shards} -o {out} --kinematic --workers 1")
    assert f"Corrected {MOTIONS} of {MOTIONS} motions" in first
    assert list_read(requests)
    requests.clear()
    again = says(f"correct {shards} -o {out} --kinematic --workers 1")
    assert "5 of 5 files are finished already" in again
    assert f"Corrected {MOTIONS} of {MOTIONS} motions" in again
    assert not list_read(requests), "neither inputs nor outputs"
    Place(out).remove("shard-00000-0001.parquet")
    requests.clear()
    assert "4 of 5 files are finished already" in says(f"correct {shards} -o {out} --kinematic --workers 1")
    assert len(set(list_read(requests))) == 1
    says(f"correct {shards} -o here --kinematic --workers 1")
    for name in Place(shards).list_sets():
        Place(out).fetch(name, Path("fetched.parquet"))
        assert Path("fetched.parquet").read_bytes() == (Path("here") / name).read_bytes()
        assert len(read_named(Path("fetched.parquet"))) == 2


def test_other_settings_redo_set(bucket: str, says: Says) -> None:
    write_walks(Path("clips"), 2)
    shards = bucket.replace("FOLDER", "shards")
    out = bucket.replace("FOLDER", "out")
    says(f"data shard clips -o {shards} --workers 1")
    says(f"correct {shards} -o {out} --kinematic --workers 1")
    assert "finished" not in says(f"correct {shards} -o {out} --kinematic --retime --workers 1")


def test_killed_command_resumes(bucket: str) -> None:
    """The second command gets what the first has uploaded."""
    write_walks(Path("clips"), 4)
    shards = bucket.replace("FOLDER", "shards")
    script = (
        "import sys\nfrom selfcorrect.commands.data import sharding\n"
        "from selfcorrect.commands.cli import main\n"
        "sharding.BATCH_RECORDINGS = 2\nmain(sys.argv[1:])"
    )
    patch = "sharding._finish = lambda *_: os._exit(9)\n"
    kill = f"import os\nfrom selfcorrect.commands.data import sharding\n{patch}"
    words = ["data", "shard", "clips", "-o", shards, "--workers", "1"]
    killed = subprocess.run([sys.executable, "-c", kill + script, *words], capture_output=True, check=False)
    assert killed.returncode == 9
    before = Place(shards).list_files()
    assert sum(name.endswith(".parquet") for name in before) == 2
    subprocess.run([sys.executable, "-c", script, *words], check=True, env=os.environ | {"SELFCORRECT_TRACEBACK": "1"})
    after = Place(shards).list_files()
    assert {name: after[name] for name in before if name.endswith(".parquet")} == {
        name: facts for name, facts in before.items() if name.endswith(".parquet")
    }
    assert sorted(set(after) - set(before)) == ["SHA256SUMS"]
