# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what a correction changed, so that each button shows and restores the same.

A corrected action carries one record: how the motion before was played, the values of all channels that only the
correction keys, the options, the contacts and what is left of the findings. Blender writes nothing to a channel without
keys, so it would keep the value of the motion that was shown before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import bpy

from .placement import Placement
from .program import Failure
from .rig import find_followers, find_rig, get_curves

SOURCE_RIG = "selfcorrect rig"
SOURCE_ACTION = "selfcorrect action"
COPY = "selfcorrect copy"
"""Custom properties of a corrected action: the corrected rig, its action before, and the copy that plays the action."""
AMOUNT = "selfcorrect amount"
"""Custom property of an action over others: its influence before it was switched off."""
SHOWN = "selfcorrect shown"
"""Custom property of a rig: the correction that was shown last."""
FINDINGS = "selfcorrect findings"
"""Custom property of an action, or of a rig that plays none: what the last check of the motion found."""
_RECORD = "selfcorrect record"
_OWN = (SOURCE_RIG, SOURCE_ACTION, COPY, AMOUNT, FINDINGS, _RECORD)


@dataclass(frozen=True)
class Record:
    """What a correction changed."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Values of the options."""
    selected: list[str] | None = None
    """Bones that may change; None for all."""
    slot: str = ""
    """Identifier of the slot with which the motion before was played."""
    blend_type: str = "REPLACE"
    influence: float = 1.0
    """How the motion before was played."""
    unkeyed: dict[str, float | list[float]] = field(default_factory=dict)
    """Value before the correction of each channel that only the correction keys, by path."""
    hidden: list[str] = field(default_factory=list)
    """Names of the objects that the correction has hidden, since a copy stands in for them."""
    contacts: str = ""
    """The program's contact file."""
    placement: dict[str, Any] = field(default_factory=dict)
    """Frame of reference of the file."""
    feet: dict[str, list[str]] = field(default_factory=dict)
    """Bones of ankle and toe joint of each foot."""
    ground: list[list[list[float]]] = field(default_factory=list)
    """Corners in the scene of each rectangle of the ground that the program was told."""
    clock: list[float] = field(default_factory=list)
    """Time of the first step and interval between steps, in frames of the action."""

    def get_placement(self) -> Placement:
        """Return the frame of reference of the program's file."""
        values = {**self.placement, "origin_m": tuple(self.placement["origin_m"])}
        return Placement(**values)


def read_record(action: bpy.types.Action | None) -> Record | None:
    """Return the record of a corrected action, or None for any other action."""
    if action is None or SOURCE_RIG not in action:
        return None
    try:
        values = json.loads(action.get(_RECORD, "{}"))
        return Record(**values)
    except (ValueError, TypeError):  # of another version of the extension
        return Record()


def write_record(action: bpy.types.Action, record: Record) -> None:
    """Write the record of a corrected action."""
    action[_RECORD] = json.dumps(asdict(record))


def change_record(action: bpy.types.Action, **changes: Any) -> None:
    """Change entries of an action's record."""
    write_record(action, replace(read_record(action) or Record(), **changes))


def clear_marks(action: bpy.types.Action) -> None:
    """Remove what a copied action says about its original's correction."""
    for name in _OWN:
        if name in action:
            del action[name]


# --- channels --------------------------------------------------------------------------------------------------------


def read_channel(rig: bpy.types.Object, path: str) -> float | list[float] | None:
    """Return the value of a rig's channel, or None if it has no such channel."""
    try:
        value = rig.path_resolve(path)
    except ValueError:
        return None
    if isinstance(value, (bool, int, float)):
        return value
    try:
        return [float(part) for part in value]
    except (TypeError, ValueError):
        return None


def write_channel(rig: bpy.types.Object, path: str, value: float | list[float]) -> None:
    """Set the value of a rig's channel, if it still has it."""
    holder_path, _, name = path.rpartition(".")
    with suppress(ValueError, TypeError, KeyError, AttributeError, IndexError):
        if path.endswith('"]'):
            holder_path, _, name = path.rpartition("[")
            holder = rig.path_resolve(holder_path) if holder_path else rig
            holder[json.loads(name[:-1])] = value
        else:
            setattr(rig.path_resolve(holder_path) if holder_path else rig, name, value)


def read_unkeyed(
    rig: bpy.types.Object, new: Sequence[bpy.types.FCurve], old: Sequence[bpy.types.FCurve]
) -> dict[str, float | list[float]]:
    """Return the values of the channels that have new curves but no old ones, by path.

    A channel of several numbers counts as unkeyed if any of them is.
    """
    keyed = {(curve.data_path, curve.array_index) for curve in old}
    values = {}
    for path in {curve.data_path for curve in new if (curve.data_path, curve.array_index) not in keyed}:
        value = read_channel(rig, path)
        if value is not None:
            values[path] = value
    return values


# --- what is shown ---------------------------------------------------------------------------------------------------


def get_source(action: bpy.types.Action | None) -> bpy.types.Object | None:
    """Return the rig whose motion was corrected to an action, or None for any other action."""
    return action.get(SOURCE_RIG) if action else None


def find_original(action: bpy.types.Action | None) -> bpy.types.Action | None:
    """Return the action from which all corrections up to this one were made."""
    seen = set()
    while action is not None and SOURCE_RIG in action and action.session_uid not in seen:
        seen.add(action.session_uid)
        action = action.get(SOURCE_ACTION)
    return action


def list_corrections(rig: bpy.types.Object) -> list[bpy.types.Action]:
    """Return the corrections of the motion that a rig shows, or that it would show before them, oldest first."""
    data = rig.animation_data
    action = data.action if data else None
    source = get_source(action) or rig
    original = find_original(action)
    found = []
    for candidate in bpy.data.actions:
        if candidate.get(SOURCE_RIG) == source and find_original(candidate) == original:
            found.append(candidate)
    return sorted(found, key=lambda candidate: candidate.session_uid)


def is_before(rig: bpy.types.Object) -> bool:
    """Return whether a rig shows its motion before a correction, or one that was never corrected."""
    data = rig.animation_data
    action = data.action if data else None
    source = get_source(action)
    if source is None:
        return True
    if source != rig:
        return not source.hide_viewport
    return AMOUNT in action and data.action_influence == 0


def play(rig: bpy.types.Object, action: bpy.types.Action | None, identifier: str | None) -> None:
    """Assign an action with the slot of this identifier, or with the first suitable slot."""
    data = rig.animation_data or rig.animation_data_create()
    if data.action is not None and data.action.library is None:
        data.action.use_fake_user = True
    data.action = action
    slots = list(data.action_suitable_slots) if action else []
    if slots:
        data.action_slot = next((slot for slot in slots if slot.identifier == identifier), slots[0])


def show_before(rig: bpy.types.Object) -> None:
    """Show a rig's motion before its corrections, exactly as it was played."""
    data = rig.animation_data
    action = data.action
    source = get_source(action)
    if source is None or is_before(rig):
        return
    if source != rig:
        _show_copy(rig, action, is_after=False)
        return
    rig[SHOWN] = action
    if AMOUNT in action:
        action[AMOUNT] = data.action_influence
        data.action_influence = 0.0
        return
    while (record := read_record(action)) is not None and action.get(SOURCE_RIG) == rig:
        before = action.get(SOURCE_ACTION)
        play(rig, before, record.slot)
        data.action_blend_type, data.action_influence = record.blend_type, record.influence
        for path, value in record.unkeyed.items():
            write_channel(rig, path, value)
        action = before
        if action is not None and AMOUNT in action:
            data.action_influence = 0.0
            break


def show_correction(rig: bpy.types.Object, action: bpy.types.Action) -> None:
    """Show a correction of a rig's motion."""
    if (copy := action.get(COPY)) is not None:
        show_before(rig)
        _show_copy(copy, action, is_after=True)
        return
    target = action.get(SOURCE_RIG) or rig
    if target != rig:  # a copy showed another correction of this rig
        show_before(rig)
    else:
        show_before(target)
    data = target.animation_data
    slot = data.action_slot.identifier if data and data.action_slot else None
    play(target, action, slot)
    data = target.animation_data
    data.action_blend_type, data.action_influence = "REPLACE", 1.0
    if AMOUNT in action:
        data.action_blend_type = (
            "ADD" if (read_record(action) or Record()).settings.get("result") == "LAYER" else "REPLACE"
        )
        data.action_influence = action[AMOUNT] or 1.0
    target[SHOWN] = action


def _show_copy(copy: bpy.types.Object, action: bpy.types.Action, *, is_after: bool) -> None:
    """Show a copied rig, or its original, with the objects that follow it."""
    original = action.get(SOURCE_RIG)
    if original is None:
        raise Failure(f"The original of {copy.name} was removed")
    scene = bpy.context.scene
    record = read_record(action) or Record()
    hidden = [item for item in (original, *find_followers(original, scene)) if item.name in record.hidden]
    hidden = hidden or [original, *find_followers(original, scene)]
    for items, is_hidden in ((hidden, is_after), ([copy, *find_followers(copy, scene)], not is_after)):
        for item in items:
            item.hide_viewport = item.hide_render = is_hidden
    if is_after:
        play(copy, action, None)
        original[SHOWN] = action


def toggle(rig: bpy.types.Object) -> str:
    """Toggle a rig between its motion before its corrections and the one shown last. Returns "before" or "after".

    Raises Failure if the motion was never corrected.
    """
    if not is_before(rig):
        show_before(rig)
        return "before"
    corrections = list_corrections(rig)
    if not corrections:
        raise Failure(f"The motion of {rig.name} was not corrected yet")
    source = get_source(rig.animation_data.action if rig.animation_data else None) or rig
    last = source.get(SHOWN)
    show_correction(rig, last if last in corrections else corrections[-1])
    return "after"


@contextmanager
def playing_source(rig: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """Yield the rig from which the correction that `rig` shows was made, while it plays the motion before.

    After an error, everything is restored.
    """
    action = rig.animation_data.action if rig.animation_data else None
    source = get_source(action)
    if source is None:
        raise Failure(f"The action of {rig.name} was not made by Correct with Physics, and has no contacts")
    action.use_fake_user = True
    uid, rig_uid, action_uid = source.session_uid, rig.session_uid, action.session_uid
    was_before = is_before(rig)
    if source == rig:
        influence = rig.animation_data.action_influence
        _show_source(rig, action)
    try:
        yield source
    except BaseException:
        if uid == rig_uid:
            shown = next(each for each in bpy.data.actions if each.session_uid == action_uid)
            if AMOUNT in shown:
                shown[AMOUNT] = influence
            show_correction(find_rig(uid), shown)
            if was_before:
                show_before(find_rig(uid))
        raise


def _show_source(rig: bpy.types.Object, action: bpy.types.Action) -> None:
    """Show the motion from which a correction was made, which may itself be a correction."""
    before = action.get(SOURCE_ACTION)
    show_before(rig)
    if before is not None and SOURCE_RIG in before and before.get(SOURCE_RIG) == rig and AMOUNT not in action:
        show_correction(rig, before)


def list_curves(rig: bpy.types.Object) -> list[bpy.types.FCurve]:
    """Return the curves of the action that a rig plays."""
    data = rig.animation_data
    return get_curves(data.action, data.action_slot) if data and data.action else []
