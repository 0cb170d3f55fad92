"""Axes of arms, as options that refine a preset."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Annotated

from tyro.conf import arg

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.models.diffusion.config import SamplerName
from selfcorrect.loop.models.diffusion.presets import preset, preset_names
from selfcorrect.loop.policy_table import POLICIES, split_policy
from selfcorrect.loop.remedies.table import PLACES, REMEDIES

from ..arms import BASELINE, SAMPLING_SETTINGS, TAKES_RATIO, ArmSettings
from .correctors.table import CORRECTORS, UNKNOWN, corrector_row
from .settings import MotionSettings

PREFERENCES = ("preference", "shuffled-preference")
"""Places where arms on real data only draw samples, too."""

_ARMS_HELP = (
    "Run exactly these arms and the baseline, instead of the preset's. An arm is POLICY, POLICY,CORRECTOR or "
    "POLICY,CORRECTOR,REMEDY, then NAME=VALUE: replace replace,physics augment:0.5,low-pass,steps=250"
)
_POLICY_HELP = f"What the next generation trains on.\n{POLICIES.describe_rows()}"
_CORRECTOR_HELP = (
    "Correctors instead of the preset's. FILE.py:function or package.module:function is your own; + chains built-in "
    f"correctors, as in low-pass+physics.\n{CORRECTORS.describe_rows()}"
)
_REMEDY_HELP = f"Remedies against the loss of modes to run each arm with, in addition.\n{REMEDIES.describe_rows()}"
_PLACE_HELP = f"Where in the loop the corrector works.\n{PLACES.describe_rows()}"
_DENOISER_HELP = "Networks to compare: " + ", ".join(f"{name} ({preset(name).character})" for name in preset_names())


@dataclass(frozen=True)
class Axes:
    """Axes that replace a preset's arms; an axis that is not given stays."""

    policy: Annotated[tuple[str, ...], arg(help=_POLICY_HELP)] = ()
    synthetic_ratio: tuple[str, ...] = ()
    """λ, synthetic samples per real sample, for augment and accumulate. 100% is λ = 1, as in Gillman et al.; inf is
    fully synthetic."""
    corrector: Annotated[tuple[str, ...], arg(help=_CORRECTOR_HELP)] = ()
    physics_in: Annotated[tuple[str, ...], arg(help=_PLACE_HELP)] = ()
    remedy: Annotated[tuple[str, ...], arg(help=_REMEDY_HELP)] = ()
    guidance: tuple[float, ...] = ()
    """Scales of classifier-free guidance to run all arms with, in addition. Several sampling options are combined."""
    temperature: tuple[float, ...] = ()
    """Factors on the sampling noise to run all arms with, in addition."""
    sampler: tuple[SamplerName, ...] = ()
    """Samplers to run all arms with, in addition: multistep (the default) keeps the variance that the model
    learned; ddim shrinks it, and is DDPM's ancestral sampler with --eta 1."""
    eta: tuple[float, ...] = ()
    """Shares of fresh noise per sampling step to run all arms with, in addition: 0 is deterministic, 1 is
    ancestral."""
    sampling_steps: tuple[int, ...] = ()
    """Numbers of network evaluations per sample to run all arms with, in addition."""
    gamma: tuple[float, ...] = ()
    """Correction strengths γ ≥ 0: each sample is replaced by its correction with probability γ/(1+γ); inf corrects
    all."""
    denoiser: Annotated[tuple[str, ...], arg(help=_DENOISER_HELP)] = ()
    steps: Annotated[int | None, arg(metavar="INT")] = None
    """Optimiser steps per generation, the same in every arm."""
    initial_steps: Annotated[int | None, arg(metavar="INT")] = None
    """Optimiser steps of generation 0."""
    arms: Annotated[tuple[str, ...], arg(help=_ARMS_HELP)] = ()

    def refine(self, settings: MotionSettings) -> MotionSettings:
        """Return settings with these axes; raises SettingError for a combination that makes no sense."""
        template = next(iter(settings.arms.values()))
        arms = {}
        for denoiser in dict.fromkeys(self.denoiser or settings.arms):
            arms[denoiser] = self.refine_arms(settings.arms.get(denoiser, template))
        changes = {}
        for name in ("initial_steps", "steps"):
            steps = getattr(self, name)
            if steps is not None:
                changes[name] = dict.fromkeys((*getattr(settings, name), *arms), steps)
        refined = replace(settings, arms=arms, **changes)
        refined.check_engine()
        if all(arm.corrector == "none" for arm in refined.all_arms):
            options = {
                "gamma": self.gamma,
                "physics-in": self.physics_in,
                "evaluate-corrected": refined.evaluate_corrected,
            }
            refuse_options(options, "arms with a corrector")
        return refined

    def refine_arms(self, arms: Sequence[ArmSettings]) -> tuple[ArmSettings, ...]:
        """Return arms with these axes, beside their references.

        Raises:
            SettingError: A name is unknown, or λ is given and no policy takes it.
        """
        if self.arms:
            self._check_arms()
            return tuple(dict.fromkeys((BASELINE, *map(ArmSettings.from_text, self.arms))))
        refined = list(arms)
        if self.policy or self.synthetic_ratio:
            ratios = [parse_ratio(ratio) for ratio in self.synthetic_ratio]
            with_ratio = [arm.kind for arm in refined if arm.kind in TAKES_RATIO]
            policies = self.policy or [*dict.fromkeys(with_ratio or ["augment"])]
            refined = _replace_policies(refined, _insert_ratios(policies, ratios))
        if self.corrector:
            refined = _replace_correctors(refined, self.corrector)
        for field, values in {"strength": self.gamma, "place": self.physics_in}.items():
            if values:
                refined = _vary_corrected(refined, field, values)
        if self.remedy:
            refined = _add_remedies(refined, self.remedy)
        values_by_name = {name: dict.fromkeys(values) for name in SAMPLING_SETTINGS if (values := getattr(self, name))}
        if values_by_name:
            usual = [arm for arm in refined if not arm.sampling]  # arms of the old sampler stay controls
            for values in product(*values_by_name.values()):
                sampled = [arm for arm in usual if arm.remedy != "copying"]  # copies are not drawn from a model
                refined += [replace(arm, **dict(zip(values_by_name, values, strict=True))) for arm in sampled]
        with_comparisons = dict[ArmSettings, None]()
        for arm in filter(_uses_corrector, refined):
            with_comparisons |= dict.fromkeys((BASELINE, arm.plain, arm))
        return tuple(with_comparisons)

    def _check_arms(self) -> None:
        """Raise SettingError for axes beside arms."""
        for axis in fields(self):
            if axis.name not in ("arms", "denoiser", "steps", "initial_steps") and getattr(self, axis.name):
                option = axis.name.replace("_", "-")
                raise SettingError(
                    f"--{option} varies the arms of a preset, and --arms names all arms; leave --{option} out"
                )


def refuse_options(options: Mapping[str, object], purpose: str) -> None:
    """Raise SettingError for options without a purpose here."""
    for option, value in options.items():
        if value:
            raise SettingError(f"--{option} is for {purpose}, and there are none; leave it out")


def budget(arm: ArmSettings) -> str:
    """Say what an arm's corrector and remedy know."""
    corrector = UNKNOWN if ":" in arm.corrector else corrector_row(arm.corrector).knows
    return corrector if arm.remedy == "none" else f"{corrector}; {REMEDIES.row(arm.remedy).knows}"


def _uses_corrector(arm: ArmSettings) -> bool:
    """Return False if a corrector of training samples has no effect, because the arm has none."""
    return arm.corrector == "none" or arm.place != "data" or arm.correct_real or _is_loop(arm)


def _is_loop(arm: ArmSettings) -> bool:
    """Return True if an arm trains on synthetic samples."""
    return arm.policy != BASELINE.policy


def _replace_policies(arms: Sequence[ArmSettings], policies: Sequence[str]) -> list[ArmSettings]:
    for policy in policies:
        split_policy(policy)  # refuses unknown names without PyTorch
    from selfcorrect.loop.policy import parse_policy  # which imports PyTorch

    loops = [arm for arm in arms if _is_loop(arm)]
    replaced = [arm for arm in arms if not _is_loop(arm)]
    for policy in policies:
        parse_policy(policy)
        replaced += [replace(arm, policy=policy) for arm in loops if policy != BASELINE.policy or arm.remedy == "none"]
    return replaced


def _replace_correctors(arms: Sequence[ArmSettings], correctors: Sequence[str]) -> list[ArmSettings]:
    """Replace the correctors of arms; plain loops get a corrector if none is corrected."""
    names = [name for name in dict.fromkeys(correctors) if name != "none"]
    templates = list(arms)
    if all(arm.corrector == "none" for arm in arms):
        templates += [replace(arm, corrector="physics") for arm in arms if _is_loop(arm) and arm == arm.plain]
    return _vary_corrected(templates, "corrector", names)


def _vary_corrected(arms: Sequence[ArmSettings], field: str, values: Sequence[object]) -> list[ArmSettings]:
    """Repeat corrected arms with each field value."""
    varied = []
    for arm in arms:
        varied += [arm] if arm.corrector == "none" else [replace(arm, **{field: value}) for value in values]
    return varied


def _add_remedies(arms: Sequence[ArmSettings], remedies: Sequence[str]) -> list[ArmSettings]:
    """Add each possible remedy to each loop, and keep the arms without a remedy."""
    extended = []
    for arm in arms:
        if arm.remedy != "none":
            continue
        draws_samples = _is_loop(arm) or arm.place in PREFERENCES
        candidates = dict.fromkeys(("none", *remedies)) if draws_samples else ("none",)
        extended += [replace(arm, remedy=remedy) for remedy in candidates]
    return extended


def _insert_ratios(policies: Sequence[str], ratios: Sequence[float]) -> list[str]:
    """Return the policies that take a ratio with each ratio, such as "augment:4"; infinity becomes "replace"."""
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
    """Parse λ, synthetic samples per real sample.

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
