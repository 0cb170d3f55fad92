"""A corrector of your own in the motion loop.

The first parameter is called `motion`, so the function gets one `Motion` and gives one back. It runs beside physics, no
correction, and real data alone: `python examples/corrector_in_the_motion_loop.py --preset quick`, a few minutes. All
options of `selfcorrect motion` can be added.
"""

import sys
from dataclasses import replace

import numpy as np

import selfcorrect as sc
from selfcorrect.commands.cli import main


def above_the_floor(motion: sc.Motion) -> sc.Motion:
    """Lift a motion whose lowest joint sinks below the floor."""
    lowest_m = sc.joint_positions(motion)[..., 1].min()
    return replace(motion, root_m=motion.root_m + np.array([0.0, max(0.0, -lowest_m), 0.0]))


if __name__ == "__main__":
    mine = "corrector_in_the_motion_loop:above_the_floor"
    sys.exit(main(["motion", "--corrector", "physics", mine, *sys.argv[1:]]))
