"""Intervals and tests agree with SciPy.

Coverage is known; verdicts and half-lives are on curves one can check by eye.
"""

import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.statistics import (
    FEWEST_SEEDS,
    ROUNDING,
    Interval,
    Thresholds,
    band,
    collapse_profile,
    evaluate_quality,
    half_life,
    half_life_interval,
    has_spread,
    holm,
    jackknife_ratio,
    log_ratio_interval,
    mean_interval,
    median_interval,
    plan_looks,
    ratio_interval,
    seeds_to_decide,
    student_p,
    worst_verdict,
)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("count", [2, 5, 19, 20, 60])
def test_mean_interval_inverts_t_test(count: int, generator: np.random.Generator) -> None:
    values = generator.normal(3.0, 1.0, count)
    interval = mean_interval(values)
    assert interval.method == "t"
    assert stats.ttest_1samp(values, interval.low).pvalue == pytest.approx(0.05)
    assert stats.ttest_1samp(values, interval.high).pvalue == pytest.approx(0.05)


def test_single_seed_has_no_interval() -> None:
    interval = mean_interval([2.0])
    assert interval.estimate == 2.0
    assert math.isnan(interval.low)
    assert "no interval from 1 seed" in str(interval)


def coverage(intervals: list[Interval], truth: float) -> float:
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


@pytest.mark.parametrize("count", [3, 5, 20])
def test_ratio_intervals_cover(count: int, generator: np.random.Generator) -> None:
    """Variances are products of many factors."""
    first = np.exp(generator.normal(0, 0.2, (2000, count)))
    last = 0.5 * first * np.exp(generator.normal(0, 1.0, (2000, count)))
    intervals = [log_ratio_interval(*pair) for pair in zip(last, first, strict=True)]
    assert coverage(intervals, 0.5) == pytest.approx(0.95, abs=0.015)


def test_median_interval_matches_scipy() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, math.inf]
    interval = median_interval(values)
    oracle = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    assert (interval.estimate, interval.low, interval.high) == (4.5, oracle.low, oracle.high)
    assert math.isnan(median_interval([1.0, 2.0, 3.0]).low)


def test_fieller_matches_t_test(generator: np.random.Generator) -> None:
    below = generator.normal(5, 1, 12)
    above = 2 * below + generator.normal(0, 1, 12)
    interval = ratio_interval(above, below)
    for bound in (interval.low, interval.high):
        assert stats.ttest_rel(above, bound * below).pvalue == pytest.approx(0.05)
    assert interval.low < interval.estimate < interval.high


def test_fieller_may_be_unbounded() -> None:
    assert ratio_interval([1.0, 2.0, 3.0], [-1.0, 0.1, 1.0]).high == math.inf
    assert ratio_interval([1.0, 2.0], [0.0, 0.0]).estimate == math.inf
    assert math.isnan(ratio_interval([1.0, 1.0], [2.0, 2.0]).low)
    assert math.isnan(ratio_interval([0.0], [0.0]).estimate)


def test_band_is_mean_interval(generator: np.random.Generator) -> None:
    curves = generator.normal(0, 1, (6, 4))
    mean, low, high = band(curves)
    assert mean == pytest.approx(curves.mean(0))
    assert (low[2], high[2]) == (mean_interval(curves[:, 2]).low, mean_interval(curves[:, 2]).high)


def test_paired_p_matches_scipy(generator: np.random.Generator) -> None:
    first, second = generator.normal(0, 1, (2, 4))
    assert student_p(first - second) == pytest.approx(stats.ttest_rel(first, second).pvalue)


def test_holm_on_a_worked_example() -> None:
    # sorted .005 .01 .03 .04 → ×4, ×3, ×2, ×1, made monotone
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(adjusted) == ["a", "b", "c", "d"]


def test_half_life_of_an_exponential() -> None:
    assert half_life(2.0 ** (-np.arange(10) / 3)) == pytest.approx(3.0)
    assert half_life([1.0, 0.7, 0.3]) == pytest.approx(1.5)


def test_unreached_half_life_is_infinite() -> None:
    assert half_life([1.0, 0.9, 0.8]) == math.inf
    curves = [[1.0, 0.4, 0.1]] * 3 + [[1.0, 0.9, 0.9]] * 5
    assert half_life_interval(curves).estimate == math.inf


def test_missing_height_hides_half_life() -> None:
    assert math.isnan(half_life([1.0, math.nan, 0.9, 0.2]))
    assert math.isnan(half_life([1.0, 0.9, math.nan]))
    assert math.isnan(half_life([math.nan, 0.4]))
    assert half_life([1.0, 0.4, math.nan]) == half_life([1.0, 0.4])
    interval = half_life_interval([[1.0, 0.4], [1.0, 0.3], [1.0, math.nan]])
    assert math.isnan(interval.estimate)
    assert math.isnan(interval.high)


def test_few_half_lives_cover(generator: np.random.Generator) -> None:
    generations = np.arange(40)

    def curves(lives: np.ndarray) -> np.ndarray:
        return 2.0 ** (-generations / lives[:, None])

    covered = []
    for _ in range(300):
        interval = half_life_interval(curves(6 * np.exp(generator.normal(0, 0.3, 5))))
        assert interval.low <= interval.estimate <= interval.high
        covered.append(interval.low <= 6 <= interval.high)
    assert 0.92 <= np.mean(covered) <= 0.99


def test_censored_half_lives_have_range() -> None:
    curves = [[1.0, 0.4, 0.1]] * 3 + [[1.0, 0.9, 0.9]] * 2
    interval = half_life_interval(curves)
    assert (interval.low, interval.high) == (pytest.approx(5 / 6), math.inf)
    assert interval.confidence == 1 - 2**-4
    assert math.isnan(half_life_interval(curves[:1]).low)


def test_looks_keep_error_level(generator: np.random.Generator) -> None:
    """Seeds on a threshold rarely get a verdict.

    At most 5 % of trials call the seeds worse or better.
    """
    alarms = 0
    for _ in range(400):
        values = 1.25 * (1 + generator.normal(0, 0.2, 20))
        labels = [
            evaluate_quality(values[:count], np.ones(count), "lower", confidence=confidence).label
            for count, confidence in plan_looks(20).items()
        ]
        alarms += set(labels) != {"undecided"}
    assert alarms / 400 <= 0.05 + 0.03
    assert sum(1 - confidence for confidence in plan_looks(20).values()) == pytest.approx(0.05)
    assert plan_looks(FEWEST_SEEDS) == {FEWEST_SEEDS: 0.95}
    assert min(plan_looks(20)) == FEWEST_SEEDS


def test_deciding_seeds_leave_threshold() -> None:
    values = [0.7, 1.6, 1.0, 1.3]
    baseline = [1.0, 1.0, 1.0, 1.0]
    needed = seeds_to_decide(values, baseline, "lower", Thresholds(1.5, 3.0))
    assert needed is not None
    assert 4 < needed < 100
    logarithms = np.log(values)
    spread = np.std(logarithms, ddof=1) * stats.t.ppf(0.975, np.array([needed - 2, needed - 1]))
    reach = np.mean(logarithms) + spread / np.sqrt([needed - 1, needed])
    assert reach[0] > np.log(1.5) >= reach[1]
    assert seeds_to_decide([1.0, 1.5625, 1.25], [1.0] * 3, "lower") is None


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ([1.01, 0.99, 1.02, 1.0, 0.98], "stable"),
        ([1.50, 1.55, 1.52, 1.48, 1.51], "degraded"),
        ([3.0, 3.2, 2.9, 3.1, 3.0], "collapsed"),
        ([0.5, 2.5, 1.0, 3.0, 0.7], "undecided"),
        ([1.0, 1.0, 1.0, 5.0, 1.0], "undecided"),
        ([1.6, 2.4, 1.9, 2.2, 1.8], "degraded"),
    ],
)
def test_lower_is_better_verdict(values: list[float], label: str) -> None:
    baseline = [1.0, 1.01, 0.99, 1.0, 1.02]
    assert evaluate_quality(values, baseline, "lower").label == label
    assert evaluate_quality(np.divide(1.0, values), baseline, "higher").label == label
    for count in range(1, FEWEST_SEEDS):
        assert evaluate_quality(values[:count], baseline[:count], "lower").label == "undecided"
        assert evaluate_quality(values[:count], baseline[:count], "lower", resolution=1e-6).label == "undecided"


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("baseline", [[-10.0, -10.1, -9.9], [0.0, 1.0, 1.0]])
def test_zero_baseline_is_not_divided(better: str, baseline: list[float]) -> None:
    values = [-20.0, -20.1, -19.9]
    for function in (evaluate_quality, seeds_to_decide):
        with pytest.raises(InputError, match=r"above 0.*differences"):
            function(values, baseline, better)


POSITIVE = st.floats(0.01, 100.0)


@given(
    values=arrays(float, 5, elements=POSITIVE),
    baseline=arrays(float, 5, elements=POSITIVE),
    scale=st.sampled_from([1e-6, 0.5, 1e6]),
)
def test_verdict_is_unit_free(values: np.ndarray, baseline: np.ndarray, scale: float) -> None:
    verdict = evaluate_quality(values, baseline, "lower")
    edges = np.array([1.25, 2.0])[:, None]
    assume((abs(np.array([verdict.ratio.low, verdict.ratio.high]) - edges) > 1e-6).all())  # none lies on a threshold
    assert evaluate_quality(values * scale, baseline * scale, "lower").label == verdict.label
    assert evaluate_quality(1 / values, 1 / baseline, "higher").label == verdict.label


def test_the_weaker_side_decides() -> None:
    realism = evaluate_quality([1.0, 1.01, 1.0, 0.99, 1.0], [1.0] * 5, "lower")
    diversity = evaluate_quality([0.1, 0.11, 0.1, 0.09, 0.1], [1.0] * 5, "higher")
    assert (realism.label, diversity.label) == ("stable", "collapsed")
    assert worst_verdict([realism, diversity]) is diversity


def statuses(curves: dict, by_training_size: dict | None = None) -> dict[str, str]:
    return {finding.definition: finding.status for finding in collapse_profile(curves, by_training_size)}


@pytest.fixture
def generations() -> np.ndarray:
    return np.arange(101.0)


def noisy(curve: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return curve * (1 + generator.normal(0, 0.01, (8, len(curve))))


def test_profile_of_a_divergent_loop(generations: np.ndarray, generator: np.random.Generator) -> None:
    result = statuses(
        {
            "risk": noisy(1 + generations, generator),
            "variance": noisy(0.9**generations, generator),
            "tail_mass": noisy(0.8**generations, generator),
            "outside_share": noisy(0.1 + 0.005 * generations, generator),
            "mixed_share": noisy(0.1 + 0.005 * generations, generator),
        },
        {n: noisy(n**-0.5 + 0.01 * generations, generator) for n in (100, 1000)},
    )
    assert set(result.values()) == {"present"}
    assert len(result) == 8


def test_profile_of_a_stable_loop(generations: np.ndarray, generator: np.random.Generator) -> None:
    flat = np.ones_like(generations)
    result = statuses(
        {
            "risk": noisy(1 + 0.5 / (1 + generations), generator),
            "variance": noisy(flat, generator),
            "tail_mass": noisy(flat, generator),
            "outside_share": noisy(0.1 * flat, generator),
            "mixed_share": noisy(0.1 * flat, generator),
        },
        {
            n: noisy(n**-0.5 * flat, generator)[:, ::-1] * [1 - 0.2 * (n == 1000) * (g == 100) for g in generations]
            for n in (100, 1000)
        },
    )
    assert result.pop("diverging population risk") in ("absent", "not measurable")
    assert set(result.values()) == {"absent"}


def test_bounded_rise_is_no_divergence(generations: np.ndarray) -> None:
    seeds = np.linspace(0.98, 1.02, 8)[:, None]
    bounded = statuses({"risk": seeds * (3 - 2 / (1 + generations))})
    assert bounded["any increase of population risk"] == "present"
    assert bounded["diverging population risk"] == "absent"
    assert bounded["catastrophic increase of population risk"] == "absent"
    assert statuses({"risk": seeds * (1 + np.log1p(generations))})["diverging population risk"] == "present"


def test_unrecorded_is_not_measurable(generations: np.ndarray) -> None:
    assert statuses({})["collapsing variance"] == "not measurable"
    assert set(statuses({"risk": generations[None] + 1}).values()) == {"not measurable"}


CURVES = ("risk", "variance", "tail_mass", "outside_share", "mixed_share")


@pytest.mark.parametrize("seeds", [1, 2, FEWEST_SEEDS, 30])
def test_equal_seeds_find_nothing(seeds: int, generations: np.ndarray) -> None:
    """Whatever the curve: also if seeds differ by rounding."""
    rounding = 1 + 1e-13 * np.random.default_rng(1).normal(size=(seeds, 1))
    for curve in (0.5**generations, 2.0**generations, np.ones_like(generations)):
        shares = np.minimum(curve / curve.max() * rounding, 1.0)
        curves = {name: shares if name.endswith("share") else curve * rounding for name in CURVES}
        sizes = {count: curve * rounding * count**-0.5 for count in (10, 100)}
        assert set(statuses(curves, sizes).values()) == {"not measurable"}


def test_profile_needs_fewest_seeds(generations: np.ndarray, generator: np.random.Generator) -> None:
    curve = noisy(0.9**generations, generator)
    for seeds in range(1, 8):
        status = statuses({"variance": curve[:seeds]})["collapsing variance"]
        assert status == ("present" if seeds >= FEWEST_SEEDS else "not measurable")


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_a_profile_knows_no_unit(scale: float, generations: np.ndarray, generator: np.random.Generator) -> None:
    curves = {"risk": noisy(1 + 0.1 * generations, generator), "variance": noisy(0.9**generations, generator)}
    assert statuses(curves) == statuses({name: curve * scale for name, curve in curves.items()})


def test_log_normal_loss_is_found(generator: np.random.Generator) -> None:
    """One seed that grew does not hide the loss.

    Its variance grew, while all other seeds lost nearly all of theirs.
    """
    last = np.exp(generator.normal(-4, 1.5, 8))
    last[0] = 20.0
    assert statuses({"variance": np.stack([np.ones(8), last], axis=1)})["collapsing variance"] == "present"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([]), "one finite value per seed"),
        (lambda: mean_interval([1.0, math.nan]), "one finite value per seed"),
        (lambda: ratio_interval([1.0, 2.0], [1.0]), "same seeds, got 2 and 1"),
        (lambda: half_life([0.0, 1.0]), "starts above 0"),
        (lambda: Thresholds(2.0, 1.5), "1 ≤ stable < collapsed"),
    ],
)
def test_bad_input_raises(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


PAIR = ([1.0, 1.1, 0.9, 1.2, 1.0], [1.0, 1.0, 1.1, 0.9, 1.0])
OF_SEEDS = {
    "mean_interval": lambda values, **options: mean_interval(values, **options),
    "student_p": lambda values, **options: student_p(values, **options),
    "has_spread": lambda values, **options: has_spread(values, **options),
    "median_interval": lambda values, **options: median_interval(values, **options),
    "ratio_interval": lambda values, **options: ratio_interval(values, values, **options),
    "log_ratio_interval": lambda values, **options: log_ratio_interval(values, values, **options),
    "jackknife_ratio": lambda values, **options: jackknife_ratio([values], [values], **options),
    "evaluate_quality": lambda values, **options: evaluate_quality(values, values, "lower", **options),
    "seeds_to_decide": lambda values, **options: seeds_to_decide(values, values, "lower", **options),
    "half_life": lambda values, **options: half_life(values, **options),
}
OF_CURVES = {
    "band": band,
    "half_life_interval": half_life_interval,
    "collapse_profile": lambda values: collapse_profile({"risk": values}),
    "by training size": lambda values: collapse_profile({}, {10: values, 20: values}),
}
NO_NUMBERS = ["1.5", ["1.5", "2.5"], [1j, 2.0], [], None, [None, 1.0], [[1.0], [2.0, 3.0]], [[[1.0]]], {"a": 1.0}]


@pytest.mark.parametrize("values", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize("name", [*OF_SEEDS, *OF_CURVES])
def test_wrong_shapes_raise(name: str, values: object) -> None:
    with pytest.raises(InputError):
        {**OF_SEEDS, **OF_CURVES}[name](values)


@pytest.mark.parametrize("name", OF_SEEDS)
def test_any_container_is_taken(name: str) -> None:
    values = [0.5, 0.25, 0.25, 0.125, 0.125]
    fractions = [Fraction(value) for value in values]
    answers = [OF_SEEDS[name](given) for given in (values, tuple(values), np.float32(values), fractions)]
    assert len(set(map(str, answers))) == 1


@pytest.mark.parametrize("better", ["Lower", "HIGHER", "down", "", None, 1, "neutral"])
@pytest.mark.parametrize("judge", [evaluate_quality, seeds_to_decide])
def test_an_unknown_direction_is_refused(judge, better: object) -> None:
    with pytest.raises(SettingError, match="better"):
        judge(*PAIR, better)


@pytest.mark.parametrize("option", ["confidence", "resolution", "rounding"])
@pytest.mark.parametrize("value", [math.nan, -0.1, math.inf, "0.9", 1j, None, True])
@pytest.mark.parametrize("name", OF_SEEDS)
def test_options_out_of_range_raise(name: str, option: str, value: object) -> None:
    functions = {"evaluate_quality": evaluate_quality, "seeds_to_decide": seeds_to_decide}
    function = functions.get(name, globals().get(name))
    if option not in inspect.signature(function).parameters:
        return
    with pytest.raises(SettingError, match=option):
        OF_SEEDS[name](PAIR[0], **{option: value})


@pytest.mark.parametrize("confidence", [0, 1, 0.0, 1.0])
def test_extreme_confidence_raises(confidence: float) -> None:
    with pytest.raises(SettingError, match="confidence"):
        evaluate_quality(*PAIR, "lower", confidence=confidence)


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (0.0, 0.0), (math.nan, 1.0), (0.0,), "01", ("0", "1"), 1.0])
def test_void_bounds_raise(bounds: object) -> None:
    with pytest.raises(SettingError):
        mean_interval([0.5, 0.5], bounds)


@pytest.mark.parametrize(
    "call",
    [
        lambda: holm({"a": math.nan}),
        lambda: holm({"a": 1.1}),
        lambda: holm({"a": "0.1"}),
        lambda: plan_looks(0),
        lambda: plan_looks(5.5),
        lambda: worst_verdict([]),
        lambda: Thresholds("1.2", "2"),
        lambda: Thresholds(math.nan, 2.0),
        lambda: jackknife_ratio([], [[1.0]]),
        lambda: jackknife_ratio([[1.0, 2.0]], [[1.0]]),
        lambda: median_interval([1.0, math.nan]),
        lambda: collapse_profile({"outside_share": [[0.0, 1.5]]}),
        lambda: collapse_profile({"mixed_share": [[0.0, -0.5]]}),
        lambda: collapse_profile({"variance": [[1.0, -0.5]]}),
        lambda: collapse_profile({"tail_mass": [[1.0, -0.5]]}),
        lambda: collapse_profile({}, {0: [[1.0, 2.0]], 10: [[1.0, 2.0]]}),
        lambda: collapse_profile({}, {5: [[1.0, 2.0]], 10: [[1.0, 2.0]] * 2}),
    ],
)
def test_values_out_of_range_raise(call) -> None:
    with pytest.raises((InputError, SettingError)):
        call()


def test_negative_risk_has_no_growth(generator: np.random.Generator) -> None:
    """Negative risks have no growth factor.

    A log-likelihood that improves from −1 to −20 is neither twenty times as bad nor any worse.
    """
    risk = np.linspace(-1.0, -20.0, 13) + generator.normal(0, 0.01, (8, 13))
    found = statuses({"risk": risk})
    assert found["catastrophic increase of population risk"] == "not measurable"
    assert found["any increase of population risk"] == "absent"
    worse = statuses({"risk": -risk[:, ::-1] - 25.0})
    assert worse["catastrophic increase of population risk"] == "not measurable"


@pytest.mark.parametrize("generations", [1])
def test_single_generation_shows_nothing(generations: int, generator: np.random.Generator) -> None:
    curves = generator.uniform(0.2, 0.3, (8, generations))
    names = ("risk", "variance", "tail_mass", "outside_share", "mixed_share")
    found = collapse_profile(dict.fromkeys(names, curves), {10: curves, 20: curves})
    assert {finding.status for finding in found} == {"not measurable"}


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_share_intervals_stay_bounded(seeds: int):
    draws = np.random.default_rng(seeds).beta(0.6, 5.0, (400, seeds))
    intervals = [mean_interval(draw, bounds=(0.0, 1.0)) for draw in draws]
    assert all(0 <= interval.low <= interval.estimate <= interval.high <= 1 for interval in intervals)
    assert any(mean_interval(draw).low < 0 for draw in draws)  # which Student's t leaves
    plain = np.mean([interval.low <= 0.6 / 5.6 <= interval.high for interval in map(mean_interval, draws)])
    assert np.mean([interval.low <= 0.6 / 5.6 <= interval.high for interval in intervals]) >= plain - 0.05


def test_far_bounds_change_nothing():
    values = [0.5, 0.5001, 0.4999]
    bounded = mean_interval(values, bounds=(0.0, 1.0))
    unbounded = mean_interval(values)
    assert (bounded.low, bounded.high) == pytest.approx((unbounded.low, unbounded.high), abs=1e-7)
    assert mean_interval([3.0, 4.0, 5.0], bounds=(0.0, math.inf)) == mean_interval([3.0, 4.0, 5.0])


def test_single_bound_cuts():
    assert mean_interval([0.1, 0.1, 2.0], bounds=(0.0, math.inf)).low == 0
    with pytest.raises(ValueError, match="expected values from 0 to 1"):
        mean_interval([0.5, 1.5], bounds=(0.0, 1.0))
    assert math.isnan(mean_interval([0.0, 0.0], bounds=(0.0, 1.0)).high)


# --- ties and scores that are counts ---------------------------------------------------------------------------------


def test_equal_differences_are_undecided() -> None:
    for seeds in (2, 5, 8):
        differences = [0.001] * seeds
        assert student_p(differences) == 1.0
        assert mean_interval(differences).method == "no spread"
        assert math.isnan(mean_interval(differences).low)
    assert student_p(np.subtract([0.3, 1.3], [0.2, 1.2])) == 1.0  # equal but for rounding
    assert student_p(np.subtract([0.3, 1.3], [0.2, 1.21])) < 1.0


@given(
    values=arrays(float, (2, 6), elements=st.floats(-1, 1), unique=True),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    size=st.floats(0, 0.1),
)
def test_rounding_is_equal(values: np.ndarray, scale: float, size: float) -> None:
    """Rounding is relative to the size of the values.

    The same differences count as evidence between values that are as small.
    """
    first, noise = values
    assume(np.abs(first).max() > 0.01 + 2 * size)  # noise is below rounding
    assume(np.ptp(noise) > 1e-3)
    second = first + ROUNDING * size * noise
    rounding = ROUNDING * scale * np.abs([first, second]).max(axis=1).sum()
    difference = scale * (second - first)
    assert student_p(difference, rounding=rounding) == 1.0
    assert math.isnan(mean_interval(difference, rounding=rounding).low)
    assert not math.isnan(mean_interval(scale * noise).low)


def test_interval_decides_as_whole() -> None:
    for count in (1, 2, FEWEST_SEEDS - 1, FEWEST_SEEDS, 30):
        interval = Interval(2.0, 1.0, 3.0, count, "t")
        decides = count >= FEWEST_SEEDS
        assert (interval.is_above(0.5), interval.is_above(1.5)) == (decides, False)
        assert (interval.is_below(3.5), interval.is_below(2.5)) == (decides, False)
        assert (interval.is_within(1.0, 3.0), interval.is_within(1.5, 3.0)) == (decides, False)
    open_interval = Interval(2.0, 1.0, math.nan, 30, "t")
    assert not open_interval.is_above(0.5)


def test_one_count_is_no_evidence() -> None:
    one_of_300 = 1 / 300
    tie = mean_interval([one_of_300] * 2, resolution=one_of_300)
    assert student_p([one_of_300] * 2, one_of_300) > 0.3
    assert tie.low < 0 < tie.high
    assert student_p([0.5] * 5, one_of_300) < 1e-6
    assert student_p([one_of_300] * 8, 3 * one_of_300) > 0.3


def test_small_resolution_changes_nothing(generator: np.random.Generator) -> None:
    first, second = generator.normal(0, 1, (2, 5))
    assert student_p(first - second, 0.01) == student_p(first - second)
    assert ratio_interval(first + 9, second + 9, resolution=0.01) == ratio_interval(first + 9, second + 9)


def test_spread_floor_limits_false_alarms(generator: np.random.Generator) -> None:
    """Ties do not raise false alarms.

    Two arms have the same recall of 0.998 in 300 samples, on 3 seeds: ties are common.
    """
    shares = generator.binomial(300, 0.998, (2, 500, 3)) / 300
    alarms = [student_p(first - second, 1 / 300) <= 0.05 for first, second in zip(*shares, strict=True)]
    assert np.mean(alarms) <= 0.05


def test_spreadless_quality_is_undecided() -> None:
    assert evaluate_quality([1.0] * 5, [1.0] * 5, "higher").label == "undecided"
    assert evaluate_quality([1.0] * 5, [1.0] * 5, "higher", resolution=0.01).label == "stable"
    assert evaluate_quality([0.5] * 5, [1.0] * 5, "higher", resolution=0.5).label == "undecided"
    assert seeds_to_decide([1.0, 1.0], [1.0, 1.0], "higher") is None
