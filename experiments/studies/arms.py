"""Arms of a study as settings, which options, files and run folders hold as text.

`arm_words` describes arms in reports, and `loop_arms` makes the loops that they stand for. Nothing here imports
PyTorch, so that commands list arms at once.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Suppress

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.loop.arm_name import format_arm_name
from selfcorrect.storage.files.strict_json import read_as

SAMPLING_BOUNDS = {
    "guidance": (0.0, 100.0),
    "temperature": (1e-3, 100.0),
    "eta": (0.0, 1.0),
    "sampling_steps": (1, 1e4),
}
"""Bounds of the sampling settings that are numbers: lowest, highest."""
SAMPLING_SETTINGS = ("sampler", *SAMPLING_BOUNDS)
"""Sampling settings that an arm may change."""

POLICY_RATIOS = {
    "real": 0.0,
    "replace": math.inf,
    "freeze": math.inf,
    "union": math.inf,
    "renew": math.inf,
    "augment": None,
    "augment_once": None,
    "accumulate": None,
}
"""Data policy → its synthetic ratio λ, None if the policy takes λ as its number."""
TAKES_RATIO = tuple(kind for kind, ratio in POLICY_RATIOS.items() if ratio is None)
"""Data policies that take λ."""
STATIC = ("freeze", "augment_once")
"""Data policies that keep the synthetic samples of generation 1 for ever."""
POSITIONS = ("policy", "corrector", "remedy")
"""Settings that need no name where a text names an arm, in this order."""
TREATMENT = ("corrector", "remedy", "correct_real", "strength", "operator", "place", "rejected")
"""Fields that an arm's reference has at their defaults; an arm that changes one of the first three is treated."""


@dataclass(frozen=True)
class ArmSettings:
    """Settings of one loop of a study.

    User code is named package.module:attribute. Suppressed fields are not options of `compare`'s arms.
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
    rejected: Suppress[Literal["redraw", "drop", "keep"]] = "redraw"
    """What happens to samples that the corrector rejects: they are drawn anew, left out, or kept uncorrected."""
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
        """Read an arm from text such as "replace,physics" or "augment:0.5,none,matched,steps=250".

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

    @property
    def plain(self) -> ArmSettings:
        """Return the arm's reference: the same arm without correction and remedy.

        For an arm that has neither, it is the arm's data policy, sampled as usual.
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
        ratio = POLICY_RATIOS.get(self.kind, math.nan)
        return float(self.policy.partition(":")[2] or 1) if ratio is None else ratio

    @property
    def synthetic_share(self) -> float:
        """Synthetic share λ / (1 + λ), from 0 to 1."""
        return 1 - 1 / (1 + self.synthetic_ratio)

    @property
    def is_baseline(self) -> bool:
        """Return True for plain training on real data alone."""
        return self.kind == "real" and self.changes.keys().isdisjoint((*TREATMENT[:3], *SAMPLING_SETTINGS))

    def config(self) -> dict[str, object]:
        """Return all settings as JSON values.

        Fields of `NEWER` are left out at their defaults, so that runs of earlier versions keep their configs.
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


NEWER = ("from_scratch", "bias", "fitting", "steps", "place", "name", "sampler", "rejected")
"""Fields that runs of earlier versions did not record."""

BASELINE = ArmSettings("real")


def folder_name(name: str) -> str:
    """Turn a name into that of a folder."""
    return re.sub(r"[^\w.+=-]+", "-", name).strip("-.").casefold()
