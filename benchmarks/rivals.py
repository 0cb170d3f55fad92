"""Clean BVH files by foot steps that others publish, for comparison by `benchmarks.truth`.

    python -m benchmarks.truth CLIPS --command "python -m benchmarks.rivals mean-place IN OUT"

The steps are written anew from their descriptions; none of their code or weights is used. Both find contacts of low and
slow toes as `benchmarks.truth` does, since networks predict them in the originals, and legs follow by two-bone inverse
kinematics, with the feet's orientation kept.

mean-place     A foot stands at its mean place in a contact, and the displacement fades linearly within five frames
               around. The clip's lowest toe is put on the floor. After Aberman et al. 2020 (Skeleton-aware networks),
               as MoMask (Guo et al. 2024) and others use it.
least-squares  The path x of a foot has a fixed place in each contact and minimises, over the rest,
               0.001 |x − x₀|² + |D(x − x₀)|² + 10 |D²(x − x₀)|², where x₀ is the path before and D are differences
               between frames. After the trajectory correction of Kimodo (NVIDIA 2026).
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from selfcorrect.motion.geometry.runs import find_runs

from .truth import Clip, align, find_contacts, solve_two_bones, write_clip

FADE_FRAMES = 5
"""Frames around a contact in which displacements fade, at any frame rate, as published."""
WEIGHTS = (0.001, 1.0, 10.0)
"""Weights of deviations in place, velocity and acceleration, per frame, as published."""


def stand_at_mean_places(path_m: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Return a path (T, 3) that is still in contacts (T,), with displacements that fade linearly around them."""
    moves_m = np.zeros_like(path_m)
    frames = np.arange(len(path_m))
    runs = list(find_runs(stands))
    for start, stop in runs:
        moves_m[start:stop] = path_m[start:stop].mean(axis=0) - path_m[start:stop]
    for start, stop in runs:
        before = frames[(frames < start) & (frames >= start - FADE_FRAMES) & ~stands]
        after = frames[(frames >= stop) & (frames < stop + FADE_FRAMES) & ~stands]
        moves_m[before] += (1 - (start - before) / FADE_FRAMES)[:, None] * moves_m[start]
        moves_m[after] += (1 - (after - stop + 1) / FADE_FRAMES)[:, None] * moves_m[stop - 1]
    return path_m + moves_m


def fit_least_squares(path_m: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Return the path (T, 3) that is still in contacts (T,) and deviates least in place, velocity and acceleration.

    A contact's frames share one unknown place, so the path is P u with a selection matrix P.
    """
    place = np.zeros(len(path_m), dtype=int)
    place[1:] = np.cumsum(~(stands[1:] & stands[:-1]))
    selection = np.eye(place[-1] + 1)[place]
    same = np.eye(len(path_m))
    parts = [np.sqrt(weight) * np.diff(same, order, axis=0) for order, weight in enumerate(WEIGHTS)]
    rows = np.concatenate(parts)
    fitted, *_ = np.linalg.lstsq(rows @ selection, rows @ path_m, rcond=None)
    return selection @ fitted


STEPS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], bool]] = {
    "mean-place": (stand_at_mean_places, True),
    "least-squares": (fit_least_squares, False),
}
"""Name of a step → how a foot's path follows contacts, and whether the clip's lowest toe is put on the floor."""


def clean_rows(clip: Clip, step: str) -> np.ndarray:
    """Return a clip's channel values after a step."""
    follow_contacts, is_grounded = STEPS[step]
    rows = clip.rows.copy()
    if is_grounded:
        lowest_m = clip.compute_world(rows)[0][:, clip.toes, 1].min()
        rows[:, clip.root[1]] -= lowest_m / clip.unit_m
    positions, rotations = clip.compute_world(rows)
    stands = find_contacts(positions, clip)
    for side, leg in enumerate(clip.legs):
        if not stands[:, side].any():
            continue
        hip, knee, ankle, toe = (positions[:, joint] for joint in leg[:4])
        target = ankle + follow_contacts(toe, stands[:, side]) - toe
        new_knee, new_ankle = solve_two_bones(hip, knee, ankle, target)
        thigh = align(knee - hip, new_knee - hip) * rotations[leg.hip]
        shin = align(ankle - knee, new_ankle - new_knee) * rotations[leg.knee]
        clip.set_rotation(leg.hip, rows, rotations[clip.paths[leg.hip][-2]].inv() * thigh)
        clip.set_rotation(leg.knee, rows, thigh.inv() * shin)
        clip.set_rotation(leg.ankle, rows, shin.inv() * rotations[leg.ankle])
    return rows


def main() -> int:
    """Clean the files of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("folder", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(options.folder.glob("*.bvh")):
        clip = Clip(path)
        write_clip(options.out / path.name, clip, clean_rows(clip, options.step), "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
