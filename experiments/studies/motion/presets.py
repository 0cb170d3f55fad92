"""Presets of the motion experiment: a purpose and settings each."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.models.diffusion.presets import preset, preset_names

from ..arms import BASELINE, STATIC, ArmSettings
from .settings import KeptModels, MotionSettings, find_engine

ANCESTRAL_STEPS = 20
"""Fewest ancestral steps of the control arms: the sampler of this package's earlier figures."""


def _loop(policy: str, *correctors: str, remedies: Iterable[str] = ()) -> tuple[ArmSettings, ...]:
    """Return the arms of a policy: without corrector, with each corrector, and with each remedy."""
    corrected = [ArmSettings(policy, corrector) for corrector in ("none", *correctors)]
    return (*corrected, *(ArmSettings(policy, remedy=remedy) for remedy in remedies))


def _loops(policies: Iterable[str], *correctors: str) -> tuple[ArmSettings, ...]:
    """Return the arms of several policies, policy after policy."""
    return tuple(arm for policy in policies for arm in _loop(policy, *correctors))


def _half_strength(policy: str, corrector: str = "kinematic", remedy: str = "lineages") -> ArmSettings:
    """Return an arm with a remedy whose samples go half the way to the correction."""
    return ArmSettings(policy, corrector, 1.0, operator="interpolation", remedy=remedy)


def select_controls(
    policy: str = "replace", steps: int = ANCESTRAL_STEPS
) -> dict[str, tuple[ArmSettings, ArmSettings]]:
    """Return the arms that split a loop's loss, as kind → (arm, baseline).

    "default" is the loop itself, "ancestral" draws samples in ancestral DDIM steps, and "copying" draws training
    samples in place of a model.
    """
    changes = {
        "default": {},
        "ancestral": {"sampler": "ddim", "eta": 1.0, "sampling_steps": steps},
        "copying": {"remedy": "copying"},
    }
    loop = ArmSettings(policy)
    return {kind: (replace(loop, **change), replace(BASELINE, **change)) for kind, change in changes.items()}


def count_ancestral_steps(denoiser: str) -> int:
    """Return a network's ancestral control steps; own generators have none of these arms."""
    if denoiser not in preset_names():
        return ANCESTRAL_STEPS
    return max(ANCESTRAL_STEPS, preset(denoiser).config.sampling_steps)


def _add_controls(denoiser: str, arms: tuple[ArmSettings, ...]) -> tuple[ArmSettings, ...]:
    """Add sampling controls of the uncorrected loop with the largest synthetic share and of the baseline."""
    loops = [arm for arm in arms if arm == ArmSettings(arm.policy) and arm.kind not in STATIC]
    loop = max(loops, key=lambda arm: arm.synthetic_share)
    controls = select_controls(loop.policy, count_ancestral_steps(denoiser))
    ancestral, copying = controls["ancestral"], controls["copying"]
    return (*arms, ancestral[1], copying[1], ancestral[0], copying[0])


def drop_controls(settings: MotionSettings) -> MotionSettings:
    """Drop control arms, which are sampled otherwise or have no model."""
    arms = {}
    for denoiser, own_arms in settings.arms.items():
        arms[denoiser] = tuple(arm for arm in own_arms if not arm.sampling and arm.remedy != "copying")
    return replace(settings, arms=arms)


_SHORT = (BASELINE, *_loop("replace", "low-pass", "kinematic", "physics"))
_SPLIT = (BASELINE, *_loop("replace", "physics", remedies=["lineages"]))
_DEMO_MIXER = (BASELINE, *_loop("augment:1", "physics"), *_loop("replace", "physics"))
_DEMO_SMOOTH = (
    BASELINE,
    *_loop("replace", "physics", remedies=["lineages"]),
    _half_strength("replace"),
    ArmSettings("freeze"),
)

_RATIOS = ("augment:0.25", "augment:0.5", "augment:0.75", "augment:1", "augment:2", "augment:4")
_RATIOS_QUICK = (BASELINE, *_loops(("augment:0.25", "augment:0.5", "augment:1", "augment:4", "replace"), "physics"))
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
_SWEEP = (
    BASELINE,
    *(
        arm
        for policy in (*_RATIOS, "replace")
        for arm in (*_loop(policy, "kinematic", "low-pass", "physics"), _half_strength(policy))
    ),
)
_TWO_STAGES = ("low-pass+physics", "physics+low-pass")

_FULL = (
    BASELINE,
    *_loops(("augment:1", "replace"), "physics", *_CONTROLS, *_TWO_STAGES),
    ArmSettings("augment:1", "physics", correct_real=True),
    ArmSettings("augment:1", "physics", strength=1.0),
    ArmSettings("replace", "physics", strength=1.0),
    *_loop("accumulate:1", "physics"),
    ArmSettings("replace", sampling_steps=40),
    ArmSettings("replace", remedy="more-steps"),
)
_MODES = (
    BASELINE,
    ArmSettings("real", remedy="extrapolated"),
    *_loop("replace", "kinematic", "physics", remedies=["matched", "extrapolated", "lineages", "more-steps"]),
    _half_strength("replace"),
    _half_strength("replace", "physics"),
    *_loop("freeze", remedies=["matched", "lineages"]),
)
_RENEWED = (
    BASELINE,
    *_loop("renew:0.25", remedies=["lineages"]),
    _half_strength("renew:0.25"),
    _half_strength("renew:0.25", "physics"),
)


def _recipe(policy: str, static: str) -> tuple[ArmSettings, ...]:
    """Return a recipe's arms: a loop with correctors, with matching and with both.

    Arms of `static` keep the first synthetic set.
    """
    return (
        BASELINE,
        *_loop(policy, "physics", "low-pass", remedies=["matched"]),
        ArmSettings(policy, "physics", remedy="matched"),
        ArmSettings(static, remedy="matched"),
        ArmSettings(policy, "kinematic"),
        ArmSettings(static),
    )


def _lineages(policy: str, remedy: str) -> tuple[ArmSettings, ...]:
    """Return arms with a form of `lineages`: without corrector, with physics, and with clean-up at half strength."""
    return (
        ArmSettings(policy, remedy=remedy),
        ArmSettings(policy, "physics", remedy=remedy),
        _half_strength(policy, remedy=remedy),
    )


_RECIPE_FORMS = (
    BASELINE,
    *_loop("augment:1", "physics"),
    *_lineages("augment:1", "lineages"),
    *_lineages("augment:1", "lineages-reworked"),
)
_PLACES = (
    BASELINE,
    *_loop("augment:1", "physics"),
    ArmSettings("augment:1", "physics", place="preference"),
    ArmSettings("real", "physics", place="preference"),
    ArmSettings("real", "kinematic", place="preference"),
    ArmSettings("real", "physics", place="shuffled-preference"),
)
_DAMAGED = (
    BASELINE,
    replace(BASELINE, remedy="copying"),
    ArmSettings("replace"),
    *(
        ArmSettings("replace", "+".join(filter(None, (damage, corrector))) or "none", remedy="copying")
        for damage in ("", "sunk", "sliding", "jittery", "uneven")
        for corrector in ("", "floor", "low-pass", "kinematic", "physics")
    ),
)
_DAMAGED_LEARNED = (
    BASELINE,
    *_loop(
        "replace",
        *("floor", "physics", "sunk", "sunk+floor", "sunk+physics", "sliding", "sliding+physics"),
        *("uneven", "uneven+floor", "uneven+physics"),
    ),
)
_REPETITION = (BASELINE, *_loops(("replace", "augment:1"), "re-encoded", "low-pass", "ground+kinematic", "physics"))
_TRANSFORMER = (BASELINE, *_loops(("replace", "augment:1"), "re-encoded", "ground+kinematic", "physics", "projection"))
PROTOCOL_STEPS = {
    64: {"scripts": (5_000, 1_000), "text": (78, 16)},
    128: {"scripts": (10_000, 1_000), "text": (156, 16)},
    256: {"scripts": (20_000, 1_000), "text": (312, 16)},
    2794: {"scripts": (200_000, 40_000), "text": (3_125, 625)},
}
"""Real samples → protocol → optimiser steps of generation 0 and of each later generation of Gillman et al. 2024: those
of the published scripts, or the numbers of batches in the text, which are 64 times smaller."""
_PAPER_CONTROLS = ("re-encoded", "floor", "low-pass", "kinematic", "physics")
_PAPER_RATIOS = dict.fromkeys((64, 128, 256), _RATIOS[:4]) | {
    2794: tuple(f"augment:{ratio:g}" for ratio in (0.05, 0.1, 0.15, 0.2, 0.25))
}
"""Real samples → published synthetic ratios."""


@dataclass(frozen=True)
class PresetRow:
    """A preset."""

    summary: str
    settings: MotionSettings
    cost: str
    """Wall time with two processes on cores like an AMD EPYC's, and disk."""
    keep: KeptModels = "samples"
    """Models and samples that are kept."""
    closing: str = ""
    """Last sentences of the answer, such as commands that show more."""
    has_controls: bool = True
    """True if each network gets the controls that split the loss of a loop."""

    def __post_init__(self) -> None:
        if self.has_controls:
            arms = {denoiser: _add_controls(denoiser, arms) for denoiser, arms in self.settings.arms.items()}
            object.__setattr__(self, "settings", replace(self.settings, arms=arms))

    @property
    def words(self) -> str:
        """Summary, settings and cost in a line."""
        settings = self.settings
        return (
            f"{self.summary} ({', '.join(settings.arms)}; {len(settings.all_arms)} arms, generations "
            f"{settings.generations}, seeds {settings.seeds}, n = {settings.real_count}; {self.cost})"
        )


def _small_loop(arms: tuple[ArmSettings, ...], generations: int) -> MotionSettings:
    """Return settings of a loop that takes minutes."""
    return MotionSettings(
        {"small-dct-mlp": arms}, generations, seeds=5, real_count=128, evaluated_count=128, feasibility_count=16
    )


def _damaged_loop(arms: tuple[ArmSettings, ...], steps: int) -> MotionSettings:
    """Return settings of a small loop whose samples are damaged on purpose."""
    return MotionSettings(
        {"small-dct-mlp": arms},
        generations=3,
        seeds=3,
        real_count=64,
        evaluated_count=128,
        feasibility_count=1,
        steps={"small-dct-mlp": steps},
    )


def _recipe_row(summary: str, arms: tuple[ArmSettings, ...], *, cost: str) -> PresetRow:
    """Return the preset of a stage of docs/results/recipe/registration.txt, with seeds that no earlier table uses."""
    settings = MotionSettings(
        {"dct-mixer": arms},
        generations=5,
        seeds=8,
        real_count=256,
        evaluated_count=256,
        feasibility_count=64,
        engine="mujoco",
        first_seed=20,
        initial_steps={"dct-mixer": 1000},
        steps={"dct-mixer": 50},
    )
    return PresetRow(summary, settings, cost, keep="sampling")


def _apply_protocol(settings: MotionSettings, real_count: int, protocol: str) -> MotionSettings:
    """Return settings with a protocol's optimiser steps, the same for all denoisers."""
    initial_steps, steps = PROTOCOL_STEPS[real_count][protocol]
    denoisers = preset_names()
    return replace(
        settings, initial_steps=dict.fromkeys(denoisers, initial_steps), steps=dict.fromkeys(denoisers, steps)
    )


def _paper_row(real_count: int) -> PresetRow:
    """Return the preset of the published experiment with n real samples, by the published scripts."""
    settings = MotionSettings(
        {"paper": (BASELINE, *_loops(_PAPER_RATIOS[real_count], *_PAPER_CONTROLS))},
        generations=50,
        seeds=3,
        real_count=real_count,
        evaluated_count=546,
        frames=40,
        fps=20.0,
        representation="humanml3d",
        labels="window",
    )
    settings = _apply_protocol(settings, real_count, "scripts")
    return PresetRow(f"Gillman et al. 2024 with n = {real_count}", settings, "needs a GPU", has_controls=False)


PRESET_ROWS = {
    "short": PresetRow(
        summary=(
            "does physics keep a loop stable? ten generations without correction, with a filter, with clean-up and "
            "with physics"
        ),
        settings=_small_loop(_SHORT, generations=10),
        cost="8 minutes, 0.2 GB",
        keep="sampling",
        closing=(
            "This loop is fully synthetic. `selfcorrect motion --preset ratios-quick` compares ratios from λ = 0.25 "
            "on, and `--preset split` takes the loss of diversity apart."
        ),
        has_controls=False,
    ),
    "repetition": PresetRow(
        summary="a registered repetition of the main result, see docs/results/repetition-plan.txt",
        settings=replace(_small_loop(_REPETITION, generations=10), seeds=16, first_seed=205),
        cost="about 35 minutes, 1 GB",
        keep="sampling",
        has_controls=False,
    ),
    "split": PresetRow(
        summary="what a loop loses by its sampler, by copying and by its model, and what a remedy changes",
        settings=_small_loop(_SPLIT, generations=3),
        cost="3 minutes, 0.1 GB",
        keep="sampling",
    ),
    "transformer": PresetRow(
        summary="a registered loop of a transformer, see docs/results/transformer-plan.txt",
        settings=replace(
            _small_loop((), generations=10), arms={"dct-transformer": _TRANSFORMER}, seeds=5, first_seed=200
        ),
        cost="25 minutes, 0.5 GB",
        keep="sampling",
        has_controls=False,
    ),
    "ratios-quick": PresetRow(
        summary="synthetic ratios in minutes, λ = 0.25 to fully synthetic",
        settings=_small_loop(_RATIOS_QUICK, generations=4),
        cost="10 minutes, 0.1 GB",
        keep="sampling",
    ),
    "demo": PresetRow(
        summary="a rough and a smooth generator that are far from real motion",
        settings=MotionSettings({"patch-mixer": _DEMO_MIXER, "dct-mlp": _DEMO_SMOOTH}, generations=7, seeds=3),
        cost="12 minutes, 1.5 GB",
    ),
    "quick": PresetRow(
        summary="a smoke test, which proves nothing",
        settings=MotionSettings(
            {"patch-mixer": (BASELINE, *_loop("replace", "physics", remedies=["copying"]))},
            generations=4,
            seeds=1,
            real_count=64,
            evaluated_count=128,
        ),
        cost="1 minute, 0.1 GB",
        has_controls=False,
    ),
    "full": PresetRow(
        summary="every arm and control",
        settings=MotionSettings(
            dict.fromkeys(("patch-mixer", "dct-mlp", "temporal-conv"), _FULL), generations=12, seeds=5
        ),
        cost="6 hours, 36.6 GB",
    ),
    "ratios": PresetRow(
        summary="synthetic ratios, λ = 0.25 to fully synthetic",
        settings=MotionSettings({"patch-mixer": _SWEEP, "dct-mlp": _SWEEP}, generations=20, seeds=5),
        cost="6 hours, 48.6 GB",
    ),
    "modes": PresetRow(
        summary="what preserves diversity in a fully synthetic loop, with controls",
        settings=MotionSettings({"dct-mlp": _MODES}, generations=20, seeds=5),
        cost="52 minutes, 5.9 GB",
    ),
    "renewal": PresetRow(
        summary="a quarter of the training set is renewed in each generation",
        settings=MotionSettings({"dct-mlp": _RENEWED}, generations=20, seeds=5),
        cost="16 minutes, 1.5 GB",
    ),
    "recipe": _recipe_row(
        "what keeps realism and diversity at λ = 1", _recipe("augment:1", "augment_once:1"), cost="80 minutes, 0.5 GB"
    ),
    "recipe-synthetic": _recipe_row(
        "the same, fully synthetic", _recipe("replace", "freeze"), cost="80 minutes, 0.5 GB"
    ),
    "recipe-4": _recipe_row("the same at λ = 4", _recipe("augment:4", "augment_once:4"), cost="2 hours, 0.5 GB"),
    "recipe-forms": _recipe_row("forms of lineages at λ = 1", _RECIPE_FORMS, cost="2 hours, 0.5 GB"),
    "places": PresetRow(
        summary="physics as training data and as a preference",
        settings=MotionSettings({"dct-mlp": _PLACES}, generations=3, seeds=5),
        cost="24 minutes, 0.1 GB",
        keep="sampling",
    ),
    "damage": PresetRow(
        summary="a control: copies are damaged in each generation, and correctors undo the damage or do not",
        settings=_damaged_loop(_DAMAGED, steps=40),
        cost="about 10 minutes, not timed alone, 0.1 GB",
        keep="sampling",
        has_controls=False,
    ),
    "damage-learned": PresetRow(
        summary="the same with a model that learns the damage",
        settings=_damaged_loop(_DAMAGED_LEARNED, steps=250),
        cost="about 15 minutes, not timed alone, 0.1 GB",
        keep="sampling",
        has_controls=False,
    ),
    **{f"paper-{count}": _paper_row(count) for count in PROTOCOL_STEPS},
}
PRESETS = {name: row.settings for name, row in PRESET_ROWS.items()}
"""Settings of the presets by name."""


def follow_protocol(name: str, settings: MotionSettings, protocol: str) -> MotionSettings:
    """Return settings with a protocol's optimiser steps; SettingError if the preset has no such protocol."""
    for count in PROTOCOL_STEPS:
        if name == f"paper-{count}":
            return _apply_protocol(settings, count, protocol)
    names = ", ".join(f"paper-{count}" for count in PROTOCOL_STEPS)
    raise SettingError(f"--protocol is for the presets {names}, got the preset {name}; leave it out")


def select_settings(name: str) -> MotionSettings:
    """Return a preset's settings with an engine that is installed."""
    settings = PRESETS[name]
    return replace(settings, engine=find_engine(settings.engine))
