"""What a run of many files says at its end."""

from __future__ import annotations

from pathlib import Path

from selfcorrect.experiments.correction.batch import TOLD, closing
from selfcorrect.experiments.correction.report import Result


def results(count: int) -> list[Result]:
    return [
        Result(f"in/{n}.bvh", f"{n}.bvh", "", "accepted", odd=("F4",), moved_because="moved by up to 0.42 m: spikes")
        for n in range(count)
    ]


def test_few_files_are_all_named() -> None:
    told = closing(results(TOLD), Path("out"))
    assert told[0] == f"{TOLD} of {TOLD} motions corrected → out"
    assert told[1].splitlines()[-1] == f"{TOLD - 1}.bvh: moved by up to 0.42 m: spikes"
    assert told[2].endswith(f"; {TOLD - 1}.bvh (F4)")


def test_of_thousands_the_first_are_named_and_the_rest_counted() -> None:
    told = closing(results(3000), Path("out"))
    assert told[1].splitlines()[-1] == told[2].rpartition("; ")[2] == f"and {3000 - TOLD} more, in the report"
    assert "(3000): 0.bvh (F4); 1.bvh (F4)" in told[2]
    assert sum(map(len, told)) < 100 * TOLD
