"""Jobs on other machines check and return results, and options of runners are checked."""

import json
import pickle
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cluster_jobs
import pytest
import yaml
from helpers import REPOSITORY

from selfcorrect.core.errors import DamagedError, LoopError, NodeError, SampleError, SelfcorrectError, SettingError
from selfcorrect.experiments.jobs.machines import describe_mixture, read_machines, record_machines
from selfcorrect.experiments.jobs.on_node import TRIES, Losses, RemoteJob, decode_ending, encode_ending
from selfcorrect.experiments.jobs.progress_bars import Event
from selfcorrect.experiments.jobs.run import Job
from selfcorrect.experiments.jobs.runner_choice import RunnerChoice
from selfcorrect.experiments.jobs.where import Resources
from selfcorrect.runtime.machine import Machine
from selfcorrect.storage.files.locks import FolderLock


@pytest.fixture
def remote_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemoteJob:
    """A job that writes into a claimed folder."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "")
    FolderLock(tmp_path).release()
    return RemoteJob.make(Job("a", cluster_jobs.note, (tmp_path, "a"), 1), tmp_path, {"AWS_SESSION_TOKEN": "secret"})


def test_job_reports_machine(remote_job: RemoteJob, tmp_path: Path) -> None:
    events: list[Event] = []
    machine = pickle.loads(pickle.dumps(remote_job)).run(events.append)
    assert isinstance(machine, Machine)
    assert machine.processor
    assert events == [Event("a", "generation", 1, 1)]
    assert (tmp_path / "a").read_text() == " secret"
    assert "secret" not in repr(remote_job)


def test_idle_job_names_no_machine(remote_job: RemoteJob, tmp_path: Path) -> None:
    job = Job("a", cluster_jobs.count, (tmp_path, "a", 2, 0.0), 2)
    assert replace(remote_job, job=job).run(lambda event: None) is not None
    assert replace(remote_job, job=job).run(lambda event: None) is None


def test_different_machine_raises(remote_job: RemoteJob, tmp_path: Path) -> None:
    software = {**remote_job.software, "python": "2.7.18"}
    error = replace(remote_job, software=software).run(lambda event: None)
    assert type(error) is NodeError
    assert 'python is "2.7.18" at the command' in str(error)
    other = tmp_path / "other"
    other.mkdir()
    assert type(replace(remote_job, folder=other).run(lambda event: None)) is NodeError
    FolderLock(other).release()
    assert type(replace(remote_job, folder=other).run(lambda event: None)) is NodeError
    assert not (tmp_path / "a").exists()


def test_errors_come_back_whole(remote_job: RemoteJob) -> None:
    error = replace(remote_job, job=Job("f", cluster_jobs.fail, (), 1)).run(lambda event: None)
    assert type(error) is ValueError
    assert str(error) == "this motion is broken"


def test_losses_reset_at_generation() -> None:
    losses = Losses()
    assert [losses.may_repeat("a") for _ in range(TRIES)] == [True] * (TRIES - 1) + [False]
    losses.note(Event("a", "generation", 1, 9))
    assert losses.may_repeat("a")
    losses.note(Event("a", "generation", 1, 9))  # told again after the repetition
    assert [losses.may_repeat("a") for _ in range(TRIES - 1)] == [True, True, False]


def test_new_generation_is_progress() -> None:
    """A node can be lost after it committed a generation and before it reported it."""
    losses = Losses()
    for done in range(2 * TRIES):
        losses.note(Event("a", "start", done, 9))
        assert losses.may_repeat("a")
    losses.note(Event("a", "start", 2 * TRIES - 1, 9))
    assert [losses.may_repeat("a") for _ in range(TRIES - 1)] == [True] * (TRIES - 2) + [False]


@pytest.mark.parametrize(
    ("runner", "options", "words"),
    [("", {"cores": "2"}, "takes no options"), ("processes", {"partition": "main"}, "takes no options")],
)
def test_local_runners_take_no_options(runner: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        RunnerChoice(runner=runner, runner_options=options).to_where(2)


def test_resources_are_checked() -> None:
    asked = Resources().change({"cores": "4", "gpus": "0.25", "memory_gb": "8", "partition": "main"})
    assert asked == Resources(4, 0.25, 8.0)
    assert str(asked) == "4 cores, 0.25 GPU, 8 GB"
    for options in ({"cores": "many"}, {"cores": "0"}, {"gpus": "1.5"}, {"memory_gb": "-1"}):
        with pytest.raises(SettingError):
            Resources().change(options)


def test_mixed_processors_are_reported(tmp_path: Path) -> None:
    record_machines(tmp_path, {"a": Machine("one"), "b": Machine("one")})
    assert not describe_mixture(machine for of_job in read_machines(tmp_path).values() for machine in of_job)
    record_machines(tmp_path, {"b": Machine("two", "a card")})
    machines = read_machines(tmp_path)
    assert machines == {"a": [Machine("one")], "b": [Machine("one"), Machine("two", "a card")]}
    mixture = describe_mixture(machine for of_job in machines.values() for machine in of_job)
    assert "one (2), two with a card (1)" in mixture
    assert json.loads((tmp_path / "machines.json").read_text())["a"] == [{"processor": "one", "gpu": ""}]


def test_kubernetes_versions_are_pinned() -> None:
    text = (REPOSITORY / "examples" / "cluster" / "kuberay.yaml").read_text()
    pins = dict(line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().split() if "==" in line)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load(text)["spec"]["rayVersion"] == pins["ray"]
    assert f"rayproject/ray:{pins['ray']}-py311-cpu" in text
    assert project["requires-python"] == ">=3.11"
    assert f"selfcorrect[ray]=={project['version']}" in text


ENDINGS = (
    None,
    Machine("one"),
    Machine("one", "a card"),
    LoopError("generation 3 stopped"),
    NodeError("no such node"),
    SampleError(3, "too tall"),
    ZeroDivisionError("division by zero"),
    KeyError("name"),
    UnicodeDecodeError("utf-8", b"x", 0, 1, "why"),
    type("OwnError", (Exception,), {})("of a user"),
)


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
def test_endings_travel_as_data(ending: Any) -> None:
    """What a job returns is JSON; errors keep their message, and known errors their type."""
    if isinstance(ending, Exception):
        ending.bug = "a trace"  # type: ignore[attr-defined]
    decoded = decode_ending(json.loads(json.dumps(encode_ending(ending))))
    if not isinstance(ending, Exception):
        assert decoded == ending
        return
    assert str(ending) in str(decoded)
    assert getattr(decoded, "bug", "") == "a trace"
    if isinstance(ending, SelfcorrectError | ZeroDivisionError):
        assert type(decoded) is type(ending)
        assert str(decoded) == str(ending)


@pytest.mark.parametrize("values", [{}, {"machine": 3}, {"machine": {"host": "x"}}, {"error": "InputError"}])
def test_other_answers_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(DamagedError):
        decode_ending(values)
