# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write contact files, which say when and where feet stand. This module does not need Blender."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .exchange import ExchangeError
from .placement import Placement

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
    """Yield the first and last frame of each stance, from a mask (T,) of the frames in which a foot stands."""
    edges = np.flatnonzero(np.diff(is_standing, prepend=False, append=False)).tolist()
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        yield first, stop - 1


def read_contacts(path: Path, placement: Placement) -> Contacts:
    """Read a contact file of the program. Raises ExchangeError if it is damaged or of another version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        is_standing = np.zeros((content["frames"], len(FEET)), dtype=bool)
        places = np.full((*is_standing.shape, 2), np.nan)
        for contact in content["contacts"]:
            frames = slice(contact["first_frame"], contact["last_frame"] + 1)
            foot = FEET.index(contact["part"])
            is_standing[frames, foot] = True
            if position_m := contact.get("position_m"):
                places[frames, foot] = placement.to_scene(np.array(position_m, dtype=float))[:2]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ExchangeError("The contacts that the program returned cannot be read; install a newer program") from error
    return Contacts(is_standing, places)


def write_contacts(path: Path, contacts: Contacts, fps: float, placement: Placement) -> None:
    """Write when and where each foot stands, with the position in the middle of each stance.

    Args:
        path: File to write.
        contacts: Contacts over T frames.
        fps: Frames per second.
        placement: Frame of reference of the file.
    """
    entries: list[dict[str, Any]] = []
    for foot, part in enumerate(FEET):
        for first, last in find_spans(contacts.is_standing[:, foot]):
            entry: dict[str, Any] = {"part": part, "first_frame": first, "last_frame": last}
            place = contacts.places[(first + last) // 2, foot]
            if not np.isnan(place).any():
                x_m, _, z_m = placement.to_file_m(np.array([*place, 0.0])).tolist()
                entry["position_m"] = [x_m, 0.0, z_m]
            entries.append(entry)
    content = {"frames": len(contacts.is_standing), "fps": fps, "contacts": entries}
    path.write_text(json.dumps(content), encoding="utf-8")
