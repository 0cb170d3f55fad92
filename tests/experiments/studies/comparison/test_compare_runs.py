"""Two finished runs are compared seed by seed, and differences between them are named."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from selfcorrect.commands.cli import main
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.experiments.studies.arm_curves import HELD_OUT, ArmCurves
from selfcorrect.experiments.studies.comparison.runs import compare_runs
from selfcorrect.experiments.studies.outcome import Outcome, Pair, make_metric
from selfcorrect.experiments.studies.summary import Summary, read_summary, write_summary
from selfcorrect.loop.store.run_folder import IDENTITIES_FILE, SUMMARY_FILE
from selfcorrect.storage.files.digests import encode_with_digest

SCORES = np.random.default_rng(4).uniform(0, 1, (2, 9, 5))
"""(scores, seeds, generations) of all runs here."""


def write_run(
    folder: Path,
    *,
    seeds: Sequence[int] = range(5),
    generations: int = 4,
    gain: float = 0.0,
    arms: Sequence[str] = ("plain", "corrected"),
    data: str = "data",
    ratio: float = 1.0,
    **settings: object,
) -> Path:
    """Write a run's summary, in which the corrected arm is higher by `gain`, and identities of its data."""
    curves = []
    for arm in arms:
        values = {name: SCORES[row][list(seeds), : generations + 1] for row, name in enumerate(("share", "other"))}
        if arm == "corrected":
            values["share"] = values["share"] + gain * (1 + 0.01 * np.array(seeds)[:, None])
        curves.append(
            ArmCurves(arm, "task", arm, values | {"seconds_train": values["other"]}, {"synthetic_ratio": ratio})
        )
    counts = {"seeds": len(seeds), "first_seed": seeds[0], "generations": generations}
    made = {"python": "3.11", "packages": {"torch": "2"}, "cores": 3}
    folder.mkdir()
    write_summary(folder / SUMMARY_FILE, Summary("", made, {**counts, **settings}, {"task": tuple(curves)}, {}))
    for seed in seeds:
        place = folder / "task" / f"seed-{seed}"
        place.mkdir(parents=True)
        identity = [{"name": "values", "values": data + str(seed)}]
        (place / IDENTITIES_FILE).write_bytes(encode_with_digest({f"real data of seed {seed}": identity}))
    return folder


def test_common_seeds_are_paired(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", seeds=range(7))
    second = write_run(tmp_path / "second", seeds=range(2, 9), generations=3, gain=0.5, better={"share": "higher"})
    short = write_run(tmp_path / "short", seeds=range(7), generations=3)
    for reference in (first, short):
        comparison = compare_runs(reference, second, scores=["share"])
        rows = {row["arm"]: row for row in comparison.differences}
        if reference == first:  # its last generation is another one than that of the second
            assert any("generations is 4 in the first run and 3" in line for line in comparison.disagreements)
        assert rows["task, corrected"]["seeds"] == 5
        assert rows["task, corrected"]["difference"] == pytest.approx(0.5 * (1 + 0.01 * 4), abs=1e-4)
        assert (rows["task, corrected"]["word"], rows["task, plain"]["word"]) == ("better", "undecided")
        assert rows["task, plain"]["difference"] == 0


def test_run_equals_itself(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    comparison = compare_runs(run, run)
    assert comparison.disagreements == []
    assert {row["quality"] for row in comparison.differences} == {"share", "other"}
    assert all(row["difference"] == 0 for row in comparison.differences)


def test_disagreements_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_run(tmp_path / "first", steps=40, arms=("plain", "old"))
    second = write_run(tmp_path / "second", steps=50, arms=("plain", "new"), ratio=2.0)
    assert main(["compare", str(first), str(second)]) == 0
    printed = capsys.readouterr().out
    steps = "steps is 40 in the first run and 50 in the second"
    ratio = "plain.synthetic_ratio is 1.0 in the first run and 2.0 in the second"
    for sentence in (steps, ratio, "Only the first run has", "old", "new"):
        assert sentence in printed
    alone = tmp_path / "summary.json"
    alone.write_bytes((second / SUMMARY_FILE).read_bytes())
    assert any("was not checked" in sentence for sentence in compare_runs(first, alone).disagreements)


def test_unpairable_runs_raise(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first")
    for name, changes, message in [
        ("seeds", {"seeds": range(5, 9)}, "share no seed"),
        ("data", {"data": "other"}, "data of the runs differ"),
        ("arms", {"arms": ("new",)}, "share no arm"),
    ]:
        with pytest.raises(SettingError, match=message):
            compare_runs(first, write_run(tmp_path / name, **changes))
    with pytest.raises(SettingError, match=r"'sahre'.*share, other"):
        compare_runs(first, first, primary="sahre")
    with pytest.raises(InputError, match="summary"):
        compare_runs(first, tmp_path)
    assert main(["compare", str(first)]) == 2


# --- what a report knows by task -------------------------------------------------------------------------------------

TASKS = ("first task", "second task")
MIRRORED = {"better": "worse", "worse": "better", "lower": "higher", "higher": "lower"}


def make_outcome(
    plain: np.ndarray, corrected: np.ndarray, real: np.ndarray, better: str | float, first_row: int = 0
) -> Outcome:
    """Return what a report judges from scores (tasks, seeds) without and with correction, and of real data."""
    curves = {}
    for task, values in zip(TASKS, zip(plain, corrected, strict=True), strict=True):
        arms = {}
        for arm, ends in zip(("plain", "corrected"), values, strict=True):
            arms[arm] = ArmCurves(arm, task, arm, {"q": np.stack([ends, ends], axis=1)[first_row:]})
        curves[task] = arms
    titles = {task: f"{HELD_OUT}, {task}" for task in TASKS}
    return Outcome(
        curves=curves,
        floors={titles[task]: {"q": scores[first_row:]} for task, scores in zip(TASKS, real, strict=True)},
        floor_of=titles,
        aims={} if isinstance(better, str) else {"q": better},
        pairs=[Pair(task, "corrected", "plain") for task in TASKS],  # type: ignore[arg-type]
        questions=[[make_metric("q", better if isinstance(better, str) else "aim")]],  # type: ignore[arg-type]
    )


def write_outcome(folder: Path, outcome: Outcome, better: str | float, first_seed: int = 0) -> Path:
    """Write the summary of a run."""
    arms = {task: tuple(of_task.values()) for task, of_task in outcome.curves.items()}
    seeds = len(arms[TASKS[0]][0].values["q"])
    named = {"seeds": seeds, "first_seed": first_seed, "generations": 1, "better": {"q": better}}
    folder.mkdir(exist_ok=True)
    write_summary(folder / SUMMARY_FILE, Summary("", {}, named, arms, outcome.floors, outcome.floor_of))
    return folder


SCALED = arrays(float, (2, 7), elements=st.floats(0.05, 1.0), unique=True)


@settings(max_examples=15)
@given(
    plain=SCALED,
    shift=st.floats(0.5, 5.0),
    real=SCALED,
    better=st.sampled_from(["lower", "higher", "real", 1.3, 8.0]),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_added_corrector_gets_verdict(
    plain: np.ndarray, shift: float, real: np.ndarray, better: str | float, scale: float, tmp_path_factory
) -> None:
    """An added corrector gets the second report's verdict.

    In the first run it changes nothing, so its arm is the reference there.
    """
    levels = np.array([[1.0], [10.0]])
    plain, real = (levels + plain) * scale, (levels + 0.01 * real) * scale
    corrected = plain - shift * scale * np.linspace(0.9, 1.1, 7)
    aim = better if isinstance(better, str) else better * scale
    seeds = slice(2, 7)
    report = make_outcome(plain[:, seeds], corrected[:, seeds], real[:, seeds], aim)
    words = {effect.arm.label: effect.word for effects in report.effects for effect in effects}
    folder = tmp_path_factory.mktemp("runs")
    first = write_outcome(folder / "first", make_outcome(plain[:, 2:], plain[:, 2:], real[:, 2:], aim), aim, 2)
    second = write_outcome(folder / "second", make_outcome(plain, corrected, real, aim), aim)
    rows = {row["arm"]: row for row in compare_runs(first, second).differences}
    swapped = {row["arm"]: row["word"] for row in compare_runs(second, first).differences}
    for label, word in words.items():
        if rows[label]["adjusted_p"] < 0.04:
            assert rows[label]["word"] == word
        assert swapped[label] == MIRRORED.get(rows[label]["word"], rows[label]["word"])
    assert all(rows[f"{task}, plain"]["word"] == "undecided" for task in TASKS)


@pytest.mark.parametrize(("better", "word"), [("real", "worse"), (1.0, "better"), (10.0, "worse")])
def test_aims_use_common_seeds(tmp_path: Path, better: str | float, word: str) -> None:
    """Real data of a missing seed do not count.

    Those of the second task lie around 10, but at 0 in a seed that the other run does not have.
    """
    generator = np.random.default_rng(3)
    plain = np.array([[1.0], [10.0]]) + 0.01 * generator.normal(size=(2, 6))
    real = np.array([[1.0], [10.0]]) + 0.01 * generator.normal(size=(2, 6))
    real[:, 0] = -50.0
    corrected = plain - np.array([[0.0], [1.9]]) * generator.uniform(0.9, 1.1, (2, 6))
    first = write_outcome(tmp_path / "first", make_outcome(plain, plain, real, better, 1), better, 1)
    second = write_outcome(tmp_path / "second", make_outcome(plain, corrected, real, better), better)
    comparison = compare_runs(first, second)
    rows = {row["arm"]: row["word"] for row in comparison.differences}
    assert rows["second task, corrected"] == word
    assert not any("the aim of" in sentence for sentence in comparison.disagreements)


def test_other_aims_are_named(tmp_path: Path) -> None:
    plain = np.array([[1.0], [10.0]]) + 0.01 * np.random.default_rng(3).normal(size=(2, 6))
    first = write_outcome(tmp_path / "first", make_outcome(plain, plain, plain, "real"), "real")
    second = write_outcome(tmp_path / "second", make_outcome(plain, plain, plain + 1.0, "real"), "real")
    sentences = compare_runs(first, second).disagreements
    assert sum("the aim of q is" in sentence for sentence in sentences) == 2


def test_summary_keeps_real_data(tmp_path: Path) -> None:
    plain = np.array([[1.0], [10.0]]) + np.zeros((2, 6))
    outcome = make_outcome(plain, plain, plain, "real")
    assert read_summary(write_outcome(tmp_path / "run", outcome, "real")).floor_of == outcome.floor_of
    without = Outcome(curves=outcome.curves, floors=outcome.floors)  # as an earlier version wrote summaries
    assert read_summary(write_outcome(tmp_path / "earlier", without, "real")).floor_of == outcome.floor_of


def test_unshared_directions_are_neutral(tmp_path: Path) -> None:
    plain = np.array([[1.0], [10.0]]) + 0.01 * np.random.default_rng(3).normal(size=(2, 6))
    corrected = plain + np.random.default_rng(4).uniform(1, 2, (2, 6))
    first = write_outcome(tmp_path / "first", make_outcome(plain, plain, plain, "lower"), "lower")
    second = write_outcome(tmp_path / "second", make_outcome(plain, corrected, plain, "higher"), "higher")
    words = {row["arm"]: row["word"] for row in compare_runs(first, second).differences}
    assert words["first task, corrected"] == "higher"
