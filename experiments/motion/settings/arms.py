"""What an arm of the motion experiment may be, and how options refine the arms of a preset."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from selfcorrect.core.errors import SettingError

from ...remedies.table import REMEDIES
from ...studies.arms import BASELINE, TAKES_RATIO, Arm
from ..correctors.table import THEN, UNKNOWN, corrector_row, is_own


def check_names(arm: Arm) -> None:
    """SettingError for a corrector or a remedy that there is not, or that the arm cannot have."""
    if ":" not in arm.corrector or THEN in arm.corrector:
        corrector_row(arm.corrector)
    if REMEDIES.row(arm.remedy).needs_corrector and arm.corrector == "none":
        raise SettingError(f"{arm.remedy} needs a corrector, and the arm {arm.name} has none")


def rated(arm: Arm) -> tuple[str, ...]:
    """The corrector and the remedy of an arm where they need choices of people."""
    corrector = not is_own(arm.corrector) and corrector_row(arm.corrector).rated
    return (arm.corrector,) * corrector + (arm.remedy,) * REMEDIES.row(arm.remedy).rated


def budget(arm: Arm) -> str:
    """What the corrector of an arm knows about the truth, and the remedy about the loop."""
    corrector = UNKNOWN if ":" in arm.corrector else corrector_row(arm.corrector).knows
    return corrector if arm.remedy == "none" else f"{corrector}; {REMEDIES.row(arm.remedy).knows}"


def refined_arms(
    arms: Sequence[Arm],
    policies: Sequence[str] = (),
    ratios: Sequence[float] = (),
    correctors: Sequence[str] = (),
    strengths: Sequence[float] = (),
    remedies: Sequence[str] = (),
    sampling: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> tuple[Arm, ...]:
    """The arms of a preset with some axes replaced: each that is given replaces the preset's, the rest stays.

    policies: Names such as "replace" or "augment". ratios: λ for those that take one, for augment where none of the
    preset's does; infinity is fully synthetic. correctors: In place of the preset's, "none" for uncorrected arms alone.
    strengths: γ of all corrected arms, which stand there once for each. remedies: Each beside none. sampling: All arms
    also so, by the names of `SAMPLING_BOUNDS`. An arm stays beside the plain one that it is
    compared with. Raises SettingError for a policy that there is not, and where λ is given and no policy takes it.
    """
    from selfcorrect.loop.policy import parse_policy  # which imports PyTorch

    if policies or ratios:
        texts = _with_ratios(policies or _with_a_ratio(arms), ratios)
        others = [arm for arm in arms if not _loops(arm)]
        arms = [*others, *(replace(arm, policy=text) for text in texts for arm in arms if _loops(arm))]
    if correctors:
        names = [name for name in dict.fromkeys(correctors) if name != "none"]
        templates = arms if any(arm.corrector != "none" for arm in arms) else [*arms, *_in_full(arms)]
        arms = [each for arm in templates for each in _corrected(arm, names)]
    if strengths:
        arms = [
            each
            for arm in arms
            for each in ([arm] if arm.corrector == "none" else [replace(arm, strength=one) for one in strengths])
        ]
    if remedies:
        arms = [
            replace(arm, remedy=remedy)
            for arm in arms
            if arm.remedy == "none"
            for remedy in (dict.fromkeys(("none", *remedies)) if _loops(arm) else ("none",))
            if arm.corrector != "none" or not REMEDIES.row(remedy).needs_corrector
        ]
    changed = [(name, value) for name, values in sampling.items() for value in dict.fromkeys(values)]
    usual = [arm for arm in arms if not arm.sampling] if changed else arms
    arms = [*usual, *(replace(arm, **{name: value}) for name, value in changed for arm in usual)]
    for policy in dict.fromkeys(arm.policy for arm in arms):
        parse_policy(policy)
    return tuple(dict.fromkeys(each for arm in arms for each in (BASELINE, arm.plain, arm)))


def _loops(arm: Arm) -> bool:
    """Whether an arm trains on synthetic samples."""
    return arm.policy != BASELINE.policy


def _in_full(arms: Sequence[Arm]) -> list[Arm]:
    """The plain loops of arms, fully corrected by some corrector."""
    return [replace(arm, corrector="physics") for arm in arms if _loops(arm) and arm == arm.plain]


def _corrected(arm: Arm, names: Sequence[str]) -> list[Arm]:
    return [arm] if arm.corrector == "none" else [replace(arm, corrector=name) for name in names]


def _with_a_ratio(arms: Sequence[Arm]) -> list[str]:
    """The policies of arms that take a ratio, without theirs."""
    kinds = [arm.policy.partition(":")[0] for arm in arms]
    return [kind for kind in dict.fromkeys(kinds) if kind in TAKES_RATIO] or ["augment"]


def _with_ratios(policies: Sequence[str], ratios: Sequence[float]) -> list[str]:
    if ratios and not any(policy in TAKES_RATIO for policy in policies):
        raise SettingError(f"a synthetic ratio needs the policy augment or accumulate, got {', '.join(policies)}")
    return [
        text
        for policy in policies
        for text in ([_with_ratio(policy, ratio) for ratio in ratios or (1.0,)] if policy in TAKES_RATIO else [policy])
    ]


def _with_ratio(policy: str, ratio: float) -> str:
    return "replace" if math.isinf(ratio) and ratio > 0 else f"{policy}:{ratio:g}"


def ratio_of(text: str) -> float:
    """Read λ, the number of synthetic samples per real one.

    Args:
        text: λ such as "4", "inf" for fully synthetic, or λ in percent as in Gillman et al. 2024: "100%" is λ = 1.

    Raises:
        SettingError: The text is none of these.
    """
    is_percent = text.endswith("%")
    try:
        ratio = float(text.removesuffix("%")) / (100 if is_percent else 1)
    except ValueError:
        ratio = math.nan
    if math.isnan(ratio) or (is_percent and not 0 <= ratio < math.inf):
        raise SettingError(
            "a synthetic ratio must be λ such as 4, inf for fully synthetic, or λ in percent such as 100% for λ = 1, "
            f"got {text!r}"
        )
    return ratio
