"""Parts of a run that are exchanged, copied or removed are found, and never change a figure in silence."""

import shutil
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import selfcorrect as sc
from selfcorrect.commands.verification import verify
from selfcorrect.core.errors import InputError, SelfcorrectError
from selfcorrect.core.randomness import Stream
from selfcorrect.loop.store.origin import LATEST, ORIGIN
from selfcorrect.storage.files.digests import has_digest, read_with_digest, write_with_digest

GENERATIONS = 2


def make_task(stream: Stream) -> sc.Task:
    real = sc.Samples.real(torch.randn((12, 2), generator=stream.child("data").generator(), dtype=torch.float64))
    return sc.Task(sc.Gaussian.standard(2), real, lambda candidate: {"spread": candidate.samples(9).values.std()})


def run(folder: Path, **options: bool) -> str:
    """Run what remains and return the figures."""
    arms = {"loop": sc.Arm(sc.Replace(), GENERATIONS), "mixed": sc.Arm(sc.Accumulate(1.0), GENERATIONS)}
    sc.compare(make_task, arms, seeds=2, workers=1, out=folder, wandb="off", **options)
    return (folder / "metrics.csv").read_text()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("selfcorrect.experiments.studies.figures.as_svg", lambda figure: "<svg></svg>")
        run(folder)
    return folder


def list_parts(root: Path) -> list[Path]:
    """List all that an accident can exchange: folders of seeds, arms and generations, and the files in them."""
    below = (path for path in root.rglob("seed-*/**/*") if path.name != ".selfcorrect.lock")
    harmless = ("environment.json", "identities.json")  # no figure is read from them
    seeds = sorted(path for path in root.rglob("seed-*") if path.is_dir())
    return [*seeds, *sorted(path for path in below if path.name not in harmless)]


def read_tree(part: Path) -> dict[str, bytes]:
    """Return the bytes of a file, or of all files in a folder but the locks."""
    paths = part.rglob("*") if part.is_dir() else [part]
    return {
        path.relative_to(part).as_posix(): path.read_bytes()
        for path in paths
        if path.is_file() and path.name != ".selfcorrect.lock"
    }


def kind(part: Path) -> tuple[str, int, bool]:
    """Parts of one kind can be exchanged: files of the same name, and folders at the same depth."""
    return part.name if part.is_file() else "", len(part.parts), part.is_dir()


def remove(part: Path) -> None:
    shutil.rmtree(part) if part.is_dir() else part.unlink()


def copy(part: Path, target: Path) -> None:
    if target.exists():
        remove(target)
    shutil.copytree(part, target) if part.is_dir() else shutil.copy2(part, target)


def exchange(first: Path, second: Path) -> None:
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
@pytest.mark.filterwarnings("ignore:.*run again", "ignore:.*written again")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_misplaced_parts_are_refused(finished: Path, tmp_path: Path, data: st.DataObject) -> None:
    root = tmp_path / "run"
    copy(finished, root)
    figures = (root / "metrics.csv").read_text()
    parts = list_parts(root)
    first = data.draw(st.sampled_from(parts), "part")
    others = [part for part in parts if kind(part) == kind(first) and read_tree(part) != read_tree(first)]
    is_early_model = first.name == "model.safetensors" and first.parent.name != f"generation-{GENERATIONS:04d}"
    removable = [] if is_early_model else ["remove"]  # such models are not kept for ever
    what = data.draw(st.sampled_from(["exchange", "copy", *removable] if others else removable or ["nothing"]))
    assume(what != "nothing")
    if what == "remove":
        remove(first)
    else:
        second = data.draw(st.sampled_from(others), "other part")
        {"exchange": exchange, "copy": copy}[what](first, second)
    try:
        has_damage = bool(verify(root).damage)
    except SelfcorrectError:
        has_damage = True
    assert has_damage
    with suppress(SelfcorrectError):
        assert run(root) == figures
    with suppress(SelfcorrectError):  # the recorded settings may be those of another arm, which no repair changes
        assert run(root, repair=True) == figures
        assert not verify(root).damage


@pytest.mark.usefixtures("without_figures")
@pytest.mark.filterwarnings("ignore:.*run again", "ignore:.*written again")
def test_record_of_an_earlier_generation_is_refused(finished: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    copy(finished, root)
    figures = (root / "metrics.csv").read_text()
    copy(root / "task/seed-1/first-generation" / LATEST, root / "task/seed-0/loop" / LATEST)
    assert any(f"loop/{LATEST} is of generation 0, expected {GENERATIONS}" in fault for fault in verify(root).damage)
    assert run(root, repair=True) == figures
    assert not verify(root).damage


@pytest.mark.usefixtures("without_figures")
def test_summary_of_another_run_is_refused(finished: Path, tmp_path: Path) -> None:
    """Whatever of another run's settings differs, its summary is no summary of this run."""
    ours, other = tmp_path / "ours", tmp_path / "other"
    copy(finished, ours)
    arms = {"loop": sc.Arm(sc.Replace(), GENERATIONS), "mixed": sc.Arm(sc.Accumulate(1.0), GENERATIONS)}
    sc.compare(make_task, arms, seeds=1, workers=1, out=other, wandb="off")
    copy(other / "summary.json", ours / "summary.json")
    for runs in ((ours, finished), (finished, ours)):
        with pytest.raises(InputError, match=r"ours/summary\.json was not written with the report"):
            sc.compare_runs(*runs)
    assert any("summary.json" in fault for fault in verify(ours).damage)
    run(ours)
    assert not verify(ours).damage
    sc.compare_runs(ours, finished)


def make_older(root: Path) -> None:
    """Remove what older versions did not write."""
    for name in (ORIGIN, LATEST, "parts.json"):
        for path in root.rglob(name):
            path.unlink()
    for path in root.rglob("*.json"):
        values = read_with_digest(path) if has_digest(path.read_bytes()) else {}
        if values.keys() & {ORIGIN, "belongs_to"}:
            write_with_digest(path, {key: value for key, value in values.items() if key not in (ORIGIN, "belongs_to")})


@pytest.mark.usefixtures("without_figures")
def test_older_runs_are_read(finished: Path, tmp_path: Path) -> None:
    copy(finished, tmp_path / "run")
    make_older(tmp_path / "run")
    verification = verify(tmp_path / "run")
    assert not verification.damage
    assert len(verification.unplaced) == 2 * (1 + 2 * GENERATIONS)
    assert "of an older version" in verification.summary
    assert run(tmp_path / "run") == (finished / "metrics.csv").read_text()


@pytest.mark.usefixtures("without_figures")
def test_change_of_machine_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that stops within an arm and goes on elsewhere names both processors."""
    generations_done = []

    def evaluate(candidate: sc.Candidate) -> dict[str, float]:
        generations_done.append(candidate.generation)
        if generations_done == [0, 1, 2]:
            raise KeyboardInterrupt
        return {"spread": float(candidate.samples(9).values.std())}

    def make(stream: Stream) -> sc.Task:
        return replace(make_task(stream), evaluate=evaluate)

    arms = {"loop": sc.Arm(sc.Replace(), GENERATIONS)}
    for processor in ("one", "two"):
        monkeypatch.setattr("selfcorrect.runtime.machine.find_processor", partial(str, processor))
        with suppress(KeyboardInterrupt):
            sc.compare(make, arms, seeds=1, workers=1, out=tmp_path, wandb="off", accept_changed=True)
    assert "Jobs ran on different machines" in (tmp_path / "report.html").read_text()
    assert all(name in (tmp_path / "report.html").read_text() for name in ("one (", "two ("))
