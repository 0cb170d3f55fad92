"""The named presets of the motion experiment: what each is for, and its settings."""

import math
from dataclasses import dataclass, replace

from ...remedies.table import UNRATED
from ...studies.arms import BASELINE, Arm
from .cost import duration, expected
from .experiment import DenoiserArms, MotionSettings
from .run_options import Keep


def _loop(policy: str, *correctors: str) -> tuple[Arm, ...]:
    return tuple(Arm(policy, corrector) for corrector in ("none", *correctors))


_DEMO_MIXER = (
    BASELINE,
    *_loop("augment:1", "physics"),
    *_loop("replace", "physics"),
)
_HALF_WAY = Arm("replace", "kinematic", 1.0, operator="interpolation", remedy="lineages")
_SHORT_SMOOTH = (BASELINE, *_loop("replace", "physics"), Arm("replace", remedy="lineages"), Arm("freeze"))
_DEMO_SMOOTH = (*_SHORT_SMOOTH[:-1], _HALF_WAY, _SHORT_SMOOTH[-1])

_RATIOS = tuple(f"augment:{ratio}" for ratio in ("0.25", "0.5", "0.75", "1", "2", "4"))
_CONTROLS = ("kinematic", "low-pass", "anchored", "frozen", "anchored-real", "frozen-real", "placebo", "filter")
_TWO_STAGES = ("low-pass+physics", "physics+low-pass")

_FULL = (
    BASELINE,
    *(arm for policy in ("augment:1", "replace") for arm in _loop(policy, "physics", *_CONTROLS, *_TWO_STAGES)),
    Arm("augment:1", "physics", correct_real=True),
    Arm("augment:1", "physics", strength=1.0),
    Arm("replace", "physics", strength=1.0),
    *_loop("accumulate:1", "physics"),
    Arm("replace", sampling_steps=40),
    *(Arm("replace", remedy=name) for name in ("more-steps", "annealed-truncation", "averaged-weights")),
)
_SWEEP = (
    BASELINE,
    *(
        arm
        for policy in (*_RATIOS, "replace")
        for arm in (*_loop(policy, "kinematic", "low-pass", "physics"), replace(_HALF_WAY, policy=policy))
    ),
)

_MODES = (
    BASELINE,
    Arm("real", remedy="extrapolated"),
    *_loop("replace", "kinematic", "physics"),
    *(Arm("replace", remedy=name) for name in ("matched", "extrapolated", "lineages", "more-steps")),
    *(
        Arm("replace", corrector, 1.0, operator="interpolation", remedy="lineages")
        for corrector in ("kinematic", "physics")
    ),
    Arm("freeze"),
    *(Arm("freeze", remedy=name) for name in ("matched", "lineages")),
)
_RENEWED = tuple(
    replace(arm, policy="renew:0.25")
    for arm in (
        Arm("replace"),
        Arm("replace", remedy="lineages"),
        _HALF_WAY,
        replace(_HALF_WAY, corrector="physics"),
    )
)
_TEXT = (
    BASELINE,
    *_loop("augment:0.25", "physics"),
    *_loop("augment:1", "physics"),
    *_loop("augment:4"),
    *_loop("replace", "kinematic", "physics"),
)
_VERIFIED = ("physics", "residual-free", "residual-free-fallback", "residual-free-verifier", "random-verifier")
_STRICT = (BASELINE, *(arm for policy in ("augment:1", "replace") for arm in _loop(policy, *_VERIFIED)))
_DILUTION = (
    BASELINE,
    *_loop("replace", "kinematic", "physics"),
    *(
        arm
        for policy in (f"augment:{ratio}" for ratio in ("0.5", "1", "2", "4"))
        for arm in (
            Arm(policy),
            *(
                Arm(policy, name, strength)
                for name in ("kinematic", "physics")
                for strength in (0.25, 1.0, 4.0, math.inf)
            ),
        )
    ),
)
_REMEDIES = (BASELINE, *(Arm("replace", remedy=name) for name in UNRATED))
_PAPER = (BASELINE, *(arm for policy in _RATIOS[:4] for arm in _loop(policy, "physics")))


@dataclass(frozen=True)
class PresetRow:
    """A preset."""

    summary: str
    settings: MotionSettings
    keep: Keep = "all"
    """What stays of models and samples."""

    @property
    def denoisers(self) -> str:
        return ", ".join(one.denoiser for one in self.settings.comparisons)

    @property
    def arms(self) -> int:
        """Of all denoisers together."""
        return sum(len(one.arms) for one in self.settings.comparisons)

    @property
    def cost(self) -> str:
        """Wall time with two processes on cores like those of an AMD EPYC, and disk."""
        cost = expected(self.settings, self.keep)
        minutes = cost.minutes(2)
        return f"{'needs a GPU' if minutes is None else duration(minutes)}, {cost.disk_gb:.1f} GB"

    def value(self, name: str) -> str:
        """A setting in words, by the name of its option."""
        if name in ("steps", "initial_steps"):
            steps = getattr(self.settings, name)
            return ", ".join(f"{steps[one.denoiser]} for {one.denoiser}" for one in self.settings.comparisons)
        return "that of each arm" if name == "gamma" else str(getattr(self.settings, name))

    @property
    def words(self) -> str:
        """All of it in one line."""
        one = self.settings
        return (
            f"{self.summary} ({self.denoisers}; {self.arms} arms, generations {one.generations}, seeds {one.seeds}, "
            f"n = {one.real_count}; {self.cost})"
        )


def _for(denoisers: tuple[str, ...], *arms: tuple[Arm, ...]) -> tuple[DenoiserArms, ...]:
    """Denoisers with the arms of each, or of all."""
    return tuple(map(DenoiserArms, denoisers, arms if len(arms) > 1 else arms * len(denoisers)))


_MIXER, _SMOOTH, _BOTH = ("patch-mixer",), ("dct-mlp",), ("patch-mixer", "dct-mlp")
_FEW_STEPS = {"patch-mixer": 400, "dct-mlp": 700}
PRESET_ROWS = {
    "short": PresetRow(
        "the comparison in minutes on two cores",
        MotionSettings(
            _for(_BOTH, _DEMO_MIXER, _SHORT_SMOOTH), 4, 3, real_count=64, judged_count=128, initial_steps=_FEW_STEPS
        ),
        "sampling",
    ),
    "demo": PresetRow(
        "the same, longer, with twice the data", MotionSettings(_for(_BOTH, _DEMO_MIXER, _DEMO_SMOOTH), 7, 3)
    ),
    "quick": PresetRow(
        "a smoke test, which proves nothing",
        MotionSettings(
            _for(_MIXER, (BASELINE, *_loop("replace", "physics"))), 4, 1, real_count=64, judged_count=128
        ),
    ),
    "full": PresetRow("every arm and control", MotionSettings(_for((*_BOTH, "temporal-conv"), _FULL), 12, 5)),
    "ratios": PresetRow("synthetic ratios, λ = 0.25 to fully synthetic", MotionSettings(_for(_BOTH, _SWEEP), 20, 5)),
    "dilution": PresetRow(
        "synthetic ratios by strengths of correction",
        MotionSettings(
            _for(_BOTH, _DILUTION), 10, 8, real_count=64, judged_count=128, engine="mujoco", first_seed=5
        ),
        "sampling",
    ),
    "modes": PresetRow(
        "what preserves diversity in a fully synthetic loop, with controls",
        MotionSettings(_for(_SMOOTH, _MODES), 20, 5),
    ),
    "renewal": PresetRow(
        "a quarter of the training set is renewed in each generation",
        MotionSettings(_for(_SMOOTH, (BASELINE, *_RENEWED)), 20, 5),
    ),
    "remedies": PresetRow("published remedies, side by side", MotionSettings(_for(_SMOOTH, _REMEDIES), 12, 3)),
    "text": PresetRow(
        "captions are kept, their motions replaced: retrieval by caption",
        MotionSettings(_for(_SMOOTH, _TEXT), 5, 3, real_count=256, judged_count=192, captions=True),
    ),
    "strictness": PresetRow(
        "correctors that reject what falls without root force",
        MotionSettings(
            _for(_BOTH, _STRICT), 3, 3, real_count=24, judged_count=96, frames=32, engine="mujoco",
            initial_steps=_FEW_STEPS,
        ),
    ),
    "paper": PresetRow(
        "the settings of Gillman et al. 2024", MotionSettings(_for(("paper",), _PAPER), 50, 3, real_count=2794)
    ),
}  # fmt: skip
PRESETS = {name: row.settings for name, row in PRESET_ROWS.items()}
"""The settings of each, by name."""
