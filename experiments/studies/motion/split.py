"""What a loop keeps, as factors: its sampler, copying, and the model against copies.

A loop of ancestral steps keeps a share K of what its real-data baseline has. A loop of the calibrated sampler keeps K′
of its own baseline, and a loop that copies training samples keeps C. So

    K = (K / K′) · C · (K′ / C) = sampler · copying · model against copies.

The last two factors are a comparison, not two causes: a model fills in what copies lose. docs/tools/split_control.py
splits the loop of a learner without any fault, which loses little, and both factors are far from 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.loop.models.diffusion.presets import DENOISER_PRESETS, preset
from selfcorrect.motion.measures.metrics import Metric, find_metric
from selfcorrect.statistics import Interval, jackknife_ratio

from ..arm_curves import ArmCurves
from ..arm_words import describe_policy
from ..arms import BASELINE, STATIC, ArmSettings
from ..outcome import Outcome
from .presets import ANCESTRAL_STEPS, count_ancestral_steps, select_controls
from .settings import set_sampling

SPLIT_KEYS = ("recall", "coverage", "within_label_ratio")
"""Measures of diversity that are split."""


@dataclass(frozen=True)
class LossSplit:
    """A loss as a product of three factors with 95 % intervals, of what a loop keeps of a measure."""

    metric: Metric
    kept: Interval
    """Share of the baseline that the loop of ancestral steps keeps."""
    sampler: Interval
    copying: Interval
    """Share of its baseline that a loop of copies keeps: neutral drift alone."""
    against_copies: Interval
    """What the loop of the calibrated sampler keeps, over what copies keep; above 1 if the model fills in."""

    @property
    def kept_by_default(self) -> float:
        """Share of the baseline that the calibrated loop keeps."""
        return self.copying.estimate * self.against_copies.estimate


def split_losses(
    curves: Mapping[str, ArmCurves], policy: str = "replace", generation: int = -1, steps: int = ANCESTRAL_STEPS
) -> list[LossSplit]:
    """Split the loss of each measure at a generation; nothing if a control arm is missing.

    Factors are ratios of means over seeds, with intervals by a jackknife over seeds, because a single seed may keep
    nothing.

    Args:
        curves: Curves of the arms by key.
        steps: Number of ancestral steps of the control arms.
    """
    arms = select_controls(policy, steps)
    keys = {kind: [arm.key for arm in pair] for kind, pair in arms.items()}
    if any(key not in curves for pair in keys.values() for key in pair):
        return []
    splits = []
    for metric in map(find_metric, SPLIT_KEYS):
        values = {}
        for kind, pair in keys.items():
            values[kind] = [curves[key].values[metric.key][:, generation] for key in pair]
        (plain, plain_base), (ancestral, ancestral_base) = values["default"], values["ancestral"]
        copies, copies_base = values["copying"]
        if not all(np.isfinite(column).all() for pair in values.values() for column in pair):
            continue
        splits.append(
            LossSplit(
                metric,
                kept=jackknife_ratio([ancestral], [ancestral_base]),
                sampler=jackknife_ratio([ancestral, plain_base], [ancestral_base, plain]),
                copying=jackknife_ratio([copies], [copies_base]),
                against_copies=jackknife_ratio([plain, copies_base], [plain_base, copies]),
            )
        )
    return splits


def format_factor(interval: Interval) -> str:
    """Format a factor with its interval, such as "0.73 [0.60, 0.89]"."""
    if np.isnan(interval.low):
        return f"{interval.estimate:.2f}"
    return f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def describe_parts(outcome: Outcome) -> list[str]:
    """Say what each loop and each sampler keeps."""
    sentences = []
    for task, arms in outcome.curves.items():
        for policy in dict.fromkeys(arm.policy for arm in arms if arm.policy != BASELINE.policy):
            curves_by_key = {arm.key: curves for arm, curves in arms.items()}
            splits = split_losses(curves_by_key, policy, steps=count_ancestral_steps(task))
            sentences += describe_splits(splits, describe_policy(ArmSettings(policy)))
    return [*sentences, *describe_samplers(outcome)]


def describe_splits(splits: Sequence[LossSplit], loop: str) -> list[str]:
    """Return a sentence for each measure."""
    sentences = []
    for split in splits:
        if math.isnan(split.kept.estimate):  # a baseline of 0
            continue
        name = f"{split.metric.name[0].lower()}{split.metric.name[1:]}".removesuffix(", of real")
        sentences.append(
            f"With ancestral steps, the loop ({loop}) keeps {split.kept.estimate:.2f} of the baseline's {name}. The "
            f"factors are {format_factor(split.sampler)} (sampler), {format_factor(split.copying)} (copying) and "
            f"{format_factor(split.against_copies)} (model against copies)."
        )
    return sentences


def describe_samplers(outcome: Outcome) -> list[str]:
    """Describe what each sampler keeps: of a Gaussian, of real variance, and of equal chances.

    The variance kept is that of sampling with an exact network, which is known in closed form. Variance within
    labels is a mean over the generations of training on real data only; the offspring variance is that of the samples
    of generation 0.
    """
    from selfcorrect.loop.calibration import VARIANCES  # which imports PyTorch
    from selfcorrect.loop.models.diffusion.model import MotionDiffusion

    sentences = []
    for task, arms in outcome.curves.items():
        if task not in DENOISER_PRESETS:
            continue
        for sampling, arm in _find_loops(arms).items():
            config = set_sampling(preset(task).config, arm)
            model = MotionDiffusion(config, frames=1, features=1, classes=1)
            kept = ", ".join(
                f"{model.variance_kept(variance):.2f} of a variance of {variance:g}" for variance in VARIANCES
            )
            name = f"{outcome.titles.get(task, task)}: " if len(outcome.curves) > 1 else ""
            steps = f"{config.sampler}, {config.sampling_steps} evaluations, η = {config.eta:g}"
            words = [f"with an exact network, it keeps {kept}"]
            baseline = arms.get(replace(BASELINE, **dict(sampling)))
            if baseline is not None:
                within = baseline.values["within_label_ratio"][:, 1:].mean()
                words.append(
                    f"after training on real data only, samples have {within:.2f} of the real variance within labels"
                )
            per_parent = arm.synthetic_ratio if math.isfinite(arm.synthetic_ratio) else 1.0
            children = 1 + (arms[arm].values["offspring_variance"][:, 1].mean() - 1) / per_parent
            words.append(f"the offspring variance is {children:.2f} (1: no training sample is favoured)")
            sentences.append(f"{name}Sampler ({steps}): {'; '.join(words)}.")
    return sentences


def _find_loops(arms: Mapping[ArmSettings, ArmCurves]) -> dict[tuple[tuple[str, float | str], ...], ArmSettings]:
    """Find the uncorrected loop of each sampler, if possible with a sample per real sample or more."""
    loops = {}
    for arm in sorted(arms, key=lambda arm: arm.synthetic_ratio < 1):
        is_plain = arm == replace(ArmSettings(arm.policy), **arm.sampling) and arm.kind not in STATIC
        if is_plain and arm.synthetic_ratio > 0 and "offspring_variance" in arms[arm].values:
            loops.setdefault(tuple(arm.sampling.items()), arm)
    return loops
