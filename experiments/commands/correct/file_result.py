"""The result of a corrected file.

Its record is on disk. A motion is rejected where a stage of the correction says so, as a `Failure`, or an error on the
way there. A file that cannot be read, or with an error in the correction, has failed. A figure that became worse
changes no verdict: it is listed beside the verdict, on the console and in the report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from math import inf
from pathlib import Path, PurePath
from typing import Any, Literal

from selfcorrect.core.errors import DamagedError, InputError
from selfcorrect.motion.measures.physical import FIGURES, MotionFigure, is_worse
from selfcorrect.simulators.results.results import FailureKind, Stage
from selfcorrect.simulators.results.way_back import average_tables
from selfcorrect.storage.files.digests import append_digest, decode_with_digest
from selfcorrect.storage.files.limits import read_bytes
from selfcorrect.storage.files.strict_json import read_as
from selfcorrect.storage.files.writing import write_atomically

EARLIER = "the file is the result of an earlier run, of other settings or another input"
"""Note on a file that an attempt could not replace."""
_RIG_SUFFIXES = (".bvh", ".fbx", ".glb", ".gltf", ".vrma")
"""Suffixes of files that may hold a rig's pose beside motions; models and datasets hold only motions."""


FileVerdict = Literal["accepted", "unchanged", "partly", "rejected", "failed"]
"""Corrected; came out unchanged; only some of the file's motions were accepted; rejected, so left unchanged; or not
possible to work on."""
WRITTEN: tuple[FileVerdict, ...] = ("accepted", "unchanged", "partly")
"""Verdicts on files with an output."""

FAULTY_FROM = {"penetration_m": 0.04, "floating_m": 0.04, "skate_m_s": 0.2}
"""Least figures of an unchanged motion that still needs a correction. Most clean captures have less."""
LOST_CONTACTS = 0.08
"""Share of contacts that may be lost: feet that roll over seem to stand for a while."""


@dataclass(frozen=True)
class FileContent:
    """What an input file holds.

    Assumptions made in reading come with it.
    """

    assumed: tuple[str, ...] = ()
    """Assumptions made in reading the file: unit, frame rate, axis, body, profile; damage, too."""
    damage: tuple[str, ...] = ()
    """Data that the file lacks or that were left out, a sentence each; part of `assumed`."""
    notes: tuple[str, ...] = ()
    """Assumptions and observations, a sentence each."""
    failed_checks: tuple[str, ...] = ()
    """Rules of `check` that find fault with the file, the floor or the time."""
    faults_left: tuple[str, ...] = ()
    """Findings on feet that rise or slide while bearing weight, after the correction, too."""
    text: str = ""
    """Text in the file on what the motion shows."""
    frames: int = 0
    fps: float = 0.0
    parts: dict[str, str] = field(default_factory=dict)
    """The joint that was taken for each part of the body."""


@dataclass(frozen=True)
class FileFigures:
    """Measures before and after a correction.

    Those of the change are included.
    """

    before: dict[str, float] = field(default_factory=dict)
    """Errors of the original motion by name."""
    after: dict[str, float] = field(default_factory=dict)
    """The same of the corrected motion, in the stance and on the ground of the original motion."""
    moved_m: float = 0.0
    """Distance from the input, mean over frames and joints."""
    raised_m: float = 0.0
    """Rise of the whole body, the median of the root: part of `moved_m`."""
    floor_m: float = 0.0
    """Height of the floor that the corrected feet showed, before it was put at 0; 0 if it stayed."""
    moved_by_joint_m: dict[str, float] = field(default_factory=dict)
    """Mean over frames, per joint."""
    furthest_m: float = 0.0
    """Largest distance of a frame."""
    travel_changed_m: float = 0.0
    """Change of the root's net way over the floor, from the first to the last frame."""
    turn_changed_deg: float = 0.0
    """Change of the root's net turn about the vertical."""
    added_angular_speed_deg_s: dict[str, float] = field(default_factory=dict)
    """Largest angular speed that each joint gained in any frame."""
    lost_contacts: float = 0.0
    """Share of the contacts of feet, or of the body, with the floor that are lost to the air."""
    lost_contacts_height_m: float = 0.0
    """Mean height of lost contacts above the ground."""
    body_moves: list[dict[str, Any]] = field(default_factory=list)
    """Moves of the whole body by 5 cm or more, as in `BodyMove`: frames, distance, and what standing feet show."""
    large_move_reason: str = ""
    """Reason for moving a joint further than errors of captures are wide."""
    not_corrected: str = ""
    """Findings that were not corrected: a treadmill, drift, cuts between takes, T-poses."""
    contacts_missed: str = ""
    """Number of the given contacts that are not held, and the worst contact."""
    furthest_joint: str = ""
    """The joint that moved most."""
    furthest_frame: int | None = None
    """The frame of that."""
    mass_kg: float | None = None
    """Mass of the simulated body."""
    in_scene: bool = False
    """True if the body followed the motion in a scene, such as a slope: nothing then counts as worse than before."""
    residual: dict[str, float] = field(default_factory=dict)
    """Mean residual force (body weights) and moment (N m), and the force that neither floor nor muscles explain. Then
    how far the result is from the simulated states (m), because fast parts of the correction were left out."""
    over_time: dict[str, list[float]] = field(default_factory=dict)
    """The residual wrench of every frame until the body was given up."""
    carried: list[dict[str, Any]] = field(default_factory=list)
    """First and last frames of a residual force and the mean size, unless the force acts in all frames."""
    contacts: list[dict[str, Any]] = field(default_factory=list)
    """Parts of the body, first and last frames of bearing weight, and the mean load in body weights."""
    supports: list[dict[str, Any]] = field(default_factory=list)
    """Supports below parts of the body besides the floor, as in `Support`."""

    def format(self, figure: MotionFigure) -> str:
        """Format a figure.

        It is the correction's, or before and after it; a dash stands for no measurement.
        """
        of_correction = {"moved_m": self.moved_m, "raised_m": self.raised_m, **self.residual}
        sources = [of_correction] if figure.of_correction else [self.before, self.after]
        if any(figure.key not in source for source in sources):
            return "–"
        sign = "+" if figure.is_signed else ""
        return " → ".join(f"{figure.unit.convert(source[figure.key]):{sign}.{figure.digits}f}" for source in sources)


_DISTANCES = ("moved_m", "raised_m", "floor_m")
"""Figures of a file with several motions that are means over these."""


@dataclass(frozen=True)
class FileState:
    """Hashes by which the next run knows finished files."""

    key: str = ""
    """A hash of the input and of all settings."""
    sidecar_digests: dict[str, str] = field(default_factory=dict)
    """Hashes of all that was opened or looked for beside the file: see `jobs.input_keys.digest_sidecars`."""
    output_hash: str = ""
    """A hash of the output's content."""
    earlier_hash: str = ""
    """A hash of an earlier run's file in the place of the output, which may survive a kill."""
    source_hash: str = ""
    """A hash of the input's content, of a set at an address."""
    source_facts: str = ""
    """Size and time of the input in the listing of an address."""
    output_facts: str = ""
    """Size and time of the output there."""
    kept: dict[str, Any] = field(default_factory=dict)
    """Record of the earlier result with files still in place, because this attempt wrote none."""


@dataclass(frozen=True)
class FileResult:
    """The result of a file.

    Records and reports hold the fields of all parts beside the result's own.
    """

    source: str
    """The input file."""
    name: str
    """The output file, below the output folder."""
    verdict: FileVerdict
    stage: str = ""
    """Stage that came out: the "cleaned" motion of kinematics, the "planned" motion, or a motion with "simulated"
    states."""
    reason: str = ""
    """Reason for not accepting the result."""
    frame: int | None = None
    """Frame of that, if known."""
    failure: dict[str, Any] | None = None
    """The same as data, as in `Failure`, of a rejected motion."""
    output: str = ""
    """The motion: "corrected", "original" for a rejected motion that was passed through, "earlier" for the result of an
    earlier run that this attempt could not replace, "" for none."""
    content: FileContent = FileContent()
    figures: FileFigures = FileFigures()
    state: FileState = FileState()
    motions: list[dict[str, Any]] = field(default_factory=list)
    """Results of each motion of a file with several; the figures above are then means over the corrected motions."""

    @property
    def shown_name(self) -> str:
        """Name on the console.

        That of the output; that of the input if there is no output in its format.
        """
        source = PurePath(self.source)
        is_written = self.output or self.verdict in WRITTEN
        if is_written or not source.suffix or source.suffix == PurePath(self.name).suffix:
            return self.name
        return str(PurePath(self.name).with_name(source.name))

    @property
    def remaining_faults(self) -> list[str]:
        """Faults that are left.

        Feet that still rise or slide, and figures for which an unchanged motion needs a correction.
        """
        figures = [*self.content.faults_left]
        for figure in FIGURES if self.verdict == "unchanged" else ():
            if self.figures.after.get(figure.key, 0.0) > FAULTY_FROM.get(figure.key, inf):
                value = figure.unit.convert(self.figures.after[figure.key])
                figures.append(f"{figure.title} {value:.{figure.digits}f} {figure.unit.symbol}")
        return figures

    @property
    def worse(self) -> list[str]:
        """Figures that the correction made worse, before → after.

        There is a list for each of several motions.

        The input of a scene was recorded on a level floor without a load or push, so the input's figures are no
        standard there.
        """
        if self.motions:
            return [
                f"motion {index}: {words}"
                for index, motion in enumerate(self.motions)
                if motion.get("verdict") in WRITTEN
                for words in motion.get("worse", ())  # which records of earlier versions lack
            ]
        if self.figures.in_scene:
            return []
        figures = []
        for figure in FIGURES:
            if is_worse(figure, self.figures.before, self.figures.after):
                figures.append(f"{figure.title} {self.figures.format(figure)} {figure.unit.symbol}")
        if self.figures.lost_contacts > LOST_CONTACTS:
            lost = f"{self.figures.lost_contacts:.0%} of contacts lost"
            figures.append(f"{lost}: feet float {1000 * self.figures.lost_contacts_height_m:.0f} mm above the floor")
        return figures

    @property
    def digests(self) -> set[str]:
        """Digests of what was written so far.

        This run or an earlier run wrote it.
        """
        return {self.state.output_hash, self.state.earlier_hash}

    @property
    def kept(self) -> FileResult | None:
        """The earlier result if its files exist."""
        with suppress(InputError):
            return _from_values(self.state.kept) if self.state.kept else None
        return None

    def keep_file_of(self, earlier: FileResult | None, output_hash: str) -> FileResult:
        """Return this result with an earlier result's output.

        A result without output gets it; the earlier output stays.

        A motion that an earlier run passed through unchanged stays only if this attempt failed.

        Args:
            earlier: The earlier result, None without one.
            output_hash: Hash of the file in the place of the output, "" without one that an earlier run wrote.
        """
        kept = earlier and (earlier.kept or earlier)
        if kept is None or not output_hash or (kept.output == "original" and self.verdict != "failed"):
            return self
        is_complete = kept.state.output_hash == output_hash  # or else the earlier run was killed
        state = replace(self.state, output_hash=output_hash, kept=kept.to_values() if is_complete else {})
        notes = tuple(dict.fromkeys((*self.content.notes, EARLIER)))
        return replace(self, output="earlier", state=state, content=replace(self.content, notes=notes))

    def to_values(self) -> dict[str, Any]:
        """Return all fields by name."""
        values = {}
        for name, value in vars(self).items():
            values |= vars(value) if name in _PARTS else {name: value}
        return values

    def save(self, path: Path) -> None:
        """Write a record together with the record's digest."""
        text = json.dumps(self.to_values(), ensure_ascii=False, default=str)
        write_atomically(path, append_digest(encode_text(text)))

    @classmethod
    def load(cls, path: Path) -> FileResult | None:
        """Read the result in a record.

        Returns None if the record is missing, damaged or of another version.
        """
        try:
            return read_record(path)
        except DamagedError:
            return None


_PARTS = {"content": FileContent, "figures": FileFigures, "state": FileState}
"""Parts of a result with fields beside the result's own in records and reports."""


def read_record(path: Path) -> FileResult:
    """Read the result in a record.

    Raises DamagedError if the record is missing or damaged.
    """
    try:
        return _from_values(decode_with_digest(read_bytes(path), str(path)))
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is missing") from error
    except InputError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error


def _from_values(record: Mapping[str, Any]) -> FileResult:
    """Invert `FileResult.to_values`; InputError for other values."""
    values = dict(record)
    for part, kind in _PARTS.items():
        values[part] = {item.name: values.pop(item.name) for item in fields(kind) if item.name in values}
    return read_as(FileResult, values, "it")


_MOTION_KEYS = (
    "text", "verdict", "stage", "reason", "frame", "failure", "notes", "failed_checks", "faults_left", "frames", "fps",
    "worse", "before", "after", "lost_contacts", "lost_contacts_height_m",
    "moved_m", "raised_m", "travel_changed_m", "turn_changed_deg", "residual", "supports",
)  # fmt: skip
"""The report of each motion of a file that has several."""


def merge_results(results: Sequence[FileResult], names: Sequence[str] = ()) -> FileResult:
    """Merge the results of a file's motions.

    Motions may have names. Figures are means over the corrected frames.
    """
    if len(results) == 1 and not names:
        return results[0]
    corrected = [result for result in results if result.verdict in WRITTEN]
    poses = [index for index, result in enumerate(results) if corrected and _is_pose(result)]
    failed = []
    for index, result in enumerate(results):
        if result.verdict not in WRITTEN and index not in poses:
            failed.append((index, result.reason))
    remarks = []
    for index in poses:
        name = names[index] if names else f"motion {index}"
        frames = results[index].content.frames
        remarks.append(f"{name} is a pose of {frames} frame{'s' * (frames != 1)}, which stays as it is")
    first = results[0]
    weights = [result.content.frames for result in corrected]
    of_all = [{name: getattr(result.figures, name) for name in _DISTANCES} for result in corrected]
    figures = FileFigures(
        before=average_tables([result.figures.before for result in corrected], weights),
        after=average_tables([result.figures.after for result in corrected], weights),
        large_move_reason=_join_unique([result.figures.large_move_reason for result in results]),
        not_corrected=_join_unique([*remarks, *(result.figures.not_corrected for result in results)]),
        mass_kg=first.figures.mass_kg,
        in_scene=first.figures.in_scene,
        residual=average_tables([result.figures.residual for result in corrected], weights),
    )
    figures = replace(figures, **average_tables(of_all, weights))
    notes = dict.fromkeys(note for result in results for note in result.content.notes)
    failed_checks = dict.fromkeys(code for result in results for code in result.content.failed_checks)
    content = FileContent(
        assumed=first.content.assumed,
        damage=first.content.damage,
        notes=tuple(notes),
        failed_checks=tuple(failed_checks),
        faults_left=tuple(dict.fromkeys(fault for result in results for fault in result.content.faults_left)),
        frames=sum(result.content.frames for result in results),
        fps=first.content.fps,
    )
    motions = []
    for index, result in enumerate(results):
        values = {**result.to_values(), "worse": result.worse}
        name = {"name": names[index]} if names else {}
        motions.append(name | {key: values[key] for key in _MOTION_KEYS})
    stages = [Stage(result.stage) for result in corrected if result.stage]
    reasons = [f"motion {index}: {reason}" for index, reason in failed]
    return FileResult(
        source=first.source,
        name=first.name,
        verdict=merge_verdicts(result.verdict for index, result in enumerate(results) if index not in poses),
        stage=Stage.last(stages) or "",
        reason="; ".join(reasons),
        content=content,
        figures=figures,
        state=FileState(first.state.key, first.state.sidecar_digests),
        motions=motions,
    )


def _is_pose(result: FileResult) -> bool:
    """Return whether a motion is too short to move.

    Such as the T-pose that a rig keeps beside motions.
    """
    is_too_short = result.failure is not None and result.failure.get("kind") == FailureKind.TOO_SHORT
    return is_too_short and Path(result.source).suffix.lower() in _RIG_SUFFIXES


def _join_unique(sentences: Sequence[str]) -> str:
    """Join sentences, each once."""
    return "; ".join(dict.fromkeys(filter(None, sentences)))


def encode_text(text: str) -> bytes:
    """Encode text as `text_output` does.

    File names that are not text are escaped.
    """
    return text.encode(errors="backslashreplace")


def to_json_text(value: object) -> str:
    """Return indented JSON with numbers on one line.

    Lists of numbers stand on a line.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"
    return re.sub(r"\[\n[^\[\]{}\"]*\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), text)


def merge_verdicts(verdicts: Iterable[FileVerdict]) -> FileVerdict:
    """Merge the verdicts on a file's motions."""
    kinds = set(verdicts)
    if kinds == {"unchanged"}:
        return "unchanged"
    if kinds <= {"accepted", "unchanged"}:
        return "accepted"
    return "partly" if kinds & {"accepted", "unchanged"} else "rejected"
