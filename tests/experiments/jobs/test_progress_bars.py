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
        assert bars.count_generations("arm") == 4
