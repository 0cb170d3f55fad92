"""The named presets of the motion experiment: what each is for, and its settings."""

import math
from dataclasses import dataclass, replace

from ...remedies.table import UNRATED
from ...studies.arms import BASELINE, ArmSettings
from .experiment import DenoiserArms, MotionSettings
from .run_options import Keep


def _loop(policy: str, *correctors: str) -> tuple[ArmSettings, ...]:
    return tuple(ArmSettings(policy, corrector) for corrector in ("none", *correctors))


_SHORT = (BASELINE, *_loop("replace", "physics", "low-pass"), ArmSettings("replace", "physics", remedy="matched"))
_DEMO_MIXER = (
    BASELINE,
    *_loop("augment:1", "physics"),
    *_loop("replace", "physics"),
)
_HALF_WAY = ArmSettings("replace", "kinematic", 1.0, operator="interpolation", remedy="lineages")
_SHORT_SMOOTH = (
    BASELINE,
    *_loop("replace", "physics"),
    ArmSettings("replace", remedy="lineages"),
    ArmSettings("freeze"),
)
_DEMO_SMOOTH = (*_SHORT_SMOOTH[:-1], _HALF_WAY, _SHORT_SMOOTH[-1])

_RATIOS = tuple(f"augment:{ratio}" for ratio in ("0.25", "0.5", "0.75", "1", "2", "4"))
_CONTROLS = (
    "kinematic",
    "low-pass",
    "anchored",
    "centroids-only",
    "anchored-real",
    "centroids-only-real",
    "random-perturbation",
    "filter",
)
_TWO_STAGES = ("low-pass+physics", "physics+low-pass")

_FULL = (
    BASELINE,
    *(arm for policy in ("augment:1", "replace") for arm in _loop(policy, "physics", *_CONTROLS, *_TWO_STAGES)),
    ArmSettings("augment:1", "physics", correct_real=True),
    ArmSettings("augment:1", "physics", strength=1.0),
    ArmSettings("replace", "physics", strength=1.0),
    *_loop("accumulate:1", "physics"),
    ArmSettings("replace", sampling_steps=40),
    *(ArmSettings("replace", remedy=name) for name in ("more-steps", "annealed-truncation", "averaged-weights")),
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
    ArmSettings("real", remedy="extrapolated"),
    *_loop("replace", "kinematic", "physics"),
    *(ArmSettings("replace", remedy=name) for name in ("matched", "extrapolated", "lineages", "more-steps")),
    *(
        ArmSettings("replace", corrector, 1.0, operator="interpolation", remedy="lineages")
        for corrector in ("kinematic", "physics")
    ),
    ArmSettings("freeze"),
    *(ArmSettings("freeze", remedy=name) for name in ("matched", "lineages")),
)
_RENEWED = tuple(
    replace(arm, policy="renew:0.25")
    for arm in (
        ArmSettings("replace"),
        ArmSettings("replace", remedy="lineages"),
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
            ArmSettings(policy),
            *(
                ArmSettings(policy, name, strength)
                for name in ("kinematic", "physics")
                for strength in (0.25, 1.0, 4.0, math.inf)
            ),
        )
    ),
)


def _recipe(policy: str, static: str) -> tuple[ArmSettings, ...]:
    """Correctors, matching and both together in one loop; static: the policy that keeps its first synthetic set."""
    return (
        BASELINE,
        *_loop(policy, "physics", "low-pass"),
        ArmSettings(policy, remedy="matched"),
        ArmSettings(policy, "physics", remedy="matched"),
        ArmSettings(static, remedy="matched"),
        ArmSettings(policy, "kinematic"),
        ArmSettings(static),
    )


def _recipe_forms(policy: str) -> tuple[ArmSettings, ...]:
    """Both forms of `lineages`, and physics inside the sampler, beside the arms that they are compared with."""
    return (
        BASELINE,
        *_loop(policy, "physics"),
        *_lineages(policy, "lineages"),
        *_lineages(policy, "lineages-reworked"),
        ArmSettings(policy, "physics", remedy="inside-sampler"),
        ArmSettings(policy, "physics", remedy="inside-sampler-once"),
    )


def _lineages(policy: str, remedy: str) -> tuple[ArmSettings, ...]:
    """A form of `lineages`: without corrector, with physics, and with clean-up at half strength."""
    return (
        ArmSettings(policy, remedy=remedy),
        ArmSettings(policy, "physics", remedy=remedy),
        replace(_HALF_WAY, policy=policy, remedy=remedy),
    )


_REMEDIES = (BASELINE, *(ArmSettings("replace", remedy=name) for name in UNRATED))
_PAPER = (BASELINE, *(arm for policy in _RATIOS[:4] for arm in _loop(policy, "physics")))


@dataclass(frozen=True)
class PresetRow:
    """A preset."""

    summary: str
    settings: MotionSettings
    cost: str
    """Wall time with two processes on cores like those of an AMD EPYC, and disk."""
    keep: Keep = "all"
    """Models and samples that are kept."""

    @property
    def denoisers(self) -> str:
        return ", ".join(comparison.denoiser for comparison in self.settings.comparisons)

    @property
    def arms(self) -> int:
        """Number of arms of all denoisers."""
        return sum(len(comparison.arms) for comparison in self.settings.comparisons)

    def value(self, name: str) -> str:
        """A setting in words, by the name of its option."""
        if name in ("steps", "initial_steps"):
            steps = getattr(self.settings, name)
            return ", ".join(
                f"{steps[comparison.denoiser]} for {comparison.denoiser}" for comparison in self.settings.comparisons
            )
        return "that of each arm" if name == "gamma" else str(getattr(self.settings, name))

    @property
    def words(self) -> str:
        """All of it in one line."""
        settings = self.settings
        return (
            f"{self.summary} ({self.denoisers}; {self.arms} arms, generations {settings.generations}, "
            f"seeds {settings.seeds}, n = {settings.real_count}; {self.cost})"
        )


def _for(denoisers: tuple[str, ...], *arms: tuple[ArmSettings, ...]) -> tuple[DenoiserArms, ...]:
    """Denoisers with the arms of each, or of all."""
    return tuple(map(DenoiserArms, denoisers, arms if len(arms) > 1 else arms * len(denoisers)))


_MIXER, _SMOOTH, _BOTH = ("patch-mixer",), ("dct-mlp",), ("patch-mixer", "dct-mlp")


def _recipe_row(summary: str, arms: tuple[ArmSettings, ...], *, cost: str) -> PresetRow:
    """A stage of docs/results/recipe.md, whose seeds no earlier table uses."""
    settings = MotionSettings(
        _for(("dct-mixer",), arms),
        generations=5,
        seeds=8,
        real_count=256,
        judged_count=256,
        feasibility_count=64,
        engine="mujoco",
        first_seed=20,
        initial_steps={"dct-mixer": 1000},
        steps={"dct-mixer": 50},
    )
    return PresetRow(summary, settings, cost, keep="sampling")


_FEW_STEPS = {"patch-mixer": 400, "dct-mlp": 700}
PRESET_ROWS = {
    "short": PresetRow(
        summary="the comparison in minutes on two cores",
        settings=MotionSettings(
            _for(("dct-mixer",), _SHORT),
            generations=3,
            seeds=2,
            real_count=256,
            judged_count=128,
            feasibility_count=32,
            engine="mujoco",
            initial_steps={"dct-mixer": 1200},
            steps={"dct-mixer": 30},
        ),
        cost="4 minutes, 0.1 GB",
        keep="sampling",
    ),
    "bad-cases": PresetRow(
        summary="a rough and a smooth generator that are far from real motion",
        settings=MotionSettings(
            _for(_BOTH, _DEMO_MIXER, _SHORT_SMOOTH), 4, 3, real_count=64, judged_count=128, initial_steps=_FEW_STEPS
        ),
        cost="5 minutes, 0.3 GB",
        keep="sampling",
    ),
    "demo": PresetRow(
        summary="the same, longer, with twice the data",
        settings=MotionSettings(_for(_BOTH, _DEMO_MIXER, _DEMO_SMOOTH), 7, 3),
        cost="12 minutes, 1.5 GB",
    ),
    "quick": PresetRow(
        summary="a smoke test, which proves nothing",
        settings=MotionSettings(
            _for(_MIXER, (BASELINE, *_loop("replace", "physics"))), 4, 1, real_count=64, judged_count=128
        ),
        cost="1 minute, 0.1 GB",
    ),
    "full": PresetRow(
        summary="every arm and control",
        settings=MotionSettings(_for((*_BOTH, "temporal-conv"), _FULL), 12, 5),
        cost="6 hours, 36.6 GB",
    ),
    "ratios": PresetRow(
        summary="synthetic ratios, λ = 0.25 to fully synthetic",
        settings=MotionSettings(_for(_BOTH, _SWEEP), 20, 5),
        cost="6 hours, 48.6 GB",
    ),
    "dilution": PresetRow(
        summary="synthetic ratios by strengths of correction",
        settings=MotionSettings(
            _for(_BOTH, _DILUTION), 10, 8, real_count=64, judged_count=128, engine="mujoco", first_seed=5
        ),
        cost="4 hours, 4.3 GB",
        keep="sampling",
    ),
    "modes": PresetRow(
        summary="what preserves diversity in a fully synthetic loop, with controls",
        settings=MotionSettings(_for(_SMOOTH, _MODES), 20, 5),
        cost="52 minutes, 5.9 GB",
    ),
    "renewal": PresetRow(
        summary="a quarter of the training set is renewed in each generation",
        settings=MotionSettings(_for(_SMOOTH, (BASELINE, *_RENEWED)), 20, 5),
        cost="16 minutes, 1.5 GB",
    ),
    "remedies": PresetRow(
        summary="published remedies, side by side",
        settings=MotionSettings(_for(_SMOOTH, _REMEDIES), 12, 3),
        cost="21 minutes, 3.6 GB",
    ),
    "recipe": _recipe_row(
        "what keeps realism and diversity at λ = 1",
        _recipe("augment:1", "augment_once:1"),
        cost="70 minutes, 0.4 GB",
    ),
    "recipe-synthetic": _recipe_row(
        "the same, fully synthetic",
        _recipe("replace", "freeze"),
        cost="70 minutes, 0.4 GB",
    ),
    "recipe-4": _recipe_row(
        "the same at λ = 4",
        _recipe("augment:4", "augment_once:4"),
        cost="2 hours, 0.4 GB",
    ),
    "recipe-forms": _recipe_row(
        "forms of lineages and physics inside the sampler at λ = 1",
        _recipe_forms("augment:1"),
        cost="2 hours, 0.4 GB",
    ),
    "text": PresetRow(
        summary="captions are kept, their motions replaced: retrieval by caption",
        settings=MotionSettings(_for(_SMOOTH, _TEXT), 5, 3, real_count=256, judged_count=192, captions=True),
        cost="16 minutes, 2.0 GB",
    ),
    "strictness": PresetRow(
        summary="correctors that reject what falls without root force",
        settings=MotionSettings(
            _for(_BOTH, _STRICT),
            3,
            3,
            real_count=24,
            judged_count=96,
            frames=32,
            engine="mujoco",
            initial_steps=_FEW_STEPS,
        ),
        cost="17 minutes, 2.2 GB",
    ),
    "paper": PresetRow(
        summary="the settings of Gillman et al. 2024",
        settings=MotionSettings(_for(("paper",), _PAPER), 50, 3, real_count=2794),
        cost="needs a GPU, 57.1 GB",
    ),
}
PRESETS = {name: row.settings for name, row in PRESET_ROWS.items()}
"""The settings of each, by name."""
