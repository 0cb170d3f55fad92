"""What the motion experiment measures, in the order and with the words and units of its report."""

from __future__ import annotations

from dataclasses import replace

from selfcorrect.experiments.reporting.results import Quantity

QUANTITIES = (
    Quantity("fid_kinematic", "Fréchet distance, kinematic", "realism", "lower", 1),
    Quantity("fid_geometric", "Fréchet distance, geometric", "realism", "lower", 1),
    Quantity("precision", "Precision", "realism", "higher"),
    Quantity("density", "Density", "realism", "higher"),
    Quantity("penetration_mm", "Floor penetration (mm)", "realism", "real", 1),
    Quantity("float_mm", "Floating (mm)", "realism", "real", 1),
    Quantity("skate_m_s", "Foot skate (m/s)", "realism", "real", 2),
    Quantity("jerk_m_s3", "Jerk (m/s³)", "realism", "real", 0),
    Quantity("recall", "Recall", "diversity", "higher"),
    Quantity("coverage", "Coverage", "diversity", "higher"),
    Quantity("trace_ratio", "Variance, of real", "diversity", "real"),
    Quantity("within_label_ratio", "Variance within labels, of real", "diversity", "real"),
)

EXPLAINED = (
    Quantity("missing_bodyweights", "Force that no floor gives (body weights)", "realism", "real"),
    Quantity("unsupported_percent", "Unsupported frames (%)", "realism", "real", 1),
)
"""Of last generations alone, by `experiments/benchmarks/unexplained.py`."""


CORRECTED = "corrected_"
"""Begins the keys of what was measured after correction, with `judge_corrected`."""


def quantity_of(key: str) -> Quantity:
    """The quantity with that key in the metrics."""
    plain = next(each for each in (*QUANTITIES, *EXPLAINED) if each.key == key.removeprefix(CORRECTED))
    return plain if plain.key == key else replace(plain, key=key, title=f"{plain.title}, after correction")
