"""The frontier between closeness to a motion and independence of help from outside, drawn.

    python experiments/benchmarks/frontier.py path/to/cmu-bvh --out frontier

Every strength of the dial is a point: mean distance from the given motion against the mean residual wrench that the
simulated body needed. A curve per engine; better is down and to the left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import tyro
from matplotlib.figure import Figure

from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.experiments.benchmarks.tracking import Result, mean_errors, measure
from selfcorrect.experiments.reporting.figures import PALETTE, STYLE
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.settings import STRENGTHS, DriveSettings, TrackerSettings
from selfcorrect.storage.files import replacing, write_atomically

_BESIDE: tuple[dict[str, Any], ...] = (
    {"xytext": (4, 4), "textcoords": "offset points"},
    {"xytext": (-4, -9), "textcoords": "offset points", "ha": "right"},
)
"""Where the points of the first and of the second curve are named."""


@dataclass(frozen=True)
class Point:
    """Means over the clips that were followed to their end: `successes` of `clips`."""

    strength: float
    successes: int
    clips: int
    mpjpe_mm: float
    kinematic_mpjpe_mm: float
    force_bodyweights: float
    moment_nm: float


def point(strength: float, results: Sequence[Result]) -> Point:
    """One strength's results as a point."""
    good = [result for result in results if result.success]
    force, moment_nm = np.mean([result.residual for result in good], axis=0).tolist()
    return Point(
        strength=strength,
        successes=len(good),
        clips=len(results),
        mpjpe_mm=mean_errors([result.physical for result in good]).mpjpe_mm,
        kinematic_mpjpe_mm=mean_errors([result.kinematic for result in good]).mpjpe_mm,
        force_bodyweights=force,
        moment_nm=moment_nm,
    )


def curve(engine: str, strengths: Sequence[float], clips: Sequence[Motion]) -> list[Point]:
    """A point per strength."""
    settings = [TrackerSettings.at_strength(strength, engine) for strength in strengths]
    return [point(s, [measure(clip, each) for clip in clips]) for s, each in zip(strengths, settings, strict=True)]


def draw(curves: Mapping[str, Sequence[Point]], title: str) -> Figure:
    """Distance against residual force on the left, against residual moment on the right."""
    bounds = DriveSettings()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        force_axes, moment_axes = figure.subplots(1, 2, sharey=True)
        for colour, beside, (engine, points) in zip(PALETTE[1:], _BESIDE, curves.items(), strict=False):
            distances_mm = [each.mpjpe_mm for each in points]
            for axes, helped in ((force_axes, "force_bodyweights"), (moment_axes, "moment_nm")):
                values = [getattr(each, helped) for each in points]
                axes.plot(values, distances_mm, "o-", color=colour, label=engine, markersize=4)
                for value, each in zip(values, points, strict=True):
                    axes.annotate(_label(each), (value, each.mpjpe_mm), color=colour, fontsize=7, **beside)
        floor_mm = np.mean([each.kinematic_mpjpe_mm for points in curves.values() for each in points])
        for axes in (force_axes, moment_axes):
            axes.axhline(floor_mm, color=PALETTE[0], linestyle=":", label="kinematics alone")
            axes.margins(0.15)
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
        force_axes.set_ylabel("distance from the motion (global MPJPE), mm")
        force_axes.set_xlabel(f"mean residual force, body weights (never above {_bound(bounds)})")
        moment_axes.set_xlabel(f"mean residual moment, N m (never above {bounds.torque_limit_nm:g})")
        force_axes.legend(frameon=False, loc="lower left")
        figure.suptitle(title, fontsize=10)
    return figure


def _bound(settings: DriveSettings) -> str:
    """Horizontal and vertical force are bounded one by one."""
    return f"{settings.force_limit_bodyweights:g} across, {settings.force_limit_bodyweights:g} up"


def _label(point: Point) -> str:
    """The point's strength, by name where it has one, and how many clips were lost."""
    name = next((name for name, strength in STRENGTHS.items() if strength == point.strength), f"{point.strength:g}")
    lost = point.clips - point.successes
    return f"{name}, {lost} lost" if lost else name


@dataclass(frozen=True)
class Arguments:
    """Track motion capture at several strengths and draw distance against help."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    out: Path = Path("frontier")
    """Folder for frontier.png, frontier.svg and frontier.json."""
    split: str = "test"
    """Which of the set's clips."""
    every: int = 1
    """Take each n-th clip only."""
    strengths: tuple[float, ...] = (0.0, 0.35, 0.7, 0.85, 1.0)
    """Points on the dial of `DriveSettings.at_strength`."""
    engines: tuple[str, ...] = tuple(ENGINES.names)
    """A curve for each."""


def main(arguments: Arguments) -> None:
    """Measure, print, save and draw."""
    clips = load_cmu(arguments.data, arguments.split)[:: arguments.every]
    curves = {engine: curve(engine, arguments.strengths, clips) for engine in arguments.engines}
    told = {engine: [asdict(each) for each in points] for engine, points in curves.items()}
    write_atomically(arguments.out / "frontier.json", json.dumps(told, indent=1))
    for engine, points in curves.items():
        for each in points:
            print(engine, *(f"{name} {value:.4g}" for name, value in asdict(each).items()), sep="  ")
    figure = draw(curves, f"{len(clips)} clips of motion capture, {arguments.split} split")
    for suffix in ("png", "svg"):
        with replacing(arguments.out / f"frontier.{suffix}") as temporary, mpl.rc_context(STYLE):
            figure.savefig(temporary, dpi=150)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
