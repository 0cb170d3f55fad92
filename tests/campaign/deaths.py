"""Commands that die at each of their operations on files, one case per operation, and are then given again.

Kills at random moments seldom hit what takes microseconds, such as the time between a record and its file. Here none of
these moments is left out. After the first death come others at random, until the command is left alone.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import kills
import numpy as np
from dying import VARIABLES, die_at
from harness import Case, random_of

WORKS: dict[str, tuple[Callable[[Path], None], int]] = {
    "correct": (kills.command("correct", "tiny.bvh", "-o", "out", "--kinematic", "--workers", "1"), 93),
    "report": (
        kills.command("correct", "data", "-o", "out", "--kinematic", "--workers", "1", "--report", "mine.json"),
        60,
    ),
    "films": (kills.filmed, 80),
    "workers": (kills.command("correct", "data", "-o", "out", "--kinematic", "--workers", "2"), 12),
    "sentences": (kills.sentences, 30),
    "shards": (kills.shards, 50),
    "convert": (kills.command("data", "convert", "data", "--out", "out", "--to", "amass", "--overwrite"), 30),
    "motion": (kills.motion, 20),
    "toy": (kills.command("toy", "weighting", "--quick", "--out", "out", "--workers", "1"), 15),
    "loop": (kills.loop, 10),
}
"""What is run, and how many of 400 deaths it gets; where it has more operations, these are spread over all of them."""
MOST_DEATHS = 4


def death_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """Works that die at one operation after the other; the works have their shares of the cases."""
    names = kills.shared({name: share for name, (_, share) in WORKS.items()}, count)
    cases: list[Case] = []
    for name in dict.fromkeys(names):
        numbers = np.unique(np.linspace(1, _operations(name, folder), names.count(name)).astype(int))
        cases += [
            Case(f"deaths:{name} {number}", partial(_case, name, seed, int(number), folder)) for number in numbers
        ]
    return cases


@cache
def _operations(name: str, folder: Path) -> int:
    """How many operations the work takes when nothing ends it."""
    kills.whole(WORKS[name][0], folder / f"whole-{name}")
    place = folder / f"counted-{name}"
    kills.prepare(place)
    wrong = kills.ended(kills.child(partial(_dying, name, 0), place), place)
    assert not wrong, f"{name} {wrong}, without dying"
    return int(_count(place).read_text())


def _count(place: Path) -> Path:
    return place.with_name(f"{place.name}.count")


def _dying(name: str, number: int, place: Path) -> None:
    """Do the work and die at an operation of this process, or, where it has workers, of each of these."""
    if name == "workers":
        _have_workers_die(number, place)
    else:
        die_at(number, place, _count(place))
    WORKS[name][0](place)


def _have_workers_die(number: int, place: Path) -> None:
    """Let processes that start from here run `sitecustomize`, which Python imports before anything else."""
    site = place.with_name(f"{place.name}.site")
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text("import dying\ndying.in_workers()\n")
    os.environ |= dict(zip(VARIABLES, map(str, (place, number, _count(place))), strict=True))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), str(Path(__file__).parent)])


def _case(name: str, seed: int, number: int, folder: Path) -> str:
    warnings.simplefilter("ignore")
    random, place = random_of(seed, f"deaths {name}", number), folder / f"{name}-{number}"
    wanted, _ = kills.whole(WORKS[name][0], folder / f"whole-{name}")
    kills.prepare(place)
    for further in range(random.integers(1, MOST_DEATHS)):
        wrong = kills.ended(kills.child(partial(_dying, name, number), place), place)
        tells = name == "workers" and "exit code 70" not in wrong  # the command lives, and says that its workers died
        if wrong and wrong != "killed" and not tells:
            return f"could not go on after {further} deaths: {wrong}"
        if broken := kills.damage_in(place):
            return f"left damage: {broken[0]}"
        number = int(random.integers(1, _operations(name, folder)))
    return kills.unfinished(WORKS[name][0], place, wanted)
