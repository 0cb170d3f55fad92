"""Residual-free tracking beside plain planners by sampling: success, distance, processor time and simulated steps.

    python -m benchmarks.side_by_side path/to/cmu-bvh --out side-by-side.jsonl

The settings of each planner are chosen on clips of the train split. Then all methods follow the test clips, once.
All methods have the same body, clean-up, plan, friction and joint springs in MuJoCo, and no root force. Only the search
differs. A planner simulates `budget` steps for each step of the motion; the table has the steps of all. A line per clip
and method is kept, so that the same command again resumes where it stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import tyro
from scipy.stats import binomtest

from benchmarks.side_by_side.planners import PlannerSettings, follow_by_planner
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators import pipeline
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.engines.mujoco_world import MuJoCoWorld
from selfcorrect.simulators.settings.tracker import PRESETS, RESIDUAL_FREE
from selfcorrect.simulators.tracking.sampling_search import track_residual_free
from selfcorrect.statistics import mean_interval
from selfcorrect.storage.files.strict_json import parse_json, read_as

Follow = Callable[..., object]

PLANNERS = {
    "predictive sampling": PlannerSettings(rounds=1, noise_rad=0.05, horizon_s=0.3),
    "annealed sampling": PlannerSettings(rounds=3, noise_rad=0.05, horizon_s=0.3),
}
"""What the baselines have in common in all settings that are tried."""

TRIED = {
    name: {
        f"{name}, noise {noise_rad:g} rad, horizon {horizon_s:g} s": replace(
            planner, noise_rad=noise_rad, horizon_s=horizon_s
        )
        for noise_rad in (0.02, 0.05, 0.1)
        for horizon_s in (0.2, 0.4)
    }
    for name, planner in PLANNERS.items()
}
"""Settings of each baseline, the best of which on train clips goes to the test clips."""


@dataclass(frozen=True)
class Trial:
    """What became of one clip."""

    method: str
    clip: str
    category: str
    seconds: float
    """How long the clip lasts."""
    failure: str
    """Why it was rejected, "" where it was followed to its end."""
    followed_share: float
    """Of the clip, until it was given up."""
    moved_mm: float | None
    """Mean distance of the joints from the clip; None for one that was not followed."""
    took_s: float
    """Processor time."""
    steps: int
    """Simulated steps of single bodies."""


def trial(method: str, follow: Follow, clip: Motion) -> Trial:
    """Follow one clip by one method."""
    steps, step = 0, MuJoCoWorld.step

    def counted(world: MuJoCoWorld, running: Sequence[int], *arguments: np.ndarray) -> None:
        nonlocal steps
        steps += len(running)
        step(world, running, *arguments)

    with ExitStack() as patches:
        patches.enter_context(patch.object(pipeline, "track_residual_free", follow))
        patches.enter_context(patch.object(MuJoCoWorld, "step", counted))
        started_s = time.process_time()
        (made,) = PhysicsCorrector(PRESETS[RESIDUAL_FREE].tracker("mujoco"))([clip])
        took_s = time.process_time() - started_s
    frame = None if made.failure is None else made.failure.frame
    return Trial(
        method=method,
        clip=Path(clip.source).stem,
        category=clip.label,
        seconds=clip.seconds,
        failure=made.reason,
        followed_share=1.0 if made.accepted else (frame or 0) / (len(clip) - 1),
        moved_mm=1e3 * made.figures["moved_m"] if made.accepted else None,
        took_s=took_s,
        steps=steps,
    )


def run(clips: Sequence[Motion], methods: dict[str, Follow], kept: Path) -> Iterator[Trial]:
    """All trials: those that are kept in a file from there, the others added to it one by one."""
    done = {(each.method, each.clip): each for each in _kept(kept)}
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        for clip in clips:
            for method, follow in methods.items():
                key = method, Path(clip.source).stem
                if key not in done:
                    done[key] = trial(method, follow, clip)
                    print(json.dumps(asdict(done[key])), file=file, flush=True)
                yield done[key]


def _kept(path: Path) -> Iterator[Trial]:
    """The trials of a file but for a last line that was cut off."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            yield read_as(Trial, parse_json(line, path), path)
        except InputError:
            continue


def best_of(trials: Sequence[Trial]) -> str:
    """The method that follows most: whole clips first, then time, then by how little it moves them."""

    def rank(method: str) -> tuple[float, float, float]:
        own = [each for each in trials if each.method == method]
        moved = [each.moved_mm for each in own if each.moved_mm is not None]
        return (-len(moved), -sum(each.followed_share for each in own), float(np.mean(moved)) if moved else np.inf)

    return min(dict.fromkeys(each.method for each in trials), key=rank)


def stratified(clips: Sequence[Motion], count: int, seconds: float) -> list[Motion]:
    """The beginnings of some clips, spread evenly over all in the order of their classes and names."""
    ordered = sorted(clips, key=lambda clip: (clip.label, clip.source))
    chosen = [ordered[int((index + 0.5) * len(ordered) / count)] for index in range(min(count, len(ordered)))]
    return [clip.frames(0, min(len(clip), round(seconds * clip.fps))) for clip in chosen]


def table(trials: Sequence[Trial]) -> str:
    """A row for each method, in Markdown; distances are paired over the clips that both methods followed."""
    rows = [
        "| search | followed (95 % interval) | followed share of time | moved, mm | minus residual-free, mm (clips) "
        "| times real time | simulated steps per step |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    ours = {each.clip: each for each in trials if each.method == RESIDUAL_FREE}
    for method in dict.fromkeys(each.method for each in trials):
        own = [each for each in trials if each.method == method]
        good = [each.moved_mm for each in own if each.moved_mm is not None]
        interval = binomtest(len(good), len(own)).proportion_ci(method="wilson")
        seconds = sum(each.seconds for each in own)
        rows.append(
            f"| {method} | {len(good)} of {len(own)} ({100 * interval.low:.0f} to {100 * interval.high:.0f} %) "
            f"| {np.mean([each.followed_share for each in own]):.0%} | {f'{np.mean(good):.0f}' if good else ''} "
            f"| {_paired(own, ours)} | {seconds / sum(each.took_s for each in own):.2f} "
            f"| {sum(each.steps for each in own) / (120 * seconds):.0f} |"
        )
    return "\n".join(rows)


def _paired(own: Sequence[Trial], ours: dict[str, Trial]) -> str:
    """Difference of the distances on the clips that both followed, with its 95 % interval."""
    pairs = [(each.moved_mm, ours[each.clip].moved_mm) for each in own if each.clip in ours]
    apart = [one - other for one, other in pairs if one is not None and other is not None]
    if len(apart) < 2 or own[0].method == RESIDUAL_FREE:
        return ""
    interval = mean_interval(np.array(apart))
    return f"{interval.estimate:+.0f} [{interval.low:+.0f}, {interval.high:+.0f}] ({len(apart)})"


@dataclass(frozen=True)
class Arguments:
    """Compare searches without root force on clips of the CMU set."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    out: Path = Path("side-by-side.jsonl")
    """A line per clip and method."""
    count: int = 12
    """So many test clips."""
    seconds: float = 3.0
    """Of each, at most."""
    train_count: int = 6
    """So many train clips."""
    train_seconds: float = 2.0
    """Of each, at most."""
    only_choose: bool = False
    """End when the settings are chosen; the same command without this goes on."""


def main(arguments: Arguments) -> None:
    """Run what is left to do, and print both tables."""
    train = stratified(load_cmu(arguments.data, "train"), arguments.train_count, arguments.train_seconds)
    methods: dict[str, Follow] = {RESIDUAL_FREE: track_residual_free}
    trials: list[Trial] = []
    for name, tried in TRIED.items():
        tracked: dict[str, Follow] = {title: partial(follow_by_planner, planner) for title, planner in tried.items()}
        trials += run(train, tracked, arguments.out)
        best = best_of([each for each in trials if each.method in tried])
        methods[name] = partial(follow_by_planner, tried[best])
        print(f"{name}: {tried[best]}")
    print(table(trials))
    if arguments.only_choose:
        return
    test = stratified(load_cmu(arguments.data, "test"), arguments.count, arguments.seconds)
    print(table(list(run(test, methods, arguments.out))))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
