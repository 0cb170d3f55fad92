# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write contact files, which say when and where feet stand. This module does not need Blender."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .exchange import ExchangeError, Turn
from .placement import Placement

_SAME_PLACE = 1e-5
"""Largest difference of a place that is none, relative to its coordinates, as curves hold single precision."""
FEET = ("left foot", "right foot")
"""Body parts in a contact file."""


@dataclass(frozen=True, eq=False)
class Contacts:
    """When each foot stands over T frames, and where."""

    is_standing: np.ndarray
    """(T, 2) bool, left foot first."""
    places: np.ndarray
    """(T, 2, 2) x and y of the middle of the sole in the scene; NaN if the position is not fixed."""


def find_spans(is_standing: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the first and last frame of each stance.

    The mask (T,) has the frames in which a foot stands.
    """
    edges = np.flatnonzero(np.diff(is_standing, prepend=False, append=False)).tolist()
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        yield first, stop - 1


def load_contacts(text: str) -> list[dict[str, Any]]:
    """Return the entries of a contact file. Raises ExchangeError if it is damaged or of another version."""
    try:
        entries = json.loads(text)["contacts"]
        for entry in entries:
            entry["part"], int(entry["first_frame"]), int(entry["last_frame"])
    except (ValueError, KeyError, TypeError) as error:
        raise ExchangeError("The contacts that the program returned cannot be read; install a newer program") from error
    return entries


def read_contacts(path: Path, placement: Placement) -> Contacts:
    """Read the feet of a contact file. Raises ExchangeError if it is damaged or of another version."""
    try:
        text = path.read_text(encoding="utf-8")
        is_standing = np.zeros((json.loads(text)["frames"], len(FEET)), dtype=bool)
        places = np.full((*is_standing.shape, 2), np.nan)
        for contact in load_contacts(text):
            if contact["part"] not in FEET:
                continue
            frames = slice(contact["first_frame"], contact["last_frame"] + 1)
            foot = FEET.index(contact["part"])
            is_standing[frames, foot] = True
            if position_m := contact.get("position_m"):
                places[frames, foot] = placement.to_scene(np.array(position_m, dtype=float))[:2]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ExchangeError("The contacts that the program returned cannot be read; install a newer program") from error
    return Contacts(is_standing, places)


# --- edits -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Edits:
    """Contacts as users left them."""

    entries: tuple[dict[str, Any], ...]
    """Entries of a contact file."""
    sources: tuple[int | None, ...]
    """For each, its index in the file that the program wrote; None for a new one."""
    turns: tuple[Turn, ...]
    frames: int

    @classmethod
    def from_contacts(cls, contacts: Contacts) -> Edits:
        """Return contacts of curves alone, in frames of reference of the file."""
        return apply_curves([], contacts, Placement())


def apply_curves(entries: Sequence[dict[str, Any]], contacts: Contacts, placement: Placement) -> Edits:
    """Change the entries of a contact file as contact curves say. What the curves do not change stays exactly the same.

    Args:
        entries: Entries that the program wrote.
        contacts: What the curves say.
        placement: Frame of reference of the file.
    """
    changed: list[tuple[dict[str, Any], int | None]] = []
    for foot, part in enumerate(FEET):
        own = [(index, entry) for index, entry in enumerate(entries) if entry["part"] == part]
        edges = {entry["first_frame"] for _, entry in own}
        for first, last in _split(contacts.is_standing[:, foot], edges):
            overlaps = []
            for index, entry in own:
                shared = min(last, entry["last_frame"]) - max(first, entry["first_frame"]) + 1
                overlaps.append((shared, index, entry))
            shared, index, entry = max(overlaps, default=(0, None, None), key=lambda overlap: overlap[0])
            if shared < 1:
                index, entry = None, {"part": part}
            place = contacts.places[(first + last) // 2, foot]
            changed.append((_change(entry, first, last, place, placement), index))
    changed += [(entry, index) for index, entry in enumerate(entries) if entry["part"] not in FEET]
    changed.sort(key=lambda item: item[0]["first_frame"])  # as the program lists them
    taken: set[int | None] = {None}
    sources = []
    for _, index in changed:  # if a stance was split, its first piece stays
        sources.append(None if index in taken else index)
        taken.add(index)
    return Edits(tuple(entry for entry, _ in changed), tuple(sources), (), len(contacts.is_standing))


def _split(is_standing: np.ndarray, edges: set[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last frame of each stance, where stances may also meet at these frames."""
    for first, last in find_spans(is_standing):
        starts = [first, *sorted(edge for edge in edges if first < edge <= last)]
        for start, stop in zip(starts, [*starts[1:], last + 1], strict=True):
            yield start, stop - 1


def _change(entry: dict[str, Any], first: int, last: int, place: np.ndarray, placement: Placement) -> dict[str, Any]:
    """Return an entry with other frames and another place in the scene, or the same entry if they are the same."""
    changed = {**entry, "first_frame": first, "last_frame": last}
    if np.isnan(place).any():
        changed.pop("position_m", None)
        return changed
    position_m = entry.get("position_m")
    if position_m is not None:
        here = placement.to_scene(np.array(position_m, dtype=float))[:2]
        if np.abs(here - place).max() <= _SAME_PLACE * max(1.0, float(np.abs(here).max())):
            return changed
    return {**changed, "position_m": placement.place_step_m(place, position_m)}


def write_edits(path: Path, edits: Edits, fps: float) -> None:
    """Write edited contacts as a contact file."""
    content = {"frames": edits.frames, "fps": fps, "contacts": list(edits.entries)}
    path.write_text(json.dumps(content), encoding="utf-8")
