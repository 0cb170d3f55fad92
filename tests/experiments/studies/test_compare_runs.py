"""Two finished runs, compared seed by seed, and the differences between them that are named."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.studies.comparison.runs import compare_runs
from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary, write_summary
from selfcorrect.storage.files.digests import encode_with_digest
from selfcorrect.storage.runs.run_folder import IDENTITIES_FILE, SUMMARY_FILE

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
    """Write the summary of a run whose corrected arm is higher by `gain`, and identities of its data."""
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


def test_common_seeds_and_generations_are_paired(tmp_path: Path) -> None:
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
        assert (rows["task, corrected"]["word"], rows["task, plain"]["word"]) == ("better", "no clear difference")
        assert rows["task, plain"]["difference"] == 0


def test_a_run_equals_itself_and_nothing_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    comparison = compare_runs(run, run)
    assert comparison.disagreements == []
    assert {row["quality"] for row in comparison.differences} == {"share", "other"}
    assert all(row["difference"] == 0 for row in comparison.differences)


def test_what_does_not_agree_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_runs_that_cannot_be_paired_are_refused(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first")
    for name, settings, message in [
        ("seeds", {"seeds": range(5, 9)}, "share no seed"),
        ("data", {"data": "other"}, "data of the runs differ"),
        ("arms", {"arms": ("new",)}, "share no arm"),
    ]:
        with pytest.raises(SettingError, match=message):
            compare_runs(first, write_run(tmp_path / name, **settings))
    with pytest.raises(SettingError, match="do not both measure 'sahre'; both measure share, other"):
        compare_runs(first, first, primary="sahre")
    with pytest.raises(InputError, match="no summary of a run"):
        compare_runs(first, tmp_path)
    assert main(["compare", str(first)]) == 2
