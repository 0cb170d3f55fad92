"""Parse the options that say what to correct: frames, limbs, shares and contacts."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from selfcorrect.core.checks import describe_value
from selfcorrect.core.errors import SettingError

if TYPE_CHECKING:
    from selfcorrect.simulators.foot_contacts import Contacts

_FRAME = re.compile("[0-9]{1,9}")
"""Pattern of a frame number."""

LIMB_PARTS: Mapping[str, tuple[str, ...]] = {
    "arms": ("collar", "shoulder", "elbow", "wrist"),
    "hands": ("wrist",),
    "legs": ("hip", "knee", "ankle", "foot"),
    "feet": ("ankle", "foot"),
    "head": ("neck", "head"),
    "trunk": ("pelvis", "spine1", "spine2", "spine3"),
}
"""Body parts of each limb, without side."""


def parse_span(frames: str) -> tuple[int, int] | None:
    """Parse the first and last frame to correct, or return None for all frames.

    Raises SettingError for invalid text.
    """
    if not frames:
        return None
    first, _, last = frames.partition(":")
    are_numbers = _FRAME.fullmatch(first) and _FRAME.fullmatch(last)
    if not are_numbers or int(first) >= int(last):
        raise SettingError(f"frames must be FIRST:LAST with first < last, such as 40:120, got {describe_value(frames)}")
    return int(first), int(last)


def parse_amounts(amount: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """Parse keyframes (frame, share) by limb, which is "" for the whole body.

    Raises SettingError for invalid text.
    """
    amounts = defaultdict[str, list[tuple[int, float]]](list)
    for word in amount:
        place, _, number = word.partition("=")
        limb, _, frame = ("", "", place) if _FRAME.fullmatch(place) else place.partition("@")
        try:
            share = float(number)
        except ValueError:
            share = math.nan
        is_place = bool(place) and limb in ("", *LIMB_PARTS) and _FRAME.fullmatch(frame or "0")
        if not is_place or not 0 <= share <= 1:
            raise SettingError(
                "amount must be LIMB=SHARE, FRAME=SHARE or LIMB@FRAME=SHARE, with a share from 0 to 1 and a limb "
                f"among {', '.join(LIMB_PARTS)}; got {describe_value(word)}"
            )
        amounts[limb].append((int(frame or 0), share))
    return amounts


def read_contacts(contacts: str | Path | Contacts | None) -> Contacts | None:
    """Read the contacts that the options give, or return None if the correction should infer them.

    Raises InputError for a damaged file.
    """
    if not isinstance(contacts, str | Path):
        return contacts
    from selfcorrect.simulators.foot_contacts import Contacts

    return Contacts.load(contacts)
