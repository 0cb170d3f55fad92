"""The presets of the motion experiment without their arms: what each is for, has and takes."""

from __future__ import annotations

from dataclasses import dataclass

from selfcorrect.models.diffusion.presets import preset
from selfcorrect.simulators.settings.engine_table import PUBLISHED_ENGINE

from .run_options import Keep


@dataclass(frozen=True)
class PresetRow:
    """A preset without its arms, which need PyTorch."""

    summary: str
    denoisers: str
    arms: int
    """Of all denoisers together."""
    generations: int
    seeds: int
    real_count: int
    cost: str
    """Wall time with two processes, and disk."""
    keep: Keep = "all"
    """What stays of models and samples."""
    engine: str = PUBLISHED_ENGINE
    """In which its correctors simulate."""
    judged_count: int = 256
    first_seed: int = 0

    def value(self, name: str) -> str:
        """A setting in words, by the name of its option."""
        if name in ("steps", "initial_steps"):
            return ", ".join(f"{getattr(preset(one), name)} for {one}" for one in self.denoisers.split(", "))
        return "that of each arm" if name == "gamma" else str(getattr(self, name))

    @property
    def words(self) -> str:
        """All of it in one line."""
        return (
            f"{self.summary} ({self.denoisers}; {self.arms} arms, generations {self.generations}, seeds {self.seeds}, "
            f"n = {self.real_count}; {self.cost})"
        )


_BOTH = "patch-mixer, dct-mlp"
PRESET_ROWS = {
    "short": PresetRow(
        "the comparison in minutes on two cores", _BOTH, 10, 4, 3, 64, "5 minutes, 0.3 GB", "sampling", judged_count=128
    ),
    "demo": PresetRow("the same, longer, with twice the data", _BOTH, 11, 7, 3, 128, "12 minutes, 1.5 GB"),
    "quick": PresetRow(
        "a smoke test, which proves nothing", "patch-mixer", 3, 4, 1, 64, "1 minute, 0.1 GB", judged_count=128
    ),
    "full": PresetRow("every arm and control", f"{_BOTH}, temporal-conv", 102, 12, 5, 128, "6 hours, 36.6 GB"),
    "ratios": PresetRow("synthetic ratios up to 100 %", _BOTH, 72, 20, 5, 128, "6 hours, 48.6 GB"),
    "dilution": PresetRow(
        "synthetic ratios by strengths of correction",
        _BOTH,
        80,
        10,
        8,
        64,
        "4 hours, 4.3 GB",
        "sampling",
        judged_count=128,
        engine="mujoco",
        first_seed=5,
    ),
    "modes": PresetRow(
        "what preserves diversity in a fully synthetic loop, with controls",
        "dct-mlp",
        14,
        20,
        5,
        128,
        "52 minutes, 5.9 GB",
    ),
    "renewal": PresetRow(
        "a quarter of the training set is renewed in each generation", "dct-mlp", 5, 20, 5, 128, "16 minutes, 1.5 GB"
    ),
    "remedies": PresetRow("published remedies, side by side", "dct-mlp", 18, 12, 3, 128, "21 minutes, 3.6 GB"),
    "text": PresetRow(
        "captions are kept, their motions replaced: retrieval by caption",
        "dct-mlp",
        9,
        5,
        3,
        256,
        "16 minutes, 2.0 GB",
        judged_count=192,
    ),
    "strictness": PresetRow(
        "correctors that reject what falls without root force",
        _BOTH,
        26,
        3,
        3,
        24,
        "17 minutes, 2.2 GB",
        engine="mujoco",
        judged_count=96,
    ),
    "paper": PresetRow("the settings of Gillman et al. 2024", "paper", 9, 50, 3, 2794, "needs a GPU, 57.1 GB"),
}
"""Cost with cores like those of an AMD EPYC; `cost.expected` estimates it for any settings."""


def described() -> str:
    """One line for each preset."""
    return "\n".join(f"{name}: {row.words}" for name, row in PRESET_ROWS.items())
