"""What people preferred in loops: the bias draws it more often, the verifier passes it, a run keeps it."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_motions import made_motion
from rating_files import write_choices
from simulated_raters import answers, random_pairs
from torch import Tensor

from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import call_corrector
from selfcorrect.experiments import cli
from selfcorrect.experiments.curation.choices import RatedItem, RatingStudy
from selfcorrect.experiments.curation.features import MOTION_FEATURES, reward_features
from selfcorrect.experiments.curation.loops import (
    keep_reward,
    kept_reward,
    people,
    preference,
    raters_of,
    reward_in,
)
from selfcorrect.experiments.curation.reward import Reward
from selfcorrect.experiments.motion.correctors.own import CorrectorInputs
from selfcorrect.experiments.motion.settings import MotionSettings
from selfcorrect.experiments.motion.study import make_motion_study
from selfcorrect.experiments.motion.task import motion_task
from selfcorrect.experiments.remedies.remedies import RemedyInputs, with_remedy
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.study import run_arm, run_first_generation
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.run_folder import PREFERENCES_FILE

STREAM = streams(0)
TASK = Task(Gaussian.standard(2), Samples.real(torch.zeros(4, 2)), lambda candidate: {})
SUNK = MOTION_FEATURES.index("penetration_m")


@dataclass(frozen=True)
class Drawn:
    """A model that draws rows of a table of values: even labels walk, odd ones hop; half of each is sunk."""

    values: Tensor

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        rows = torch.randint(len(self.values) // 2, labels.shape, generator=stream.generator())
        return self.values[2 * rows + labels % 2]


@pytest.fixture(scope="module")
def codec_and_values() -> tuple[FeatureCodec, Tensor]:
    motions = [
        replace(motion, root_m=motion.root_m - [0.0, depth_m, 0.0])
        for pace in (0.8, 1.0, 1.2)
        for depth_m in (0.0, 0.1)
        for kind in ("walk", "hop")
        for motion in (made_motion(kind, pace, frames=48),)
    ]
    batch = MotionBatch.stack(motions)
    codec = FeatureCodec.fit(batch)
    return codec, codec.encode(batch)


def reward(weight: float) -> Reward:
    weights = tuple(weight if row == SUNK else 0.0 for row in range(len(MOTION_FEATURES)))
    zeros = (0.0,) * len(weights)
    return Reward(MOTION_FEATURES, weights, ("ada", "bob"), (weights, zeros), 100)


def sunk_share(codec: FeatureCodec, values: Tensor) -> float:
    return float((reward_features(codec.decode(values))[:, SUNK] > np.log(0.02)).mean())


def test_each_rater_is_a_score_of_features(codec_and_values: tuple[FeatureCodec, Tensor]) -> None:
    codec, values = codec_and_values
    rated_reward = reward(-2.0)
    features = reward_features(codec.decode(values))
    ada, bob = raters_of(rated_reward, codec)
    np.testing.assert_allclose(ada(values), -2 * features[:, SUNK])
    np.testing.assert_allclose(bob(values), 0)
    np.testing.assert_allclose(ada(values[:3]), -2 * features[:3, SUNK])


@pytest.mark.parametrize(("weight", "least", "most"), [(-4.0, 0.0, 0.2), (0.0, 0.35, 0.65), (4.0, 0.8, 1.0)])
def test_the_bias_draws_what_is_preferred(
    codec_and_values: tuple[FeatureCodec, Tensor], weight: float, least: float, most: float
) -> None:
    """Of four draws of which half are sunk: 1/16 are all sunk; a reward of nothing changes nothing."""
    codec, values = codec_and_values
    ada = raters_of(reward(weight), codec)[:1]
    labels = torch.arange(80) % 2
    parents = Samples.real(values, torch.arange(len(values)) % 2)
    _, arm = preference(TASK, Arm(Replace(), 1), RemedyInputs(raters=ada))
    drawn = arm.bias(Drawn(values), parents)(labels, STREAM)
    assert least <= sunk_share(codec, drawn) <= most


def inputs(codec: FeatureCodec, values: Tensor, given_reward: Reward | None) -> CorrectorInputs:
    real = Samples.real(values, torch.arange(len(values)) % 2)
    return CorrectorInputs(codec, real, Drawn(values), STREAM, silent, reward=given_reward)


def test_the_verifier_rejects_what_is_liked_less_than_usual_for_its_label(
    codec_and_values: tuple[FeatureCodec, Tensor],
) -> None:
    codec, values = codec_and_values
    verify = people(inputs(codec, values, reward(-1.0)))
    samples = Samples.synthetic(values, torch.arange(len(values)) % 2, 1)
    answer = call_corrector(verify, samples, STREAM)
    assert torch.equal(answer.samples.values, values)
    rewards = reward(-1.0).joint_reward(reward_features(codec.decode(values)))
    for label in (0, 1):
        of_label = samples.labels == label
        assert 0 < int(answer.accepted[of_label].sum()) < int(of_label.sum())
        assert rewards[of_label & answer.accepted].min() >= rewards[of_label & ~answer.accepted].max()


def test_without_ratings_both_say_what_is_missing(codec_and_values: tuple[FeatureCodec, Tensor]) -> None:
    codec, values = codec_and_values
    with pytest.raises(ValueError, match="people needs --ratings"):
        people(inputs(codec, values, None))
    with pytest.raises(ValueError, match="preferred needs --ratings"):
        with_remedy(TASK, Arm(Replace(), 1), "preferred")


def write_ratings(path: Path, weight: float, features: tuple[str, ...] = MOTION_FEATURES, count: int = 40) -> Path:
    """Write choices of a rater with a taste in penetration."""
    random = np.random.default_rng(0)
    names = [f"s{number}" for number in range(12)]
    table = random.normal(-4, 1.5, (len(names), len(MOTION_FEATURES)))
    taste = dict(zip(names, (weight * table[:, SUNK]).tolist(), strict=True))
    items = tuple(RatedItem(name, name, "", "", tuple(row)) for name, row in zip(names, table.tolist(), strict=True))
    choices = answers(taste, random_pairs(names, count, random), random)
    return write_choices(path, RatingStudy("Which one?", features, items), choices)


def test_choices_about_other_features_or_too_few_are_refused(tmp_path: Path) -> None:
    assert reward_in(write_ratings(tmp_path / "r.jsonl", -1.0)).common[SUNK] < -0.3
    others = write_ratings(tmp_path / "other.jsonl", -1.0, tuple("abcdef"))
    with pytest.raises(SelfcorrectError, match="its features are a, b, c, d, e, f, not the features of this version"):
        reward_in(others)
    with pytest.raises(SelfcorrectError, match="needs at least 10 comparisons"):
        reward_in(write_ratings(tmp_path / "few.jsonl", -1.0, count=4))


@pytest.mark.slow
def test_arms_of_a_run_use_what_it_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = ArmSettings("replace", "people"), ArmSettings("replace", remedy="preferred")
    few = {"steps": {"dct-mlp": 4}, "initial_steps": {"dct-mlp": 40}}
    settings = MotionSettings(
        {"dct-mlp": (BASELINE, *arms)}, generations=1, seeds=1, real_count=16, evaluated_count=16, **few
    )
    study = make_motion_study(settings)
    (run,) = study.runs(tmp_path)
    run_first_generation(study, run, False, silent)
    for arm in arms:
        with pytest.raises(SelfcorrectError, match="needs --ratings"):
            run_arm(study, run, arm, silent)
    keep_reward(tmp_path, reward_in(write_ratings(tmp_path / "r.jsonl", -1.0)))
    for arm in arms:
        run_arm(study, run, arm, silent)
    batch = FolderReader(run.arm_folder(arms[0])).batch(1)
    assert len(batch.samples) == 16
    assert batch.rejected > 0
    reward_of_run = kept_reward(tmp_path)
    assert reward_of_run is not None
    codec = motion_task(settings, "dct-mlp", run.stream).codec
    drawn = reward_of_run.joint_reward(reward_features(codec.decode(batch.drawn.values)))
    accepted = batch.drawn.provenance.accepted
    assert drawn[accepted].mean() > drawn[~accepted].mean()


@pytest.mark.slow
def test_a_run_keeps_its_ratings_and_refuses_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    results = {"run_jobs": None, "write_report": SimpleNamespace(gaps=())}
    for name, result in results.items():  # all but the work itself
        monkeypatch.setattr(f"selfcorrect.experiments.studies.run.{name}", lambda *_, result=result, **__: result)
    command = ["motion", "--preset", "quick", "--workers", "1", "--wandb", "off", "--out", "run"]
    command += ["--corrector", "people", "--remedy", "preferred"]
    assert cli.main(command) == 2
    assert "needs --ratings" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    write_ratings(tmp_path / "r.jsonl", -1.0)
    assert cli.main([*command, "--ratings", "r.jsonl"]) == 0
    reward_of_run = kept_reward(tmp_path / "run")
    assert reward_of_run == reward_in(tmp_path / "r.jsonl")
    write_ratings(tmp_path / "other.jsonl", 1.0)
    capsys.readouterr()
    assert cli.main([*command, "--ratings", "other.jsonl"]) == 2
    assert "another version of what people preferred" in capsys.readouterr().err
    assert kept_reward(tmp_path / "run") == reward_of_run
    assert cli.main(command) == 0  # resumes with what it keeps
    assert cli.main(["verify", "run"]) == 0
    assert PREFERENCES_FILE not in capsys.readouterr().out
    assert cli.main([*command, "--ratings", "other.jsonl", "--accept-changed"]) == 0
    assert kept_reward(tmp_path / "run") == reward_in(tmp_path / "other.jsonl")
