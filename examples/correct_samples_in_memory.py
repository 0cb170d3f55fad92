"""Correct generated samples in memory.

What a model of yours draws becomes `Motion`s, goes through the corrector in one call, and comes back with a verdict
each. The model here is a stand-in: a walk of the built-in motion capture, shaken at random.
"""

from dataclasses import replace

import numpy as np

import selfcorrect as sc


def draw_samples(count: int) -> list[sc.Motion]:
    """Stand in for your model.

    From arrays, make a motion by `sc.Motion(skeleton, root_m, rotations, fps)`.
    """
    walk = next(motion for motion in sc.load_motions("deepmimic") if motion.label == "walk")
    random = np.random.default_rng(0)
    shaken_m = random.normal(scale=[0.003, 0.01, 0.003], size=(count, *walk.root_m.shape))
    return [replace(walk, root_m=walk.root_m + noise_m) for noise_m in shaken_m]


samples = draw_samples(4)
corrections = sc.correct_motions(samples, support="floor")  # a model's world is flat
accepted = [correction.motion for correction in corrections if correction.accepted]

print(f"{len(accepted)} of {len(samples)} accepted")
for index, correction in enumerate(corrections):
    figures = correction.diagnostics
    print(
        f"sample {index}: jerk {figures['jerk_m_s3_before']:.0f} → {figures['jerk_m_s3_after']:.0f} m/s³, "
        f"moved {1000 * figures['moved_m']:.0f} mm"
    )
