"""The arms of a motion comparison: which data policy, which corrector, how strong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from selfcorrect.core.errors import SettingError
from selfcorrect.correctors.correction import Operator
from selfcorrect.loop.policy import parse_policy, synthetic_ratio
from selfcorrect.models.diffusion.config import DiffusionConfig

from ...remedies.table import REMEDIES
from ..correctors.table import THEN, UNKNOWN, corrector_row, is_own

SAMPLING_BOUNDS = {
    "guidance": (0.0, 100.0),
    "temperature": (1e-3, 100.0),
    "eta": (0.0, 1.0),
    "sampling_steps": (1, 1e4),
}
"""Settings of sampling that an arm may change, lowest and highest."""


TAKES_RATIO = ("augment", "accumulate")
"""Policies that take λ."""


@dataclass(frozen=True)
class Arm:
    """One arm of a comparison."""

    policy: str
    """As `selfcorrect.loop.policy.parse_policy` reads it ("real", "replace", "augment:1", …)."""
    corrector: str = "none"
    """A name in `CORRECTORS`, several joined by "+" (one after the other), or "package.module:function"."""
    strength: float = math.inf
    """γ of the operator, which is a mixture of distributions or an interpolation of samples (see
    `selfcorrect.correctors.correction`)."""
    correct_real: bool = False
    """The real training data go through the corrector too."""
    remedy: str = "none"
    """A name in `REMEDIES`."""
    operator: Operator = "mixture"
    guidance: float | None = None
    """Scale of classifier-free guidance when samples are drawn, None for the denoiser's own."""
    temperature: float | None = None
    """Factor on the noise of sampling, likewise."""
    eta: float | None = None
    """Share of the noise that each step of sampling draws anew: 0 is deterministic, 1 ancestral; likewise."""
    sampling_steps: int | None = None
    """Network evaluations per sample, likewise."""

    def __post_init__(self) -> None:
        parse_policy(self.policy)
        if ":" not in self.corrector or THEN in self.corrector:
            corrector_row(self.corrector)
        REMEDIES.row(self.remedy)
        if not self.strength >= 0:
            raise SettingError(f"the correction strength γ must be at least 0, got {self.strength:g}")
        for name, value in self.sampling.items():
            lowest, highest = SAMPLING_BOUNDS[name]
            if not lowest <= value <= highest:
                raise SettingError(f"{name} must be from {lowest:g} to {highest:g}, got {value:g}")

    @property
    def name(self) -> str:
        """A folder name that no other arm has."""
        parts = [
            self.policy.replace(":", "-"),
            self.corrector.replace(":", ".").replace(THEN, "-then-"),
            *(["real-corrected"] * self.correct_real),
            *([self.remedy] if self.remedy != "none" else []),
        ]
        if math.isfinite(self.strength):
            parts.append(f"{'strength' if self.operator == 'mixture' else self.operator}-{self.strength:g}")
        parts += [f"{name.replace('_', '-')}-{value:g}" for name, value in self.sampling.items()]
        return "+".join(parts)

    @property
    def sampling(self) -> dict[str, float]:
        """What is not the denoiser's own in sampling, by the names of the command line."""
        given = {name: getattr(self, name) for name in SAMPLING_BOUNDS}
        return {name: value for name, value in given.items() if value is not None}

    def sampled(self, config: DiffusionConfig) -> DiffusionConfig:
        """A model's settings with those that this arm changes; SettingError where they do not go together."""
        names = {"guidance": "guidance_scale"}
        return replace(config, **{names.get(name, name): value for name, value in self.sampling.items()})

    @property
    def plain(self) -> Arm:
        """What this arm is compared with: as it is sampled, without correction and remedy; else sampled as usual."""
        changed = (self.corrector, self.remedy, self.correct_real) != ("none", "none", False)
        return Arm(self.policy, **self.sampling) if changed else Arm(self.policy)  # type: ignore[arg-type]

    @property
    def rated(self) -> tuple[str, ...]:
        """Its corrector and its remedy where they need choices of people."""
        corrector = not is_own(self.corrector) and corrector_row(self.corrector).rated
        return (self.corrector,) * corrector + (self.remedy,) * REMEDIES.row(self.remedy).rated

    @property
    def kind(self) -> str:
        """The name of the data policy, without its number."""
        return self.policy.partition(":")[0]

    @property
    def synthetic_ratio(self) -> float:
        """λ, synthetic samples per real one: 0 for real data only, infinite without real data, NaN where it varies."""
        return synthetic_ratio(parse_policy(self.policy))

    @property
    def synthetic_share(self) -> float:
        """The share of synthetic samples among all, λ / (1 + λ), from 0 to 1."""
        return 1 - 1 / (1 + self.synthetic_ratio)

    @property
    def group(self) -> str:
        """The data policy in words; arms of a group are compared with each other."""
        _, _, value = self.policy.partition(":")
        return {
            "real": "real data only",
            "replace": "fully synthetic",
            "freeze": "fully synthetic",
            "renew": f"fully synthetic, {value} renewed",
            "augment": f"λ = {value}",
            "accumulate": f"accumulate, λ = {value}",
        }.get(self.kind, self.policy)

    @property
    def title(self) -> str:
        """Remedy and corrector in words."""
        if self == BASELINE:
            return "baseline (real data only)"
        names = [name for name in (self.remedy, self.corrector) if name != "none"]
        words = " + ".join(["static training set"] * (self.policy == "freeze") + names) or "uncorrected"
        if math.isfinite(self.strength):
            words += f", γ = {self.strength:g}" + ("" if self.operator == "mixture" else " of each sample")
        words += "".join(f", {name.replace('_', ' ')} {value:g}" for name, value in self.sampling.items())
        return words + (", real data corrected too" if self.correct_real else "")

    @property
    def label(self) -> str:
        """Group and title."""
        return self.title if self == BASELINE else f"{self.group}, {self.title}"

    @property
    def line(self) -> str:
        """What it is apart from its synthetic share, "" for one that has no place on a line by share."""
        return self.title if self.kind in ("replace", "augment") else ""

    @property
    def is_baseline(self) -> bool:
        """Whether it trains on real data alone, with nothing else changed."""
        return self == BASELINE

    @property
    def axes(self) -> dict[str, Any]:
        """What it is by axis, as W&B and tables name them."""
        return {
            "policy": self.kind,
            "synthetic_ratio": self.synthetic_ratio,
            "synthetic_share": self.synthetic_share,
            "corrector": self.corrector,
            "strength": self.strength if self.corrector != "none" else 0.0,
            "operator": self.operator,
            "correct_real": self.correct_real,
            "remedy": self.remedy,
            **{f"sampling.{name}": value for name, value in self.sampling.items()},
        }

    @property
    def budget(self) -> str:
        """What the corrector knows about the truth, and the remedy about the loop."""
        corrector = UNKNOWN if ":" in self.corrector else corrector_row(self.corrector).knows
        return corrector if self.remedy == "none" else f"{corrector}; {REMEDIES.row(self.remedy).knows}"


BASELINE = Arm("real")


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
    compared with. Raises SettingError where λ is given and no policy takes it.
    """
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
        ]
    changed = [(name, value) for name, values in sampling.items() for value in dict.fromkeys(values)]
    usual = [arm for arm in arms if not arm.sampling] if changed else arms
    arms = [*usual, *(replace(arm, **{name: value}) for name, value in changed for arm in usual)]
    return tuple(dict.fromkeys(each for arm in arms for each in _with_plain(arm)))


def _loops(arm: Arm) -> bool:
    """Whether an arm trains on synthetic samples."""
    return arm.policy != BASELINE.policy


def _in_full(arms: Sequence[Arm]) -> list[Arm]:
    """The plain loops of arms, fully corrected by some corrector."""
    return [replace(arm, corrector="physics") for arm in arms if _loops(arm) and arm == arm.plain]


def _corrected(arm: Arm, names: Sequence[str]) -> list[Arm]:
    return [arm] if arm.corrector == "none" else [replace(arm, corrector=name) for name in names]


def _with_plain(arm: Arm) -> tuple[Arm, ...]:
    """An arm after the baseline and the one that it is compared with."""
    return (BASELINE, arm.plain, arm)


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
    """λ from "4", from "inf" for fully synthetic, or from a synthetic share such as "80%"."""
    try:
        if not text.endswith("%"):
            return float(text)
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise SettingError(f"a synthetic ratio must be λ such as 4, inf, or a share from 0% to 100%, got {text!r}")
    return share / (1 - share) if share < 1 else math.inf
