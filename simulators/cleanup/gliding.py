"""Find the glide of people who stand: both feet keep their distance and move over the floor, and the root with them.

Nobody who stands for seconds does so. In motion from speech, from avatars or from video it is drift of the root, too
slow to be distinguished from how feet roll in a walk. So it is looked for only while neither foot steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.corrector_interface.timeline import spans
from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.vectors import norms

from ..body.curves import smoothstep


@dataclass(frozen=True)
class GlideSettings:
    """Bounds of stands that glide; set by hand on CMU clips, in which none is found, and on made-up stands."""

    shortest_s: float = 2.0
    """Shortest time in which neither foot steps."""
    gap_s: float = 0.1
    """Longest interruption that does not end it."""
    apart_m_s: float = 0.04
    """Feet that step move against each other by more than this."""
    rising_m_s: float = 0.04
    """Feet that step rise or sink by more than this."""
    slowest_m_s: float = 0.012
    """Slowest glide that is removed, a mean over the stretch."""
    fastest_m_s: float = 0.3
    """A faster stand is a ride."""
    shortest_m: float = 0.04
    """Shortest distance of a glide."""
    straight: float = 0.6
    """Share of the feet's way that a glide covers between its ends; swaying bodies come back."""
    root_share: tuple[float, float] = (0.5, 2.0)
    """Bounds of the root's distance as a multiple of that of the feet."""
    smooth_s: float = 0.15
    """Standard deviation of the Gaussian that smooths velocities."""
    fading_s: float = 0.3
    """Time in which a glide begins and ends."""


GLIDES = GlideSettings()
"""The defaults."""


def estimate_standing_glide(
    ankles_m: np.ndarray, root_m: np.ndarray, fps: float, settings: GlideSettings = GLIDES
) -> np.ndarray:
    """Return the velocity of one motion's glide, zero outside stretches in which it stands.

    Args:
        ankles_m: (T, 2, 3) ankles, world.
        root_m: (T, 3) root, world.

    Returns:
        (T − 1, 2) in m/s, x and z.
    """
    glide_m_s = np.zeros((len(root_m) - 1, 2))
    if len(root_m) < settings.shortest_s * fps:
        return glide_m_s
    steps_m_s = np.diff(ankles_m, axis=0) * fps
    smooth_m_s = gaussian_filter1d(steps_m_s, settings.smooth_s * fps, axis=0, mode="nearest")
    feet_m_s = smooth_m_s.mean(axis=1)[:, [0, 2]]
    is_standing = norms((smooth_m_s[:, 0] - smooth_m_s[:, 1])[:, [0, 2]]) < settings.apart_m_s
    is_standing &= (np.abs(smooth_m_s[..., 1]) < settings.rising_m_s).all(axis=1)
    is_standing &= norms(feet_m_s) < settings.fastest_m_s
    for first, last in spans(is_standing, round(settings.gap_s * fps)):
        stretch = slice(first, last + 1)
        steps = last + 1 - first
        if steps < settings.shortest_s * fps:
            continue
        feet_way_m = feet_m_s[stretch] / fps
        distance_m = float(np.linalg.norm(feet_way_m.sum(axis=0)))
        root_distance_m = float(np.linalg.norm((root_m[last + 1] - root_m[first])[[0, 2]]))
        least_share, largest_share = settings.root_share
        is_glide = distance_m > max(settings.shortest_m, settings.slowest_m_s * steps / fps)
        is_glide &= distance_m > settings.straight * float(norms(feet_way_m).sum())
        is_glide &= least_share * distance_m < root_distance_m < largest_share * distance_m
        if is_glide:
            ends = np.minimum(np.arange(steps), np.arange(steps)[::-1])
            is_cut = np.array([first == 0, last + 1 == len(glide_m_s)])
            share = smoothstep((ends + 1) / (settings.fading_s * fps))
            share[: steps // 2] = np.maximum(share[: steps // 2], is_cut[0])
            share[steps // 2 :] = np.maximum(share[steps // 2 :], is_cut[1])
            glide_m_s[stretch] = share[:, None] * feet_m_s[stretch]
    return glide_m_s
