"""What a person edits on the page, and the options of `selfcorrect correct` that mean the same."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from selfcorrect.core.checks import check_choice, check_number
from selfcorrect.core.errors import InputError
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.planning.edited_contacts import Contacts

from ..correct.controls import BLEND_S
from ..correct.options import CorrectionOptions

EditStrength = Literal["kinematic", "faithful", "balanced", "physical"]
EDIT_STRENGTHS: tuple[EditStrength, ...] = ("kinematic", "faithful", "balanced", "physical")
"""Strengths that the page offers: kinematic for `--kinematic`, and values of `--strength`."""


@dataclass(frozen=True)
class UntouchedRange:
    """Frames that stay as they are in the file."""

    first_frame: int
    last_frame: int
    """Inclusive."""


@dataclass(frozen=True)
class EditState:
    """Edits of a motion."""

    strength: EditStrength = "kinematic"
    amount: float = 1.0
    """Share of the correction that is applied, from 0 to 1."""
    floor_m: float | None = None
    """Height of the floor in the file, in m; None for the floor that the motion shows."""
    untouched: tuple[UntouchedRange, ...] = ()
    contacts: Contacts | None = None
    """None for the contacts that the correction finds."""

    def __post_init__(self) -> None:
        check_choice("strength", self.strength, EDIT_STRENGTHS)
        check_number("amount", self.amount, 0.0, 1.0)
        for span in self.untouched:
            if not 0 <= span.first_frame <= span.last_frame:
                raise InputError(f"range to leave alone: expected 0 ≤ first ≤ last, got {span}")

    def to_options(self, given: CorrectionOptions, motion: Motion) -> CorrectionOptions:
        """Return the options of a correction with these edits."""
        is_kinematic = self.strength == "kinematic"
        return replace(
            given,
            kinematic=is_kinematic,
            strength=given.strength if is_kinematic else self.strength,
            contacts=self.contacts,
            amount=tuple(f"{frame}={share:g}" for frame, share in self._keyframes(motion)),
            reading=given.reading if self.floor_m is None else replace(given.reading, floor=self.floor_m),
        )

    def _keyframes(self, motion: Motion) -> Iterator[tuple[int, float]]:
        """Yield keyframes of the share over time. Around ranges to leave alone, it changes within `BLEND_S`."""
        last_frame = len(motion) - 1
        merged = _merge(self.untouched, last_frame)
        if not merged:
            if self.amount < 1:
                yield 0, self.amount
            return
        fade = max(round(BLEND_S * motion.fps), 1)
        before = -1
        for index, (first, last) in enumerate(merged):
            after = merged[index + 1][0] if index + 1 < len(merged) else last_frame + 1
            fade_in = min(fade, (first - before) // 2 if before >= 0 else first)
            if fade_in > 0:
                yield first - fade_in, self.amount
            yield first, 0.0
            if last > first:
                yield last, 0.0
            is_end = after > last_frame
            fade_out = min(fade, last_frame - last if is_end else (after - last) // 2)
            if fade_out > 0 and (is_end or last + fade_out < after - min(fade, (after - last) // 2)):
                yield last + fade_out, self.amount
            before = last


def _merge(ranges: Sequence[UntouchedRange], last_frame: int) -> list[tuple[int, int]]:
    """Return first and last frames in order, with ranges that touch joined."""
    merged = list[tuple[int, int]]()
    for span in sorted(ranges, key=lambda span: span.first_frame):
        first, last = span.first_frame, min(span.last_frame, last_frame)
        if first > last_frame:
            continue
        if merged and first <= merged[-1][1] + 2:
            first, earlier = merged.pop()
            last = max(last, earlier)
        merged.append((first, last))
    return merged


def format_command(source: Path, out: Path, contacts_file: Path, options: CorrectionOptions) -> str:
    """Return the command line that writes the same file."""
    words = ["selfcorrect", "correct", str(source), "-o", str(out)]
    words += ["--kinematic"] if options.kinematic else ["--strength", f"{options.strength}"]
    if options.contacts is not None:
        words += ["--contacts", str(contacts_file)]
    if options.amount:
        words += ["--amount", *options.amount]
    if options.reading.floor is not None:
        words += ["--floor", f"{options.reading.floor:g}"]
    return shlex.join(words)
