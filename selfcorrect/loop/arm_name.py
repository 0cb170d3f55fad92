"""The name of an arm and of the arm's folder; nothing here imports PyTorch."""

import math
from collections.abc import Sequence


def format_arm_name(
    policy: str,
    corrector: str,
    strength: float,
    operator: str,
    *,
    correct_real: bool,
    from_scratch: bool,
    treatments: Sequence[str] = (),
    functions: Sequence[str] = (),
    sampling: Sequence[str] = (),
) -> str:
    """Return the name of an arm, e.g. "augment-0.5+my_corrector+strength-1".

    Args:
        treatments: Remedy and place of the corrector, if unusual.
        functions: Sampling bias and fitting, if unusual.
        sampling: Settings of sampling that the arm changes.
    """
    parts = [policy.replace(":", "-"), corrector]
    if correct_real:
        parts.append("real-corrected")
    parts += treatments
    if from_scratch:
        parts.append("from-scratch")
    parts += functions
    if math.isfinite(strength):
        parts.append(f"{'strength' if operator == 'mixture' else operator}-{strength:g}")
    return "+".join([*parts, *sampling])
