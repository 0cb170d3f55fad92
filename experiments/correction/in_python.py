"""Correction for Python programs: of one motion, of many, of a file, of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from selfcorrect.datasets.files.formats import written_suffix
from selfcorrect.datasets.files.motion_file import Reading
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.errors import InputError, SettingError
from selfcorrect.experiments.correction.batch import correct_into
from selfcorrect.experiments.correction.correct_file import Settings
from selfcorrect.experiments.correction.report import Result
from selfcorrect.experiments.correction.retiming import at_pace, pace_off_gravity
from selfcorrect.experiments.targets import place_of
from selfcorrect.experiments.where import Where
from selfcorrect.motion.body.requirements import check_body
from selfcorrect.motion.correction.pieces import PIECE_FRAMES, correct_long
from selfcorrect.motion.correction.results import CorrectedMotion, CorrectMotions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings.drive import UNAIDED, strength_of
from selfcorrect.simulators.settings.support import SupportChoice
from selfcorrect.storage.files import replacing


class CorrectionOptions(TypedDict, total=False):
    """How motions are corrected; the options of `selfcorrect correct`."""

    strength: str | float
    """From 0, closest to the motion, to 1, most physical; or "faithful", "balanced" (the default), "physical"; or
    "unaided": muscles and contacts alone hold the body up, which needs the engine "mujoco"."""
    kinematic: bool
    """Mend by kinematics alone and simulate nothing."""
    support: SupportChoice
    """Whether to "infer" steps, rungs and seats (the default), to know nothing but the "floor", or to leave heights
    alone: "off"."""
    engine: str
    """The simulator: "pybullet" (the default), "mujoco", or one that another package adds."""
    mass_kg: float | None
    """What every body weighs; without it, what its shape or its stature says."""
    retime: bool
    """Play motions whose flights or walks are more than 15 % off gravity's pace at its pace: the same poses."""
    scene: Scene
    """Where, and with what body, motions are followed: a push, a slope, a load; see `Scene`."""
    raw: bool
    """Keep simulated states as they are, with what is faster in a correction than in the motion itself."""


def correct(motion: Motion, **options: Unpack[CorrectionOptions]) -> CorrectedMotion:
    """The motion made physically plausible, and what was found on the way; see `CorrectionOptions`.

    A motion that cannot be corrected is handed back as it came, not `accepted`, with the reason. Raises InputError for
    what is no human body.
    """
    return correct_motions([motion], **options)[0]


def correct_motions(
    motions: Sequence[Motion], workers: int = 1, **options: Unpack[CorrectionOptions]
) -> list[CorrectedMotion]:
    """Motions of any skeletons, frame rates and lengths made physically plausible, in their order; see `correct`.

    workers: processes that share the work; results do not depend on them.
    """
    for motion in motions:
        check_body(motion)
    if options.get("retime"):
        motions = [at_pace(motion, pace_off_gravity(motion), keep_frames=True) for motion in motions]
    function = _with_workers(_settings(options).corrector(), workers)
    short = [index for index, motion in enumerate(motions) if len(motion) <= PIECE_FRAMES]
    together = dict(zip(short, function([motions[index] for index in short]), strict=True))
    return [together.get(index) or correct_long(function, motion) for index, motion in enumerate(motions)]


def correct_file(
    source: str | Path, target: str | Path, reading: Reading | None = None, **options: Unpack[CorrectionOptions]
) -> CorrectedMotion:
    """Correct one motion file into another of its format, with its names, units and frame rate; see `correct`.

    What cannot be written is written otherwise: FBX as .glb.

    reading: what the file does not tell. Nothing is written where the motion is not accepted. Raises InputError where
    `source` cannot be read, and SettingError where `target` is `source` or of another format.
    """
    source, target = Path(source).expanduser(), Path(target).expanduser()
    if place_of(target) == place_of(source):
        raise SettingError(f"{target}: is the input, which would be overwritten; choose another file")
    if target.suffix.lower() != (suffix := written_suffix(source)):
        raise SettingError(f"{target}: the correction of a {source.suffix} file is written as {suffix} file")
    file = open_motion(source, reading)
    if len(file.motions) > 1:
        raise InputError(f"{source}: holds {len(file.motions)} motions; correct_files corrects them all")
    correction = correct_long(_settings(options).corrector(file.mass_kg), file.motion)
    if correction.accepted:
        with replacing(target) as temporary:
            file.write(temporary, correction.motion)
    return correction


def correct_files(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    reading: Reading | None = None,
    workers: int = 1,
    **options: Unpack[CorrectionOptions],
) -> list[Result]:
    """Correct motion files, and those in folders, into the folder `out`: what became of each; see `correct`.

    Does what `selfcorrect correct` does: inputs are never changed, foreign files never overwritten, what an earlier
    call with the same options finished is not done again, and `out` gets a report.json.
    """
    paths = [Path(path).expanduser() for path in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    settings, out = replace(_settings(options), reading=reading or Reading()), Path(out).expanduser()
    return correct_into(paths, out, settings, out / "report.json", Where(workers))


def _settings(options: CorrectionOptions) -> Settings:
    strength = None if options.get("kinematic") else strength_of(options.get("strength", "balanced"))
    return Settings(
        strength,
        mass_kg=options.get("mass_kg"),
        support=options.get("support", "infer"),
        engine=options.get("engine", "pybullet"),
        raw=options.get("raw", False),
        retime=options.get("retime", False),
        unaided=strength is not None and options.get("strength") == UNAIDED,
        scene=options.get("scene", PLAIN),
    )


def _with_workers(function: CorrectMotions, workers: int) -> CorrectMotions:
    return replace(function, workers=workers) if isinstance(function, PhysicsCorrector) else function
