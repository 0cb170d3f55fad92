"""Draws one walk in several scenes: `python docs/tools/scenes.py` writes docs/pictures/scenes.svg."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import uniform_filter1d

from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.experiments.reporting.figures import BLUE, INK
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.settings.tracker import TrackerSettings
from selfcorrect.simulators.stages.scene import PLAIN, Scene

OUT = Path(__file__).resolve().parents[1] / "pictures" / "scenes.svg"
SOFT = "#9ca3af"
STYLE: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": "selfcorrect", "font.size": 9}

POSES = {
    "A slope of 10°": Scene(slope_deg=10.0),
    "A push of 400 N from behind": Scene(push_n=(0.0, 0.0, 400.0), push_from_s=0.6, push_lasts_s=0.25),
}
"""Scenes of a walk, told by poses."""
LOADS = {
    "20 kg in the hands, walking": ("walk", Scene(load_kg=20.0)),
    "A third of the gravity, jumping": ("jump", Scene(gravity_m_s2=3.3)),
}
"""Scenes told by what the ground bears."""
EVERY = 11
"""One in so many frames is drawn."""


def motions() -> dict[str, Motion]:
    """What is done in the scenes."""
    clips = {clip.label: clip for clip in load_deepmimic()}
    return {"walk": repeat_cycle(close_cycle(clips["walk"]), 2), "jump": clips["jump"]}


def followed(motion: Motion, scene: Scene = PLAIN) -> CorrectedMotion:
    """What the body makes of a motion in a scene, at the strength with the least help."""
    correct = PhysicsCorrector(TrackerSettings.at_strength(1.0), CleanupSettings(polish=False), scene=scene)
    return correct([motion])[0]


def draw_poses(axes: Axes, motion: Motion, colour: str) -> None:
    """Stick figures from the side."""
    joints_m = joint_positions(motion)[::EVERY]
    for child, parent in enumerate(motion.skeleton.parents):
        if parent >= 0:
            pair = [parent, child]
            axes.plot(joints_m[:, pair, 2].T, joints_m[:, pair, 1].T, color=colour, linewidth=1.1)


def draw_floor(axes: Axes, slope_deg: float) -> None:
    """The floor from the side."""
    along_m = np.array(axes.get_xlim())
    axes.plot(along_m, np.tan(np.deg2rad(slope_deg)) * along_m, color=INK, linewidth=0.8)


def draw_load(axes: Axes, correction: CorrectedMotion, colour: str, name: str) -> None:
    """What the ground bears over time, smoothed over a few frames."""
    assert correction.timeline is not None
    load = uniform_filter1d(correction.timeline.loads_bodyweights.sum(axis=1), 5)
    axes.plot(np.arange(len(load)) / correction.timeline.fps, load, color=colour, label=name)


def main() -> None:
    """Draw all scenes over the same motion in none."""
    given = motions()
    with mpl.rc_context(STYLE):
        page = Figure(figsize=(9, 5.4), layout="constrained")
        poses, loads = page.subplots(2, 2, height_ratios=(3, 2))
        for axes, (title, scene) in zip(poses, POSES.items(), strict=True):
            draw_poses(axes, followed(given["walk"]).motion, SOFT)
            draw_poses(axes, followed(given["walk"], scene).motion, BLUE)
            draw_floor(axes, scene.slope_deg)
            axes.set(title=title, aspect="equal")
            axes.set_axis_off()
        for axes, (title, (name, scene)) in zip(loads, LOADS.items(), strict=True):
            draw_load(axes, followed(given[name]), SOFT, "plain")
            draw_load(axes, followed(given[name], scene), BLUE, "in the scene")
            axes.set(title=title, xlabel="seconds", ylabel="ground bears, body weights", ylim=(0, None))
            axes.spines[["top", "right"]].set_visible(False)
        loads[0].legend(frameon=False, loc="lower right")
        page.savefig(OUT, metadata={"Date": None})


if __name__ == "__main__":
    main()
