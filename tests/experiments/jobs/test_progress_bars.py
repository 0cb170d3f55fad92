"""Bars of a resumed run: work of earlier calls is done, and no part of the speed."""

import pytest

from selfcorrect.experiments.jobs.progress_bars import Bars, Event


@pytest.mark.parametrize("kept", [0, 3])
def test_generations_of_earlier_calls_are_done_and_do_not_count_as_speed(kept: int) -> None:
    with Bars(total=5, rows=1, title="loop", unit="gen") as bars:
        bars.show(Event("arm", "start", kept, 5))
        for generation in range(1, 5):
            bars.show(Event("arm", "generation", generation, 5))
            bars.show(Event("arm", "generation", generation, 5))
        assert bars.overall.n == 4
        assert bars.overall.initial == kept, "the speed is that of n − initial"


def test_a_slow_first_generation_is_no_part_of_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generation 0 takes 1,000 s, each of ten later generations 10 s."""
    clock = [0.0]
    monkeypatch.setattr("tqdm.std.tqdm._time", staticmethod(lambda: clock[0]), raising=False)
    with Bars(total=11, rows=1, title="loop", unit="gen") as bars:
        bars.overall._time = lambda: clock[0]
        clock[0] = 1000.0
        bars.show(Event("first", "generation", 0, 10))
        for generation in (1, 2):
            clock[0] += 10.0
            bars.show(Event("arm", "generation", generation, 10))
        values = bars.overall.format_dict
        rate = (values["n"] - values["initial"]) / values["elapsed"]
        assert (values["total"] - values["n"]) / rate == pytest.approx(80.0)
