"""Interpolate channels that have a lower rate than the pose."""

from functools import partial

from selfcorrect.motion.perception.held_channels import HeldChannels

from ...core.settings import ViewSettings
from ...results.comparison import include_repair
from ...results.results import Note, NoteKind
from ...results.view import CorrectionView, Part
from ..row import Hypothesis

HELD_CHANNELS = Hypothesis(
    name="held-channels",
    reference=f"{__name__}:even_out_channels",
    summary="The root, or some joints, have a lower rate than the pose.",
    evidence="trackers that update the root slowly",
)


def even_out_channels(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide that channels have a lower rate than the pose.

    Such channels are interpolated, unless all frame times are kept.
    """
    motion = part.motion
    held = HeldChannels(motion) if settings.cleanup.frame_times == "keep" else HeldChannels.from_motion(motion)
    if not held:
        return CorrectionView.from_part(part)
    note = Note(NoteKind.CHANNELS_HELD, held.spacing, held.list_names())
    return CorrectionView.from_motion(held.motion, partial(include_repair, motion, note))
