"""Captions find the motions that show them, rare and common ones apart, and loops keep them while motions change."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from caption_retrieval import experiment
from caption_retrieval.captions import CaptionJudge, label_by_caption, thirds_by_count
from caption_retrieval.contrastive import ContrastiveSettings
from caption_retrieval.described import DescribedDiffusion
from caption_retrieval.experiment import HELD_OUT, SHUFFLED, load_split
from made_motions import KINDS, made_motion
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.datasets.windows import Split, split_windows
from selfcorrect.experiments.motion import task as tasks
from selfcorrect.experiments.motion.correctors.own import CorrectorInputs
from selfcorrect.experiments.motion.measures import CORRECTED_REAL, MEMORISER, REAL_AGAINST_REAL, score_references
from selfcorrect.experiments.motion.settings import MotionSettings, settings_from_config
from selfcorrect.experiments.motion.task import motion_task
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, run_loop, train_first_generation
from selfcorrect.motion.measures.metrics import RETRIEVED
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.runs.memory import MemoryStore

QUICK = ContrastiveSettings(width=64, outputs=16, dropout=0.2, steps=150, batch_size=64)
CAPTIONS = {kind: f"a person does this: {kind}" for kind in KINDS}


def one_hot(captions: Sequence[str]) -> Tensor:
    return torch.eye(len(captions)) * len(captions) ** 0.5


def a_motion(kind, pace: float, frames: int = 160) -> Motion:
    motion = made_motion(kind, pace, frames=frames)
    return replace(motion, label="anything", text=f"{CAPTIONS[kind]}\nin other words", source=f"{kind} {pace}")


@pytest.fixture(scope="module")
def split() -> Split:
    motions = [a_motion(kind, pace) for kind in KINDS for pace in (0.8, 0.9, 1.0, 1.1)]
    return split_windows(label_by_caption(motions), WindowSettings(frames=32, stride=8, mirrored=False))


@pytest.fixture(scope="module")
def judge(split: Split) -> CaptionJudge:
    names = split.training.label_names
    return CaptionJudge.fit(split.training, split.training.labels, one_hot(names), streams(0), QUICK)


def test_the_first_caption_is_the_label_and_a_label_stands_in_for_it() -> None:
    motion = a_motion("walk", 1.0)
    assert [window.label for window in label_by_caption([motion, replace(motion, text="")])] == [
        CAPTIONS["walk"],
        "anything",
    ]
    with pytest.raises(InputError, match=r"walk 1\.0: expected a caption or a label, found neither \(1 motions"):
        label_by_caption([motion, replace(motion, text=" \n", label="")])


def test_thirds_are_by_count_and_leave_out_what_is_not_there() -> None:
    labels = np.repeat([0, 1, 2, 4, 5, 6, 7], [9, 1, 4, 2, 30, 3, 3])  # 3 is not there
    assert thirds_by_count(labels, 8).tolist() == [2, 0, 1, -1, 0, 2, 0, 1]
    assert np.bincount(thirds_by_count(np.arange(9), 9)).tolist() == [3, 3, 3]


@pytest.mark.slow
def test_held_out_motions_are_found_by_their_captions_and_not_by_those_of_others(
    split: Split, judge: CaptionJudge
) -> None:
    held_out = split.held_out
    scores = judge.scores(held_out.batch, held_out.labels)
    assert list(scores) == [metric.key for metric in RETRIEVED]
    assert scores["r_precision_1"] > 0.8
    wrong = judge.scores(held_out.batch, (held_out.labels + 1) % len(KINDS))
    assert wrong["r_precision_1"] < 0.1


def test_motions_that_all_show_one_caption_find_that_one_alone(split: Split, judge: CaptionJudge) -> None:
    """As a collapsed model would make them: precision is that of one caption in five."""
    windows = split.held_out
    walk = windows.label_names.index(CAPTIONS["walk"])
    walks = windows.take(np.resize(np.flatnonzero(windows.labels == walk), 50))
    assert judge.scores(walks.batch, judge.select_captions(50))["r_precision_1"] == pytest.approx(
        1 / len(KINDS), abs=0.1
    )


def test_figures_are_means_over_captions_whatever_their_frequency(split: Split, judge: CaptionJudge) -> None:
    held_out = split.held_out
    scores = judge.scores(held_out.batch, held_out.labels)
    walk = held_out.label_names.index(CAPTIONS["walk"])
    rows = np.concatenate([np.arange(len(held_out)), *[np.flatnonzero(held_out.labels == walk)] * 5])
    more = held_out.take(rows)
    assert judge.scores(more.batch, more.labels) == pytest.approx(scores)


@pytest.mark.slow
def test_each_judged_caption_is_asked_as_often_as_the_others(split: Split) -> None:
    names = split.training.label_names
    loops = np.repeat([0, 1, 3], [5, 1, 2])
    judge = CaptionJudge.fit(split.training, loops, one_hot(names), streams(0), replace(QUICK, steps=1))
    assert np.bincount(judge.select_captions(11), minlength=5).tolist() == [4, 4, 0, 3, 0]
    assert judge.third.tolist() == [2, 0, -1, 1, -1]
    only_walks = split.training.take(split.training.labels == 0)
    with pytest.raises(InputError, match="a caption in common"):
        CaptionJudge.fit(only_walks, np.array([1, 2]), one_hot(names), streams(0), QUICK)


SETTINGS = MotionSettings(
    {"dct-mlp": (BASELINE, ArmSettings("replace"))}, 1, 1, real_count=24, evaluated_count=24, generator=("captions",),
    steps={"dct-mlp": 2}, initial_steps={"dct-mlp": 2},
)  # fmt: skip


@pytest.fixture
def fake_caption_encoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Captions are known by vectors that need no encoder of sentences; judges are quick."""
    caches = (experiment.load_parts, tasks.load_parts)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(experiment, "minilm", lambda: one_hot)
    monkeypatch.setattr("caption_retrieval.captions.ContrastiveSettings", lambda: QUICK)
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.slow
@pytest.mark.usefixtures("fake_caption_encoder")
def test_a_loop_keeps_captions_and_is_judged_by_them() -> None:
    task = motion_task(SETTINGS, "dct-mlp", streams(0))
    assert isinstance(task.model, DescribedDiffusion)
    first = MemoryStore()
    store = MemoryStore()
    train_first_generation(task, first, streams(0))
    run_loop(task, Arm(Replace(), generations=1, steps=2), store, first, streams(0))
    samples = store.batch(1).samples
    assert sorted(samples.labels.tolist()) == sorted(task.real.labels.tolist())
    assert not torch.equal(samples.values, task.real.values)
    for metrics in (first.metrics(0), store.metrics(1)):
        assert {metric.key for metric in RETRIEVED} <= metrics.keys()
        assert isinstance(match := metrics["r_precision_3"], float)
        assert 0 <= match <= 1
    inputs = CorrectorInputs(task.codec, task.real, task.model, streams(0), silent)
    references = score_references(task, inputs, streams(0), feasibility_count=4)
    assert references[REAL_AGAINST_REAL]["r_precision_3"] > references[SHUFFLED]["r_precision_3"] + 0.3
    assert references[SHUFFLED].keys() == {metric.key for metric in RETRIEVED}
    assert HELD_OUT not in references  # the built-in clips are too short to hold out enough
    held_out = replace(task, data=replace(task.data, held_out="times"))
    assert list(score_references(held_out, inputs, streams(0), feasibility_count=4, corrected=True)) == [
        REAL_AGAINST_REAL,
        CORRECTED_REAL,
        MEMORISER,
        HELD_OUT,
        SHUFFLED,
    ]
    assert references[MEMORISER]["novelty_of_samples"] < 1e-6 < references[REAL_AGAINST_REAL]["novelty_of_samples"]


@pytest.mark.usefixtures("fake_caption_encoder")
def test_what_trains_the_judge_is_in_no_other_set() -> None:
    data = tasks.motion_data(SETTINGS, streams(0))
    sets = [data.training, data.fresh, data.others]
    shown = [{window.tobytes() for window in window_set.batch.rotations} for window_set in sets]
    assert sum(map(len, shown)) == len(set().union(*shown)) == sum(map(len, sets))


def test_motions_with_captions_are_neither_mirrored_nor_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that stand in for captions are, as they are elsewhere."""
    captioned_walk = replace(made_motion("walk", frames=40), label="walk", text="walk", source="clip")
    for text, mirrored in (("walk", False), ("", True)):
        monkeypatch.setattr(experiment, "load_motions", lambda _, text=text: [replace(captioned_walk, text=text)])
        training = load_split((f"made {text}",), (), 30, 30.0, 1).training
        assert training.mirrored.any() == mirrored
        assert (~training.mirrored).sum() == (5 if mirrored else 2)  # every eighth frame, or those before the eleventh


def test_runs_without_captions_keep_the_config_that_they_had() -> None:
    plain = replace(SETTINGS, generator=())
    assert "generator" not in plain.config()
    assert settings_from_config(json.loads(json.dumps(plain.config()))) == plain
    assert settings_from_config(json.loads(json.dumps(SETTINGS.config()))) == SETTINGS
