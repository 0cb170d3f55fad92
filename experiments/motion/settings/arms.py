"""Arms of the motion experiment: checks, and options that refine the arms of a preset."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from selfcorrect.core.errors import SettingError

from ...remedies.table import PLACES, REMEDIES
from ...studies.arms import BASELINE, TAKES_RATIO, ArmSettings
from ..correctors.table import THEN, UNKNOWN, corrector_row, is_own

PREFERENCES = ("preference", "shuffled-preference")
"""Places in which arms on real data only draw samples, too."""


def check_names(arm: ArmSettings) -> None:
    """Raise SettingError for an unknown corrector or remedy, or a remedy that the arm cannot have."""
    if ":" not in arm.corrector or THEN in arm.corrector:
        corrector_row(arm.corrector)
    if REMEDIES.row(arm.remedy).needs_corrector and arm.corrector == "none":
        raise SettingError(f"{arm.remedy} needs a corrector, and the arm {arm.name} has none")
    PLACES.row(arm.place)
    if arm.place != "data" and arm.corrector == "none":
        raise SettingError(f"the place {arm.place} needs a corrector, and the arm {arm.name} has none")


def rated_components(arm: ArmSettings) -> tuple[str, ...]:
    """Return the corrector and the remedy of an arm, as far as they need people's ratings."""
    names = []
    if not is_own(arm.corrector) and corrector_row(arm.corrector).rated:
        names.append(arm.corrector)
    if REMEDIES.row(arm.remedy).rated:
        names.append(arm.remedy)
    return tuple(names)


def budget(arm: ArmSettings) -> str:
    """Return in words what an arm's corrector knows about the truth, and its remedy about the loop."""
    corrector = UNKNOWN if ":" in arm.corrector else corrector_row(arm.corrector).knows
    return corrector if arm.remedy == "none" else f"{corrector}; {REMEDIES.row(arm.remedy).knows}"


def refine_arms(
    arms: Sequence[ArmSettings],
    policies: Sequence[str] = (),
    ratios: Sequence[float] = (),
    correctors: Sequence[str] = (),
    strengths: Sequence[float] = (),
    remedies: Sequence[str] = (),
    places: Sequence[str] = (),
    sampling: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> tuple[ArmSettings, ...]:
    """Return the arms of a preset with the given axes in place of the preset's.

    Each arm keeps beside it the plain arm that it is compared with.

    Args:
        policies: Names such as "replace" or "augment".
        ratios: λ for the policies that take one, or for "augment" if none of the preset's does; infinity is fully
            synthetic.
        correctors: In place of the preset's; "none" alone leaves only uncorrected arms.
        strengths: γ; each corrected arm is repeated with each.
        remedies: Each is added beside no remedy.
        places: Places of the corrector; each corrected arm is repeated with each.
        sampling: Further variants of all arms, by the names of `SAMPLING_BOUNDS`.

    Raises:
        SettingError: A policy is unknown, or λ is given and no policy takes it.
    """
    if policies or ratios:
        from selfcorrect.loop.policy import parse_policy  # which imports PyTorch

        names = _insert_ratios(policies or _policies_with_ratio(arms), ratios)
        for name in names:
            parse_policy(name)
        arms = _replace_policies(arms, names)
    if correctors:
        arms = _replace_correctors(arms, correctors)
    if strengths:
        arms = _replace_strengths(arms, strengths)
    if places:
        arms = _replace_places(arms, places)
    if remedies:
        arms = _add_remedies(arms, remedies)
    arms = _add_sampling_variants(arms, sampling)
    with_comparisons = dict[ArmSettings, None]()
    for arm in arms:
        with_comparisons |= dict.fromkeys((BASELINE, arm.plain, arm))
    return tuple(with_comparisons)


def _is_loop(arm: ArmSettings) -> bool:
    """Return True if an arm trains on synthetic samples."""
    return arm.policy != BASELINE.policy


def _replace_policies(arms: Sequence[ArmSettings], policies: Sequence[str]) -> list[ArmSettings]:
    loops = [arm for arm in arms if _is_loop(arm)]
    replaced = [arm for arm in arms if not _is_loop(arm)]
    for policy in policies:
        replaced += [replace(arm, policy=policy) for arm in loops]
    return replaced


def _replace_correctors(arms: Sequence[ArmSettings], correctors: Sequence[str]) -> list[ArmSettings]:
    """Return arms in which these correctors take the place of any other; plain loops get a corrector if none is
    corrected.
    """
    names = [name for name in dict.fromkeys(correctors) if name != "none"]
    templates = list(arms)
    if all(arm.corrector == "none" for arm in arms):
        templates += [replace(arm, corrector="physics") for arm in arms if _is_loop(arm) and arm == arm.plain]
    replaced = []
    for arm in templates:
        replaced += [arm] if arm.corrector == "none" else [replace(arm, corrector=name) for name in names]
    return replaced


def _replace_strengths(arms: Sequence[ArmSettings], strengths: Sequence[float]) -> list[ArmSettings]:
    replaced = []
    for arm in arms:
        replaced += [arm] if arm.corrector == "none" else [replace(arm, strength=strength) for strength in strengths]
    return replaced


def _replace_places(arms: Sequence[ArmSettings], places: Sequence[str]) -> list[ArmSettings]:
    replaced = []
    for arm in arms:
        replaced += [arm] if arm.corrector == "none" else [replace(arm, place=place) for place in places]
    return replaced


def _add_remedies(arms: Sequence[ArmSettings], remedies: Sequence[str]) -> list[ArmSettings]:
    """Return the arms without a remedy, each loop also with the remedies that it can have."""
    extended = []
    for arm in arms:
        if arm.remedy != "none":
            continue
        draws_samples = _is_loop(arm) or arm.place in PREFERENCES
        candidates = dict.fromkeys(("none", *remedies)) if draws_samples else ("none",)
        for remedy in candidates:
            if arm.corrector != "none" or not REMEDIES.row(remedy).needs_corrector:
                extended.append(replace(arm, remedy=remedy))
    return extended


def _add_sampling_variants(arms: Sequence[ArmSettings], sampling: Mapping[str, Sequence[float]]) -> list[ArmSettings]:
    variants = [(name, value) for name, values in sampling.items() for value in dict.fromkeys(values)]
    if not variants:
        return list(arms)
    usual = [arm for arm in arms if not arm.sampling]
    extended = list(usual)
    for name, value in variants:
        extended += [replace(arm, **{name: value}) for arm in usual]
    return extended


def _policies_with_ratio(arms: Sequence[ArmSettings]) -> list[str]:
    """Return the policies of arms that take a ratio, without their ratios."""
    kinds = [arm.policy.partition(":")[0] for arm in arms]
    return [kind for kind in dict.fromkeys(kinds) if kind in TAKES_RATIO] or ["augment"]


def _insert_ratios(policies: Sequence[str], ratios: Sequence[float]) -> list[str]:
    """Return policies with each ratio for policies that take a ratio, such as "augment:4"; infinity turns into
    "replace".
    """
    if ratios and not any(policy in TAKES_RATIO for policy in policies):
        raise SettingError(f"a synthetic ratio needs the policy augment or accumulate, got {', '.join(policies)}")
    texts = []
    for policy in policies:
        if policy not in TAKES_RATIO:
            texts.append(policy)
            continue
        for ratio in ratios or (1.0,):
            is_fully_synthetic = math.isinf(ratio) and ratio > 0
            texts.append("replace" if is_fully_synthetic else f"{policy}:{ratio:g}")
    return texts


def parse_ratio(text: str) -> float:
    """Read λ, the number of synthetic samples per real sample.

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
