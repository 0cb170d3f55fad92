"""Known loops give the known parts of a loss."""

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.commands.motion import MotionCommand
from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.arm_words import describe_policy, describe_treatment
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.motion.answer import judge_outcome
from selfcorrect.experiments.studies.motion.presets import PRESET_ROWS, PRESETS, count_ancestral_steps, select_controls
from selfcorrect.experiments.studies.motion.split import SPLIT_KEYS, describe_parts, describe_samplers, split_losses
from selfcorrect.experiments.studies.outcome import Outcome
from selfcorrect.motion.measures.metrics import MEASURED
from selfcorrect.statistics import jackknife_ratio

SAMPLER, COPYING, AGAINST_COPIES = 0.6, 0.8, 0.9
KEPT = {"default": COPYING * AGAINST_COPIES, "ancestral": SAMPLER * COPYING * AGAINST_COPIES, "copying": COPYING}
BASES = {"default": 0.9, "ancestral": 0.8, "copying": 0.95}


def known_curves(noise: float = 0.0, policy: str = "replace") -> dict[ArmSettings, ArmCurves]:
    """Make six seeds whose loops each keep a known part of their baseline."""
    random = np.random.default_rng(0)
    curves = {}
    for kind, pair in select_controls(policy).items():
        for arm, share in zip(pair, (KEPT[kind], 1.0), strict=True):
            last = BASES[kind] * share * np.exp(noise * random.standard_normal((6, 1)))
            values = {metric.key: np.hstack([np.ones((6, 1)), last]) for metric in MEASURED}
            values["offspring_variance"] = np.hstack([np.full((6, 1), np.nan), np.full((6, 1), 1.5)])
            curves[arm] = ArmCurves(arm.key, describe_policy(arm), describe_treatment(arm), values)
    return curves


def test_known_parts_are_found() -> None:
    splits = split_losses({arm.key: curves for arm, curves in known_curves().items()})
    assert [split.metric.key for split in splits] == list(SPLIT_KEYS)
    for split in splits:
        factors = (split.sampler.estimate, split.copying.estimate, split.against_copies.estimate)
        assert factors == pytest.approx((SAMPLER, COPYING, AGAINST_COPIES))
        assert split.kept.estimate == pytest.approx(np.prod(factors))
        assert split.kept_by_default == pytest.approx(COPYING * AGAINST_COPIES)


def test_seed_noise_widens_split() -> None:
    curves = {arm.key: curves for arm, curves in known_curves(noise=0.1).items()}
    for split in split_losses(curves):
        assert split.sampler.low < SAMPLER < split.sampler.high
        assert split.sampler.high - split.sampler.low > 0.05
    for key in curves:
        assert split_losses({name: value for name, value in curves.items() if name != key}) == []


@pytest.mark.parametrize(("policy", "words"), [("replace", "fully synthetic"), ("augment:4", "λ = 4")])
def test_report_names_factors(policy: str, words: str) -> None:
    real = {metric.key: np.full(6, 0.1) for metric in MEASURED}
    outcome = judge_outcome(Outcome({"small-dct-mlp": known_curves(policy=policy)}, floors={"real": real}))
    sentences = describe_parts(outcome)
    assert sum("0.60 (sampler)" in sentence.replace(" [0.60, 0.60]", "") for sentence in sentences) == len(SPLIT_KEYS)
    assert sum(f"the loop ({words}) keeps" in sentence for sentence in sentences) == len(SPLIT_KEYS)
    samplers = [sentence for sentence in sentences if sentence.startswith("Sampler (")]
    assert len(samplers) == 2
    assert f"offspring variance is {'1.50' if policy == 'replace' else '1.12'}" in samplers[0]  # of four children
    assert "have 0.90 of the real variance within labels" in samplers[0]
    assert "keeps 0.80 of a variance of 1" in samplers[1]


def test_small_loop_shows_sampler() -> None:
    few = known_curves(policy="augment:0.25")
    (sentence, _) = describe_samplers(Outcome({"small-dct-mlp": few}))
    assert "offspring variance is 3.00" in sentence  # of a quarter of a child
    both = Outcome({"small-dct-mlp": few | known_curves()})
    assert "offspring variance is 1.50" in describe_samplers(both)[0]


@pytest.mark.parametrize("name", [name for name in PRESETS if PRESET_ROWS[name].has_controls])
def test_claiming_presets_have_controls(name: str) -> None:
    for denoiser, arms in PRESETS[name].arms.items():
        loops = [arm for arm in arms if arm == ArmSettings(arm.policy) and not arm.is_baseline]
        most = max(loops, key=lambda arm: arm.synthetic_share)
        controls = select_controls(most.policy, count_ancestral_steps(denoiser))
        assert all(arm in arms for pair in controls.values() for arm in pair)


def test_published_generator_has_no_controls() -> None:
    words = ["--preset", "split"]
    command = MotionCommand.from_words(words)
    generator = ("mdm", "checkpoint=args.json", "evaluator=t2m")
    published = replace(command, settings=replace(command.settings, generator=generator)).complete()
    left_out = {*command.complete().all_arms} - {*published.all_arms}
    assert {arm for arm in left_out if not arm.sampling and arm.remedy != "copying"} == set()
    assert len(left_out) == 4


def test_jackknife_covers_ratio() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        numerators = random.gamma(9.0, 1 / 9, (2, 6))
        denominators = random.gamma(9.0, 1 / 9, (1, 6))
        interval = jackknife_ratio([*numerators], [*denominators])
        hits += interval.low < 1 < interval.high
    assert 0.9 < hits / 400 < 0.99


def test_a_seed_may_keep_nothing() -> None:
    interval = jackknife_ratio([[0.0, 1.0, 1.0]], [[1.0, 1.0, 1.0]])
    assert interval.estimate == pytest.approx(2 / 3)
    assert interval.low < interval.estimate < interval.high
    assert np.isnan(jackknife_ratio([[0.0, 0.0, 1.0]], [[1.0, 1.0, 1.0]]).low)
