"""Arms of a study as settings.

Files, options and folders of runs hold it as text.

Nothing here imports PyTorch, so that commands can list arms at once.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Suppress

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.loop.arm_name import format_arm_name, format_title
from selfcorrect.runtime.registry import import_callable
from selfcorrect.storage.files.strict_json import read_as

if TYPE_CHECKING:
    from selfcorrect.loop.correctors.loop_correction import Correction
    from selfcorrect.loop.models.diffusion.config import DiffusionConfig
    from selfcorrect.loop.policy import FreshSource
    from selfcorrect.loop.run import Arm

SAMPLING_BOUNDS = {
    "guidance": (0.0, 100.0),
    "temperature": (1e-3, 100.0),
    "eta": (0.0, 1.0),
    "sampling_steps": (1, 1e4),
}
"""Numbers of sampling that an arm may change, lowest and highest."""
SAMPLING_SETTINGS = ("sampler", *SAMPLING_BOUNDS)
"""Settings of sampling that an arm may change."""

POLICY_WORDS = {
    "real": (0.0, "real data only"),
    "replace": (math.inf, "fully synthetic"),
    "freeze": (math.inf, "fully synthetic"),
    "renew": (math.inf, "fully synthetic, {} renewed"),
    "augment": (None, "λ = {}"),
    "augment_once": (None, "λ = {}"),
    "accumulate": (None, "accumulate, λ = {}"),
}
"""Policy → λ, None if the policy takes λ, and words with the number of the policy."""
TAKES_RATIO = tuple(kind for kind, (ratio, _) in POLICY_WORDS.items() if ratio is None)
"""Policies that take λ."""
STATIC = ("freeze", "augment_once")
"""Policies that keep the synthetic samples of generation 1 for ever."""
POSITIONS = ("policy", "corrector", "remedy")
"""Settings that need no name where a text names an arm, in this order."""
TREATMENT = ("corrector", "remedy", "correct_real", "strength", "operator", "place")
"""Fields that the reference of an arm lacks; one of the first three makes a treatment."""
PLACE_WORDS = {
    "sampler": "in the sampler",
    "filter": "as a filter",
    "preference": "as a preference",
    "shuffled-preference": "as a shuffled preference",
}
"""Places of a corrector other than the training data, in words."""


@dataclass(frozen=True)
class ArmSettings:
    """One loop of a study.

    Code of your own is named package.module:attribute. What is suppressed is no option of the arms of `compare`.
    """

    policy: str = "replace"
    """Data that train the next generation, e.g. real, replace, augment:0.5, accumulate:1."""
    corrector: str = "none"
    """A corrector by name or package.module:attribute. In a comparison: a function of samples, or of values; a class
    that needs no arguments; a torch module."""
    strength: float = math.inf
    """γ of the operator, by default the full corrector."""
    correct_real: bool = False
    """Correct the real training data too, once."""
    remedy: Suppress[str] = "none"
    """A remedy against the loss of modes by name."""
    operator: Literal["mixture", "interpolation"] = "mixture"
    """Meaning of γ: a share of corrected samples, or a share of the way to the corrected sample."""
    guidance: Suppress[float | None] = None
    """Scale of classifier-free guidance when samples are drawn, None for the model's own."""
    temperature: Suppress[float | None] = None
    """Factor on the noise of sampling, None for the model's own."""
    sampler: Suppress[str | None] = None
    """Name of the reverse process of a diffusion model, None for the model's own."""
    eta: Suppress[float | None] = None
    """Share of the noise that each step of sampling draws anew: 0 is deterministic, 1 ancestral, None the model's."""
    sampling_steps: Suppress[int | None] = None
    """Network evaluations per sample, None for the model's own."""
    from_scratch: bool = False
    """Train each generation anew instead of fine-tuning the last model."""
    bias: str = ""
    """A sampling bias, as in `selfcorrect.loop.bias`."""
    fitting: str = ""
    """A fitting, as in `selfcorrect.loop.fitting`."""
    steps: int | None = None
    """Optimiser steps per generation, None for the study's own."""
    place: Suppress[str] = "data"
    """Place of the corrector in the loop by name."""
    name: Suppress[str] = ""
    """A name that stands for all of this, "" for what the axes say."""

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise SettingError(f"the correction strength γ must be at least 0, got {self.strength:g}")
        for name, (lowest, highest) in SAMPLING_BOUNDS.items():
            value = self.sampling.get(name, lowest)
            if not lowest <= value <= highest:
                raise SettingError(f"{name} must be from {lowest:g} to {highest:g}, got {value:g}")

    @classmethod
    def from_text(cls, text: str) -> ArmSettings:
        """Read an arm from text.

        Such as "replace,physics" or "augment:0.5,none,matched,steps=250".

        Raises:
            SettingError: A setting is unknown, is given twice or has a wrong value.
        """
        values: dict[str, object] = {}
        for index, part in enumerate(text.split(",")):
            name, has_name, value = part.strip().partition("=")
            if not has_name and index < len(POSITIONS):
                name, value = POSITIONS[index], name
            if not value or name in values:
                raise SettingError(
                    f"arm {text!r}: expected {','.join(POSITIONS).upper()},NAME=VALUE, each once; got {part!r}"
                )
            values[name] = read_value(value)
        try:
            arm = read_as(cls, values, f"arm {text!r}")
        except InputError as error:
            raise SettingError(str(error)) from error
        if arm.name:
            raise SettingError(f"arm {text!r}: the settings name the arm; leave out name={arm.name}")
        return arm

    @classmethod
    def from_arm(cls, arm: Arm, name: str = "") -> ArmSettings:
        """Return an arm's settings, by names."""
        from selfcorrect.loop.bias import sample_plainly
        from selfcorrect.loop.correctors.contract import name_of
        from selfcorrect.loop.fitting import fit_plainly
        from selfcorrect.loop.policy import format_policy

        correction = arm.correction
        return cls(
            format_policy(arm.policy, digits=17),
            correction.name if correction else "none",
            correction.strength if correction else math.inf,
            arm.correct_real,
            operator=correction.operator if correction else "mixture",
            from_scratch=arm.from_scratch,
            bias="" if arm.bias is sample_plainly else name_of(arm.bias),
            fitting="" if arm.fitting is fit_plainly else name_of(arm.fitting),
            steps=arm.steps,
            name=name,
        )

    def make_arm(
        self,
        generations: int,
        steps: int,
        correction: Correction | None = None,
        fresh_source: FreshSource | None = None,
    ) -> Arm:
        """Return the loop's arm, without remedy.

        Args:
            steps: Optimiser steps per generation of an arm that sets none.
        """
        from selfcorrect.loop.bias import sample_plainly
        from selfcorrect.loop.fitting import fit_plainly
        from selfcorrect.loop.policy import parse_policy
        from selfcorrect.loop.run import Arm

        return Arm(
            parse_policy(self.policy, fresh_source),
            generations,
            steps if self.steps is None else self.steps,
            self.from_scratch,
            bias=import_callable(self.bias, "sampling bias") if self.bias else sample_plainly,
            correction=correction,
            correct_real=self.correct_real,
            fitting=import_callable(self.fitting, "fitting") if self.fitting else fit_plainly,
        )

    @property
    def changes(self) -> dict[str, Any]:
        """Fields that differ from their defaults, by name; the strength γ has the name of its operator."""
        changes = {name: value for name, value in vars(self).items() if value != getattr(ArmSettings, name)}
        if "strength" in changes:
            changes[self.operator] = changes.pop("strength")
        return changes

    @property
    def key(self) -> str:
        """Name of the arm, or all its axes: the key in rows, mappings and folders of a study."""
        if self.name:
            return self.name
        corrector = name_function(self.corrector).replace("+", "-then-")
        functions = {name: name_function(getattr(self, name)) or None for name in ("bias", "fitting")}
        return format_arm_name(name_policy(self.policy), corrector, self.changes | functions)

    @property
    def sampling(self) -> dict[str, float | str]:
        """Return the sampling settings that the arm changes."""
        changes = self.changes
        return {name: changes[name] for name in SAMPLING_SETTINGS if name in changes}

    def change_config(self, config: DiffusionConfig) -> DiffusionConfig:
        """Return a model's settings with those of this arm.

        Raises SettingError if they cannot be combined.
        """
        names = {"guidance": "guidance_scale"}
        return replace(config, **{names.get(name, name): value for name, value in self.sampling.items()})

    @property
    def plain(self) -> ArmSettings:
        """Return the reference of the arm.

        Sampled alike, without correction and remedy; else sampled as usual.
        """
        if self.changes.keys().isdisjoint(TREATMENT[:3]):
            return ArmSettings(self.policy)
        return replace(self, **{name: getattr(ArmSettings, name) for name in TREATMENT})

    @property
    def kind(self) -> str:
        """The name of the data policy, without the number."""
        return name_policy(self.policy).partition(":")[0]

    @property
    def synthetic_ratio(self) -> float:
        """λ, synthetic samples per real sample: 0 for real data only, infinite without real data, NaN if λ varies."""
        ratio, _ = POLICY_WORDS.get(self.kind, (math.nan, ""))
        return float(self.policy.partition(":")[2] or 1) if ratio is None else ratio

    @property
    def synthetic_share(self) -> float:
        """Synthetic share λ / (1 + λ), from 0 to 1."""
        return 1 - 1 / (1 + self.synthetic_ratio)

    @property
    def title(self) -> str:
        """Name of the arm, or its policy and treatment."""
        return self.treatment if self.is_baseline else ", ".join(filter(None, (self.group, self.treatment)))

    @property
    def group(self) -> str:
        """The data policy in words.

        Arms of a group are shown together, as are all arms that have names.
        """
        if self.name:
            return ""
        _, words = POLICY_WORDS.get(self.kind, (math.nan, name_policy(self.policy)))
        return words.replace("{}", self.policy.partition(":")[2])

    @property
    def treatment(self) -> str:
        """Title within a group: the arm's name, or all but the data policy in words."""
        return self.name or ("baseline (real data only)" if self.is_baseline else self._describe_treatment())

    @property
    def line(self) -> str:
        """All but the synthetic share in words; "" for an arm that has no place on a line by share."""
        kind, _, value = self.policy.partition(":")
        return self._describe_treatment() if kind == "augment" or (kind == "replace" and not value) else ""

    def _describe_treatment(self) -> str:
        names = [name for name in (self.remedy, self.corrector) if name != "none"]
        treatment = " + ".join(["static training set"] * (self.kind in STATIC) + names) or "uncorrected"
        changes = self.changes
        if self.place != "data":
            changes["place"] = PLACE_WORDS.get(self.place, self.place)
        return format_title(treatment, changes)

    @property
    def is_baseline(self) -> bool:
        """Return True for plain training on real data alone."""
        return self.kind == "real" and self.changes.keys().isdisjoint((*TREATMENT[:3], *SAMPLING_SETTINGS))

    @property
    def axes(self) -> dict[str, object]:
        """Return an arm's axes by W&B name."""
        changes = self.changes
        return {
            "policy": self.kind,
            "synthetic_ratio": self.synthetic_ratio,
            "synthetic_share": self.synthetic_share,
            "corrector": self.corrector,
            "gamma": self.strength if self.corrector != "none" else 0.0,
            "operator": self.operator,
            "correct_real": self.correct_real,
            "remedy": self.remedy,
            **{name: changes[name] for name in ("place", "steps") if name in changes},
            **{f"sampling.{name}": value for name, value in self.sampling.items()},
        }

    def config(self) -> dict[str, object]:
        """All settings as JSON values.

        Defaults of settings newer than the runs that recorded arms are left out.
        """
        changes = self.changes
        return {name: value for name, value in asdict(self).items() if name not in NEWER or name in changes}


def name_policy(policy: str) -> str:
    """Name a policy in folders: FILE.py:Class:2 as "Class:2"."""
    kind, _, rest = policy.partition(":")
    return rest if "." in kind or "/" in kind else policy


def name_function(reference: str) -> str:
    """Name package.module:function or FILE.py:function in folders, as "package.module.function"."""
    path, _, function = reference.rpartition(":")
    return f"{Path(path).name.removesuffix('.py')}.{function}" if path else function


def read_value(text: str) -> object:
    """Read a number, truth value or text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


NEWER = ("from_scratch", "bias", "fitting", "steps", "place", "name", "sampler")
"""Fields of an arm that runs of earlier versions did not record."""

BASELINE = ArmSettings("real")


def folder_name(name: str) -> str:
    """A name as that of a folder."""
    return re.sub(r"[^\w.+=-]+", "-", name).strip("-.").casefold()
