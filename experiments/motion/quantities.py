"""What the motion experiment measures, in the order and with the words and units of its report."""

from __future__ import annotations

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


def quantity_of(key: str) -> Quantity:
    """The quantity with that key in the metrics."""
    return next(quantity for quantity in QUANTITIES if quantity.key == key)
