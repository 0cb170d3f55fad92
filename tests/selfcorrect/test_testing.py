"""The assertion separates stable from collapsing loops, and never passes silently.

Its message says what it saw.
"""

import inspect
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch

from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.policy import Augment, Replace
from selfcorrect.statistics import FEWEST_SEEDS, Thresholds
from selfcorrect.testing import Trial, assert_loop_stable, measure_stability

DATA = torch.randn((80, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def whiten(samples: Samples) -> Samples:
    """Correct as a user who knows that the truth is a standard normal."""
    centred = samples.values - samples.values.mean(0)
    root = torch.linalg.cholesky(centred.T @ centred / len(centred))
    return samples.with_values(torch.linalg.solve_triangular(root, centred.T, upper=False).T)


@pytest.mark.slow
def test_corrected_loop_is_stable() -> None:
    stability = assert_loop_stable(Gaussian.standard(2), DATA, Replace(), whiten)
    assert (stability.realism.label, stability.diversity.label) == ("stable", "stable")


@pytest.mark.slow
def test_identity_beside_real_is_stable() -> None:
    assert measure_stability(Gaussian.standard(2), DATA, Augment(1.0), lambda samples: samples).label == "stable"


def test_uncorrected_loop_fails() -> None:
    measured = r"\S+ \[\S+, \S+\] times the baseline"
    message = (
        r"^the loop is (degraded|collapsed), over generations 6 to 10, \d+ seeds, 9\d.\d% intervals, against training "
        rf"on real data alone:\n  Fréchet distance {measured} \(stable at most 1.25, collapsed from 2\): \w+"
        rf"\n  coverage {measured} \(stable at least 0.8, collapsed from 0.5\): \w+"
        rf"\n  variance within labels {measured} \(stable at least 0.8, collapsed from 0.5\): \w+$"
    )
    with pytest.raises(AssertionError, match=message):
        assert_loop_stable(Gaussian.standard(2), DATA, Replace())


def test_diversity_loss_is_caught() -> None:
    def to_the_middle(samples: Samples) -> Samples:
        return samples.with_values(samples.values * 0.7)

    stability = measure_stability(Gaussian.standard(2), DATA, Replace(), to_the_middle)
    assert stability.diversity.label == "collapsed"
    assert stability.variance.label == "collapsed"
    assert stability.variance.ratio.high < 0.5


def test_undecided_loop_names_seeds() -> None:
    loop = Gaussian.standard(2), DATA, Augment(0.6)
    short = Trial(seeds=FEWEST_SEEDS, thresholds=Thresholds(stable=1.15))
    with pytest.raises(AssertionError, match=r"undecided[\s\S]*\d+ seeds") as failure:
        assert_loop_stable(*loop, trial=short)
    assert assert_loop_stable(*loop, trial=short, undecided="pass").label == "undecided"
    needed = int(str(failure.value).rpartition("about ")[2].split()[0])
    assert measure_stability(*loop, trial=replace(short, seeds=2 * needed)).label == "stable"
    with pytest.raises(ValueError, match=r"undecided.*'fail'.*'pass',.*'maybe'"):
        assert_loop_stable(*loop, undecided="maybe")  # type: ignore[arg-type]


def test_collapsed_loop_always_fails() -> None:
    with pytest.raises(AssertionError, match="the loop is"):
        assert_loop_stable(Gaussian.standard(2), DATA, Replace(), undecided="pass")


def test_too_few_seeds_raise() -> None:
    with pytest.raises(ValueError, match=f"must be at least {FEWEST_SEEDS}, got {FEWEST_SEEDS - 1}"):
        Trial(seeds=FEWEST_SEEDS - 1)


def test_trial_uses_one_thread() -> None:
    counts: list[int] = []

    def count_threads(values: torch.Tensor) -> torch.Tensor:
        counts.append(torch.get_num_threads())
        return values

    before = torch.get_num_threads()
    trial = Trial(2, FEWEST_SEEDS, features=count_threads)
    torch.set_num_threads(3)
    try:
        measure_stability(Gaussian.standard(2), DATA[:20], Augment(1.0), trial=trial)
        assert torch.get_num_threads() == 3
        with pytest.raises(AssertionError):
            assert_loop_stable(Gaussian.standard(2), DATA[:20], Replace(), trial=trial)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert set(counts) == {1}


def test_small_coverage_is_undecided() -> None:
    """Equal steps of 1/6 are no certainty.

    This is the coverage of 6 samples, the same in all seeds.
    """
    stability = measure_stability(Gaussian.standard(2), DATA[:12], Augment(0.1), trial=Trial(2, FEWEST_SEEDS))
    assert stability.coverage.label == "undecided"


# --- the plugin of pytest --------------------------------------------------------------------------------------------

pytest_plugins = ["pytester"]
PLUGIN = "selfcorrect.pytest_plugin"

TESTS = f"""
import torch
import selfcorrect as sc
from selfcorrect.core.samples import Samples

{inspect.getsource(whiten)}

def test_corrected(loop_toy, loop_trial):
    sc.assert_loop_stable(*loop_toy, sc.Replace(), whiten, loop_trial)

def test_uncorrected(loop_toy, loop_trial):
    sc.assert_loop_stable(*loop_toy, sc.Replace(), None, loop_trial)

def test_seeds(loop_trial):
    assert loop_trial.seeds == 20
"""


def _plugin() -> str:
    """Return the plugin's name, or its module.

    The name works where this package is installed with it.
    """
    installed = [point.name for point in entry_points(group="pytest11") if point.value == PLUGIN]
    return installed[0] if installed else PLUGIN


@pytest.mark.slow
def test_fixtures_tell_loops_apart(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess("-p", _plugin(), "--loop-seeds", "20")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*the loop is degraded, over generations 6 to 10*"])


def test_the_plugin_is_declared() -> None:
    declared = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'[project.entry-points.pytest11]\nselfcorrect = "{PLUGIN}"' in declared
