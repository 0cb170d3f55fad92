# SPDX-License-Identifier: GPL-3.0-or-later
"""Show contacts as footsteps in the scene, which users drag, turn and delete, and read them back.

A contact that nobody touched goes back to the program exactly as the program wrote it. Contact curves say when a foot
stands, and footsteps say whether, where, and in which direction.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import bpy
import numpy as np
from bpy.props import EnumProperty
from mathutils import Matrix, Vector

from . import actions
from .contacts import FEET, Edits, apply_curves, load_contacts
from .exchange import Turn
from .program import Failure
from .record import read_record

STEP = "selfcorrect step"
"""Custom property of a footstep: its index among the contacts, its foot and frames, and where it was put."""
RIG = "selfcorrect rig"
ACTION = "selfcorrect action"
"""Custom properties of a footstep, and of the collection of all footsteps of an action."""
_MIDDLE = "selfcorrect middle"
"""Custom property of a footstep: distance from its origin to the middle of the sole, along the sole."""
_SAME_PLACE = 1e-4
_SAME_HEADING_RAD = 1e-3
"""Changes of a footstep that are none, as Blender stores single precision."""
_ANKLE_SHARE, _WIDTH_SHARE = 1.6, 0.38
"""Length of a drawn sole, relative to the distance from ankle to toe joint, and its width relative to its length."""
_USUAL_LENGTH_M = 0.26
_OUTLINE = ((-0.5, 0.0), (-0.45, 0.3), (-0.2, 0.35), (0.15, 0.5), (0.4, 0.42), (0.5, 0.1))
"""Half of a sole: distance along it from its middle, and from its axis, relative to length and width."""
_COLOURS = ((0.15, 0.45, 0.9, 1.0), (0.9, 0.3, 0.2, 1.0))
"""Colours of left and right footsteps."""


@dataclass(frozen=True)
class Step:
    """A footstep as it was put into the scene."""

    index: int
    part: str
    first_frame: int
    last_frame: int
    place: tuple[float, float]
    heading_rad: float


def find_collection(action: bpy.types.Action | None) -> bpy.types.Collection | None:
    """Return the collection with the footsteps of an action, or None if they are not shown."""
    for collection in bpy.data.collections:
        if action is not None and collection.get(ACTION) == action:
            return collection
    return None


def get_step(item: bpy.types.Object | None) -> Step | None:
    """Return what an object is as a footstep, or None for any other object."""
    if item is None or STEP not in item:
        return None
    values = json.loads(item[STEP])
    return Step(**{**values, "place": tuple(values["place"])})


def find_middle(item: bpy.types.Object) -> Vector:
    """Return where the middle of a footstep's sole is in the scene."""
    return item.matrix_world @ Vector((0.0, item.get(_MIDDLE, 0.0), 0.0))


def find_heading(item: bpy.types.Object) -> float:
    """Return the direction of a footstep about the vertical, in rad."""
    along = item.matrix_world.to_3x3() @ Vector((0.0, 1.0, 0.0))
    return math.atan2(along.y, along.x)


def read_edits(action: bpy.types.Action, times: np.ndarray) -> Edits:
    """Read the contacts of a corrected action with all that users changed in its curves and footsteps.

    Args:
        action: The action.
        times: Times (T,) of the motion, in frames of the action.

    Raises:
        Failure: The action has no contacts.
    """
    record = read_record(action)
    if record is None:
        raise Failure(f"The action of {action.name} was not made by Correct with Physics, and has no contacts")
    contacts = actions.read_contacts(action, times)
    if not record.contacts:
        return Edits.from_contacts(contacts)
    placement = record.get_placement()
    entries = load_contacts(record.contacts)
    edits = apply_curves(entries, contacts, placement)
    collection = find_collection(action)
    if collection is None:
        return edits
    bpy.context.view_layer.update()
    left = {}
    for item in collection.objects:
        step = get_step(item)
        if step is not None:
            left[step.index] = item
    turns = []
    kept = []
    for entry, index in zip(edits.entries, edits.sources, strict=True):
        if index is None or entry["part"] not in FEET:
            kept.append((entry, index))
            continue
        item = left.get(index)
        if item is None:  # deleted
            continue
        step = get_step(item)
        middle = find_middle(item)
        if (middle.xy - Vector(step.place)).length > _SAME_PLACE:
            entry = {**entry, "position_m": placement.place_step_m(middle, entry.get("position_m"))}
        turn_rad = math.remainder(find_heading(item) - step.heading_rad, 2 * math.pi)
        if abs(turn_rad) > _SAME_HEADING_RAD:
            turns.append(Turn(entry["part"], entry["first_frame"], entry["last_frame"], turn_rad))
        kept.append((entry, index))
    return Edits(tuple(entry for entry, _ in kept), tuple(index for _, index in kept), tuple(turns), edits.frames)


# --- in the scene ----------------------------------------------------------------------------------------------------


def show(rig: bpy.types.Object) -> int:
    """Put a footstep into the scene for each contact.

    Contacts are those of the correction that a rig shows. Returns their number.
    """
    action = rig.animation_data.action if rig.animation_data else None
    record = read_record(action)
    if record is None or not record.contacts:
        raise Failure(f"The motion of {rig.name} has no contacts; correct it first")
    hide(rig)
    placement = record.get_placement()
    collection = bpy.data.collections.new(f"{rig.name} footsteps")
    collection[ACTION] = action
    collection[RIG] = rig
    bpy.context.scene.collection.children.link(collection)
    scene = bpy.context.scene
    frame_before, subframe_before = scene.frame_current, scene.frame_subframe
    stretch = scene.render.frame_map_old / scene.render.frame_map_new
    first, interval = record.clock
    count = 0
    for index, entry in enumerate(load_contacts(record.contacts)):
        if entry["part"] not in FEET or not entry.get("position_m"):
            continue
        middle_frame = (first + interval * (entry["first_frame"] + entry["last_frame"]) / 2) / stretch
        scene.frame_set(math.floor(middle_frame), subframe=middle_frame - math.floor(middle_frame))
        place = Vector(placement.to_scene(np.array(entry["position_m"], dtype=float)).tolist())
        ankle, toe = record.feet.get(entry["part"], ("", ""))
        heading_rad, length = _find_foot(rig, ankle, toe, _USUAL_LENGTH_M / placement.unit_m)
        item = _make_step(f"{entry['part']} {round(middle_frame)}", length, FEET.index(entry["part"]))
        item.matrix_world = Matrix.Translation(place) @ Matrix.Rotation(heading_rad - math.pi / 2, 4, "Z")
        step = {"index": index, "part": entry["part"], "place": list(place.xy), "heading_rad": heading_rad}
        step |= {"first_frame": entry["first_frame"], "last_frame": entry["last_frame"]}
        item[STEP] = json.dumps(step)
        item[RIG] = rig
        item[_MIDDLE] = 0.0
        item.lock_rotation = (True, True, False)
        item.lock_location = (False, False, True)
        item.hide_render = True
        collection.objects.link(item)
        count += 1
    scene.frame_set(frame_before, subframe=subframe_before)
    return count


def hide(rig: bpy.types.Object) -> bool:
    """Remove the footsteps of a rig from the scene. Returns whether there were any."""
    shown = [collection for collection in bpy.data.collections if collection.get(RIG) == rig]
    for collection in shown:
        for item in [item for item in collection.objects if STEP in item]:
            mesh = item.data
            bpy.data.objects.remove(item)
            if mesh.users == 0:
                bpy.data.meshes.remove(mesh)
        if not collection.objects:  # the user may have put something else there
            bpy.data.collections.remove(collection)
    return bool(shown)


def refresh(rig: bpy.types.Object) -> None:
    """Replace the footsteps of a rig, if they are shown, by those of the correction that it shows now."""
    action = rig.animation_data.action if rig.animation_data else None
    record = read_record(action)
    if hide(rig) and record is not None and record.contacts:
        show(rig)


def _find_foot(rig: bpy.types.Object, ankle: str, toe: str, usual_length: float) -> tuple[float, float]:
    """Return the direction of a foot about the vertical, in rad, and the length of its sole."""
    bones = rig.pose.bones
    if ankle not in bones:
        return -math.pi / 2, usual_length
    start = rig.matrix_world @ bones[ankle].head
    end = rig.matrix_world @ (bones[toe].head if toe in bones else bones[ankle].tail)
    along = (end - start).xy
    if along.length < 0.1 * usual_length:
        return -math.pi / 2, usual_length
    return math.atan2(along.y, along.x), _ANKLE_SHARE * along.length


def _make_step(name: str, length: float, foot: int) -> bpy.types.Object:
    """Make a flat sole whose middle is at its origin and whose toes point along y."""
    width = _WIDTH_SHARE * length
    half = [(width * across, length * along, 0.0) for along, across in _OUTLINE]
    corners = [*half, *((-x, y, z) for x, y, z in reversed(half) if x)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], [tuple(range(len(corners)))])
    item = bpy.data.objects.new(name, mesh)
    item.color = _COLOURS[foot]
    item.show_in_front = True
    item.show_wire = True
    return item


def set_pivot(item: bpy.types.Object, pivot: str) -> None:
    """Move the origin of a footstep, about which it turns, to its heel, middle or toe. It stays where it is."""
    ys = [corner.co.y for corner in item.data.vertices]
    middle = item.get(_MIDDLE, 0.0)
    target = {"HEEL": min(ys), "MIDDLE": middle, "TOE": max(ys)}[pivot]
    item.data.transform(Matrix.Translation((0.0, -target, 0.0)))
    item.matrix_world = item.matrix_world @ Matrix.Translation((0.0, target, 0.0))
    item[_MIDDLE] = middle - target


class SELFCORRECT_OT_footsteps(bpy.types.Operator):
    """Show the contacts of the correction as footsteps in the scene, or remove them again"""

    bl_idname = "selfcorrect.footsteps"
    bl_label = "Footsteps"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is an armature or a footstep."""
        return find_rig_of(context.object) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show or remove the footsteps of the rig."""
        rig = find_rig_of(context.object)
        action = rig.animation_data.action if rig.animation_data else None
        if find_collection(action) is not None:
            hide(rig)
            context.view_layer.objects.active = rig
            return {"FINISHED"}
        try:
            count = show(rig)
        except Failure as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{count} footsteps; drag, turn or delete them, then Correct with Use Edited Contacts")
        return {"FINISHED"}


class SELFCORRECT_OT_footstep_pivot(bpy.types.Operator):
    """Turn the selected footsteps about their heel, middle or toe"""

    bl_idname = "selfcorrect.footstep_pivot"
    bl_label = "Footstep Pivot"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    pivot: EnumProperty(
        name="Pivot",
        items=[
            ("HEEL", "Heel", "The heel stays"),
            ("MIDDLE", "Middle", "The middle stays"),
            ("TOE", "Toe", "The toe stays"),
        ],
        default="MIDDLE",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a footstep."""
        return get_step(context.object) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Move the origins of the selected footsteps."""
        for item in {context.object, *context.selected_objects}:
            if get_step(item) is not None:
                set_pivot(item, self.pivot)
        return {"FINISHED"}


def find_rig_of(item: bpy.types.Object | None) -> bpy.types.Object | None:
    """Return an armature, or the armature of a footstep; None for any other object."""
    if item is None:
        return None
    if item.type == "ARMATURE":
        return item
    return item.get(RIG) if STEP in item else None


def draw(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Draw the button for footsteps, and what can be done with the active one."""
    rig = find_rig_of(context.object)
    action = rig.animation_data.action if rig is not None and rig.animation_data else None
    record = read_record(action)
    if record is None or not record.contacts:
        return
    is_shown = find_collection(action) is not None
    layout.operator(SELFCORRECT_OT_footsteps.bl_idname, depress=is_shown)
    step = get_step(context.object)
    if step is None:
        return
    first, interval = record.clock
    frames = [round(first + interval * frame) for frame in (step.first_frame, step.last_frame)]
    layout.label(text=f"{step.part.capitalize()}, frames {frames[0]}–{frames[1]}; turn about its")
    row = layout.row(align=True)
    for pivot in ("HEEL", "MIDDLE", "TOE"):
        row.operator(SELFCORRECT_OT_footstep_pivot.bl_idname, text=pivot.capitalize()).pivot = pivot


CLASSES = (SELFCORRECT_OT_footsteps, SELFCORRECT_OT_footstep_pivot)
