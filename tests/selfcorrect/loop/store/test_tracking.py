"""metrics.jsonl and offline W&B runs, read back."""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfcorrect.loop.store.memory import MemoryStore
from selfcorrect.loop.store.protocol import Generation
from selfcorrect.loop.store.run_folder import claim_folder
from selfcorrect.loop.store.tracking import PRIVATE, TrackedRun, WandbLog, list_metrics, write_json_lines
from selfcorrect.loop.store.wandb_options import WandbChoice, WandbOptions
from selfcorrect.storage.files.locks import FolderLock


def generation(number: int) -> Generation:
    return Generation(number, {"w": torch.zeros(1)}, None, {"fid": 10.0 / (number + 1)}, {})


def stores() -> tuple[MemoryStore, MemoryStore]:
    first = MemoryStore()
    store = MemoryStore()
    first.commit(generation(0))
    store.commit(generation(1))
    store.commit(generation(2))
    return first, store


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_arm_begins_with_generation_0():
    first, store = stores()
    assert list_metrics(store, first) == [{"generation": t, "fid": 10.0 / (t + 1)} for t in range(3)]
    assert list_metrics(first) == [{"generation": 0, "fid": 10.0}]


def test_rows_are_strict_json(tmp_path: Path):
    write_json_lines(tmp_path / "rows.jsonl", [{"generation": 0, "arm": "a", "ratio": float("inf"), "seeds": [1.0]}])
    assert read_lines(tmp_path / "rows.jsonl") == [{"generation": 0, "arm": "a", "ratio": None, "seeds": [1.0]}]


# --- W&B -------------------------------------------------------------------------------------------------------------


def wandb_records(path: Path) -> Iterator:
    """Yield the records of an offline run file.

    The file has a 7-byte header, then LevelDB's log format with protocol buffers. A block of 32 KiB holds chunks of
    checksum (4 bytes), length (2), type (1: whole, 2: first, 3: middle, 4: last).
    """
    from wandb.proto import wandb_internal_pb2

    block = 32 * 1024
    position = 7
    parts = b""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    while position < len(data):
        if block - position % block < 7:
            position += block - position % block
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def finished_records(path: Path, patience_s: float = 600.0) -> list:
    """Return the records of a run that ended.

    W&B's process may write the last ones a moment later.
    """
    deadline = time.monotonic() + patience_s
    while True:
        records = list(wandb_records(path))
        if any(record.WhichOneof("record_type") == "exit" for record in records) or time.monotonic() > deadline:
            return records
        time.sleep(0.1)


def decode_items(items) -> dict:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def arm_of(*numbers: int, name: str = "a") -> TrackedRun:
    """Make an arm with values of each kind, in one row per generation."""
    row = {"seconds_train": 0.5, "ratio": float("nan"), "seeds": [1.0, 2.0]}
    rows = [{"generation": number, "fid": 10.0 / (number + 1), **row} for number in numbers]
    config = {"policy": {"name": "augment", "ratio": 0.5}}
    return TrackedRun(name, "motion-demo", config, rows, tags=["physics", "x" * 99], job_type="arm")


def open_log(folder: Path, mode: WandbChoice = "offline") -> WandbLog:
    """Open the log of a run with an identity."""
    folder.mkdir(parents=True, exist_ok=True)
    FolderLock(folder).release()
    return WandbLog(folder, WandbOptions(mode))


def log_runs(runs: Sequence[TrackedRun], folder: Path, mode: WandbChoice) -> None:
    with open_log(folder, mode) as log:
        for run in runs:
            log.log(run)
            log.finish(run.name)


def offline_runs(folder: Path) -> list[Path]:
    return sorted((folder / "wandb").glob("offline-run-*/run-*.wandb"))


def test_offline_run_has_config(tmp_path: Path):
    log_runs([arm_of(*range(4), name=name) for name in ("seed-0-a", "seed-0-b")], tmp_path, "offline")
    log_runs([arm_of(*range(4), name="seed-0-a")], tmp_path, "offline")  # again: replaces, does not add
    assert len(offline_runs(tmp_path)) == 2
    runs = runs_in(tmp_path)
    assert sorted(runs) == ["seed-0-a", "seed-0-b"]
    for records in runs.values():
        run = run_of(records)
        assert run.run_group == "motion-demo"
        assert run.host == ""
        assert decode_items(run.config.update)["policy"] == {"name": "augment", "ratio": 0.5}
        rows = [(row["generation"], row["fid"]) for row in history(records) if "fid" in row]
        assert rows == [(t, 10.0 / (t + 1)) for t in range(4)]
        metrics = [record.metric for record in records if record.WhichOneof("record_type") == "metric"]
        assert any(metric.glob_name == "*" and metric.step_metric == "generation" for metric in metrics)


def test_off_writes_nothing(tmp_path: Path):
    log_runs([arm_of(0)], tmp_path, "off")
    assert not (tmp_path / "wandb").exists()


def test_broken_wandb_warns_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(**_: object) -> None:
        raise RuntimeError("service did not start")

    monkeypatch.setattr("wandb.init", broken)
    with pytest.warns(UserWarning, match=r"W&B \(offline\)") as caught:
        log_runs([arm_of(0), arm_of(0, name="b")], tmp_path, "offline")
    assert len(caught) == 1


KILLED = """
import os, signal, sys, warnings
from pathlib import Path
import psutil
from selfcorrect.loop.store.tracking import TrackedRun, WandbLog
from selfcorrect.loop.store.wandb_options import WandbOptions
from selfcorrect.storage.files.locks import FolderLock

FolderLock(Path("run")).release()
rows = [{"generation": number, "fid": 1.0} for number in range(50)]
with WandbLog(Path("run"), WandbOptions("offline")) as log:
    log.log(TrackedRun("a", "g", {}, rows[:1]))
    for process in psutil.Process().children(recursive=True):
        process.kill()
        process.wait()
    for name in sys.argv[1:]:
        log.log(TrackedRun(name, "g", {}, rows))
print("complete")
"""


@pytest.mark.slow
@pytest.mark.parametrize("names", [[], ["a", "b"]])
def test_killed_wandb_warns_once(names: list[str], tmp_path: Path):
    (tmp_path / "run").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # of these tests
    program = [sys.executable, "-c", KILLED, *names]
    run = subprocess.run(
        program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert (run.returncode, run.stdout) == (0, "complete\n"), run.stderr
    assert run.stderr.count("results are complete without it") == 1
    assert "Traceback" not in run.stderr


def test_unreachable_server_warns_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    for name in ("login_timeout", "init_timeout"):
        monkeypatch.setitem(PRIVATE, name, 2.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log_runs([arm_of(0)], tmp_path, "online")
    assert [str(w.message)[:21] for w in caught if "W&B" in str(w.message)] == ["W&B (online) failed, "]


def run_of(records: list):
    """The record that says what a run is."""
    return next(record.run for record in records if record.WhichOneof("record_type") == "run")


def runs_in(folder: Path) -> dict[str, list]:
    """Records of all runs below a folder, by name."""
    return {run_of(records).display_name: records for records in map(finished_records, offline_runs(folder))}


def history(records: list) -> list[dict]:
    return [decode_items(record.history.item) for record in records if record.WhichOneof("record_type") == "history"]


def test_resumed_run_keeps_id(tmp_path: Path):
    with open_log(tmp_path) as log:
        log.log(arm_of(0))
        log.log(arm_of(0, 1))  # as a generation is committed
    (before,) = offline_runs(tmp_path)
    with open_log(tmp_path) as log:
        log.log(arm_of(0, 1, 2))
    (after,) = offline_runs(tmp_path)
    assert before.name == after.name  # the id
    records = runs_in(tmp_path)["a"]
    assert [row["generation"] for row in history(records)] == [0, 1, 2]
    assert all(row["seconds_train"] == 0.5 for row in history(records))
    run = run_of(records)
    assert (run.job_type, [*run.tags]) == ("arm", ["physics", "x" * 64])


def truncate(log: Path, share: float) -> None:
    content = log.read_bytes()
    log.write_bytes(content[: int(share * len(content))])


def put_file_in_place(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("theirs")


def put_broken_link_in_place(path: Path) -> None:
    shutil.rmtree(path)
    path.symlink_to(path.parent / "nowhere")


def rename_to_foreign_id(log: Path) -> None:
    log.rename(log.with_name("run-ffffffffffffffff.wandb"))


DAMAGES: dict[str, Callable[[Path, float], object]] = {
    "log truncated": truncate,
    "log missing": lambda log, share: log.unlink(),
    "log of a foreign id": lambda log, share: rename_to_foreign_id(log),
    "folder of the log missing": lambda log, share: shutil.rmtree(log.parent),
    "file in place of the log's folder": lambda log, share: put_file_in_place(log.parent),
    "broken link in place of the log's folder": lambda log, share: put_broken_link_in_place(log.parent),
    "everything missing": lambda log, share: shutil.rmtree(log.parents[1]),
    "file in place of W&B's folder": lambda log, share: put_file_in_place(log.parents[1]),
    "broken link in place of W&B's folder": lambda log, share: put_broken_link_in_place(log.parents[1]),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.99))
def test_damaged_logs_are_written_again_or_warned_of(damage: str, tmp_path: Path, share: float) -> None:
    """After any damage, a resumed run has a complete log, or one warning; and nothing of others is removed."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    with open_log(folder) as log:
        log.log(arm_of(0, 1))
    (path,) = offline_runs(folder)
    DAMAGES[damage](path, share)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with open_log(folder) as log:
            log.log(arm_of(0, 1, 2))
    failures = [str(warning.message) for warning in caught if "results are complete without it" in str(warning.message)]
    if failures:
        assert len(failures) == 1
        assert "in place of" in damage
    else:
        logs = [log for log in offline_runs(folder) if log.name == path.name]
        assert [row["generation"] for log in logs for row in history(finished_records(log))] == [0, 1, 2]
    if "file in place" in damage:
        assert any(file.is_file() and file.read_bytes() == b"theirs" for file in (path.parent, path.parents[1]))


def test_experiments_have_unique_ids(tmp_path: Path):
    for place in ("one", "other"):
        with (
            claim_folder(tmp_path / place / "motion-demo", {}),
            WandbLog(tmp_path / place / "motion-demo", WandbOptions("offline")) as log,
        ):
            log.log(arm_of(0))
    first = offline_runs(tmp_path / "one" / "motion-demo")
    second = offline_runs(tmp_path / "other" / "motion-demo")
    assert first[0].name != second[0].name


def test_files_stay_in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    page = tmp_path / "report.html"
    page.write_text("<title>recall over λ</title>")
    tracked = TrackedRun("whole", "g", {}, summary={"recall": 0.5, "missing": float("nan")}, report=page)
    with open_log(tmp_path / "run") as log:
        log.log(tracked)
    assert "whole" in runs_in(tmp_path / "run")
    (shown,) = (tmp_path / "run").rglob("report_*.html")
    assert shown.read_text() == page.read_text()
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_tables_have_numbers(tmp_path: Path):
    page = tmp_path / "report.html"
    page.write_text("<title>recall over λ</title>")
    table = tmp_path / "last-generation.csv"
    table.write_text('arm,recall,distance\n"replace, physics",0.5,\nreal,1,∞\n', encoding="utf-8")
    with open_log(tmp_path / "run") as log:
        log.log(TrackedRun("whole", "g", {}, report=page, tables=[table]))
    (shown,) = (tmp_path / "run").rglob("last-generation_*.table.json")
    logged = json.loads(shown.read_text())
    assert logged["columns"] == ["arm", "recall", "distance"]
    assert logged["data"] == [["replace, physics", 0.5, ""], ["real", 1, "∞"]]


def test_unreadable_page_is_isolated(tmp_path: Path):
    with open_log(tmp_path) as log, pytest.warns(UserWarning, match=r"gone\.html"):
        log.log(replace(arm_of(0, 1, 2), report=tmp_path / "gone.html"))
    assert [row["generation"] for row in history(runs_in(tmp_path)["a"])] == [0, 1, 2]


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the environment of a sweep's agent.

    W&B reads it when it is set up.
    """
    import wandb

    with monkeypatch.context() as patch:
        patch.setenv("WANDB_SWEEP_ID", "sweep1")
        patch.setenv("WANDB_RUN_ID", "trial1")
        wandb.teardown()
        yield
    wandb.teardown()


def test_sweep_trial_is_one_run(tmp_path: Path, trial: None):
    page = tmp_path / "report.html"
    page.write_text("<title>whole</title>")
    with open_log(tmp_path) as log:
        log.log(arm_of(0))
        log.log(TrackedRun("whole", "g", {}, summary={"recall": 0.5}, report=page))
    runs = {name: run_of(records) for name, records in runs_in(tmp_path).items()}
    assert [*runs] == ["whole"]
    assert (runs["whole"].run_id, runs["whole"].sweep_id) == ("trial1", "sweep1")


def test_only_same_ids_are_replaced(tmp_path: Path):
    with open_log(tmp_path) as log:
        log.log(arm_of(0))
    (before,) = offline_runs(tmp_path)
    id = before.stem.removeprefix("run-")
    others = [before.parents[1] / f"offline-run-20200101_000000-{other}" for other in ("abc", f"x-{id}", f"{id}x", "*")]
    for other in others:
        other.mkdir()
    with open_log(tmp_path) as log:
        log.log(arm_of(0, 1))
    assert [path.name for path in offline_runs(tmp_path)] == [before.name]
    assert all(other.is_dir() for other in others)


def test_the_environment_alone_never_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for value, expected in (("online", "offline"), ("shared", "offline"), ("", "offline"), ("disabled", "off")):
        monkeypatch.setenv("WANDB_MODE", value)
        assert WandbOptions("auto").mode == expected
    monkeypatch.setenv("WANDB_MODE", "online")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        with open_log(tmp_path, "auto") as log:
            log.log(arm_of(0, 1))
        with pytest.raises(TimeoutError):
            server.accept()
    assert len(offline_runs(tmp_path)) == 1


def test_environment_gives_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    monkeypatch.setenv("WANDB_ENTITY", "team")
    for target, expected in (
        (WandbOptions("offline"), ("theirs", "team")),
        (WandbOptions("offline", "mine", "me"), ("mine", "me")),
    ):
        with WandbLog(tmp_path / expected[0], target) as log:
            log.log(arm_of(0))
        (records,) = runs_in(tmp_path / expected[0]).values()
        run = run_of(records)
        assert (run.project, run.entity) == expected
