"""What became of each motion that was corrected: as a record on disk, a line of a table, and a report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from selfcorrect.experiments.reporting.units import ERRORS, MOVED
from selfcorrect.storage.files import text_output, write_atomically

_NAME_WIDTH = 40
_BEGINNING = b'{\n "settings": {'


@dataclass(frozen=True)
class Result:
    """What became of one file."""

    source: str
    """The input file."""
    name: str
    """The output file, below the output folder."""
    key: str
    """A hash of the input and of all settings."""
    verdict: Literal["accepted", "partly", "rejected", "failed"]
    """Whether it was corrected, only some of its motions were, it was rejected, or could not be worked on."""
    reason: str = ""
    """Why it was not accepted."""
    frame: int | None = None
    """Where that was, if it is known."""
    failure: dict[str, Any] | None = None
    """The same as data, as in `Failure`, of a rejected motion."""
    output: str = ""
    """The motion: "corrected", "original" for a rejected motion that was passed through, "" for none."""
    output_hash: str = ""
    """A hash of the output's content."""
    notes: tuple[str, ...] = ()
    """What was assumed or is odd."""
    odd: tuple[str, ...] = ()
    """Rules of `check` by which the file, its floor or its time seem wrong."""
    text: str = ""
    """What the motion shows, where the file tells."""
    frames: int = 0
    fps: float = 0.0
    before: dict[str, float] = field(default_factory=dict)
    """The motion's `PhysicalErrors` as it came."""
    after: dict[str, float] = field(default_factory=dict)
    """Those of the corrected motion."""
    moved_m: float = 0.0
    """Distance from the input, mean over frames and joints."""
    moved_by_joint_m: dict[str, float] = field(default_factory=dict)
    """Mean over frames, per joint."""
    furthest_m: float = 0.0
    """Distance where it moved most."""
    moved_because: str = ""
    """Why, where a joint was moved further than errors of captures are wide."""
    furthest_joint: str = ""
    """The joint that moved most."""
    furthest_frame: int | None = None
    """The frame in which it did."""
    mass_kg: float | None = None
    """What the simulated body weighs."""
    help: dict[str, float] = field(default_factory=dict)
    """Mean residual force (body weights) and moment (N m), the force that neither floor nor muscles explain, and how
    far the result is from the simulated states (m), because what was fast in the correction was left out."""
    over_time: dict[str, list[float]] = field(default_factory=dict)
    """The residual wrench of every frame until the body was given up."""
    contacts: list[dict[str, Any]] = field(default_factory=list)
    """Parts of the body, first and last frames in which they bear weight, and the mean load in body weights."""
    supports: list[dict[str, Any]] = field(default_factory=list)
    """What was put below parts of the body beside the floor, as in `Support`."""

    motions: list[dict[str, Any]] = field(default_factory=list)
    """Of a file with several motions, what became of each; the figures above are then means over the corrected ones."""

    def save(self, path: Path) -> None:
        write_atomically(path, _json(asdict(self)).encode(errors="backslashreplace"))

    @classmethod
    def load(cls, path: Path) -> Result | None:
        """The result in a file, None where there is none or it is of another version."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


_OF_EACH = (
    "text", "verdict", "reason", "frame", "failure", "notes", "odd", "frames", "fps", "before", "after", "moved_m",
    "help", "supports",
)  # fmt: skip
"""What is told of each motion of a file that has several."""


def of_all(results: Sequence[Result]) -> Result:
    """The result of a file from those of its motions: means over the frames of the corrected ones."""
    if len(results) == 1:
        return results[0]
    corrected = [result for result in results if result.verdict == "accepted"]
    failed = [(index, result.reason) for index, result in enumerate(results) if result.verdict != "accepted"]
    blank = Result(results[0].source, results[0].name, results[0].key, "rejected")
    return replace(
        blank,
        verdict="accepted" if not failed else "partly" if corrected else "rejected",
        reason="; ".join(f"motion {index}: {reason}" for index, reason in failed),
        notes=tuple(dict.fromkeys(note for result in results for note in result.notes)),
        odd=tuple(dict.fromkeys(code for result in results for code in result.odd)),
        frames=sum(result.frames for result in results),
        fps=results[0].fps,
        before=_mean([result.before for result in corrected], corrected),
        after=_mean([result.after for result in corrected], corrected),
        moved_because="; ".join(dict.fromkeys(result.moved_because for result in results if result.moved_because)),
        moved_m=_mean([{"moved_m": result.moved_m} for result in corrected], corrected).get("moved_m", 0.0),
        mass_kg=results[0].mass_kg,
        help=_mean([result.help for result in corrected], corrected),
        motions=[{name: getattr(result, name) for name in _OF_EACH} for result in results],
    )


def _mean(figures: Sequence[dict[str, float]], results: Sequence[Result]) -> dict[str, float]:
    """Means of the figures of some results, weighted by their frames."""
    weights = [result.frames for result in results]
    names = figures[0] if figures else ()
    return {name: float(np.average([of[name] for of in figures], weights=weights)) for name in names}


def write_report(path: Path, settings: dict[str, object], verdicts: Sequence[str], results: Iterable[Result]) -> None:
    """All results as JSON, whole or not at all; they are in memory one at a time."""
    counts = {verdict: verdicts.count(verdict) for verdict in ("accepted", "rejected", "failed")}
    head = _json({"settings": settings, "counts": counts}).removesuffix("\n}\n")
    with text_output(path) as file:
        file.write(f'{head},\n "motions": [')
        for count, result in enumerate(results):
            file.write(f"{',' if count else ''}\n{_json(_readable(result)).rstrip()}")
        file.write("\n ]\n}\n")


def is_report(path: Path) -> bool:
    """Whether a file is a report that `write_report` made, by its beginning."""
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING


def _readable(result: Result) -> dict[str, object]:
    """A result without what only the next run needs."""
    return {name: value for name, value in asdict(result).items() if name not in ("key", "output_hash")}


def _json(value: object) -> str:
    """Indented JSON, lists of numbers on one line."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"
    return re.sub(r"\[\n[^\[\]{}\"]*\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), text)


def table(results: Sequence[Result]) -> list[str]:
    """A line per motion: its errors before → after and how far it moved, or why it failed."""
    width = max(4, *(min(len(result.name), _NAME_WIDTH) for result in results))
    errors = "".join(f"{error.heading:>16}" for error in ERRORS.values())
    head = f"{'file':<{width}}  {errors}{MOVED.heading:>10}{'help bw':>9}"
    return [head, *(f"{_short(result.name):<{width}}  {_figures(result)}" for result in results)]


def _figures(result: Result) -> str:
    if result.verdict not in ("accepted", "partly"):
        passed = " (passed through)" if result.output else ""
        return f"{result.verdict}{passed}: {result.reason.removeprefix(f'{result.source}: ')}"
    cells = [_change(result.before[name], result.after[name], error.per_si) for name, error in ERRORS.items()]
    force = result.help.get("residual_force_bodyweights")
    cells += [f"{MOVED.per_si * result.moved_m:.1f}".rjust(10), ("–" if force is None else f"{force:.2f}").rjust(9)]
    return "".join(cells)


def _change(before: float, after: float, scale: float) -> str:
    return f"{scale * before:.1f} → {scale * after:.1f}".rjust(16)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"…{name[1 - _NAME_WIDTH :]}"
