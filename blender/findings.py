# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep findings with the motions in which they were found, and list those of the motions that are shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import bpy

from .clock import Clock
from .record import FINDINGS, find_original, is_before
from .report import Finding, shift_frames

MARKER_PREFIX = "check: "
"""Beginning of the names of this extension's timeline markers."""
_MARKERS = "selfcorrect markers"
"""Custom property of a scene: name and frame of each marker of this extension. All other markers are the user's."""


def store(motion: bpy.types.Action | bpy.types.Object, found: Sequence[Finding], clock: Clock) -> None:
    """Store findings with the action in which they were found, or with a rig that plays none.

    Args:
        motion: The action or rig. A linked one stays as it is.
        found: Findings whose frames count from 0.
        clock: Times of the motion.
    """
    if motion.library is not None:
        return
    rows = []
    for finding in found:
        rows.append({
            "name": finding.name,
            "rule": finding.rule,
            "joints": ", ".join(finding.joints),
            "amount": finding.amount,
            "sentence": shift_frames(finding.sentence, clock),
            "first_frame": clock.name_frame(finding.first_frame),
            "last_frame": clock.name_frame(finding.last_frame),
            "worst_frame": clock.name_frame(finding.worst_frame),
        })  # fmt: skip
    motion[FINDINGS] = json.dumps(rows)


def _find_shown(rig: bpy.types.Object) -> bpy.types.Action | bpy.types.Object:
    """Return where the findings of the motion that a rig shows are stored."""
    data = rig.animation_data
    action = data.action if data else None
    if action is None:
        return rig
    if is_before(rig):
        return find_original(action) or rig
    return action


def show(scene: bpy.types.Scene, rigs: Sequence[bpy.types.Object]) -> None:
    """List and mark the findings of the motions that rigs show. Those of all other visible rigs stay.

    Args:
        scene: The scene.
        rigs: Armature objects that show another motion, or whose motion was checked.
    """
    listed = [row.rig for row in scene.selfcorrect_findings if row.rig is not None]
    chosen = [rig for rig in dict.fromkeys([*rigs, *listed]) if not rig.hide_viewport]
    scene.selfcorrect_findings.clear()
    scene["selfcorrect_finding"] = -1
    markers = []
    for rig in chosen:
        motion = _find_shown(rig)
        for values in json.loads(motion.get(FINDINGS, "[]")):
            row = scene.selfcorrect_findings.add()
            for name, value in values.items():
                setattr(row, name, value)
            row.rig = rig
            row.motion = motion.name
            markers.append((f"{MARKER_PREFIX}{row.rule} {row.joints}", row.worst_frame))
    _replace_markers(scene, markers)


def is_current(row: bpy.types.PropertyGroup) -> bool:
    """Return whether a finding is one of the motion that its rig shows."""
    return row.rig is None or _find_shown(row.rig).name == row.motion


def _replace_markers(scene: bpy.types.Scene, markers: Sequence[tuple[str, int]]) -> None:
    """Replace this extension's timeline markers. One that was moved or renamed has become the user's."""
    own = Counter(tuple(item) for item in json.loads(scene.get(_MARKERS, "[]")))
    for marker in reversed(scene.timeline_markers[:]):  # the user's are older
        if own[marker.name, marker.frame] > 0:
            own[marker.name, marker.frame] -= 1
            scene.timeline_markers.remove(marker)
    for name, frame in markers:
        scene.timeline_markers.new(name, frame=frame)
    scene[_MARKERS] = json.dumps(markers)
