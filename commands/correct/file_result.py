"""The result of a corrected file, and its record on disk.

A motion is rejected if a stage of the correction returns a `Failure`. A file has failed if it cannot be read or the
correction raises an error. A figure that became worse does not change the verdict, but console and report list it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from importlib.metadata import version
from math import inf
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

from selfcorrect.core.errors import DamagedError, InputError, OtherVersionError
from selfcorrect.core.moved_fields import read_moved_field
from selfcorrect.motion.measures.physical import FIGURES, MotionFigure, is_worse
from selfcorrect.simulators.results.results import FailureKind, Stage
from selfcorrect.simulators.results.way_back import average_tables
from selfcorrect.storage.files.digests import append_digest, decode_with_digest
from selfcorrect.storage.files.limits import read_bytes
from selfcorrect.storage.files.strict_json import read_as
from selfcorrect.storage.files.writing import write_atomically

EARLIER = "the file is from an earlier run with other settings or another input"
"""Note on a file that an attempt could not replace."""
_RIG_SUFFIXES = (".bvh", ".fbx", ".glb", ".gltf", ".vrma")
"""Suffixes of files that may hold a pose of the rig in addition to motions."""


FileVerdict = Literal["accepted", "unchanged", "partly", "rejected", "failed"]
"""Verdict on a file: corrected; unchanged by the correction; only some of its motions accepted; correction rejected;
or an error."""
WRITTEN: tuple[FileVerdict, ...] = ("accepted", "unchanged", "partly")
"""Verdicts with an output."""

FAULTY_FROM = {"penetration_m": 0.04, "floating_m": 0.04, "slip_m_s": 0.2}
"""Figures from which on an unchanged motion counts as faulty, above those of most clean captures."""
_MOVED_SHARE = 0.5
"""Minimum rise of the body, relative to that of its floor, at which the floor counts as moved."""
LOST_CONTACTS = 0.08
"""Largest share of contacts that may be lost, because feet that roll seem to stand for a while."""


@dataclass(frozen=True)
class CheckFigures:
    """What `check` finds before and after a correction."""

    failed_checks: tuple[str, ...] = ()
    """Rules that the input breaks, by code."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    """Findings in the input, as `LeftFinding.to_values`."""
    findings_left: list[dict[str, Any]] = field(default_factory=list)
    """Findings in the written file; `reason` is "" for faults."""
    faults_left: tuple[str, ...] = ()
    """Findings in the written file that are faults, as sentences."""
    left_on_purpose: tuple[str, ...] = ()
    """Findings in the written file that the correction leaves on purpose, each with the reason."""


@dataclass(frozen=True)
class FileContent:
    """Content of an input file, and assumptions made in reading it."""

    assumed: tuple[str, ...] = ()
    """Assumptions made in reading the file (unit, frame rate, axis, body, profile), and damage."""
    damage: tuple[str, ...] = ()
    """Sentences on missing or dropped data, which are also part of `assumed`."""
    notes: tuple[str, ...] = ()
    """Sentences on assumptions and observations."""
    checked: CheckFigures = CheckFigures()
    """Findings of `check`."""
    hypotheses: tuple[str, ...] = ()
    """Special cases that were believed, by name."""
    text: str = ""
    """Description of the motion in the file."""
    frames: int = 0
    fps: float = 0.0
    parts: dict[str, str] = field(default_factory=dict)
    """Joint recognised as each body part."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            return read_moved_field(self, name, _MOVED_CONTENT)


@dataclass(frozen=True)
class BodyFigures:
    """How far a correction moves the body as a whole."""

    moved_m: float = 0.0
    """Distance from the input, as the mean over frames and joints."""
    raised_m: float = 0.0
    """Vertical displacement of the root, as the median over frames; part of `moved_m`."""
    floor_m: float = 0.0
    """Height of the floor that the corrected feet showed before it was moved to 0; 0 if it was not moved."""
    travel_changed_m: float = 0.0
    """Change of the root's horizontal displacement from the first to the last frame."""
    turn_changed_deg: float = 0.0
    """Change of the root's net rotation about the vertical."""
    body_moves: list[dict[str, Any]] = field(default_factory=list)
    """Moves of the whole body by 5 cm or more, as in `BodyMove`, with frames, distance and evidence."""


@dataclass(frozen=True)
class JointFigures:
    """How far a correction moves single joints."""

    moved_by_joint_m: dict[str, float] = field(default_factory=dict)
    """Distance of each joint from the input, as the mean over frames."""
    furthest_m: float = 0.0
    """Largest distance of a joint from the input in any frame."""
    furthest_joint: str = ""
    """Joint that moved furthest."""
    furthest_frame: int | None = None
    """Frame in which this joint moved furthest."""
    added_angular_speed_deg_s: dict[str, float] = field(default_factory=dict)
    """Largest angular speed that each joint gained in any frame."""


@dataclass(frozen=True)
class ContactFigures:
    """What touches the ground and other supports."""

    contacts: list[dict[str, Any]] = field(default_factory=list)
    """Body parts that bear weight, each with first and last frame and mean load in body weights."""
    supports: list[dict[str, Any]] = field(default_factory=list)
    """Supports of body parts other than the floor, as in `Support`."""
    lost_contacts: float = 0.0
    """Share of the contacts between feet (or body) and floor that the correction lifts into the air."""
    lost_contacts_height_m: float = 0.0
    """Mean height of lost contacts above the ground."""
    contacts_missed: str = ""
    """Number of given contacts that are not held, and the worst one."""


@dataclass(frozen=True)
class SimulationFigures:
    """The simulated body and the forces on it."""

    mass_kg: float | None = None
    """Mass of the simulated body."""
    in_scene: bool = False
    """True if the body followed the motion in a scene, such as a slope. Nothing then counts as worse than before."""
    residual: dict[str, float] = field(default_factory=dict)
    """Mean residual force (body weights) and moment (N m), the force that neither floor nor muscles explain, and the
    distance of the result from the simulated states (m), which differ because the correction is smoothed."""
    over_time: dict[str, list[float]] = field(default_factory=dict)
    """Residual wrench of each frame until the simulation ended."""
    carried: list[dict[str, Any]] = field(default_factory=list)
    """Ranges of frames with a residual force and its mean size, unless it acts in all frames."""


@dataclass(frozen=True)
class FileFigures:
    """Measures before and after a correction, and of the change.

    In records and reports, the figures of all groups are on one level.
    """

    before: dict[str, float] = field(default_factory=dict)
    """Errors of the original motion, by name."""
    after: dict[str, float] = field(default_factory=dict)
    """Errors of the corrected motion, with the stances and the ground of the original one."""
    body: BodyFigures = BodyFigures()
    """Moves of the whole body."""
    joints: JointFigures = JointFigures()
    """Moves of single joints."""
    ground: ContactFigures = ContactFigures()
    """Contacts and supports."""
    simulation: SimulationFigures = SimulationFigures()
    """The simulated body and its forces."""
    large_move_reason: str = ""
    """Reason for moving a joint by more than the errors of captures."""
    not_corrected: str = ""
    """Findings that were not corrected, such as a treadmill, drift, cuts between takes, and T-poses."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            return read_moved_field(self, name, _MOVED_FIGURES)

    def format(self, figure: MotionFigure) -> str:
        """Format a figure of the correction, or its values before → after; a dash if it was not measured."""
        of_correction = {"moved_m": self.body.moved_m, "raised_m": self.body.raised_m, **self.simulation.residual}
        sources = [of_correction] if figure.of_correction else [self.before, self.after]
        if any(figure.key not in source for source in sources):
            return "–"
        sign = "+" if figure.is_signed else ""
        return " → ".join(f"{figure.unit.convert(source[figure.key]):{sign}.{figure.digits}f}" for source in sources)


def _list_moved_fields(kind: type[FileContent] | type[FileFigures]) -> dict[str, str]:
    """Return where each fact is that stood in a record directly before 0.5."""
    defaults: dict[str, Any] = {group.name: group.default for group in fields(kind)}
    groups = {name: default for name, default in defaults.items() if is_dataclass(default)}
    return {fact.name: f"{name}.{fact.name}" for name, default in groups.items() for fact in fields(default)}


_MOVED_CONTENT = _list_moved_fields(FileContent)
_MOVED_FIGURES = _list_moved_fields(FileFigures)
_DISTANCES = ("moved_m", "raised_m", "floor_m")
"""Figures of the correction that are averaged over the motions of a file."""


@dataclass(frozen=True)
class FileState:
    """Hashes by which the next run recognises finished files."""

    key: str = ""
    """Hash of the input and all options."""
    sidecar_digests: dict[str, str] = field(default_factory=dict)
    """Hashes of all other files that were opened or looked for; see `jobs.input_keys.digest_sidecars`."""
    output_hash: str = ""
    """Hash of the output."""
    earlier_hash: str = ""
    """Hash of an earlier run's file at the output's path, which remains if this run is killed."""
    kept: dict[str, Any] = field(default_factory=dict)
    """Record of an earlier result whose file is still in place, because this attempt wrote none."""


@dataclass(frozen=True)
class FileResult:
    """The result of a file.

    In records and reports, the fields of content, figures and state are on the same level as the others.
    """

    source: str
    """Input file."""
    name: str
    """Path of the output within the output folder."""
    verdict: FileVerdict
    stage: str = ""
    """Stage of the result: "cleaned" by kinematics, "planned" if contact forces explain it, or "simulated" states."""
    reason: str = ""
    """Reason why the motion was not corrected."""
    frame: int | None = None
    """Frame to which the reason refers, if known."""
    failure: dict[str, Any] | None = None
    """`Failure` of a rejected motion, as data."""
    output: str = ""
    """Motion at the output's path: "corrected", "original" for a rejected motion that was copied, "earlier" for an
    earlier run's result that this attempt could not replace, or "" for none."""
    content: FileContent = FileContent()
    figures: FileFigures = FileFigures()
    state: FileState = FileState()
    motions: list[dict[str, Any]] = field(default_factory=list)
    """Result of each motion of a file that holds several. The figures above are then means over corrected motions."""

    @property
    def input_name(self) -> str:
        """Name of the input, in the output's folder within the output folder."""
        return str(PurePath(self.name).with_name(PurePath(self.source).name))

    @property
    def shown_name(self) -> str:
        """Name on the console: the output's, or the input's if there is no output."""
        return self.name if self.output or self.verdict in WRITTEN else self.input_name

    @property
    def remaining_faults(self) -> list[str]:
        """Faults that remain: what `check` finds in the written file, and large errors of an unchanged motion."""
        figures = [*self.content.checked.faults_left]
        is_explained = bool(self.content.checked.left_on_purpose)  # such as by what carries the body
        for figure in FIGURES if self.verdict == "unchanged" and not is_explained else ():
            if self.figures.after.get(figure.key, 0.0) > FAULTY_FROM.get(figure.key, inf):
                value = figure.unit.convert(self.figures.after[figure.key])
                figures.append(f"{figure.title} {value:.{figure.digits}f} {figure.unit.symbol}")
        return figures

    @property
    def is_floor_moved(self) -> bool:
        """True if the written file shows that the floor was moved: the body rose or sank with it."""
        body = self.figures.body
        return body.raised_m * -body.floor_m >= _MOVED_SHARE * body.floor_m**2

    @property
    def worse(self) -> list[str]:
        """Figures that the correction made worse, before → after, for each of several motions.

        In a scene there are none, because the input was recorded on a level floor, without a load or push, and its
        figures do not apply.
        """
        if self.motions:
            return [
                f"motion {index}: {words}"
                for index, motion in enumerate(self.motions)
                if motion.get("verdict") in WRITTEN
                for words in motion.get("worse", ())  # missing in records of earlier versions
            ]
        if self.figures.simulation.in_scene:
            return []
        figures = []
        for figure in FIGURES:
            if is_worse(figure, self.figures.before, self.figures.after):
                figures.append(f"{figure.title} {self.figures.format(figure)} {figure.unit.symbol}")
        ground = self.figures.ground
        if ground.lost_contacts > LOST_CONTACTS:
            lost = f"{ground.lost_contacts:.0%} of contacts lost"
            figures.append(f"{lost}: feet float {1000 * ground.lost_contacts_height_m:.0f} mm above the floor")
        return figures

    @property
    def digests(self) -> set[str]:
        """Digests of the files that this run or an earlier run wrote."""
        return {self.state.output_hash, self.state.earlier_hash}

    @property
    def kept(self) -> FileResult | None:
        """The earlier result whose file is still in place, or None."""
        with suppress(InputError):
            return _from_values(self.state.kept) if self.state.kept else None
        return None

    def keep_file_of(self, earlier: FileResult | None, output_hash: str) -> FileResult:
        """Return this result, which has no output, with the output of an earlier result, which stays in place.

        A motion that an earlier run copied without correction is kept only if this attempt failed.

        Args:
            earlier: The earlier result, or None.
            output_hash: Hash of an earlier run's file at the output's path; "" if there is none.
        """
        kept = earlier and (earlier.kept or earlier)
        if kept is None or not output_hash or (kept.output == "original" and self.verdict != "failed"):
            return self
        is_complete = kept.state.output_hash == output_hash  # false if the earlier run was killed
        state = replace(self.state, output_hash=output_hash, kept=kept.to_values() if is_complete else {})
        notes = tuple(dict.fromkeys((*self.content.notes, EARLIER)))
        return replace(self, output="earlier", state=state, content=replace(self.content, notes=notes))

    def to_values(self) -> dict[str, Any]:
        """Return all fields by name."""
        return _flatten(self)

    def save(self, path: Path) -> None:
        """Write a record, including its own digest."""
        values = {**self.to_values(), _VERSION: version(_PROGRAM)}
        text = json.dumps(values, ensure_ascii=False, default=str)
        write_atomically(path, append_digest(encode_text(text)))

    @classmethod
    def load(cls, path: Path) -> FileResult | None:
        """Read the result in a record, or return None if it is missing, damaged or of another version."""
        try:
            return read_record(path)
        except (DamagedError, OtherVersionError):
            return None


_PROGRAM = "selfcorrect"
_VERSION = "version"
"""Entry of a record with the version that wrote it."""


def read_record(path: Path) -> FileResult:
    """Read the result in a record.

    Raises:
        DamagedError: The record is missing or damaged.
        OtherVersionError: The record is intact, but another version of this program wrote it, with other entries.
    """
    try:
        values = decode_with_digest(read_bytes(path), str(path))
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is missing") from error
    except InputError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error
    written_by = values.pop(_VERSION, "")
    try:
        return _from_values(values)
    except InputError as error:
        if written_by == version(_PROGRAM):
            raise DamagedError(f"{path} is damaged: {error}") from error
        writer = f"{_PROGRAM} {written_by}" if written_by else f"an older {_PROGRAM}"
        raise OtherVersionError(f"{path} was written by {writer}, and {version(_PROGRAM)} cannot read it") from error


def _from_values(record: Mapping[str, Any]) -> FileResult:
    """Make a result from the values of `FileResult.to_values`. Raises InputError for other values."""
    values = dict(record)
    nested = _nest(FileResult("", "", "failed"), values)
    return read_as(FileResult, {**nested, **values}, "it")


def _flatten(group: Any) -> dict[str, Any]:
    """Return the fields of a dataclass and of all groups in it by name, on one level."""
    values: dict[str, Any] = {}
    for name, value in vars(group).items():
        values |= _flatten(value) if is_dataclass(value) else {name: value}
    return values


def _nest(group: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of a dataclass and of all groups in it from values on one level."""
    nested = {}
    for name, value in vars(group).items():
        if is_dataclass(value):
            nested[name] = _nest(value, values)
        elif name in values:
            nested[name] = values.pop(name)
    return nested


_MOTION_KEYS = (
    "text", "verdict", "stage", "reason", "frame", "failure", "notes", "failed_checks", "hypotheses", "faults_left",
    "left_on_purpose", "findings", "findings_left",
    "frames", "fps", "worse", "before", "after", "lost_contacts", "lost_contacts_height_m",
    "moved_m", "raised_m", "travel_changed_m", "turn_changed_deg", "residual", "supports",
)  # fmt: skip
"""Values reported for each motion of a file that holds several."""


def merge_results(results: Sequence[FileResult], names: Sequence[str] = ()) -> FileResult:
    """Merge the results of a file's motions, which may have names. Figures are means over all corrected frames."""
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
        remarks.append(f"{name} is a pose of {frames} frame{'s' * (frames != 1)} and stays unchanged")
    first = results[0]
    weights = [result.content.frames for result in corrected]
    of_all = [{name: getattr(result.figures.body, name) for name in _DISTANCES} for result in corrected]
    residual = average_tables([result.figures.simulation.residual for result in corrected], weights)
    simulated = first.figures.simulation
    figures = FileFigures(
        before=average_tables([result.figures.before for result in corrected], weights),
        after=average_tables([result.figures.after for result in corrected], weights),
        large_move_reason=_join_unique([result.figures.large_move_reason for result in results]),
        not_corrected=_join_unique([*remarks, *(result.figures.not_corrected for result in results)]),
        body=replace(BodyFigures(), **average_tables(of_all, weights)),
        simulation=SimulationFigures(simulated.mass_kg, simulated.in_scene, residual),
    )
    notes = dict.fromkeys(note for result in results for note in result.content.notes)
    checks = [result.content.checked for result in results]
    checked = CheckFigures(
        failed_checks=tuple(dict.fromkeys(code for each in checks for code in each.failed_checks)),
        findings=[finding for each in checks for finding in each.findings],
        findings_left=[finding for each in checks for finding in each.findings_left],
        faults_left=tuple(dict.fromkeys(fault for each in checks for fault in each.faults_left)),
        left_on_purpose=tuple(dict.fromkeys(text for each in checks for text in each.left_on_purpose)),
    )
    content = FileContent(
        assumed=first.content.assumed,
        damage=first.content.damage,
        notes=tuple(notes),
        checked=checked,
        hypotheses=tuple(dict.fromkeys(name for result in results for name in result.content.hypotheses)),
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
    """Return whether a motion of a rig is too short to be corrected, such as a T-pose stored with motions."""
    is_too_short = result.failure is not None and result.failure.get("kind") == FailureKind.TOO_SHORT
    return is_too_short and Path(result.source).suffix.lower() in _RIG_SUFFIXES


def _join_unique(sentences: Sequence[str]) -> str:
    """Join sentences without repetitions."""
    return "; ".join(dict.fromkeys(filter(None, sentences)))


def encode_text(text: str) -> bytes:
    """Encode text as `text_output` does, with undecodable file names escaped."""
    return text.encode(errors="backslashreplace")


def to_json_text(value: object) -> str:
    """Format a value as indented JSON, with lists of numbers on one line."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"
    return re.sub(r"\[\n[^\[\]{}\"]*\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), text)


def merge_verdicts(verdicts: Iterable[FileVerdict]) -> FileVerdict:
    """Merge the verdicts on the motions of a file."""
    kinds = set(verdicts)
    if kinds == {"unchanged"}:
        return "unchanged"
    if kinds <= {"accepted", "unchanged"}:
        return "accepted"
    return "partly" if kinds & {"accepted", "unchanged"} else "rejected"
