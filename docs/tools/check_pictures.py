"""Draw the four pictures of docs/check.md: a fault of feet, floor, body and time, as `check --picture` draws it.

python docs/tools/check_pictures.py
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import selfcorrect as sc
from selfcorrect.commands import cli

PICTURES = Path(__file__).parents[1] / "pictures"
KNEE_BENT_FORWARDS_RAD = 0.9


def slide_feet(walk: sc.Motion) -> sc.Motion:
    """Let the whole body glide sideways at 0.4 m/s."""
    glide_m = 0.4 * np.arange(len(walk)) / walk.fps
    return replace(walk, root_m=walk.root_m + glide_m[:, None] * [1.0, 0.0, 0.0])


def sink(walk: sc.Motion) -> sc.Motion:
    """Sink the body by 15 cm into the floor and raise it again."""
    depth_m = 0.15 * np.hanning(len(walk))
    return replace(walk, root_m=walk.root_m - depth_m[:, None] * [0.0, 1.0, 0.0])


def bend_knee_forwards(walk: sc.Motion) -> sc.Motion:
    """Bend the left knee forwards, the wrong way, in the middle of the motion."""
    rotations = walk.rotations.copy()
    middle = slice(len(walk) // 2 - 8, len(walk) // 2 + 8)
    half_rad = KNEE_BENT_FORWARDS_RAD / 2
    rotations[middle, walk.skeleton.names.index("left_knee")] = [-np.sin(half_rad), 0.0, 0.0, np.cos(half_rad)]
    return replace(walk, rotations=rotations)


def jump(walk: sc.Motion) -> sc.Motion:
    """Move the second half 60 cm aside."""
    aside_m = np.where(np.arange(len(walk)) < len(walk) // 2, 0.0, 0.6)
    return replace(walk, root_m=walk.root_m + aside_m[:, None] * [1.0, 0.0, 0.0])


FAULTS: dict[str, tuple[Callable[[sc.Motion], sc.Motion], str]] = {
    "feet": (slide_feet, "F3"),
    "floor": (sink, "F1"),
    "body": (bend_knee_forwards, "B2"),
    "time": (jump, "S4"),
}
"""The fault that stands for a group of rules, and the rule that finds it."""


def main() -> None:
    walk = next(motion for motion in sc.load_motions("deepmimic") if motion.label == "walk")
    with TemporaryDirectory() as folder:
        for group, (spoil, code) in FAULTS.items():
            file = Path(folder, f"{group}.bvh")
            sc.save_motion(file, spoil(walk))
            picture = str(PICTURES / f"check-{group}.png")
            if cli.main(["check", str(file), "--select", code, "--picture", picture, "--overwrite"]) != 1:
                raise RuntimeError(f"{code} is not found in the motion with a fault of {group}")


if __name__ == "__main__":
    main()
