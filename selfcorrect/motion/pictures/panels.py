"""Panels: motions to show, with titles, supports, and the motions to compare with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.filters import uniform_filter1d
from ..geometry.vectors import ALONG_FLOOR, norms
from ..kinematics import joint_positions
from ..measures.moves import UNCHANGED_M
from ..motion import Motion
from ..support import Support


@dataclass(frozen=True)
class PicturePanel:
    """A titled motion and its supports, which are drawn in all frames."""

    motion: Motion
    title: str = ""
    supports: tuple[Support, ...] = ()
    before: Motion | None = None
    """The motion to compare with, with the same joints and frames."""
    residual_bodyweights: np.ndarray | None = None
    """(K ≤ T,) residual root force per frame in body weights, if a simulation measured it."""

    @property
    def tops_m(self) -> list[np.ndarray]:
        """Corners (4, 3) of surfaces that carry the body: the boxes and slope of a known ground, and supports."""
        ground = self.motion.ground
        tops_m = [] if ground is None else [*ground.slope_m(self.motion.root_m), *ground.tops_m()]
        has_ground = bool(tops_m)
        for support in self.supports:
            if not (has_ground and support.part.endswith("foot")):
                tops_m.append(support.corners_m)
        return tops_m


def make_panels(motions: Sequence[Motion], titles: Sequence[str]) -> list[PicturePanel]:
    """Make a panel for each motion.

    A motion with the joints, frames and frame rate of the first one may be its correction, so it is compared with the
    first. One camera then shows all, so that shifts are visible.
    """
    first = motions[0]
    panels = []
    for number, (motion, title) in enumerate(zip(motions, titles, strict=True)):
        has_same_rate = np.isclose(motion.fps, first.fps, rtol=1e-3)
        has_same_frames = len(motion) == len(first) and motion.skeleton.names == first.skeleton.names
        is_version = number > 0 and has_same_rate and has_same_frames
        panels.append(PicturePanel(motion, title, before=first if is_version else None))
    return panels


def is_unchanged(panel: PicturePanel) -> bool:
    """Return whether a panel shows an unchanged motion.

    It does if no joint is more than `UNCHANGED_M` away from the motion it is compared with. Without such a motion, the
    result is false.
    """
    if panel.before is None:
        return False
    distances_m = norms(joint_positions(panel.motion) - joint_positions(panel.before))
    return bool(distances_m.max() <= UNCHANGED_M)


def camera_path_m(panels: Sequence[PicturePanel]) -> np.ndarray:
    """Return the path (T, 3) of the camera's target on the ground.

    It is the mean of the positions below the roots, smoothed over half a second. Without a known ground, heights are 0.
    """
    motions = [panel.motion for panel in panels]
    frames = np.arange(max(map(len, motions)))
    paths_m = []
    for motion in motions:
        path_m = motion.root_m * ALONG_FLOOR
        if (ground := motion.ground) is not None:
            path_m[:, 1] = motion.root_m[:, 1] - ground.above_m(motion.root_m) / ground.normal[1]
        rows = np.minimum(frames, len(motion) - 1)
        paths_m.append(path_m[rows])
    middle_m = np.mean(paths_m, axis=0)
    window = max(int(motions[0].fps / 2), 1)
    return uniform_filter1d(middle_m, window, axis=0, mode="nearest")
