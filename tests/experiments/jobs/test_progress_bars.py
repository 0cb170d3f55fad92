"""Bars show earlier work of a resumed run as done, and exclude it from the speed."""

import re
import time

import pytest

from selfcorrect.experiments.jobs import progress_bars
from selfcorrect.experiments.jobs.progress_bars import Bars, Event, show_elapsed


@pytest.mark.parametrize("kept", [0, 3])
def test_earlier_generations_are_not_speed(kept: int) -> None:
    with Bars(total=5, rows=1, title="loop", unit="gen") as bars:
        bars.show(Event("arm", "start", kept, 5))
        for generation in range(1, 5):
            bars.show(Event("arm", "generation", generation, 5))
            bars.show(Event("arm", "generation", generation, 5))
        assert bars.overall.n == 4
        assert bars.overall.initial == kept, "the speed is that of n − initial"


def test_first_generation_is_not_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generation 0 takes 1,000 s, each of ten later ones 10 s."""
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


def test_counts_never_fall(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress_bars.PROGRESS, "always")
    with Bars(total=4, rows=2, title="loop", unit="gen") as bars:
        for event in (
            Event("a", "train", 0, 5),
            Event("b", "generation", 0, 2),
            Event("c", "generation", 0, 2),
            Event("a", "generation", 0, 2),
            Event("a", "generation", 1, 2),
        ):
            bars.show(event)
            bars.overall.refresh()
        bars.finish("a")
        bars.show(Event("d", "sample", 1, 5))
    screen = capsys.readouterr().err
    counts = [int(count) for count in re.findall(r"loop: .*?(\d+)/4", screen)]
    assert counts == sorted(counts)
    assert counts[-1] == 4
    assert "a: train" in screen
    assert "d: sample" in screen
    assert not re.search(r"(^|\r)\s*\d+(it|%)", screen)


def test_elapsed_time_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress_bars.PROGRESS, "always")
    monkeypatch.setattr(progress_bars, "_TICK_S", 0.01)
    with show_elapsed("writing the report"):
        time.sleep(0.2)
    assert capsys.readouterr().err.count("writing the report [") > 2
