"""What is told about a simulated motion: the help it took and the loads on the body, frame by frame."""

from __future__ import annotations

import numpy as np

from selfcorrect.motion.correction.timeline import Timeline
from selfcorrect.simulators.body.humanoid import Humanoid
from selfcorrect.simulators.tracking.tracker import Track

_PARTS = {
    "spine1": "trunk and head",
    "spine2": "trunk and head",
    "spine3": "trunk and head",
    "hip": "thigh",
    "knee": "shank",
    "ankle": "foot",
    "shoulder": "upper arm",
    "elbow": "forearm and hand",
}
"""What a link is called, by the body part whose joint it hangs on."""


def part_names(body: Humanoid) -> list[str]:
    """Of each link; heel and toes are one foot."""
    sides = [part.rpartition("_") for part in body.tree.parts]
    return [f"{side} {_PARTS.get(part, part)}".strip() for side, _, part in sides]


def timeline(body: Humanoid, track: Track, fps: float, steps_per_frame: int) -> Timeline:
    """A track as it is reported; the first frame, to which no step leads, is like the second."""
    weight_n = body.weight_n
    wrench = track.wrench.reshape(-1, steps_per_frame, 2, 3)
    force_n, moment_nm = np.linalg.norm(wrench, axis=-1).mean(axis=1).T
    names = part_names(body)
    parts = tuple(dict.fromkeys(names))
    loads_n = np.stack([track.loads_n[:, [name == part for name in names]].sum(axis=1) for part in parts], axis=1)
    started = np.maximum(np.arange(len(force_n) + 1) - 1, 0)
    return Timeline(
        fps=fps,
        residual_force_bodyweights=force_n[started] / weight_n,
        residual_torque_nm=moment_nm[started],
        parts=parts,
        loads_bodyweights=loads_n[started] / weight_n,
    )
