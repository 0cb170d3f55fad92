"""`make campaign`: try to break everything, and print how often that was tried and what was not clean.

Nothing is clean that loses or silently changes anything, shows a traceback, hangs, ends with an exit code that says
nothing, or takes more than a gigabyte beyond what the program needs. Every case is made from the seed and its number;
`--only files:1234` runs one again. With `--log FILE` a campaign that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bad_disks
import bad_files
import bad_pickles
import bad_places
import bad_plugins
import bad_results
import bad_shards
import bombs
import damage
import deaths
import harness
import hostile_correctors
import kills
import options
import seals
import threads

Make = Callable[[int, int, Path], list[harness.Case]]


@dataclass(frozen=True)
class Area:
    """A kind of case: what is tried, how many at scale 1, how long one may take, how many count as one."""

    cases: str
    make: Make
    count: int
    longest_s: float = harness.LONGEST_S
    each: int = 1


AREAS = {
    "files": Area("damaged motion files: BVH, npz, npy, MDM, glTF, VRM", bad_files.file_cases, 8000),
    "fbx": Area("damaged FBX files", bad_files.fbx_cases, 300),
    "results": Area(
        "damaged .pkl, .pt, .npy and .npz of programs: read, written back and read again",
        bad_results.result_cases,
        4000,
    ),
    "datasets": Area("dataset folders and archives with a damaged file", bad_files.set_cases, 1800),
    "shards": Area("sets of shards, damaged or forged", bad_shards.shard_cases, 300),
    "pickles": Area("pickles made to do harm", bad_pickles.pickle_cases, 2000),
    "bombs": Area("small files that would become large; pipes and devices", bombs.bomb_cases, 73, 30),
    "threads": Area("eight threads that read and correct at once", threads.thread_cases, 100, 60),
    "correctors": Area("hostile correctors", hostile_correctors.corrector_cases, 432, 20),
    "plugins": Area("broken plugins", bad_plugins.plugin_cases, 40),
    "damage": Area("run folders with a damaged file, noticed and repaired", damage.damage_cases, 500),
    "seals": Area("records and run files with changed bits", seals.seal_cases, 400, 60),
    "forged": Area("forged JSON: manifests, records, settings", seals.forged_cases, 400, 90),
    "kills": Area(
        "`kill -9` of each command at random moments; finished and compared bit for bit",
        kills.kill_cases,
        160,
        120,
        kills.KILLS_PER_CASE,
    ),
    "deaths": Area(
        "commands that die at their N-th operation on files; finished and compared bit for bit",
        deaths.death_cases,
        400,
        120,
    ),
    "disks": Area("disks that fail or fill up", bad_disks.disk_cases, 60, 120),
    "places": Area("files and folders of users in the program's way", bad_places.place_cases, 200, 150),
    "options": Area(
        "command lines with odd options; each twentieth in a new interpreter", options.option_cases, 2000, 60
    ),
}
"""At scale 1, half an hour on two cores that have nothing else to do. Some limits hold for several commands in a row,
or include the making of a bomb; a single command has ten seconds."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    area: str
    cases: str
    tried: int
    bad: int
    minutes: float
    cpu_minutes: float


def main(words: Sequence[str] | None = None) -> int:
    """Run the areas, print the table, and say by the exit code whether all was clean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("areas", nargs="*", help=f"of {', '.join(AREAS)}; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of cases")
    parser.add_argument("--only", default="", help="the name of one case, e.g. files:1234")
    parser.add_argument("--log", type=Path, help="file of outcomes; what stands in it is not tried again")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args(words)
    areas = [chosen.only.partition(":")[0]] if chosen.only else chosen.areas or list(AREAS)
    if unknown := [name for name in areas if name not in AREAS]:
        parser.error(f"unknown areas {', '.join(unknown)}; there are {', '.join(AREAS)}")
    os.environ |= {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    warnings.simplefilter("ignore")
    rows = [_run(name, chosen) for name in areas]
    minutes, cpu_minutes = (sum(each) for each in zip(*((row.minutes, row.cpu_minutes) for row in rows), strict=True))
    print(f"\nseed {chosen.seed}: {minutes:.1f} minutes, {cpu_minutes:.1f} of a processor\n")
    print("| area | cases | tried | clean | not |", "| --- | --- | ---: | ---: | ---: |", sep="\n")
    for row in rows:
        print(f"| {row.area} | {row.cases} | {row.tried:,} | {row.tried - row.bad:,} | {row.bad} |")
    return 1 if any(row.bad for row in rows) else 0


def _run(name: str, chosen: argparse.Namespace) -> Row:
    area, start, cpu_start = AREAS[name], time.monotonic(), _cpu_s()
    log = _Log(chosen.log, name, chosen.seed)
    with tempfile.TemporaryDirectory(prefix="selfcorrect-campaign-") as folder:
        cases = area.make(chosen.seed, max(1, round(area.count * chosen.scale)), Path(folder))
        cases = [case for case in cases if chosen.only in ("", case.name) and case.name not in log.outcomes]
        for outcome in harness.run_cases(cases, area.longest_s, chosen.workers):
            log.add(outcome)
            if outcome.wrong:
                print(f"{outcome.name}: {outcome.wrong}", flush=True)
        log.end((time.monotonic() - start) / 60, (_cpu_s() - cpu_start) / 60)
    if not log.outcomes:
        print(f"{name}: cannot be tried on this machine", flush=True)
    tried, bad = (area.each * len(log.outcomes), sum(bool(wrong) for wrong in log.outcomes.values()))
    took = f"{log.minutes:.1f} minutes, {log.cpu_minutes:.1f} of a processor"
    print(f"{name}: {tried} tried, {bad} not clean, {took}", flush=True)
    return Row(name, area.cases, tried, bad, log.minutes, log.cpu_minutes)


def _cpu_s() -> float:
    """Seconds of processor time of this process and of all that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _lines_of(path: Path | None) -> Iterator[dict[str, Any]]:
    """What stands in a log; the last line of a campaign that was killed may be half a line."""
    for line in path.read_text().splitlines() if path is not None and path.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(line)


class _Log:
    """Outcomes of an area by case, kept in a file where one is given."""

    def __init__(self, path: Path | None, area: str, seed: int) -> None:
        self._path, self._key = path, {"area": area, "seed": seed}
        kept = [line for line in _lines_of(path) if self._key.items() <= line.items()]
        self.outcomes: dict[str, str] = {line["case"]: line["wrong"] for line in kept if "case" in line}
        self.minutes, self.cpu_minutes = (
            sum(line[name] for line in kept if name in line) for name in ("minutes", "cpu_minutes")
        )

    def add(self, outcome: harness.Outcome) -> None:
        self.outcomes[outcome.name] = outcome.wrong
        self._write({"case": outcome.name, "wrong": outcome.wrong})

    def end(self, minutes: float, cpu_minutes: float) -> None:
        """Add what the cases of this campaign took."""
        self.minutes, self.cpu_minutes = self.minutes + minutes, self.cpu_minutes + cpu_minutes
        self._write({"minutes": minutes, "cpu_minutes": cpu_minutes})

    def _write(self, facts: dict[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a") as file:
                file.write("\n" + json.dumps({**self._key, **facts}))


if __name__ == "__main__":
    sys.exit(main())
