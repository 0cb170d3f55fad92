"""How many motions are followed without residual force, how closely, and how fast.

    python -m benchmarks.residual_free path/to/cmu-bvh --split train --every 4 --out residual-free.jsonl

Each clip is corrected alone with `--strength residual-free`. It counts as followed where it needed no residual force in
any step. With `--fallback balanced` the others tell what they need. A line per clip is kept, so that the same command
again resumes where it stopped. Then a table by class is printed, with Wilson's 95 % intervals.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.experiments.correction.in_python import correct
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.settings.tracker import RESIDUAL_FREE, FallbackChoice
from selfcorrect.storage.files.strict_json import parse_json, read_as


@dataclass(frozen=True)
class Trial:
    """What became of one clip."""

    clip: str
    category: str
    seconds: float
    """How long the clip lasts."""
    failure: str
    """Why it was rejected; "" where it was not."""
    moved_mm: float | None
    """Mean distance of the joints from the clip, None where it was rejected."""
    carried: tuple[tuple[int, int], ...]
    """First and last frames in which a residual force acted."""
    force_bodyweights: float
    """Mean residual force over all frames."""
    torque_nm: float
    """Mean residual moment."""
    took_s: float
    """Processor time."""

    @property
    def followed(self) -> bool:
        """Whether muscles and contacts alone were enough."""
        return not self.failure and not self.carried


def trial(clip: Motion, fallback: FallbackChoice) -> Trial:
    """Follow one clip."""
    started_s = time.process_time()
    made = correct(clip, strength=RESIDUAL_FREE, fallback=fallback)
    carried = [] if made.timeline is None else made.timeline.carried()
    return Trial(
        clip=Path(clip.source).stem,
        category=clip.label,
        seconds=clip.seconds,
        failure=made.reason,
        moved_mm=1e3 * made.figures["moved_m"] if made.accepted else None,
        carried=tuple((each.first_frame, each.last_frame) for each in carried),
        force_bodyweights=made.residual.get("residual_force_bodyweights", 0.0),
        torque_nm=made.residual.get("residual_torque_nm", 0.0),
        took_s=time.process_time() - started_s,
    )


def run(clips: Sequence[Motion], kept: Path, fallback: FallbackChoice) -> Iterator[Trial]:
    """All trials: those that are kept in a file from there, the others added to it one by one."""
    done = {each.clip: each for each in _kept(kept)}
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a") as file:
        for clip in clips:
            name = Path(clip.source).stem
            if name not in done:
                done[name] = trial(clip, fallback)
                print(json.dumps(asdict(done[name])), file=file, flush=True)
            yield done[name]


def _kept(path: Path) -> Iterator[Trial]:
    """The trials of a file but for a last line that was cut off."""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            yield read_as(Trial, parse_json(line, path), path)
        except InputError:
            continue


def wilson(successes: int, tried: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), from 0 to 1."""
    z2 = 1.959964**2
    middle = (successes + z2 / 2) / (tried + z2)
    half = np.sqrt(z2 * (successes * (tried - successes) / tried + z2 / 4)) / (tried + z2)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def table(trials: Sequence[Trial]) -> str:
    """A row for each class, and one for all, in Markdown."""
    rows = [
        "| class | followed | 95 % interval | moved, mm | the others need, body weights | rejected | times real time |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for category in [*sorted({each.category for each in trials}), "all"]:
        own = [each for each in trials if category in (each.category, "all")]
        followed = [each for each in own if each.followed]
        others = [each for each in own if each.carried and not each.failure]
        low, high = wilson(len(followed), len(own))
        cells = (
            category,
            f"{len(followed)} of {len(own)}",
            f"{100 * low:.0f} to {100 * high:.0f} %",
            _mean([each.moved_mm for each in followed], ".0f"),
            _mean([each.force_bodyweights for each in others], ".2f"),
            str(sum(bool(each.failure) for each in own) or ""),
            f"{sum(each.seconds for each in own) / sum(each.took_s for each in own):.1f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _mean(values: Sequence[float | None], digits: str) -> str:
    known = [value for value in values if value is not None]
    return format(float(np.mean(known)), digits) if known else ""


@dataclass(frozen=True)
class Arguments:
    """Follow clips of the CMU set without residual force."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    out: Path = Path("residual-free.jsonl")
    """A line per clip."""
    split: str = "train"
    every: int = 1
    """Take each n-th clip only."""
    seconds: float = float("inf")
    """Of each clip, at most."""
    fallback: FallbackChoice = "none"
    """What becomes of the motions that fall."""


def main(arguments: Arguments) -> None:
    """Follow, print, save."""
    clips = load_cmu(arguments.data, arguments.split)[:: arguments.every]
    starts = [clip.frames(0, int(min(len(clip), arguments.seconds * clip.fps))) for clip in clips]
    trials = list(run(starts, arguments.out, arguments.fallback))
    print(table(trials))
    for each in trials:
        if not each.followed:
            needs = f"{each.force_bodyweights:.3f} body weights, {each.torque_nm:.0f} N m, frames {each.carried}"
            print(f"{each.clip} ({each.category}): {each.failure or needs}")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
