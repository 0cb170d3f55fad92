"""Which arms a comparison has, and what they are called."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from selfcorrect.experiments.motion.arms import BASELINE, Arm, comparison_arms
from selfcorrect.experiments.motion.presets import PRESETS, Comparison


def test_a_comparison_has_the_baseline_and_each_policy_with_and_without_correction():
    arms = comparison_arms(("replace", "augment"), (0.5, 1.0), ("physics", "my.module:fix"), None)
    assert arms[0] == BASELINE
    assert [(arm.policy, arm.corrector) for arm in arms[1:]] == [
        (policy, corrector)
        for policy in ("replace", "augment:0.5", "augment:1")
        for corrector in ("none", "physics", "my.module:fix")
    ]


def test_defences_are_crossed_with_correctors():
    arms = comparison_arms(("replace",), (), ("kinematic",), None, ("lineages",))
    assert [(arm.defence, arm.corrector) for arm in arms[1:]] == [
        (defence, corrector) for defence in ("none", "lineages") for corrector in ("none", "kinematic")
    ]
    assert {arm.corrector for arm in comparison_arms((), (), (), None, ("matched",))} == {"none"}


def test_a_ratio_alone_means_augmenting():
    assert [arm.policy for arm in comparison_arms((), (0.25,), (), 2.0)] == ["real", "augment:0.25", "augment:0.25"]


def test_strength_belongs_to_corrected_arms_only():
    _, uncorrected, corrected = comparison_arms(("replace",), (), ("physics",), 0.5)
    assert math.isinf(uncorrected.strength)
    assert corrected.strength == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: comparison_arms(("replace",), (0.5,), (), None), "a synthetic ratio needs the policy"),
        (lambda: comparison_arms(("augment",), (-1.0,), (), None), "at least 0, got -1"),
        (lambda: comparison_arms(("nonsense",), (), (), None), "unknown policy 'nonsense'"),
        (lambda: Arm("replace", "phisics"), "unknown corrector 'phisics'"),
        (lambda: Arm("replace", defence="lineage"), "unknown defence 'lineage'.*did you mean 'lineages'"),
        (lambda: Arm("replace", "physics", -0.1), "γ must be at least 0, got -0.1"),
    ],
)
def test_what_means_nothing_is_refused_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_names_tell_all_arms_of_all_presets_apart_and_are_folder_names():
    for preset in PRESETS.values():
        for comparison in preset.comparisons:
            names = [arm.name for arm in comparison.arms]
            assert len(set(names)) == len(names)
            assert not any(set(name) & set('/\\:*?"<>| ') for name in names)


def test_every_preset_has_a_baseline_and_pairs_changed_arms_with_plain_ones():
    for preset in PRESETS.values():
        for comparison in preset.comparisons:
            assert BASELINE in comparison.arms
            changed = [arm for arm in comparison.arms if arm != Arm(arm.policy)]
            assert changed
            assert all(Arm(arm.policy) in comparison.arms for arm in changed)


def test_defended_arms_say_so():
    arm = Arm("replace", "physics", defence="lineages")
    assert (arm.name, arm.title) == ("replace+physics+lineages", "lineages + physics")
    assert arm.budget == "none: mechanics and body tables; the parent set"
    assert Arm("real", defence="extrapolated").label == "real data only, extrapolated"
    assert Arm("freeze", defence="matched").label == "fully synthetic, frozen + matched"


def test_ways_of_sampling_are_an_axis_with_a_baseline_each():
    arms = comparison_arms(
        ("replace",), (), ("physics",), None, sampling={"guidance": (2.0,), "eta": (), "temperature": (0.9,)}
    )
    usual = (BASELINE, Arm("replace"), Arm("replace", "physics"))
    guided, calm = (
        tuple(replace(arm, **{name: value}) for arm in usual)
        for name, value in (("guidance", 2.0), ("temperature", 0.9))
    )
    assert arms == (*usual, *guided, *calm)
    assert guided[2].plain == guided[1]
    assert guided[1].plain == usual[1]
    assert (guided[2].name, calm[1].title) == ("replace+physics+guidance-2", "uncorrected, temperature 0.9")
    finer = Arm("replace", eta=0.0, sampling_steps=50)
    assert (finer.name, finer.title) == (
        "replace+none+eta-0+sampling-steps-50",
        "uncorrected, eta 0, sampling steps 50",
    )
    with pytest.raises(ValueError, match="guidance must be from 0 to 100, got -1"):
        Arm("replace", guidance=-1.0)
    with pytest.raises(ValueError, match="sampling_steps must be at most diffusion_steps, got 101"):
        Comparison("dct-mlp", (Arm("replace", sampling_steps=101),))
