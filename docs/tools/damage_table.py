"""Tabulate what is left of damage that was done on purpose, for docs/results/index.md."""

from collections.abc import Mapping

import numpy as np
from evidence import arms_by_name
from split_tables import MAIN_JOB
from tables import make_table

from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import find_metric

DAMAGES = {
    "sunk": ("sunk by 2 cm", ("penetration_mm", "fid_ground")),
    "sliding": ("slides at 0.1 m/s", ("slide_m_s", "skate_m_s")),
    "jittery": ("root jitters by 5 mm", ("jerk_m_s3", "fid_kinematic")),
    "uneven": ("heights off by 5 cm (SD)", ("penetration_mm", "fid_ground")),
}
"""Damage → words, and the measures that should see it."""
CORRECTORS = ("floor", "low-pass", "kinematic", "physics")
TAKEN_BACK = 0.1
"""A corrector takes damage back if it leaves less than this share of what the damage added."""


def read_last(summaries: Mapping[str, Summary], corrector: str, key: str) -> np.ndarray:
    """Return a measure's last values (S,) with a corrector, in the loop of copies."""
    arm = ArmSettings("replace", corrector, remedy="copying").key
    return arms_by_name(summaries["damage"], MAIN_JOB)[arm].last(key)


def damage_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate values after the last generation; in brackets, those with the same corrector and no damage."""
    rows = []
    for damage, (words, keys) in DAMAGES.items():
        for key in keys:
            metric = find_metric(key)
            clean = read_last(summaries, "none", key)
            damaged = read_last(summaries, damage, key)
            added = (damaged - clean).mean()
            cells = [words, metric.title, f"{clean.mean():.{metric.digits}f}", f"{damaged.mean():.{metric.digits}f}"]
            for corrector in CORRECTORS:
                corrected = read_last(summaries, f"{damage}+{corrector}", key)
                alone = read_last(summaries, corrector, key)
                text = f"{corrected.mean():.{metric.digits}f} ({alone.mean():.{metric.digits}f})"
                is_taken = (corrected - alone).mean() < TAKEN_BACK * added
                cells.append(f"**{text}**" if is_taken else text)
            rows.append(cells)
    return make_table(["damage", "measure", "no damage", "damaged", *CORRECTORS], rows)
