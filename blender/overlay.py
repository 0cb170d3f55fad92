# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw markers in the viewport where feet stand and at the joints of findings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import gpu
from gpu_extras.batch import batch_for_shader
from mathutils import Vector

from . import findings
from .actions import find_contact_curves
from .record import is_before, read_record

CONTACT_COLOUR = (0.15, 0.7, 0.3, 1.0)
FINDING_COLOUR = (0.95, 0.35, 0.1, 1.0)
GROUND_COLOUR = (0.35, 0.55, 0.95, 0.6)
_CONTACT_RADIUS_M = 0.08
_FINDING_RADIUS_M = 0.06
_SEGMENTS = 32

_handlers: list[object] = []


@dataclass(frozen=True)
class Ring:
    """A circle in the scene."""

    centre: Vector
    radius: float
    colour: tuple[float, float, float, float]


def find_rings(scene: bpy.types.Scene, rig: bpy.types.Object) -> list[Ring]:
    """Return the markers of the current frame, for planted feet of a rig and joints of findings."""
    unit_m = scene.unit_settings.scale_length
    frame = scene.frame_current
    rings = []
    stretch = scene.render.frame_map_old / scene.render.frame_map_new
    for place in find_places(rig, frame * stretch):
        rings.append(Ring(place, _CONTACT_RADIUS_M / unit_m, CONTACT_COLOUR))
    for finding in scene.selfcorrect_findings:
        is_here = finding.rig in (None, rig) and finding.first_frame <= frame <= finding.last_frame
        if is_here and findings.is_current(finding):
            for centre in find_joints(rig, finding.joints.split(", ")):
                rings.append(Ring(centre, _FINDING_RADIUS_M / unit_m, FINDING_COLOUR))
    return rings


def find_places(rig: bpy.types.Object, frame: float) -> list[Vector]:
    """Return where feet stand in a frame of the action, at the height of the lowest bone."""
    data = rig.animation_data
    if data is None or data.action is None or is_before(rig):
        return []
    lowest = min((rig.matrix_world @ end).z for bone in rig.pose.bones for end in (bone.head, bone.tail))
    places = []
    for stands, x, y in find_contact_curves(data.action, data.action_slot):
        if stands and x and y and stands.evaluate(frame) >= 0.5:
            places.append(Vector((x.evaluate(frame), y.evaluate(frame), lowest)))
    return places


def find_joints(rig: bpy.types.Object, names: list[str]) -> list[Vector]:
    """Return the heads of the bones that a finding names, as in the file or as body parts."""
    centres = []
    for name in names:
        words = _split_words(name)
        for bone in rig.pose.bones:
            is_foot = name == "feet" and "foot" in _split_words(bone.name)
            if is_foot or bone.name == name or _split_words(bone.name) == words:
                centres.append(rig.matrix_world @ bone.head)
    return centres


def _split_words(name: str) -> list[str]:
    return name.lower().replace("_", " ").replace(".", " ").split()


def draw_rings() -> None:
    """Draw the markers of the selected armatures."""
    context = bpy.context
    rigs = {item for item in (context.object, *context.selected_objects) if item and item.type == "ARMATURE"}
    if not rigs or not context.scene.selfcorrect_show_overlay:
        return
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    gpu.state.line_width_set(2.0)
    for ring in [ring for rig in rigs for ring in find_rings(context.scene, rig)]:
        points = []
        for step in range(_SEGMENTS + 1):
            angle_rad = 2 * math.pi * step / _SEGMENTS
            points.append(ring.centre + ring.radius * Vector((math.cos(angle_rad), math.sin(angle_rad), 0.0)))
        _draw_line(shader, points, ring.colour)
    for outline in [outline for rig in rigs for outline in find_outlines(rig)]:
        _draw_line(shader, [*outline, outline[0]], GROUND_COLOUR)
    gpu.state.line_width_set(1.0)


def find_outlines(rig: bpy.types.Object) -> list[list[Vector]]:
    """Return the rectangles of the ground that the program was told for the correction that a rig shows."""
    data = rig.animation_data
    record = read_record(data.action if data else None)
    if record is None or is_before(rig):
        return []
    return [[Vector(corner) for corner in outline] for outline in record.ground]


def _draw_line(shader: gpu.types.GPUShader, points: list[Vector], colour: tuple[float, float, float, float]) -> None:
    batch = batch_for_shader(shader, "LINE_STRIP", {"pos": points})
    shader.uniform_float("color", colour)
    batch.draw(shader)


def register() -> None:
    """Draw the markers after the scene."""
    if not bpy.app.background:
        _handlers.append(bpy.types.SpaceView3D.draw_handler_add(draw_rings, (), "WINDOW", "POST_VIEW"))


def unregister() -> None:
    """Stop drawing the markers."""
    while _handlers:
        bpy.types.SpaceView3D.draw_handler_remove(_handlers.pop(), "WINDOW")
