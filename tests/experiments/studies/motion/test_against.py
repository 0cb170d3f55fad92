"""New arms stand beside kept arms as if they had run together, or the pairs are refused."""

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import SHORT_WINDOWS

from selfcorrect.commands.cli import main
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.experiments.studies.motion.against import PUBLISHED, KeptRun
from selfcorrect.experiments.studies.motion.presets import PRESETS, select_settings
from selfcorrect.experiments.studies.motion.settings import list_differences
from selfcorrect.experiments.studies.summary import read_summary, round_curves, write_summary

SMALL = (
    *("--preset", "quick", "--generations", "1", "--real-count", "16", "--evaluated-count", "16", "--seeds", "2"),
    *("--steps", "2", "--initial-steps", "8", "--wandb", "off", "--workers", "1"),
)
OWN = """
def lift_up(motion):
    motion.root_m[:, 1] += 0.05
    return motion

def keep(values):
    return values
"""


@pytest.fixture(scope="module", autouse=True)
def short_windows() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "quick", PRESETS["quick"])  # as it was, afterwards
        exec(SHORT_WINDOWS)
        yield


def run(*arguments: str, cwd: Path) -> tuple[int | None, str, str]:
    """Run the command in this process, and return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    importable = sys.path[:]
    try:
        with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
            code = main(["motion", *SMALL, *arguments])
    finally:
        sys.path[:] = importable
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with correctors and a finished run of reference arms."""
    folder = tmp_path_factory.mktemp("against")
    (folder / "mine.py").write_text(OWN)
    code, _, errors = run("--corrector", "low-pass", "--out", "kept", cwd=folder)
    assert code == 0, errors
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_new_arms_score_as_in_one_run(workplace: Path) -> None:
    own = ("--corrector", "mine.py:lift_up", "mine.py:keep")
    assert run(*own[:1], "low-pass", *own[1:], "--out", "together", cwd=workplace)[0] == 0
    code, printed, errors = run(*own, "--against", "kept", "--out", "new", cwd=workplace)
    assert code == 0, errors
    together, kept, new = (read_summary(workplace / name) for name in ("together", "kept", "new"))
    (of_together,), (of_kept,), (of_new,) = (summary.arms.values() for summary in (together, kept, new))
    by_name = {curves.name: round_curves(curves).values for curves in of_together}
    assert {curves.name for curves in of_new} == by_name.keys()
    for curves in of_new:
        for key, values in curves.values.items():
            if not key.startswith("seconds_"):
                np.testing.assert_allclose(values, by_name[curves.name][key], rtol=1e-4, err_msg=f"{curves.name} {key}")
    ran = {path.name for path in (workplace / "new" / "patch-mixer" / "seed-1").iterdir() if path.is_dir()}
    kept_names = {curves.name for curves in of_kept}
    assert ran - {"first-generation"} == by_name.keys() - kept_names, "kept arms do not run"
    assert "mine.py:lift_up less low-pass" in printed
    pairs = (workplace / "new" / "tables" / "pairs.csv").read_text().splitlines()
    (unchanged,) = (line.split(",") for line in pairs if line.startswith(",mine.py:keep less uncorrected"))
    assert all(float(cell.split()[0]) == 0 for cell in unchanged[2::2]), "a corrector that changes nothing"


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_invalid_pairs_are_refused(workplace: Path) -> None:
    own = ("--corrector", "mine.py:lift_up", "--out", "refused")
    summary = read_summary(workplace / "kept")
    (arms,) = summary.arms.values()
    baseline = arms[0]
    coverage = baseline.values["coverage"].copy()
    coverage[0, -1] += 0.5
    other = replace(baseline, values={**baseline.values, "coverage": coverage})
    for name, kept in {"other": replace(summary, arms={"patch-mixer": (other, *arms[1:])})}.items():
        write_summary(workplace / f"{name}.json", kept)
    for words, reason in (
        (("--against", "kept", "--real-count", "15"), "real_count is 15 instead of 16"),
        (("--against", "kept", "--steps", "3"), "steps of patch-mixer is 3 instead of 2"),
        (("--against", "kept", "--generations", "2"), "generations is 2 instead of 1"),
        (("--against", "kept", "--first-seed", "1"), "seeds 0 to 1, got 1 to 2"),
        (("--against", "kept", "--denoiser", "dct-mlp"), "dct-mlp"),
        (("--against", "other.json"), "coverage"),
        (("--against", "nowhere"), "nowhere"),
    ):
        code, _, errors = run(*own, *words, cwd=workplace)
        assert code == 2, words
        assert reason in errors.strip().splitlines()[-1], errors
        assert words[-1] == "dct-mlp" or "dct-mlp" not in errors, "the steps of another denoiser change nothing"
    code, _, errors = run("--corrector", "low-pass", "--against", "kept", "--out", "refused", cwd=workplace)
    assert code == 2
    assert "all of these arms are kept" in errors
    assert not (workplace / "refused").exists()


def test_published_run_is_that_of_the_preset() -> None:
    """The bare command with a user's corrector fits the kept run, which says how it was made."""
    kept = KeptRun.read(PUBLISHED)
    settings = select_settings("short")
    config = json.loads(json.dumps(PRESETS["short"].config()))
    assert not list_differences(kept.summary.settings, config)
    assert kept.arms == dict(settings.arms)
    assert (kept.summary.generations, kept.summary.seeds) == (settings.generations, settings.seeds)
    assert kept.summary.made.keys() >= {"date", "processor", "git_commit", "packages"}
    assert kept.summary.made["git_commit"]


def test_changed_clean_up_leaves_pairs_valid() -> None:
    """Only the scores after clean-up depend on the corrector of the day; they are left out, and all others stay."""
    kept = KeptRun.read(PUBLISHED)
    settings = select_settings("short")
    ((denoiser, (arm, *_)),) = kept.arms.items()
    curves = kept.curves_of(settings, denoiser)[arm]
    assert kept.check_pairs({arm: curves}, settings, denoiser) == set()
    changed = replace(curves, values={**curves.values, "unsupported_percent": curves.values["unsupported_percent"] + 9})
    keys = kept.check_pairs({arm: changed}, settings, denoiser)
    assert keys == {"unsupported_percent"}
    left = kept.drop(keys).curves_of(settings, denoiser)[arm].values
    assert left.keys() == curves.values.keys() - keys
    changed = replace(curves, values={**curves.values, "coverage": curves.values["coverage"] + 0.2})
    with pytest.raises(SettingError, match="coverage"):
        kept.check_pairs({arm: changed}, settings, denoiser)


@pytest.mark.parametrize("name", ["nonsense", ".", "notes.txt"])
def test_other_names_are_refused_with_the_choices(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("no run")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"^--against {re.escape(name)}: expected {PUBLISHED}"):
        KeptRun.read(name)
