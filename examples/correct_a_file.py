"""Correct a motion file.

Give it a BVH, AMASS or HumanML3D file of yours: `python examples/correct_a_file.py take.bvh`. Without one it takes a
walk of the built-in motion capture and sinks it 5 cm into the floor.
"""

import sys
from dataclasses import replace
from pathlib import Path

import selfcorrect as sc


def sunken_walk() -> Path:
    walk = next(motion for motion in sc.load_motions("deepmimic") if motion.label == "walk")
    sc.save_motion("walk.bvh", replace(walk, root_m=walk.root_m - [0.0, 0.05, 0.0]), overwrite=True)
    return Path("walk.bvh")


source = Path(sys.argv[1]) if len(sys.argv) > 1 else sunken_walk()
target = source.with_stem(f"{source.stem}-corrected")
correction = sc.correct_file(source, target, strength="balanced", overwrite=True)
if not correction.accepted:
    sys.exit(f"{source} cannot be corrected: {correction.reason}")

for figure, value in correction.diagnostics.items():
    print(f"{figure:32} {value:8.3f}")
shown = [sc.load_motion(source), correction.motion]
sc.draw_motions("before-and-after.png", shown, ["before", "after"], overwrite=True)
print(f"{target}, before-and-after.png")
