"""Preferences of people in a loop of motions: a bias of sampling, and a verifier of samples.

Both judge samples that nobody rated, by a reward on features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrector, verifier
from selfcorrect.loop.bias import Score, best_of
from selfcorrect.loop.run import Arm, Task
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.storage.files.digests import read_with_digest, write_with_digest
from selfcorrect.storage.files.strict_json import read_as
from selfcorrect.storage.runs.run_folder import PREFERENCES_FILE

from .choices import read_ratings
from .features import MOTION_FEATURES, reward_features
from .reward import Reward, fit_reward

if TYPE_CHECKING:
    from ..motion.correctors.own import CorrectorInputs
    from ..remedies.remedies import RemedyInputs, TaskArm

WHO = "what people preferred"
_DRAWS = 4
_ROUNDING = 1e-9
"""Rewards of equal samples in different batches differ by so much."""
_PER_LABEL = 32
"""Samples of generation 0 that show the verifier what is usual for a label."""


def reward_in(path: Path) -> Reward:
    """Return the reward of a file of choices, or a folder of them; InputError for too few choices of motions."""
    reward = fit_reward(read_ratings(path))
    if reward.features != MOTION_FEATURES:
        raise InputError(f"{path}: its features are {', '.join(reward.features)}, not the features of this version")
    return reward


def keep_reward(folder: Path, reward: Reward) -> None:
    """Write a reward into a run folder, for `kept_reward`."""
    write_with_digest(folder / PREFERENCES_FILE, asdict(reward))


def kept_reward(folder: Path) -> Reward | None:
    """The reward of a run folder, None without a reward."""
    path = folder / PREFERENCES_FILE
    return read_as(Reward, read_with_digest(path), path) if path.is_file() else None


def raters_of(reward: Reward, codec: FeatureCodec) -> tuple[Score, ...]:
    """Each rater as a score of normalised motion features (N, T, D); all share the work on the same values."""

    @lru_cache(maxsize=1)
    def scores(values: Tensor) -> Tensor:
        return torch.from_numpy(reward.rater_rewards(reward_features(codec.decode(values)))).to(values.device)

    def score_of(rater: int) -> Score:
        return lambda values: scores(values)[rater]

    return tuple(score_of(rater) for rater in range(len(reward.raters)))


def preference(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Take, of four draws, the draw that a random rater chooses with the fitted probabilities.

    A Plackett–Luce choice by rewards in logits: `best_of` with choice noise 1.
    """
    if not inputs.raters:
        raise SettingError("the remedy preferred needs --ratings, choices that a rating page saved: docs/curate.md")
    return task, replace(arm, bias=best_of(_DRAWS, *inputs.raters, choice_noise=1.0))


def people(inputs: CorrectorInputs) -> Corrector:
    """The verifier: accepts samples with a reward of at least the median of generation 0 for the same label.

    No sample is changed; rejected samples are drawn again.
    """
    reward = inputs.reward
    if reward is None:
        raise SettingError("the corrector people needs --ratings, choices that a rating page saved: docs/curate.md")

    def rewards(values: Tensor) -> Tensor:
        return torch.from_numpy(reward.joint_reward(reward_features(inputs.codec.decode(values))))

    return verifier(at_least_usual(rewards, inputs), "people")


def at_least_usual(rewards: Callable[[Tensor], Tensor], inputs: CorrectorInputs) -> Callable[[Samples], Tensor]:
    """Return a rule that accepts samples with at least the median reward (N,) of generation 0 for the same label."""

    @cache
    def usual(label: int) -> float:
        labels = torch.full((_PER_LABEL,), label)
        return float(rewards(inputs.first_model.sample(labels, inputs.stream.child("people", label))).median())

    def accept(samples: Samples) -> Tensor:
        least = torch.tensor([usual(label) for label in samples.labels.tolist()], dtype=torch.float64)
        return rewards(samples.values) >= least - _ROUNDING

    return accept
