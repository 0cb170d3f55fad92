"""An opened motion file, corrected again after each edit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.experiments.jobs.targets import check_not_opened
from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.foot_frames import get_foot_frames
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.pictures.player import PlayerPage, encode_piece, encode_scene, render_player
from selfcorrect.motion.pictures.timeline import TIMELINE_SCRIPT, ContactTimeline, FrameErrors, Problem
from selfcorrect.simulators.corrector import correct_through_views
from selfcorrect.simulators.planning.contact_edits import list_missed
from selfcorrect.simulators.planning.contact_holding import MissedContact, find_ride_m
from selfcorrect.simulators.planning.edited_contacts import Contacts, list_foot_parts
from selfcorrect.simulators.results.results import CorrectedMotion
from selfcorrect.storage.files.limits import record_inputs
from selfcorrect.storage.files.writing import refuse_to_replace, replacing, write_atomically

from ..correct.controls import apply_controls, finish_correction
from ..correct.correct_file import open_input
from ..correct.options import CorrectionOptions
from .state import EDIT_STRENGTHS, EditState, format_command

SCRIPT = Path(__file__).with_name("edit.js")

_MISSED_M = 0.01
"""Distance from a contact that has severity 1 among the problems, in m."""
_SHOWN_FPS = 60.0
"""Highest frame rate of the page, in frames per second. Faster motions show every second or third frame."""


@dataclass(frozen=True, eq=False)
class _Base:
    """A correction without edits, on which edits are applied."""

    file: MotionFile
    correction: CorrectedMotion

    @property
    def motion(self) -> Motion:
        return self.file.motion

    @cached_property
    def contacts(self) -> Contacts:
        """The contacts of the correction: of heels and toes, or of feet without toe joints."""
        return Contacts.from_motion(self.correction.motion, by_point=True)

    @property
    def lanes(self) -> tuple[str, ...]:
        """Parts of the contacts."""
        return list_foot_parts(self.correction.motion.skeleton)


class EditSession:
    """Corrects one motion with edits that change.

    Opened files and corrections without edits are kept, so that only what was edited is corrected again.
    """

    def __init__(
        self, source: Path, options: CorrectionOptions, out: Path, contacts_out: Path, *, overwrite: bool = False
    ) -> None:
        self.source = source
        self.out = out
        self.contacts_out = contacts_out
        self._options = options
        self._overwrite = overwrite
        self._opened: list[Path] = []
        self._bases: dict[CorrectionOptions, _Base] = {}
        self._shown: Motion | None = None
        self._errors: FrameErrors | None = None

    @cached_property
    def before(self) -> Motion:
        """The motion of the file.

        Raises:
            InputError: The file holds several motions.
        """
        file = open_input(self.source, self._options)
        if len(file.motions) > 1:
            raise InputError(f"{self.source}: holds {len(file.motions)} motions; edit files with one")
        return file.motion

    def render(self) -> PlayerPage:
        """Render the page, with the motion before and after a correction without edits."""
        self._correct(EditState())  # from now on, answers are compared with this one
        return self._page

    @cached_property
    def _page(self) -> PlayerPage:
        corrected, base = self._correct(EditState())
        timeline = self._describe(corrected, EditState(), base)
        panels = [PicturePanel(self._thin(self.before)), PicturePanel(self._thin(corrected.motion))]
        titles = [f"{self.source.name}, before", "after"]
        editing = {"strengths": EDIT_STRENGTHS, "frames": len(self.before), **self._tell(corrected, EditState(), base)}
        scene = encode_scene(panels, titles, together=True, scheme="auto", timeline=timeline, editing=editing)
        return render_player(f"Edit {self.source.name}", scene, [TIMELINE_SCRIPT, SCRIPT])

    def correct(self, state: EditState) -> dict[str, Any]:
        """Correct with edits, and return what changed on the page since the last call.

        Raises:
            InputError: Contacts do not fit the motion, or are out of reach.
        """
        shown = self._shown
        corrected, base = self._correct(state)
        timeline = self._describe(corrected, state, base)
        changed = _find_changed(shown, corrected.motion)
        answer = {"timeline": timeline.to_json(), **self._tell(corrected, state, base), "piece": None}
        if changed is not None:
            first, stop = changed.start // self._stride, -(-changed.stop // self._stride)
            answer["piece"] = encode_piece(self._thin(corrected.motion), slice(first, stop))
        return answer

    def save(self, state: EditState) -> list[Path]:
        """Write the corrected file and the contacts, and return their paths.

        The file is the one that `selfcorrect correct` writes with the same options.

        Raises:
            InputError: The correction was rejected.
            SettingError: A file exists that this session did not write.
        """
        base = self._find_base(state)
        options = state.to_options(self._options, base.motion)
        corrected = finish_correction(base.motion, base.correction, options)
        if not corrected.accepted:
            raise InputError(f"{self.source}: not corrected: {corrected.reason}")
        for path in (self.out, self.contacts_out):
            refuse_to_replace(path, self._overwrite)
            check_not_opened(path, self._opened)
        contacts = state.contacts or Contacts.from_motion(corrected.motion, by_point=True)
        with replacing(self.out, overwrite=self._overwrite) as temporary:
            base.file.write(temporary, corrected.motion)
        write_atomically(self.contacts_out, contacts.text(), overwrite=self._overwrite)
        self._overwrite = True  # from now on, both are this session's files
        return [self.out, self.contacts_out]

    @property
    def _stride(self) -> int:
        """Number of the motion's frames per frame of the page."""
        return int(np.ceil(self.before.fps / _SHOWN_FPS))

    def _thin(self, motion: Motion) -> Motion:
        return replace(motion.select_frames(slice(None, None, self._stride)), fps=motion.fps / self._stride)

    def _find_base(self, state: EditState) -> _Base:
        """Return the correction without contacts or amounts, from earlier if there is one."""
        plain = replace(state, contacts=None, untouched=(), amount=1.0)
        options = plain.to_options(self._options, self.before).resolve_engine()
        if options not in self._bases:
            with record_inputs() as opened:
                file = open_input(self.source, options)
            self._opened = opened.paths
            (correction,) = correct_through_views(file.motions, options.pipeline)
            self._bases[options] = _Base(file, correction)
        return self._bases[options]

    def _correct(self, state: EditState) -> tuple[CorrectedMotion, _Base]:
        """Correct with edits, without measuring the whole motion."""
        base = self._find_base(state)
        options = state.to_options(self._options, base.motion).resolve_engine()
        corrected = apply_controls(base.motion, base.correction, options, is_measured=False)
        feet = get_foot_frames(base.correction.motion)
        corrected = replace(corrected, motion=replace(corrected.motion, feet=feet))
        self._errors = self._measure(corrected.motion)
        self._shown = corrected.motion
        return corrected, base

    @cached_property
    def _errors_before(self) -> FrameErrors | None:
        return FrameErrors.from_motion(self.before)

    def _measure(self, motion: Motion) -> FrameErrors | None:
        """Measure a motion: stances as a whole, the rest only where it differs from the one that was shown."""
        changed = _find_changed(self._shown, motion)
        if self._errors is None or changed == slice(0, len(motion)):
            return FrameErrors.from_motion(motion)
        if changed is None:
            return self._errors
        around = slice(max(changed.start - 3, 0), changed.stop + 3)
        piece = FrameErrors.from_motion(motion.select_frames(around), measure_slip(motion))
        return piece and self._errors.with_piece(around.start, piece)

    def _describe(self, corrected: CorrectedMotion, state: EditState, base: _Base) -> ContactTimeline:
        if self._errors is None:
            raise InputError(f"{self.source}: has no feet whose contacts could be edited")
        contacts = state.contacts or base.contacts
        missed = list(map(_make_problem, self._find_missed(corrected.motion, state, base)))
        return ContactTimeline.from_errors(
            self._errors,
            self._errors_before,
            asdict(contacts),
            self.contacts_out.name,
            self._stride,
            base.lanes,
            missed,
        )

    def _find_missed(self, motion: Motion, state: EditState, base: _Base) -> list[MissedContact]:
        """Find edited contacts that are not held, outside of ranges to leave alone."""
        if state.contacts is None:
            return []
        own = set(base.contacts.contacts)
        edited = []
        for contact in state.contacts.contacts:
            first, last = contact.first_frame, contact.last_frame
            is_left = any(span.first_frame <= last and first <= span.last_frame for span in state.untouched)
            if contact not in own and not is_left:
                edited.append(contact)
        if not edited:
            return []
        ride_m = find_ride_m(base.motion, state.contacts)
        return list_missed(motion, replace(state.contacts, contacts=tuple(edited)), ride_m)

    def _tell(self, corrected: CorrectedMotion, state: EditState, base: _Base) -> Mapping[str, Any]:
        """Return what the page says about a correction, besides its motion."""
        options = state.to_options(self._options, base.motion)
        return {
            "reason": corrected.reason,
            "notes": [str(note) for note in corrected.notes],
            "command": format_command(self.source, self.out, self.contacts_out, options),
        }


def _make_problem(missed: MissedContact) -> Problem:
    contact = missed.contact
    words = f"The {contact.part} misses its contact by {1000 * missed.distance_m:.0f} mm."
    return Problem(
        "contact", missed.frame, contact.first_frame, contact.last_frame, missed.distance_m / _MISSED_M, words
    )


def _find_changed(shown: Motion | None, motion: Motion) -> slice | None:
    """Return the frames from the first to the last in which two motions differ, or None if they are equal."""
    if shown is None or len(shown) != len(motion) or shown.feet != motion.feet:
        return slice(0, len(motion))
    differs = (shown.root_m != motion.root_m).any(axis=1) | (shown.rotations != motion.rotations).any(axis=(1, 2))
    frames = np.flatnonzero(differs)
    return slice(int(frames[0]), int(frames[-1]) + 1) if len(frames) else None
