"""Closed forms agree with limits, and with plain simulations that share no code with them."""

import math

import numpy as np
import pytest
from helpers import load_laws, load_loop
from scipy import stats

from selfcorrect.statistics.neighbours import neighbour_metrics

laws = load_laws()
linear = load_loop("linear")
language = load_loop("language")
curation = load_loop("curation")
stability = load_loop("stability")
weighting = load_loop("weighting")
provenance = load_loop("provenance")
crossfeed = load_loop("crossfeed")
biased = load_loop("biased-corrector")
lineages = load_loop("lineages")
counting = load_loop("counting")


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(11)


def mean_loop(generator, n: int, k: int, strength: float, generations: int, accumulate: bool) -> np.ndarray:
    """Return the squared errors of 20,000 loops that fit a mean of unit variance.

    Synthetic samples are drawn one statistic at a time.
    """
    real = generator.normal(0, 1 / math.sqrt(n), 20_000)
    estimate = real
    total = n * real
    count = n
    squares = [np.mean(real**2)]
    for _ in range(generations):
        batch = estimate / (1 + strength) + generator.normal(0, 1 / math.sqrt(k), len(real))
        total, count = (total + k * batch, count + k) if accumulate else (n * real + k * batch, n + k)
        estimate = total / count
        squares.append(np.mean(estimate**2))
    return np.array(squares)


@pytest.mark.parametrize(("ratio", "strength"), [(0.5, 0.0), (0.5, 1.0), (4.0, 0.0), (2.0, 0.3)])
def test_augment_error_matches_simulation(ratio: float, strength: float, generator) -> None:
    n = 40
    k = int(40 * ratio)
    simulated = mean_loop(generator, n, k, strength, 12, accumulate=False)
    assert laws.augment_error(n, ratio, strength, 12) == pytest.approx(simulated, rel=0.05)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_accumulate_error_matches_simulation(strength: float, generator) -> None:
    simulated = mean_loop(generator, 40, 20, strength, 12, accumulate=True)
    assert laws.accumulate_error(40, 0.5, strength, 12) == pytest.approx(simulated, rel=0.05)


def test_equal_accumulation_costs_factor() -> None:
    assert laws.accumulate_error(50, 1.0, 0.0, 20_000)[-1] * 50 == pytest.approx(math.pi**2 / 6, rel=1e-4)


def test_perfect_correction_equals_fresh_samples() -> None:
    assert laws.augment_error(50, 0.5, 1e9, 3)[-1] == pytest.approx(1 / 75)


def test_bound_is_never_below() -> None:
    for ratio in (0.01, 0.3, 0.9, 5.0):
        for strength in (0.0, 0.5, 3.0):
            exact = float(laws.linear_contraction(ratio, strength))
            assert exact <= stability.contraction_bound(ratio, strength)
    assert stability.contraction_bound(0.001) == pytest.approx(float(laws.linear_contraction(0.001)), rel=0.01)


@pytest.mark.parametrize(("strength", "limit"), [(0.0, 0.5), (1.0, 2 / 3), (8.0, 0.9)])
def test_stability_turns_at_condition(strength: float, limit: float) -> None:
    assert stability.guaranteed_ratio(strength) == pytest.approx(limit)
    assert stability.guaranteed_ratio(np.inf) == 1.0


def test_critical_ratio_contracts_to_one() -> None:
    assert laws.linear_contraction(laws.critical_ratio(0.5, 3.0), 0.5, 3.0) == pytest.approx(1.0)
    assert laws.critical_ratio(2.0, 3.0) == math.inf


def test_golden_ratio_and_minimum() -> None:
    assert weighting.optimal_real_weight(1.0) == pytest.approx(2 / (1 + math.sqrt(5)))
    for per_synthetic in (0.2, 1.0, 3.0):
        weights = np.linspace(0.01, 1, 10_000)
        errors = laws.weighted_error(100 * per_synthetic, 100, weights)
        assert weights[errors.argmin()] == pytest.approx(weighting.optimal_real_weight(per_synthetic), abs=2e-4)


def test_detector_reaches_tolerance() -> None:
    tolerated = provenance.tolerated_ratio(0.8, spread=0.5)
    assert laws.settled_variance(tolerated, 0.0, 0.5) == pytest.approx(0.8)
    rate = provenance.needed_true_positive_rate(9.0, tolerated, 0.1)
    assert provenance.filtered_ratio(9.0, rate, 0.1) == pytest.approx(tolerated)
    assert provenance.needed_true_positive_rate(0.1, tolerated, 0.1) == 0.0


def test_settled_variance_is_fixed_point() -> None:
    variance = 1.0
    for _ in range(400):
        variance = 1 / 3 + 2 / 3 * (1.4 * variance + 0.5) / 1.5
    assert laws.settled_variance(2.0, 0.5, 1.4) == pytest.approx(variance)
    assert laws.settled_variance(7.0, 0.3, 1.0) == pytest.approx(1.0)
    assert laws.settled_variance(2.0, 0.0, 1.6) == math.inf


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_expected_wasserstein_of_fitted_gaussians(dimension: int, generator) -> None:
    n = 400
    data = generator.normal(0, 1, (4000, n, dimension))
    covariances = np.einsum("snd,sne->sde", data, data) / n - np.einsum("sd,se->sde", data.mean(1), data.mean(1))
    spectra = np.linalg.eigvalsh(covariances)
    distance = np.sqrt((data.mean(1) ** 2).sum(1) + ((np.sqrt(spectra) - 1) ** 2).sum(1))
    assert laws.expected_wasserstein(1 / n, dimension) == pytest.approx(distance.mean(), rel=0.03)


def test_several_models_variance(generator) -> None:
    n = 12
    generations = 15
    assert crossfeed.crossfed_variance(n, 1, generations) == pytest.approx(laws.replace_variance(n, generations))
    means = np.zeros((20_000, 3))
    variances = np.ones((20_000, 3))
    curve = []
    for generation in range(generations + 1):
        sources = np.arange(3) if generation == 0 else None
        draws = np.empty((20_000, 3, n))
        for model in range(3):
            source = np.full(n, sources[model]) if sources is not None else np.repeat(np.arange(3), n // 3)
            draws[:, model] = generator.normal(means[:, source], np.sqrt(variances[:, source]))
        means = draws.mean(-1)
        variances = draws.var(-1)
        curve.append(variances.mean())
    assert crossfeed.crossfed_variance(n, 3, generations) == pytest.approx(np.array(curve), rel=0.03)
    assert crossfeed.crossfed_variance(n, 3, generations)[-1] > laws.replace_variance(n, generations)[-1]


def test_volume_falls_as_wishart(generator) -> None:
    n = 10
    roots = np.tile(np.eye(2), (4000, 1, 1))
    curve = []
    for _ in range(5):
        draws = np.einsum("sij,snj->sni", roots, generator.normal(0, 1, (4000, n, 2)))
        covariances = np.einsum("sni,snj->sij", *[draws - draws.mean(1, keepdims=True)] * 2) / n
        curve.append(np.linalg.slogdet(covariances)[1].mean())
        roots = np.linalg.cholesky(covariances)
    assert laws.replace_log_volume(n, 2, 4) == pytest.approx(np.array(curve), rel=0.05)


def regression_errors(generator, samples: int, dimension: int, generations: int, accumulate: bool) -> np.ndarray:
    errors = np.zeros(generations + 1)
    for _ in range(400):
        weight = np.zeros(dimension)
        gram = np.zeros((dimension, dimension))
        moment = np.zeros(dimension)
        for generation in range(generations + 1):
            design = generator.normal(0, 1, (samples, dimension))
            labels = design @ weight + generator.normal(0, 0.5, samples)
            if not accumulate:
                gram = 0 * gram
                moment = 0 * moment
            gram = gram + design.T @ design
            moment = moment + design.T @ labels
            weight = np.linalg.solve(gram, moment)
            errors[generation] += weight @ weight / 400
    return errors


def test_regression_loops_follow_their_sums(generator) -> None:
    replaced = regression_errors(generator, 30, 5, 6, accumulate=False)
    accumulated = regression_errors(generator, 30, 5, 6, accumulate=True)
    assert linear.regression_replace_error(30, 5, 0.5, 6) == pytest.approx(replaced, rel=0.12)
    assert linear.regression_accumulate_error(30, 5, 0.5, 6) == pytest.approx(accumulated, rel=0.12)
    limit = linear.regression_replace_error(30, 5, 0.5, 0)[0] * math.pi**2 / 6
    assert linear.regression_accumulate_error(30, 5, 0.5, 1000)[-1] < limit


def test_verified_retraining_contraction() -> None:
    low, high = ((bound - np.array([1e-4, -1e-4])) / 1.5 for bound in (-1.0, 1.0))
    means = stats.truncnorm.mean(low, high, loc=[1e-4, -1e-4], scale=1.5)
    assert biased.verified_contraction(1.0, 1.5) == pytest.approx((means[0] - means[1]) / 2e-4, rel=1e-3)
    assert biased.verified_contraction(50.0, 1.0) == pytest.approx(1.0)


def test_words_follow_wright_fisher(generator) -> None:
    probabilities = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02])
    n = 30
    current = np.tile(probabilities, (20_000, 1))
    vocabulary = [7.0]
    simpson = [np.square(probabilities).sum()]
    for _ in range(8):
        current = generator.multinomial(n, current) / n
        vocabulary.append((current > 0).sum(1).mean())
        simpson.append(np.square(current).sum(1).mean())
    assert language.expected_vocabulary(probabilities, n, 8) == pytest.approx(np.array(vocabulary), rel=0.01)
    assert language.expected_simpson(probabilities, n, 8) == pytest.approx(np.array(simpson), rel=0.01)


@pytest.mark.slow
def test_kept_words_bound_repetition(generator) -> None:
    probabilities = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02])
    n = 30
    vocabulary = 6
    real = generator.multinomial(n, probabilities, 20_000)
    current = real
    simpson = [np.square(probabilities).sum(), np.square(real / n).sum(1).mean()]
    for _ in range(7):
        originals = generator.multivariate_hypergeometric
        drawn = np.array([originals(row, vocabulary) for row in real])
        current = drawn + generator.multinomial(n - vocabulary, current / n)
        simpson.append(np.square(current / n).sum(1).mean())
    assert language.kept_simpson(probabilities, n, vocabulary / n, 8) == pytest.approx(np.array(simpson), rel=0.01)


def test_nothing_kept_is_fully_synthetic() -> None:
    arguments = (np.array([0.5, 0.3, 0.2]), 40)
    assert language.kept_simpson(*arguments, 0.0, 9) == pytest.approx(language.expected_simpson(*arguments, 9))
    assert language.kept_simpson(*arguments, 1.0, 9)[1:] == pytest.approx(language.expected_simpson(*arguments, 1)[1])


def test_accumulated_words_repeat(generator) -> None:
    probabilities = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02])
    n = 30
    counts = generator.multinomial(n, probabilities, 20_000)
    simpson = [np.square(probabilities).sum()]
    for total in range(n, 9 * n, n):
        simpson.append(np.square(counts / total).sum(1).mean())
        counts = counts + generator.multinomial(n, counts / total)
    assert language.accumulated_simpson(probabilities, n, 8) == pytest.approx(np.array(simpson), rel=0.01)
    diversity = 1 - language.accumulated_simpson(probabilities, n, 5000)
    assert diversity[-1] > diversity[0] * (1 - np.pi**2 / 6 / n)


def test_curation_matches_choices(generator) -> None:
    probabilities = np.array([0.4, 0.4, 0.2])
    rewards = np.array([0.0, 1.0, 2.0])
    pairs = generator.choice(3, (200_000, 2), p=probabilities)
    first_wins = generator.random(len(pairs)) < 1 / (1 + np.exp(rewards[pairs[:, 1]] - rewards[pairs[:, 0]]))
    winners = np.where(first_wins, pairs[:, 0], pairs[:, 1])
    step = curation.curated_categories(probabilities, rewards, 0.0, 1)[1]
    assert step == pytest.approx(np.bincount(winners) / len(winners), abs=0.005)


def test_curation_reaches_maximiser() -> None:
    probabilities = np.array([0.4, 0.4, 0.2])
    rewards = np.array([0.0, 1.0, 2.0])
    history = curation.curated_categories(probabilities, rewards, 0.0, 200)
    assert history.sum(1) == pytest.approx(1.0)
    assert (np.diff(history @ np.exp(rewards)) >= -1e-12).all()
    assert history[-1, 2] == pytest.approx(1.0)
    assert curation.curated_categories(probabilities, rewards, 0.5, 200)[-1, 0] > 0.2


def test_lines_of_two_members():
    """One of two lines survives, both with 2^−t."""
    survived = lineages.surviving_lineages([2], 5)
    assert survived == pytest.approx([(1 + 2.0**-t) / 2 for t in range(6)])


@pytest.mark.parametrize("offspring_variance", [0.2, 1.0, 1.67])
def test_lines_halve_as_predicted(offspring_variance):
    curve = lineages.surviving_lineages([300], 12, offspring_variance)
    times = np.arange(13)
    assert curve == pytest.approx(1 / (1 + offspring_variance * times / 2), abs=0.09)


@pytest.mark.parametrize("offspring_variance", [0.3, 1.0, 2.5])
def test_line_chain_has_stated_variance(offspring_variance):
    """Rows are distributions that keep the mean; one member's children vary by σ², up to what a finite n allows."""
    size = 200
    chain = lineages.line_sizes(size, offspring_variance)
    places = np.arange(size + 1)
    assert chain.sum(1) == pytest.approx(np.ones(size + 1))
    assert chain @ places == pytest.approx(places)
    assert chain[1] @ places**2 - 1 == pytest.approx(offspring_variance, rel=0.02)


def test_lines_agree_with_a_simulation():
    rng = np.random.default_rng(0)
    size = 12
    excess = 0.7
    alive = []
    for _ in range(4000):
        founders = np.arange(size)
        for _ in range(4):
            chances = rng.gamma(1 / excess, excess, size)
            founders = rng.choice(founders, size, p=chances / chances.sum())
        alive.append(len(np.unique(founders)) / size)
    error = 4 * np.std(alive) / math.sqrt(len(alive))
    assert lineages.surviving_lineages([size], 4, 1 + excess)[-1] == pytest.approx(np.mean(alive), abs=error)


def test_single_line_coverage_is_survival():
    near = np.eye(2, dtype=int)[[0, 0, 1]]
    curve = lineages.coverage_by_drift(near, [2, 10], 3, 1.67)
    parts = [lineages.surviving_lineages([size], 3, 1.67) for size in (2, 10)]
    assert curve == pytest.approx((2 * parts[0] + parts[1]) / 3)


def test_drift_coverage_matches_simulation():
    """Points that no founder reaches are never covered; others are reached by several, of two labels."""
    rng = np.random.default_rng(2)
    sizes = (8, 5)
    reach = np.array([[3, 0], [1, 2], [8, 0], [0, 0]])
    covered = []
    for _ in range(4000):
        alive = np.zeros(len(reach), dtype=bool)
        for label, size in enumerate(sizes):
            founders = np.arange(size)
            for _ in range(6):
                founders = rng.choice(founders, size)
            alive |= founders.min() < reach[:, label]
        covered.append(alive.mean())
    curve = lineages.coverage_by_drift(reach, sizes, 6)
    assert curve[0] == 0.75
    assert curve[-1] == pytest.approx(np.mean(covered), abs=4 * np.std(covered) / math.sqrt(len(covered)))


def test_labels_count_by_their_size():
    parts = [lineages.surviving_lineages([size], 3) for size in (2, 10)]
    assert lineages.surviving_lineages([2, 10], 3) == pytest.approx((2 * parts[0] + 10 * parts[1]) / 12)
    assert lineages.surviving_lineages([1, 1, 1], 50)[-1] == 1


@pytest.mark.parametrize("excess", [0.0, 0.67, 2.0])
def test_matching_loses_unserved_parents(excess):
    rng = np.random.default_rng(1)
    parents = 4000
    draws = 3
    chances = rng.gamma(1 / excess, excess, parents) if excess else np.ones(parents)
    empty = np.mean(rng.poisson(draws * chances) == 0)
    assert lineages.matched_offspring_variance(draws, excess) / 2 == pytest.approx(
        empty, abs=4 * math.sqrt(empty / parents)
    )


def test_drift_explains_bounds():
    assert lineages.drift_share(0.25, 0.25) == 1
    assert lineages.drift_share(0.25, 0.5) == pytest.approx(0.5)
    assert lineages.drift_share(0.25, 0.1) == 1
    assert lineages.drift_share(0.0, 0.3) == 0
    assert math.isnan(lineages.drift_share(1.0, 0.9))


def test_near_by_label_counts():
    rng = np.random.default_rng(5)
    reference = rng.normal(size=(60, 3))
    candidate = rng.normal(size=(30, 3))
    labels = rng.integers(0, 4, 30)
    counts = lineages.near_by_label(reference, candidate, labels)
    assert counts.shape == (60, len(np.unique(labels)))
    assert (counts.sum(axis=1) > 0).mean() == neighbour_metrics(reference, candidate)["coverage"]
    assert counts.sum() / 30 / 5 == pytest.approx(neighbour_metrics(reference, candidate)["density"])


# --- counts, coins, and what means hide ----------------------------------------------------------------------------


def test_counts_and_coins_survive():
    draw = np.random.default_rng(0)
    counts = draw.poisson(20 * 1.0, 20_000)
    heads = draw.binomial(20, 0.5, 20_000)
    for _ in range(30):
        counts = draw.poisson(counts)
        heads = draw.binomial(20, heads / 20)
    assert counting.poisson_survival(20, 1.0, 30)[-1] == pytest.approx((counts > 0).mean(), abs=0.015)
    assert counting.coin_survival(20, 0.5, 30)[-1] == pytest.approx(((heads > 0) & (heads < 20)).mean(), abs=0.015)
    # a critical branching process: many founders die out like 1 − exp(−2 S / t)
    assert counting.poisson_survival(20, 10.0, 500)[-1] == pytest.approx(1 - np.exp(-2 * 200 / 502), abs=0.01)


def test_shrinking_corrector_settles():
    settled = counting.mixed_variance(10**6, 0.9, 200, synthetic_ratio=2.0)[-1]
    assert settled == pytest.approx(1 / (1 + 2 * (1 - 0.81)), rel=1e-5)
    plain = counting.shrunk_variance(128, 1.0, 1)
    shrunk = counting.shrunk_variance(128, 0.996, 1)
    assert (1 - shrunk[1] / shrunk[0]) / (1 - plain[1] / plain[0]) == pytest.approx(2, abs=0.05)


def test_few_centres_hold_variance():
    centres = counting.normal_centres(4)
    assert centres == pytest.approx([-1.510, -0.4528, 0.4528, 1.510], abs=1e-3)  # Lloyd 1982, Max 1960
    law = counting.snapped_variance(1000, centres, 30)
    draw = np.random.default_rng(0)
    samples = draw.normal(size=(1000, 30))
    for _ in range(30):
        drawn = samples.mean(0) + samples.std(0) * draw.normal(size=samples.shape)
        samples = centres[np.abs(drawn[..., None] - centres).argmin(-1)]
    assert samples.var(0).mean() == pytest.approx(law[-1], abs=0.02)
    assert law[-1] > 0.6
    copied = counting.snapped_variance(128, counting.normal_centres(128), 200)[1:]
    assert copied == pytest.approx((1 - 1 / 128) ** np.arange(2, 202), rel=0.05)


def test_label_keeps_one_founder():
    assert lineages.surviving_lineages([9] * 12 + [10] * 2, 3000)[-1] == pytest.approx(14 / 128, abs=1e-3)
    assert 100 * lineages.surviving_lineages([100], 300)[-1] == pytest.approx(1.14, abs=0.02)


def test_median_halves_before_mean():
    draw = np.random.default_rng(0)
    factors = draw.chisquare(99, (4000, 200)) / 100
    below = np.cumprod(factors, axis=1) <= 0.5
    first = np.where(below.any(1), below.argmax(1) + 1, np.inf)
    assert np.median(first) in (24, 25)
    mean = np.cumprod(factors, axis=1).mean(axis=0)
    assert (mean <= 0.5).argmax() + 1 == pytest.approx(69, abs=5)  # 0.99^69 = 0.5


def test_mean_hides_lost_variance():
    draw = np.random.default_rng(0)
    logarithms = np.zeros(10_000)
    for _ in range(1000):
        logarithms += np.log(draw.chisquare(99, 10_000) / 99)  # expectation 1 in each generation
    assert np.exp(logarithms).mean() < 0.7


def test_dimensions_are_lost_first():
    draw = np.random.default_rng(0)
    ranks = []
    totals = []
    for _ in range(200):
        root = np.eye(15)
        for _ in range(10):
            samples = draw.normal(size=(20, 15)) @ root.T
            root = np.linalg.cholesky(np.cov(samples, rowvar=False) + 1e-12 * np.eye(15))
        spectrum = np.linalg.eigvalsh(root @ root.T)
        ranks.append(spectrum.sum() ** 2 / np.square(spectrum).sum())
        totals.append(spectrum.sum() / 15)
    assert np.mean(ranks) == pytest.approx(2.1, abs=0.15)
    assert np.mean(totals) == pytest.approx(1, abs=0.25)


def test_rank_matches_simulation() -> None:
    """Ranks agree with NumPy's of covariances of 20 points in 15 dimensions."""
    generator = np.random.default_rng(0)
    points = generator.normal(size=(1000, 20, 15))
    for generation in range(3):
        covariance = np.stack([np.cov(rows, rowvar=False) for rows in points])
        squared_trace = np.trace(covariance, axis1=1, axis2=2) ** 2
        ratio = squared_trace.mean() / (covariance**2).sum((1, 2)).mean()
        assert counting.unbiased_rank(20, 15, generation) == pytest.approx(ratio, rel=0.03)
        spectrum, vectors = np.linalg.eigh(covariance)
        draws = generator.normal(size=points.shape) * np.sqrt(spectrum.clip(0))[:, None]
        points = draws @ vectors.swapaxes(1, 2)
