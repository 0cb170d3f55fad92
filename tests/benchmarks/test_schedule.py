"""The simulated schedule, where it can be worked out by hand."""

import numpy as np
import pytest

from benchmarks.schedule import Cluster, drawn_s, wall_s

CALM = Cluster(cores_per_node=2, start_s=10.0, unit_s=0.0, given_out_per_s=1e9, failures_per_hour=0.0, straggling=0.0)


def test_equal_units_fill_the_cores_in_rounds() -> None:
    assert wall_s([5.0] * 7, 3, CALM, np.random.default_rng(0)) == pytest.approx(10 + 3 * 5)


def test_the_longest_unit_bounds_the_end() -> None:
    assert wall_s([20.0, 1.0, 1.0], 100, CALM, np.random.default_rng(0)) == pytest.approx(30, abs=1e-6)


def test_one_process_that_gives_out_bounds_the_pace() -> None:
    slow = Cluster(2, 0.0, 0.0, 2.0, 0.0, 0.0)
    assert wall_s([0.001] * 40, 1000, slow, np.random.default_rng(0)) == pytest.approx(40 / 2, rel=0.01)


def test_failures_cost_time_and_lose_nothing() -> None:
    units = [600.0] * 400
    failing = Cluster(2, 60.0, 0.0, 1e9, 1.0, 0.0)
    calm = wall_s(units, 8, CALM, np.random.default_rng(0))
    ends = [wall_s(units, 8, failing, np.random.default_rng(seed)) for seed in range(20)]
    # A failure an hour and node costs a core half a unit and the start: (300 + 60) / 3600 of the time.
    assert np.mean(ends) / calm == pytest.approx(1.1, abs=0.04)


def test_stragglers_are_as_many_and_as_slow_as_told() -> None:
    cluster = Cluster(unit_s=1.0, straggling=0.25, straggler=3.0)
    units = np.array(drawn_s([10.0], 2.0, 20_000, cluster, np.random.default_rng(0)))
    assert set(units) == {21.0, 61.0}
    assert np.mean(units > 21) == pytest.approx(0.25, abs=0.01)
