"""What people preferred in loops: the bias draws it more often, the verifier passes it, a run keeps it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_motions import made_motion
from simulated_raters import answers, random_pairs
from torch import Tensor

from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import call_corrector
from selfcorrect.experiments import cli
from selfcorrect.experiments.curation.database import Database, Rated, Study
from selfcorrect.experiments.curation.features import MOTION_FEATURES, motion_features
from selfcorrect.experiments.curation.in_loops import FILE, chosen_by, kept_reward, people, raters_of, reward_in
from selfcorrect.experiments.jobs.progress_bars import silent
from selfcorrect.experiments.motion.correctors.own import CorrectorInputs
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.preferences.reward import Reward
from selfcorrect.storage.files.digests import unsealed

STREAM = streams(0)
SUNK = MOTION_FEATURES.index("penetration_m")


@dataclass(frozen=True)
class Drawn:
    """A model that draws rows of a table of values: even labels walk, odd ones hop; half of each is sunk."""

    values: Tensor

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        rows = torch.randint(len(self.values) // 2, labels.shape, generator=stream.torch())
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
    ones, zeros = (1.0,) * len(weights), (0.0,) * len(weights)
    return Reward(MOTION_FEATURES, zeros, ones, weights, ("ada", "bob"), (weights, zeros), 100)


def sunk_share(codec: FeatureCodec, values: Tensor) -> float:
    return float((motion_features(codec.decode(values))[:, SUNK] > np.log(0.02)).mean())


def test_each_rater_is_a_score_of_features(codec_and_values: tuple[FeatureCodec, Tensor]) -> None:
    codec, values = codec_and_values
    given = reward(-2.0)
    features = motion_features(codec.decode(values))
    ada, bob = raters_of(given, codec)
    np.testing.assert_allclose(ada(values), -2 * features[:, SUNK])
    np.testing.assert_allclose(bob(values), 0)
    np.testing.assert_allclose(ada(values[:3]), -2 * features[:3, SUNK])


@pytest.mark.parametrize(("weight", "least", "most"), [(-4.0, 0.0, 0.16), (0.0, 0.4, 0.6), (4.0, 0.84, 1.0)])
def test_the_bias_draws_what_is_preferred(
    codec_and_values: tuple[FeatureCodec, Tensor], weight: float, least: float, most: float
) -> None:
    """Of four draws of which half are sunk: 1/16 are all sunk; a reward of nothing changes nothing."""
    codec, values = codec_and_values
    ada = raters_of(reward(weight), codec)[:1]
    labels = torch.arange(200) % 2
    parents = Samples.real(values, torch.arange(len(values)) % 2)
    drawn = chosen_by(ada)(Drawn(values), parents)(labels, STREAM)
    assert least <= sunk_share(codec, drawn) <= most


def inputs(codec: FeatureCodec, values: Tensor, given: Reward | None) -> CorrectorInputs:
    real = Samples.real(values, torch.arange(len(values)) % 2)
    return CorrectorInputs(codec, real, Drawn(values), STREAM, silent, reward=given)


def test_the_verifier_rejects_what_is_liked_less_than_usual_for_its_label(
    codec_and_values: tuple[FeatureCodec, Tensor],
) -> None:
    codec, values = codec_and_values
    verify = people(inputs(codec, values, reward(-1.0)))
    samples = Samples.synthetic(values, torch.arange(len(values)) % 2, 1)
    answer = call_corrector(verify, samples, STREAM)
    assert torch.equal(answer.samples.values, values)
    rewards = reward(-1.0).of_all(motion_features(codec.decode(values)))
    for label in (0, 1):
        own = samples.labels == label
        assert 0 < int(answer.accepted[own].sum()) < int(own.sum())
        assert rewards[own & answer.accepted].min() >= rewards[own & ~answer.accepted].max()


def test_without_ratings_both_say_what_is_missing(codec_and_values: tuple[FeatureCodec, Tensor]) -> None:
    codec, values = codec_and_values
    with pytest.raises(ValueError, match="people needs --ratings"):
        people(inputs(codec, values, None))
    with pytest.raises(ValueError, match="preferred needs --ratings"):
        chosen_by(())(Drawn(values), Samples.real(values))


def rated(path: Path, weight: float, features: tuple[str, ...] = MOTION_FEATURES) -> Path:
    """A database of a rater with a taste in penetration."""
    random = np.random.default_rng(0)
    names = [f"s{number}" for number in range(12)]
    table = random.normal(-4, 1.5, (len(names), len(MOTION_FEATURES)))
    taste = dict(zip(names, (weight * table[:, SUNK]).tolist(), strict=True))
    with Database(path, Study("motions", "Which one?", 0, features)) as database:
        database.add([Rated(name, name, "", "", tuple(row)) for name, row in zip(names, table.tolist(), strict=True)])
        for attempt, choice in enumerate(answers(taste, random_pairs(names, 60, random), random)):
            database.record(choice, attempt, 1.0)
    return path


def test_a_database_of_other_features_is_refused(tmp_path: Path) -> None:
    assert reward_in(rated(tmp_path / "r.sqlite", -1.0)).common[SUNK] < -0.5
    other = rated(tmp_path / "other.sqlite", -1.0, tuple("abcdef"))
    with pytest.raises(SelfcorrectError, match="its features are a, b, c, d, e, f, not those of this version"):
        reward_in(other)
    with Database(tmp_path / "new.sqlite", Study("motions", "?", 0, MOTION_FEATURES)):
        pass
    with pytest.raises(SelfcorrectError, match="needs at least 10 comparisons"):
        reward_in(tmp_path / "new.sqlite")


@pytest.mark.slow
def test_a_run_uses_ratings_keeps_them_and_refuses_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = "--preset quick --generations 1 --real-count 16 --judged-count 16 --steps 4 --initial-steps 40"
    where = "--workers 1 --wandb off --out run"
    command = ["motion", *small.split(), *where.split(), "--corrector", "people", "--defence", "preferred"]
    assert cli.main(command) == 2
    assert "needs --ratings" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    rated(tmp_path / "r.sqlite", -1.0)
    assert cli.main([*command, "--ratings", "r.sqlite"]) == 0
    kept = kept_reward(tmp_path / "run")
    assert kept == reward_in(tmp_path / "r.sqlite")
    arms = {path.parent.name for path in (tmp_path / "run").rglob("generation-0001")}
    assert {"replace+people", "replace+none+preferred", "replace+people+preferred"} <= arms
    rated(tmp_path / "other.sqlite", 1.0)
    capsys.readouterr()
    assert cli.main([*command, "--ratings", "other.sqlite"]) == 2
    assert "what people preferred is not the one" in capsys.readouterr().err
    assert kept_reward(tmp_path / "run") == kept
    assert cli.main(command) == 0  # resumes with what it keeps
    assert cli.main(["verify", "run"]) == 0
    assert FILE not in capsys.readouterr().out
    assert unsealed(tmp_path / "run" / FILE)["choices"] == kept.choices
