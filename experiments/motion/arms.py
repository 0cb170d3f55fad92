"""The arms of a motion comparison: which data policy, which corrector, how strong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from selfcorrect.correction import Operator
from selfcorrect.errors import SettingError
from selfcorrect.experiments.defence_table import DEFENCES
from selfcorrect.experiments.motion.corrector_table import CORRECTORS, UNKNOWN
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.policy import parse_policy

SAMPLING_BOUNDS = {
    "guidance": (0.0, 100.0),
    "temperature": (1e-3, 100.0),
    "eta": (0.0, 1.0),
    "sampling_steps": (1, 1e4),
}
"""Settings of sampling that an arm may change, lowest and highest."""


@dataclass(frozen=True)
class Arm:
    """One arm of a comparison."""

    policy: str
    """As `selfcorrect.policy.parse_policy` reads it ("real", "replace", "augment:1", …)."""
    corrector: str = "none"
    """A name in `CORRECTORS` or "package.module:function"."""
    strength: float = math.inf
    """γ of the operator, which is a mixture of distributions or an interpolation of samples (see
    `selfcorrect.correction`)."""
    correct_real: bool = False
    """The real training data go through the corrector too."""
    defence: str = "none"
    """A name in `DEFENCES`."""
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
        if ":" not in self.corrector:
            CORRECTORS.row(self.corrector)
        DEFENCES.row(self.defence)
        if not self.strength >= 0:
            raise SettingError(f"the correction strength γ must be at least 0, got {self.strength:g}")
        for name, value in self.sampling.items():
            lowest, highest = SAMPLING_BOUNDS[name]
            if not lowest <= value <= highest:
                raise SettingError(f"{name} must be from {lowest:g} to {highest:g}, got {value:g}")

    @property
    def name(self) -> str:
        """A folder name that tells this arm from all others."""
        parts = [
            self.policy.replace(":", "-"),
            self.corrector.replace(":", "."),
            *(["real-corrected"] * self.correct_real),
            *([self.defence] if self.defence != "none" else []),
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
        """What this arm is compared with: as it is sampled, without correction and defence; else sampled as usual."""
        changed = (self.corrector, self.defence, self.correct_real) != ("none", "none", False)
        return Arm(self.policy, **self.sampling) if changed else Arm(self.policy)  # type: ignore[arg-type]

    @property
    def group(self) -> str:
        """The data policy in words; arms of a group are compared with each other."""
        kind, _, value = self.policy.partition(":")
        return {
            "real": "real data only",
            "replace": "fully synthetic",
            "freeze": "fully synthetic",
            "renew": f"fully synthetic, {value} renewed",
            "augment": f"λ = {value}",
            "accumulate": f"accumulate, λ = {value}",
        }.get(kind, self.policy)

    @property
    def title(self) -> str:
        """Defence and corrector in words."""
        if self == BASELINE:
            return "baseline (real data only)"
        names = [name for name in (self.defence, self.corrector) if name != "none"]
        words = " + ".join(["frozen"] * (self.policy == "freeze") + names) or "uncorrected"
        if math.isfinite(self.strength):
            words += f", γ = {self.strength:g}" + ("" if self.operator == "mixture" else " of each sample")
        words += "".join(f", {name.replace('_', ' ')} {value:g}" for name, value in self.sampling.items())
        return words + (", real data corrected too" if self.correct_real else "")

    @property
    def label(self) -> str:
        """Group and title."""
        return self.title if self == BASELINE else f"{self.group}, {self.title}"

    @property
    def budget(self) -> str:
        """What the corrector knows about the truth, and the defence about the loop."""
        corrector = UNKNOWN if ":" in self.corrector else CORRECTORS.row(self.corrector).knows
        return corrector if self.defence == "none" else f"{corrector}; {DEFENCES.row(self.defence).knows}"


BASELINE = Arm("real")


def comparison_arms(
    policies: Sequence[str],
    ratios: Sequence[float],
    correctors: Sequence[str],
    strength: float | None,
    defences: Sequence[str] = (),
    sampling: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> tuple[Arm, ...]:
    """The baseline, and for each policy the plain arm, one for each corrector, and each of these with each defence.

    policies: names such as "replace" or "augment"; ratios: λ for those that take one; what is not given is
    "replace", λ = 1 and, without defences, physics. sampling: also all of these, the baseline too, with samples drawn
    so, by the names of `SAMPLING_BOUNDS`. Raises ValueError where λ is given and no policy takes it.
    """
    texts = _with_ratios(policies or (("augment",) if ratios else ("replace",)), ratios)
    chosen = correctors or (() if defences or any(sampling.values()) else ("physics",))
    names = [name for name in chosen if name != "none"]
    gamma = math.inf if strength is None else strength
    arms = [
        replace(arm, defence=defence)
        for text in texts
        for defence in dict.fromkeys(("none", *defences))
        for arm in (Arm(text), *(Arm(text, name, gamma) for name in names))
    ]
    usual = (BASELINE, *arms)
    changed = [(name, value) for name, values in sampling.items() for value in dict.fromkeys(values)]
    return (*usual, *(replace(arm, **{name: value}) for name, value in changed for arm in usual))


def _with_ratios(policies: Sequence[str], ratios: Sequence[float]) -> list[str]:
    takes_ratio = ("augment", "accumulate")
    if ratios and not any(policy in takes_ratio for policy in policies):
        raise SettingError(f"a synthetic ratio needs the policy augment or accumulate, got {', '.join(policies)}")
    return [
        text
        for policy in policies
        for text in ([f"{policy}:{ratio:g}" for ratio in ratios or (1.0,)] if policy in takes_ratio else [policy])
    ]
