"""The frontier between closeness to a motion and independence of root residual force, judged and drawn.

    python -m benchmarks.frontier path/to/cmu-bvh --out frontier

Every clip is followed at each strength in each engine. The raw simulated motion's mean distance from the clip stands
against the mean residual wrench that the body needed. The other engine, as a judge, then replays it and measures the
wrench that it needs. Both judge kinematics alone. Trials are kept in `trials.jsonl`: the same command again resumes
where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.judge import replayed
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.experiments.reporting.figures import BLUE, GREY, STYLE, WINE
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.cleanup.clean import CleanupSettings, clean_motions
from selfcorrect.simulators.pipeline import Physics, Pipeline, correct_batches, correct_cleaned
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.simulators.settings.tracker import RESIDUAL_FREE, STRENGTHS, TrackerSettings, find_preset
from selfcorrect.storage.files.strict_json import parse_json, read_as
from selfcorrect.storage.files.writing import replacing, write_atomically

KINEMATIC = "kinematic"
POINTS = (KINEMATIC, *STRENGTHS, RESIDUAL_FREE)

_BESIDE: tuple[dict[str, Any], ...] = (
    {"xytext": (4, 4), "textcoords": "offset points"},
    {"xytext": (-4, -10), "textcoords": "offset points", "ha": "right"},
)
"""Where the points of the first and of the second curve are named."""


@dataclass(frozen=True)
class Trial:
    """One clip, corrected by one engine at one strength, and replayed by another; None for what there is not."""

    engine: str
    strength: str
    clip: str
    category: str
    failure: str
    """Why it was rejected, "" where it was not."""
    moved_mm: float | None = None
    force_bodyweights: float | None = None
    moment_nm: float | None = None
    judged_failure: str = ""
    judged_force_bodyweights: float | None = None
    judged_moment_nm: float | None = None

    @property
    def followed(self) -> bool:
        """Whether the clip was followed to its end."""
        return not self.failure


def trial(clip: Motion, engine: str, strength: str, judge: str) -> Trial:
    """Follow a clip, and let the other engine, at the default strength, replay what came out."""
    batch, cleanup = MotionBatch.stack([clip]), CleanupSettings(polish=strength == KINEMATIC)
    cleaned = clean_motions(batch, cleanup)
    if strength == KINEMATIC:
        ((made,),) = correct_batches(Pipeline(cleanup), [batch])
    else:
        settings = _settings(strength, engine)
        ((made,),) = correct_cleaned(Physics(settings, cleanup.mode, postprocess=()), [cleaned])
    told: dict[str, Any] = {
        "engine": engine,
        "strength": strength,
        "clip": Path(clip.source).stem,
        "category": clip.label,
    }
    if not made.accepted:
        return Trial(**told, failure=made.reason)
    judged = replayed(cleaned, made, TrackerSettings.at_strength(STRENGTHS["balanced"], judge))
    force, moment_nm = _help(made)
    judged_force, judged_moment_nm = _help(judged)
    return Trial(
        **told,
        failure="",
        moved_mm=1e3 * made.figures["moved_m"],
        force_bodyweights=force,
        moment_nm=moment_nm,
        judged_failure=judged.reason,
        judged_force_bodyweights=judged_force,
        judged_moment_nm=judged_moment_nm,
    )


def _settings(strength: str, engine: str) -> TrackerSettings:
    return find_preset(strength).tracker(engine)


def _help(outcome: CorrectedMotion) -> tuple[float | None, float | None]:
    """Mean residual force in body weights and moment in newton metres; None where nothing was simulated."""
    return outcome.residual.get("residual_force_bodyweights"), outcome.residual.get("residual_torque_nm")


def able(engine: str, strength: str) -> bool:
    """Whether an engine can correct at a strength."""
    return strength != RESIDUAL_FREE or ENGINES.row(engine).has_compliant_joints


def run(clips: Sequence[Motion], strengths: Sequence[str], engines: Sequence[str], kept: Path) -> list[Trial]:
    """All trials, those that are kept in a file from there, the others added to it one by one."""
    done = {(each.engine, each.strength, each.clip): each for each in _kept(kept)}
    kept.parent.mkdir(parents=True, exist_ok=True)
    wanted = [
        (clip, engine, strength)
        for strength in strengths
        for engine in engines
        for clip in clips
        if able(engine, strength)
    ]
    with kept.open("a") as file:
        for clip, engine, strength in wanted:
            key = (engine, strength, Path(clip.source).stem)
            if key not in done:
                judge = next(each for each in (*engines, *ENGINES.names) if each != engine)
                done[key] = trial(clip, engine, strength, judge)
                print(json.dumps(asdict(done[key])), file=file, flush=True)
    return [done[engine, strength, Path(clip.source).stem] for clip, engine, strength in wanted]


def _kept(path: Path) -> Iterator[Trial]:
    """The trials of a file but for a last line that was cut off."""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            yield read_as(Trial, parse_json(line, path), path)
        except InputError:
            continue


@dataclass(frozen=True)
class Point:
    """An engine at a strength: how many of its clips it followed, and means over those that are compared."""

    engine: str
    strength: str
    followed: int
    clips: int
    moved_mm: float
    force_bodyweights: float
    moment_nm: float
    judged_force_bodyweights: float
    judged_moment_nm: float


def points(trials: Sequence[Trial]) -> list[Point]:
    """A point per engine and strength; means over the clips that were followed in all trials, by the judge too."""
    lost = {each.clip for each in trials if each.failure or each.judged_failure}
    groups: dict[tuple[str, str], list[Trial]] = {}
    for each in trials:
        groups.setdefault((each.engine, each.strength), []).append(each)
    return [_point(own, [each for each in own if each.clip not in lost]) for own in groups.values()]


def _point(own: Sequence[Trial], compared: Sequence[Trial]) -> Point:
    first = own[0]
    return Point(
        first.engine,
        first.strength,
        sum(each.followed for each in own),
        len(own),
        *(_mean(getattr(each, name) for each in compared) for name in _MEANS),
    )


_MEANS = ("moved_mm", "force_bodyweights", "moment_nm", "judged_force_bodyweights", "judged_moment_nm")


def _mean(values: Iterable[float | None]) -> float:
    """NaN where there is nothing."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")


def table(trials: Sequence[Trial]) -> str:
    """Points, then categories, in Markdown."""
    return "\n".join([*_table_of_points(points(trials)), "", *_table_of_categories(trials)])


def _table_of_points(all_points: Sequence[Point]) -> Iterator[str]:
    yield "| | followed | moved | residual force, moment | what the other engine gives the result |"
    yield "| --- | --- | --- | --- | --- |"
    for each in all_points:
        own = _helped(each.force_bodyweights, each.moment_nm)
        judged = _helped(each.judged_force_bodyweights, each.judged_moment_nm)
        name = f"{each.engine}, {each.strength}"
        yield f"| {name} | {each.followed} of {each.clips} | {each.moved_mm:.1f} mm | {own} | {judged} |"


def _helped(force: float, moment_nm: float) -> str:
    return "" if np.isnan(force) else f"{force:.3f} body weights, {moment_nm:.0f} N m"


def _table_of_categories(trials: Sequence[Trial]) -> Iterator[str]:
    """How many clips of each category were followed, and how far they were moved on average."""
    columns = list(dict.fromkeys((each.engine, each.strength) for each in trials))
    yield "| | " + " | ".join(f"{engine}, {strength}" for engine, strength in columns) + " |"
    yield "| --- |" + " --- |" * len(columns)
    for category in sorted({each.category for each in trials}):
        cells = []
        for column in columns:
            own = [each for each in trials if (each.engine, each.strength, each.category) == (*column, category)]
            moved_mm = _mean(each.moved_mm for each in own)
            followed = f"{sum(each.followed for each in own)}/{len(own)}"
            cells.append(followed if np.isnan(moved_mm) else f"{followed}, {moved_mm:.0f} mm")
        yield f"| {category} | " + " | ".join(cells) + " |"


def draw(all_points: Sequence[Point], title: str) -> Figure:
    """Distance against the residual wrench that the body needed on the left, and that the judge needed on the right."""
    curves: Mapping[str, list[Point]] = {}
    for each in all_points:
        curves = {**curves, each.engine: [*curves.get(each.engine, []), each]}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        own_axes, judged_axes = figure.subplots(1, 2, sharey=True)
        for colour, beside, own in zip((WINE, BLUE), _BESIDE, curves.values(), strict=False):
            _draw_curve(own_axes, own, "force_bodyweights", colour, beside, POINTS)
            _draw_curve(judged_axes, own, "judged_force_bodyweights", colour, beside, (KINEMATIC, RESIDUAL_FREE))
        kinematic_mm = _mean(each.moved_mm for each in all_points if each.strength == KINEMATIC)
        own_axes.axhline(kinematic_mm, color=GREY, linestyle=":", label="clean-up alone")
        for axes in (own_axes, judged_axes):
            axes.margins(0.2)
            axes.set_xlim(left=-0.01)
            axes.set_ylim(bottom=0)
        own_axes.set_ylabel("distance from the motion (global MPJPE), mm")
        own_axes.set_xlabel("mean residual root force, body weights")
        judged_axes.set_xlabel("residual root force in the other engine, body weights")
        own_axes.legend(frameon=False, loc="upper right")
        figure.suptitle(title, fontsize=10)
    return figure


def _draw_curve(
    axes: Axes, own: Sequence[Point], helped: str, colour: str, beside: Mapping[str, Any], named: Sequence[str]
) -> None:
    drawn = [each for each in own if not np.isnan(getattr(each, helped))]
    values, distances_mm = [getattr(each, helped) for each in drawn], [each.moved_mm for each in drawn]
    axes.plot(values, distances_mm, "o-", color=colour, label=own[0].engine, markersize=4)
    for value, each in zip(values, drawn, strict=True):
        if each.strength in named:
            where = beside if value > 0 else {"xytext": (6, 2), "textcoords": "offset points"}
            axes.annotate(each.strength, (value, each.moved_mm), color=colour, fontsize=7, **where)


@dataclass(frozen=True)
class Arguments:
    """Correct motion capture at several strengths, let another engine judge; draw distance against residual force."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    out: Path = Path("frontier")
    """Folder for trials.jsonl, frontier.md, frontier.png and frontier.svg."""
    split: str = "test"
    """Which of the set's clips."""
    every: int = 1
    """Take each n-th clip only."""
    categories: tuple[str, ...] = ()
    """Take clips of these only."""
    strengths: tuple[str, ...] = POINTS
    """Words or numbers for --strength, and "kinematic"."""
    engines: tuple[str, ...] = tuple(ENGINES.names)
    """A curve for each."""


def main(arguments: Arguments) -> None:
    """Measure, print, save and draw."""
    clips = [
        clip
        for clip in load_cmu(arguments.data, arguments.split)[:: arguments.every]
        if not arguments.categories or clip.label in arguments.categories
    ]
    trials = run(clips, arguments.strengths, arguments.engines, arguments.out / "trials.jsonl")
    told = table(trials)
    failures = [f"{each.clip}: {each.engine}, {each.strength}: {each.failure}" for each in trials if each.failure]
    print(told, "", *failures, sep="\n")
    write_atomically(arguments.out / "frontier.md", told + "\n")
    all_points = points(trials)
    compared = len(
        {each.clip for each in trials} - {each.clip for each in trials if each.failure or each.judged_failure}
    )
    title = (
        f"{compared} of {len(clips)} clips of motion capture, {arguments.split} split: those followed at every strength"
    )
    figure = draw(all_points, title)
    for suffix in ("png", "svg"):
        with replacing(arguments.out / f"frontier.{suffix}") as temporary, mpl.rc_context(STYLE):
            figure.savefig(temporary, dpi=150)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
