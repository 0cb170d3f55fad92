"""Return corrected samples to the frames of their file."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from selfcorrect.motion.measures.moves import JointMoves
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.frame_times import FrameTimes
from selfcorrect.motion.perception.repeats import FrameRepeats

from ...core.noise import find_noisy_keys
from ...core.settings import ViewSettings
from ...results.results import CorrectedMotion, Note, NoteKind
from ...results.view import CorrectionView, Part
from ...results.way_back import map_time
from ..row import Hypothesis

REPEATED_FRAMES = Hypothesis(
    name="repeated-frames",
    reference=f"{__name__}:skip_repeated_frames",
    summary="Frames repeat or interpolate others, because the motion had another frame rate.",
    evidence="captures retimed to 30 fps, animation on twos",
)


def skip_repeated_frames(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide frames that only repeat or interpolate others.

    The choice of frame times decides on these. Frames between noisy keys are interpolated, too, because their noise is
    hidden otherwise.
    """
    motion = part.motion
    repeats = FrameRepeats.from_motion(motion)
    if not len(repeats.sources) and (spacing := find_noisy_keys(motion)):
        repeats = FrameRepeats.from_keys(motion, spacing, is_curved=True) or repeats
    frame_times = settings.cleanup.frame_times
    restore = partial(restore_frames_of_file, repeats, motion, choice=frame_times)
    return CorrectionView.from_motion(repeats.prepare(motion, frame_times), restore)


def restore_frames_of_file(
    repeats: FrameRepeats, original: Motion, correction: CorrectedMotion, choice: FrameTimes
) -> CorrectedMotion:
    """Restore the correction of `FrameRepeats.prepare` to the file's frames."""
    if repeats.are_all_kept(choice):
        return correction
    is_even = choice != "keep"
    if repeats.are_alone(choice):
        correction = _restore_samples(repeats, original, correction, is_even=is_even)
    elif not correction.accepted:
        correction = replace(correction, motion=original)
    elif not is_even:
        corrected = correction.motion.select_frames(repeats.starts[repeats.sources])
        motion = replace(correction.motion, root_m=corrected.root_m, rotations=corrected.rotations)
        correction = replace(correction, motion=motion)
    if correction.accepted and len(correction.motion) == len(original):
        moves = JointMoves.from_motions(original, correction.motion)
        correction = replace(correction, figures={**correction.figures, **moves.figures})
    return replace(correction, remarks=(*_make_notes(repeats, is_even=is_even), *correction.remarks))


def _make_notes(repeats: FrameRepeats, *, is_even: bool) -> Iterator[Note]:
    if repeats.is_curved:
        return
    if repeats.is_linear:
        yield Note(NoteKind.LINEAR_FRAMES, repeats.spacing)
    elif repeats.count and not is_even:
        yield Note(NoteKind.REPEATED_FRAMES, repeats.count)
    else:
        copies = float(len(repeats.sources) - len(repeats.times))
        yield Note(NoteKind.COPIES_REPLACED if is_even else NoteKind.COPIES_KEPT, copies)


def _restore_samples(
    repeats: FrameRepeats, original: Motion, correction: CorrectedMotion, *, is_even: bool
) -> CorrectedMotion:
    """Return corrected samples to all frames, by interpolation or, unless `is_even`, as copies."""
    correction = map_time(correction, repeats.find_bounds())
    motion = original
    if correction.accepted:
        samples = correction.motion
        corrected = repeats.spread(samples, original) if is_even else samples.select_frames(repeats.sources)
        motion = replace(original, root_m=corrected.root_m, rotations=corrected.rotations)
    timeline = correction.forces.timeline
    if timeline is not None:
        repeated = timeline.select_frames(repeats.sources[repeats.sources < len(timeline)])
        timeline = replace(repeated, fps=original.fps)
    return replace(correction, motion=motion, forces=replace(correction.forces, timeline=timeline))
