"""`make campaign`: try to break everything, and print how often that was tried and what was not clean.

Nothing is clean that loses or silently changes anything, shows a traceback, hangs, ends with an exit code that says
nothing, or takes more than a gigabyte beyond what the program needs. Every case is made from the seed and its number;
`--only files:1234` runs one again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bad_disks
import bad_files
import bad_pickles
import bombs
import damage
import harness
import hostile_correctors
import kills
import options

Make = Callable[[int, int, Path], list[harness.Case]]


@dataclass(frozen=True)
class Area:
    """A kind of case: how many at scale 1 and to reach the goal, how long one may take, how many count as one."""

    make: Make
    count: int
    goal: int
    longest_s: float = harness.LONGEST_S
    each: int = 1


AREAS = {
    "files": Area(bad_files.file_cases, 8000, 8000),
    "datasets": Area(bad_files.set_cases, 1800, 1800),
    "caches": Area(bad_files.cache_cases, 200, 200, 20),
    "pickles": Area(bad_pickles.pickle_cases, 2000, 100),
    "bombs": Area(lambda seed, count, folder: bombs.bomb_cases(folder), 45, 45, 60),
    "correctors": Area(hostile_correctors.corrector_cases, 400, 100, 30),
    "damage": Area(damage.damage_cases, 500, 500, 30),
    "kills": Area(kills.kill_cases, 250, 1000, 120, kills.KILLS_PER_CASE),
    "disks": Area(bad_disks.disk_cases, 40, 40, 180),
    "options": Area(options.option_cases, 300, 2000, 90),
}
"""At scale 1, half an hour on two cores that have nothing else to do. Making a bomb takes its time, too."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the areas, print the table, and say by the exit code whether all was clean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("areas", nargs="*", help=f"of {', '.join(AREAS)}; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of cases")
    parser.add_argument("--goal", action="store_true", help="as many cases of every area as the goal asks for")
    parser.add_argument("--only", default="", help="the name of one case, e.g. files:1234")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args(words)
    areas = [chosen.only.partition(":")[0]] if chosen.only else chosen.areas or list(AREAS)
    if unknown := [name for name in areas if name not in AREAS]:
        parser.error(f"unknown areas {', '.join(unknown)}; there are {', '.join(AREAS)}")
    warnings.simplefilter("ignore")
    rows = [_run(name, chosen) for name in areas]
    print(f"\n{'area':<12}{'tried':>8}{'clean':>8}{'not':>6}{'goal':>8}{'minutes':>9}   seed {chosen.seed}")
    for name, tried, bad, minutes in rows:
        print(f"{name:<12}{tried:>8}{tried - bad:>8}{bad:>6}{AREAS[name].goal:>8}{minutes:>9.1f}")
    return 1 if any(bad for _, _, bad, _ in rows) else 0


def _run(name: str, chosen: argparse.Namespace) -> tuple[str, int, int, float]:
    area, start = AREAS[name], time.monotonic()
    count = area.goal if chosen.goal else max(1, round(area.count * chosen.scale))
    tried = bad = 0
    with tempfile.TemporaryDirectory(prefix="selfcorrect-campaign-") as folder:
        cases = area.make(chosen.seed, count, Path(folder))
        cases = [case for case in cases if chosen.only in ("", case.name)]
        for outcome in harness.run_cases(cases, area.longest_s, chosen.workers):
            tried += area.each
            if outcome.wrong:
                bad += 1
                print(f"{outcome.name}: {outcome.wrong}", flush=True)
    if not cases:
        print(f"{name}: cannot be tried on this machine", flush=True)
    minutes = (time.monotonic() - start) / 60
    print(f"{name}: {tried} tried, {bad} not clean, {minutes:.1f} minutes", flush=True)
    return name, tried, bad, minutes


if __name__ == "__main__":
    sys.exit(main())
