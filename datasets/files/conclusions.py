"""Explain how a file was read.

Each conclusion, on size, vertical axis, unit, joint names, frame rate and floor, comes with its evidence.
"""

from dataclasses import dataclass

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.repeats import FrameRepeats

from .motion_file import MotionFile
from .skeletons.file_note import FileNote
from .skeletons.naming import parts_from_names
from .skeletons.reading import Reading
from .skeletons.units import measure_limbs, measure_stature
from .skeletons.vertical import WORDS, UpAxis


@dataclass(frozen=True)
class Conclusion:
    """An answer to a question about a file, with its evidence."""

    question: str
    answer: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.question}: {self.answer}" + (f" ({'; '.join(self.evidence)})" if self.evidence else "")


def draw_conclusions(file: MotionFile, reading: Reading) -> tuple[Conclusion, ...]:
    """Draw conclusions about the first motion of a file as it was read."""
    if not file.motions:
        return ()
    motion = file.motions[0]
    limbs = measure_limbs(motion.skeleton)
    lengths = tuple(f"{limb} {length_m:.2f} m" for limb, (length_m, _) in limbs.items())
    size = Conclusion("size", f"a stature of {measure_stature(motion):.2f} m", lengths or ("the motion's extent",))
    unit_m = reading.metres_per_unit
    unit = Conclusion("unit", "metres", ("by the format",))
    if unit_m is not None:
        unit = Conclusion("unit", f"{unit_m:g} m", ("--metres-per-unit",))
    for note in _find_notes(file, "--metres-per-unit"):
        unit = Conclusion("unit", note.answer, ("a person's stature in it",))
    rate_notes = tuple(note for note in file.notes if isinstance(note, FileNote) and note.topic == "rate")
    rate_notes = _find_notes(file, "--fps") or rate_notes
    rate_evidence = tuple(note.words for note in rate_notes) or ("by the file" if reading.fps is None else "--fps",)
    repeats = FrameRepeats.from_motion(motion)
    if repeats.has_repeats:
        rate = f"recorded at {motion.fps / repeats.spacing:g}" if repeats.spacing else "frames were lost"
        copies = len(repeats.sources) - len(repeats.times)
        rate_evidence = (*rate_evidence, f"{rate}: {copies} of {len(motion)} frames repeat the frame before")
    floor = Conclusion("floor", "at 0 m", ("no foot stands",))
    observation = observe(motion)
    if stances := observation.stances:
        error = f"{len(stances)} stances agree within {1000 * observation.floor_error_m:.0f} mm"
        levels_m = ", ".join(f"{level_m:z.2f}" for level_m in observation.levels_m)
        floor = Conclusion("floor", f"at {observation.floor_m:z.2f} m", (error, f"levels at {levels_m} m"))
    return (
        size,
        _conclude_up(file.up, tuple(note.words for note in _find_notes(file, "--up"))),
        unit,
        *([Conclusion("order", file.order[0], file.order[1:])] if file.order else []),
        _conclude_names(motion),
        Conclusion("rate", f"{motion.fps:g} frames per second", rate_evidence),
        floor,
    )


def _find_notes(file: MotionFile, option: str) -> tuple[FileNote, ...]:
    """Return the first note on an assumption that this option overrides, or ()."""
    return tuple(note for note in file.notes if isinstance(note, FileNote) and note.option == option)[:1]


def _conclude_up(up: UpAxis | None, notes: tuple[str, ...]) -> Conclusion:
    """Conclude which axis is vertical.

    The evidence consists of the log-odds of the cues for the axis, and of those against it.
    """
    if up is None:
        return Conclusion("up", WORDS[0], ("by the format",))
    cues = [evidence.words for evidence in up.evidence if evidence.axis in (None, up.axis)]
    contrary = [f"against it: {evidence}" for evidence in up.evidence if evidence.axis not in (None, up.axis)]
    unknown = [f"no evidence of {', '.join(up.unknown)}"] if up.unknown else []
    return Conclusion("up", WORDS[up.axis], (*cues, *contrary, *unknown) or notes)


def _conclude_names(motion: Motion) -> Conclusion:
    """Conclude which joint is which body part.

    The evidence lists the joints that were recognised by structure and not by name.
    """
    skeleton = motion.skeleton
    named_parts = parts_from_names(skeleton.names)
    joints = []
    by_structure = []
    for name, part, named in zip(skeleton.names, skeleton.parts, named_parts, strict=True):
        if part:
            joints.append(f"{part} = {name}")
        if part and part != named:
            by_structure.append(name)
    evidence = [f"{len(joints) - len(by_structure)} of {len(joints)} parts by name"]
    if by_structure:
        evidence.append(f"by the structure of the body: {', '.join(by_structure)}")
    return Conclusion("names", ", ".join(joints) or "no part of a body", tuple(evidence))
