"""Comparisons have the right arms and labels."""

import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.studies.arm_words import describe_arm, describe_treatment, list_axes
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.loop_arms import make_loop_arm, read_loop_arm
from selfcorrect.experiments.studies.motion.axes import Axes, budget, parse_ratio
from selfcorrect.experiments.studies.motion.correctors.table import corrector_row, is_own
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.settings import (
    METHODS,
    SAMPLER_KEY,
    MotionSettings,
    SimulationName,
    extends,
    keep_methods,
    set_sampling,
    settings_from_config,
)
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.policy import Augment
from selfcorrect.loop.remedies.table import PLACES
from selfcorrect.loop.run import Arm
from selfcorrect.loop.store.run_folder import claim_folder
from selfcorrect.simulators.presets import SIMULATIONS

QUICK = (BASELINE, ArmSettings("replace"), ArmSettings("replace", "physics"))
RATIOS = PRESETS["ratios"].arms["patch-mixer"]


def test_corrector_replaces_presets():
    arms = Axes(corrector=("my.module:fix",)).refine_arms(RATIOS)
    assert {arm.policy for arm in arms} == {arm.policy for arm in RATIOS}
    assert {arm.corrector for arm in arms} == {"none", "my.module:fix"}
    assert all(ArmSettings(policy, "my.module:fix") in arms for policy in {arm.policy for arm in RATIOS} - {"real"})


def test_policies_and_ratios_are_crossed():
    arms = Axes(("replace", "augment"), ("0.5", "1"), ("physics", "my.module:fix")).refine_arms(QUICK)
    assert arms == (
        BASELINE,
        *(
            ArmSettings(policy, corrector)
            for policy in ("replace", "augment:0.5", "augment:1")
            for corrector in ("none", "physics", "my.module:fix")
        ),
    )


def test_named_arms_replace_presets():
    preset_arms = PRESETS["split"].arms["small-dct-mlp"]
    arms = Axes(arms=("replace", "replace,physics", "augment:0.5,low-pass,steps=250")).refine_arms(preset_arms)
    filtered = ArmSettings("augment:0.5", "low-pass", steps=250)
    assert arms == (BASELINE, ArmSettings("replace"), ArmSettings("replace", "physics"), filtered)
    assert filtered.key == "augment-0.5+low-pass+steps-250"
    assert make_loop_arm(filtered, 3, 40).steps == 250


def test_text_names_every_setting():
    text = "replace,physics,matched,strength=inf,correct_real=true,eta=1,sampler=ddim"
    expected = ArmSettings("replace", "physics", correct_real=True, remedy="matched", eta=1.0, sampler="ddim")
    assert ArmSettings.from_text(text) == expected
    assert ArmSettings.from_text("policy=replace, corrector=physics") == ArmSettings("replace", "physics")


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"arms": ("replace,steps=many",)}, "steps: expected whole number"),
        ({"arms": ("replace,polcy=real",)}, "unknown entry 'polcy'"),
        ({"arms": ("replace,policy=real",)}, "each once"),
        ({"arms": ("replace,physics,matched,fast",)}, "got 'fast'"),
        ({"arms": ("replace,name=mine",)}, "leave out name=mine"),
        ({"arms": ("replace",), "corrector": ("physics",)}, "leave --corrector out"),
        ({"arms": ("replace",), "sampling_steps": (5,)}, "leave --sampling-steps out"),
    ],
)
def test_wrong_arms_raise(axes: dict, message: str):
    with pytest.raises(SettingError, match=message):
        Axes(**axes).refine_arms(QUICK)


def test_baseline_is_one_arm():
    arms = PRESETS["split"].arms["small-dct-mlp"]
    refined = Axes(policy=("real",), corrector=("physics", "low-pass")).refine_arms(arms)
    assert {arm.corrector for arm in refined} == {arm.remedy for arm in refined if arm.remedy != "copying"} == {"none"}
    with_loop = Axes(policy=("real", "replace"), corrector=("physics", "low-pass")).refine_arms(QUICK)
    assert with_loop == (BASELINE, *(ArmSettings("replace", name) for name in ("none", "physics", "low-pass")))
    preferred = Axes(policy=("real",), corrector=("physics",), physics_in=("preference",)).refine_arms(QUICK)
    assert preferred == (BASELINE, ArmSettings("real", "physics", place="preference"))


def test_no_correction_leaves_uncorrected_arms():
    assert Axes(corrector=("none",)).refine_arms(QUICK) == QUICK[:2]


def test_plain_preset_gets_correctors():
    loops = [arm for arm in PRESETS["modes"].all_arms if arm.corrector == "none" and arm.policy != "freeze"]
    arms = Axes(corrector=("kinematic",)).refine_arms(loops)
    assert [arm for arm in arms if arm.corrector != "none"] == [ArmSettings("replace", "kinematic")]


def test_remedies_are_crossed_with_correctors():
    arms = Axes(corrector=("kinematic",), remedy=("lineages",)).refine_arms(QUICK)
    assert set(arms) == {
        BASELINE,
        *(
            ArmSettings("replace", corrector, remedy=remedy)
            for corrector in ("none", "kinematic")
            for remedy in REMEDIED
        ),
    }


REMEDIED = ("none", "lineages")


def test_ratio_in_percent_and_infinity():
    assert [*map(parse_ratio, ("0.25", "25%", "100%", "400%", "0%", "inf"))] == [0.25, 0.25, 1.0, 4.0, 0.0, math.inf]
    policies = {arm.policy for arm in Axes(synthetic_ratio=("0.25", "inf")).refine_arms(QUICK)}
    assert policies == {"real", "augment:0.25", "replace"}
    for wrong in ("much", "-20%", "inf%", "nan%", "x%"):
        with pytest.raises(SettingError, match=f"λ in percent such as 100% for λ = 1, got '{wrong}'"):
            parse_ratio(wrong)


def test_strengths_expand_corrected_arms():
    _, uncorrected, *corrected = Axes(gamma=(0.5, 2.0)).refine_arms(QUICK)
    assert math.isinf(uncorrected.strength)
    assert [arm.strength for arm in corrected] == [0.5, 2.0]


def test_stages_make_one_corrector():
    arm = ArmSettings("replace", "low-pass+physics")
    assert (arm.key, describe_treatment(arm)) == ("replace+low-pass-then-physics", "low-pass+physics")
    assert budget(arm) == "none: the cut-off that physics' jerk asks for; none: mechanics and body tables"
    assert not corrector_row("low-pass+physics").control
    assert corrector_row("low-pass+filter").control
    assert not is_own("low-pass+physics")
    assert Axes(corrector=("physics+low-pass",)).refine_arms(QUICK)[-1] == ArmSettings("replace", "physics+low-pass")


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    "axes",
    [
        {},
        {"policy": ("augment",), "synthetic_ratio": ("0.3", "3")},
        {"synthetic_ratio": ("2",)},
        {"corrector": ("a:b", "low-pass")},
        {"corrector": ("none",)},
        {"gamma": (2.0, math.inf)},
        {"remedy": ("matched",)},
        {"corrector": ("a:b",), "remedy": ("matched", "none"), "eta": (0.5,)},
    ],
    ids=lambda axes: "+".join(axes) or "nothing",
)
def test_refined_presets_keep_controls(name: str, axes: dict):
    for before in PRESETS[name].arms.values():
        arms = Axes(**axes).refine_arms(before)
        assert arms[0] == BASELINE
        assert len({arm.key for arm in arms}) == len(arms)
        assert not any(set(arm.key) & set('/\\:*?"<>| ') for arm in arms), "names of folders"
        assert all(arm.plain in arms for arm in arms)
        if not axes:
            assert set(arms) == set(before)
        if axes.keys() <= {"corrector", "remedy", "gamma", "eta"}:
            assert {arm.policy for arm in arms} == {arm.policy for arm in before}
        if axes.keys() <= {"policy", "synthetic_ratio", "gamma"}:
            assert {arm.corrector for arm in arms} == {arm.corrector for arm in before}


@pytest.mark.parametrize(
    ("policy", "ratio", "share"),
    [("real", 0, 0), ("augment:0.25", 0.25, 0.2), ("augment:1", 1, 0.5), ("accumulate:4", 4, 0.8),
     ("augment_once:1", 1, 0.5),
     ("replace", math.inf, 1), ("freeze", math.inf, 1),
     ("freeze:10", math.inf, 1), ("union:2", math.inf, 1), ("keep:0.5", math.nan, math.nan)],
)  # fmt: skip
def test_arms_know_their_ratio(policy: str, ratio: float, share: float):
    arm = ArmSettings(policy)
    assert (arm.synthetic_ratio, arm.synthetic_share) == pytest.approx((ratio, share), nan_ok=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axes(("replace",), ("0.5",)).refine_arms(QUICK), "a synthetic ratio needs the policy"),
        (lambda: Axes(("augment",), ("-1",)).refine_arms(QUICK), "must be a number from 0 to .*, got -1"),
        (lambda: Axes(("nonsense",)).refine_arms(QUICK), "unknown policy 'nonsense'"),
        (lambda: ArmSettings("replace", "physics", -0.1), "γ must be at least 0, got -0.1"),
    ],
)
def test_invalid_axes_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("corrector", "message"),
    [
        ("phisics", "unknown corrector 'phisics'"),
        ("low-pass+phisics", "unknown corrector 'phisics'.*did you mean 'physics'"),
        ("low-pass+", "unknown corrector ''"),
        ("low-pass+my.module:fix", "must be a built-in corrector, got 'my.module:fix'"),
        ("none+physics", "must be a built-in corrector, got 'none'"),
    ],
)
def test_unknown_names_raise(corrector: str, message: str):
    with pytest.raises(SettingError, match=message):
        MotionSettings({"dct-mlp": (ArmSettings("replace", corrector),)}, 1, 1)
    with pytest.raises(SettingError, match=r"unknown remedy 'lineage'.*did you mean 'lineages'"):
        MotionSettings({"dct-mlp": (ArmSettings("replace", remedy="lineage"),)}, 1, 1)


def test_defended_arms_say_so():
    arm = ArmSettings("replace", "physics", remedy="lineages")
    assert (arm.key, describe_treatment(arm)) == ("replace+physics+lineages", "lineages + physics")
    assert budget(arm) == "none: mechanics and body tables; the parent set"
    assert describe_arm(ArmSettings("real", remedy="extrapolated")) == "real data only, extrapolated"
    assert describe_arm(ArmSettings("freeze", remedy="matched")) == "fully synthetic, static training set + matched"
    assert describe_arm(ArmSettings("augment_once:1", remedy="matched")) == "λ = 1, static training set + matched"


def test_rejections_make_other_arms():
    kept = ArmSettings.from_text("replace,physics,rejected=keep")
    assert (kept.key, describe_treatment(kept)) == ("replace+physics+rejected-keep", "physics, rejected samples: keep")
    assert kept.plain == ArmSettings("replace")
    assert "rejected" not in ArmSettings("replace", "physics").config()


def test_samplings_have_baselines():
    usual = (BASELINE, ArmSettings("replace"), ArmSettings("replace", "physics"))
    guided = tuple(replace(arm, guidance=2.0) for arm in usual)
    assert Axes(guidance=(2.0,)).refine_arms(QUICK) == (*usual, *guided)
    assert guided[2].plain == guided[1]
    assert guided[1].plain == usual[1]
    assert guided[2].key == "replace+physics+guidance-2"


def test_ways_of_sampling_cross():
    usual = (BASELINE, ArmSettings("replace"), ArmSettings("replace", "physics"))
    fine = tuple(replace(arm, sampling_steps=100, eta=0.0) for arm in usual)
    assert Axes(sampling_steps=(100,), eta=(0.0,)).refine_arms(QUICK) == (*usual, *fine)
    arms = Axes(sampler=("ddim", "multistep"), eta=(0.0, 1.0)).refine_arms(QUICK)
    assert len(arms) == 5 * len(usual)
    ancestral = ArmSettings("replace", sampler="ddim", eta=1.0)
    assert ancestral in arms
    assert (ancestral.key, describe_treatment(ancestral)) == (
        "replace+none+sampler-ddim+eta-1",
        "uncorrected, sampler ddim, eta 1",
    )
    config = set_sampling(DiffusionConfig(), ancestral)
    assert (config.sampler, config.eta) == ("ddim", 1.0)
    assert list_axes(ancestral)["sampling.sampler"] == "ddim"
    with pytest.raises(ValueError, match=r"sampler.*'heun'"):
        MotionSettings({"dct-mlp": (ArmSettings("replace", sampler="heun"),)}, 1, 1)


def test_ancestral_arms_stay_controls():
    old = ArmSettings("replace", sampler="ddim", eta=1.0, sampling_steps=20)
    arms = Axes(sampling_steps=(100,), eta=(0.0,)).refine_arms((*QUICK, old))
    assert old in arms
    assert ArmSettings("replace", sampling_steps=100, eta=0.0) in arms


def test_other_sampler_is_not_extended():
    config = PRESETS["quick"].config()
    earlier = {name: value for name, value in config.items() if name != SAMPLER_KEY}
    assert extends(config, config)
    assert not extends(earlier, config)
    assert extends(earlier, earlier)
    assert settings_from_config(earlier) == settings_from_config(config) == PRESETS["quick"]
    finer = ArmSettings("replace", eta=0.0, sampling_steps=50)
    assert (finer.key, describe_treatment(finer)) == (
        "replace+none+eta-0+sampling-steps-50",
        "uncorrected, eta 0, sampling steps 50",
    )
    with pytest.raises(ValueError, match=r"guidance.*0.*100,.*-1"):
        ArmSettings("replace", guidance=-1.0)
    with pytest.raises(ValueError, match=r"sampling_steps.*diffusion_steps,.*101"):
        MotionSettings({"dct-mlp": (ArmSettings("replace", sampling_steps=101),)}, 1, 1)


def test_earlier_runs_keep_their_methods(tmp_path: Path) -> None:
    today = PRESETS["quick"]
    earlier = replace(today, simulation="fine", training="plain")
    assert not earlier.config().keys() & set(METHODS)
    assert settings_from_config(earlier.config()) == earlier
    assert settings_from_config(today.config()) == today != earlier
    assert not extends(earlier.config(), today.config())
    assert not extends(today.config(), earlier.config())
    assert keep_methods(today, tmp_path) == today
    claim_folder(tmp_path, earlier.config()).release()
    assert keep_methods(today, tmp_path) == earlier


def test_other_engine_is_not_extended() -> None:
    quick = PRESETS["quick"]
    assert not extends(quick.config(), replace(quick, engine="mujoco").config())


def test_loop_simulations_are_presets() -> None:
    assert set(get_args(SimulationName)) == SIMULATIONS.keys()
    with pytest.raises(SettingError, match=r"simulation.*fast, fine"):
        replace(PRESETS["quick"], simulation="coarse")


@pytest.mark.parametrize("text", ["real", "replace", "augment:1", "augment:0.25", "accumulate", "keep:0.5"])
@pytest.mark.parametrize("changed", [{}, {"correct_real": True}, {"from_scratch": True}])
def test_settings_round_trip_as_arm(text: str, changed: dict):
    given = ArmSettings(text, strength=2.0, operator="interpolation", **changed)
    arm = make_loop_arm(given, 3, 7, Correction(lambda samples: samples, 2.0, "interpolation", name="moved"))
    made = read_loop_arm(arm)
    assert replace(made, steps=None).key == str(arm)
    assert made == replace(given, corrector="moved", steps=7)
    assert read_loop_arm(arm, "My arm!").key == "My arm!"


def test_ratio_keeps_all_digits():
    assert read_loop_arm(Arm(Augment(1 / 3), 1)).synthetic_ratio == 1 / 3


def test_places_are_separate_arms():
    arms = Axes(("real", "augment:1"), corrector=("kinematic",), physics_in=tuple(PLACES.names)).refine_arms(QUICK)
    corrected = [arm for arm in arms if arm.corrector != "none"]
    for policy, places in {"real": PLACES.names[1:], "augment:1": PLACES.names}.items():
        assert [arm.place for arm in corrected if arm.policy == policy] == list(places)
        assert {arm.plain for arm in corrected if arm.policy == policy} == {ArmSettings(policy)}
    assert len({arm.key for arm in arms}) == len({describe_arm(arm) for arm in arms}) == len(arms)
    assert not any(arm.is_baseline for arm in corrected)
    for arm in arms:  # runs that were recorded before have no place
        assert ("place" in arm.config()) == (arm.place != "data")
        assert ArmSettings(**arm.config()) == arm
    with pytest.raises(SettingError, match="preference needs a corrector"):
        MotionSettings({"dct-mlp": (ArmSettings("replace", place="preference"),)}, 1, 1)
    with pytest.raises(SettingError, match="nowhere"):
        MotionSettings({"dct-mlp": (ArmSettings("replace", "physics", place="nowhere"),)}, 1, 1)


def test_real_pairs_can_have_remedy():
    places = ("data", "preference")
    axes = Axes(("real", "augment:1"), corrector=("physics",), remedy=("lineages",), physics_in=places)
    arms = axes.refine_arms(QUICK)
    remedied = [(arm.policy, arm.place) for arm in arms if arm.remedy == "lineages" and arm.corrector == "physics"]
    assert remedied == [("real", "preference"), ("augment:1", "data"), ("augment:1", "preference")]


def test_plugin_generator_is_loaded():
    settings = replace(PRESETS["paper-2794"], generator=("mdm",))
    with pytest.raises(SettingError, match=r"pip install \./examples/plugins/mdm_generator"):
        settings.check_generator()
