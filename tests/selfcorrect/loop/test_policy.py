"""What each policy samples and trains on."""

import math
from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest
import torch
from helpers import load_loop
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.policy import (
    Accumulate,
    AccumulateSubsample,
    Augment,
    Fresh,
    Keep,
    Policy,
    RealOnly,
    Replace,
    format_policy,
    fresh_blocks,
    measure_mixture,
    overlapping,
    parse_policy,
    reads_past,
    sampling_labels,
)
from selfcorrect.loop.run import LoopHistory
from selfcorrect.loop.store.memory import MemoryStore

Weighted = load_loop("weighting").Weighted
STREAM = streams(1)
REAL = Samples.real(torch.arange(40.0)[:, None], torch.arange(40) % 4)


@dataclass
class ListedHistory:
    """Batches of 100 t + row that note reads."""

    counts: list[int]
    read: list[int] = field(default_factory=list)

    @property
    def latest(self) -> int:
        return len(self.counts)

    def batch(self, generation: int) -> Samples:
        self.read.append(generation)
        values = 100.0 * generation + torch.arange(self.counts[generation - 1])[:, None]
        return Samples.synthetic(values, None, generation - 1)


def mix(policy: Policy, generations: int = 3, stream=STREAM) -> tuple[Samples, ListedHistory]:
    history = ListedHistory([policy.count(len(REAL), past) for past in range(1, generations + 1)])
    return policy.mix(REAL, history, generations, stream), history


def test_static_set_is_drawn_once():
    policy = parse_policy("augment_once:0.5")
    assert [policy.count(len(REAL), generation) for generation in (1, 2, 3)] == [20, 0, 0]
    first, _ = mix(policy, 1)
    later, history = mix(policy, 3)
    assert torch.equal(first.values, later.values)
    assert set(history.read) == {1}


@pytest.mark.parametrize(
    ("text", "count", "real", "synthetic"),
    [
        ("real", 0, 40, 0),
        ("replace", 40, 0, 40),
        ("replace:2.5", 100, 0, 100),
        ("freeze", 0, 0, 40),
        ("freeze:2.5", 0, 0, 100),
        ("union", 40, 0, 120),
        ("union:2", 40, 0, 80),
        ("union:9", 40, 0, 120),
        ("union:inf:0.5", 20, 0, 60),
        ("augment:0.5", 20, 40, 20),
        ("augment:0", 0, 40, 0),
        ("augment:1.5", 60, 40, 60),
        ("augment_once:1.5", 0, 40, 60),
        ("accumulate", 40, 40, 120),
        ("accumulate:0.5", 20, 40, 60),
        ("accumulate_subsample:30", 40, None, None),
        ("keep:0.1", 36, 4, 36),
        ("keep:1", 0, 40, 0),
    ],
)
def test_counts_and_realised_ratios(text, count, real, synthetic):
    policy = parse_policy(text)
    assert policy.count(len(REAL), 3) == count
    training, _ = mix(policy)
    realised = measure_mixture(training)
    if real is not None:
        assert (realised["real_count"], realised["synthetic_count"]) == (real, synthetic)
        assert realised["synthetic_ratio"] == (synthetic / real if real else math.inf)
        assert realised["synthetic_share"] == realised["synthetic_weight_share"] == synthetic / (real + synthetic)


def test_union_of_last_sets():
    """A union of one set is `replace`; a union of all sets is `accumulate` without its real samples."""
    for generations in (1, 2, 5):
        assert torch.equal(mix(parse_policy("union:1"), generations)[0].values, mix(Replace(), generations)[0].values)
        synthetic = mix(Accumulate(), generations)[0].values[len(REAL) :]
        assert torch.equal(mix(parse_policy("union"), generations)[0].values, synthetic)
    assert mix(parse_policy("union:2"), 5)[1].read == [4, 5]


@pytest.mark.parametrize("text", ["union:0", "union:1.5", "union:nan", "union:2:0", "freeze:0", "freeze:-1"])
def test_size_out_of_bounds_raises(text: str):
    with pytest.raises(SettingError):
        parse_policy(text)


@given(
    st.sampled_from(["replace", "freeze", "union", "accumulate", "accumulate_subsample"]),
    st.integers(1, 40),
    st.floats(0.1, 40.0),
)
def test_format_round_trip(kind: str, whole: int, number: float):
    texts = {"union": f"union:{whole}:{number!r}", "accumulate_subsample": f"accumulate_subsample:{whole}:{number!r}"}
    for text in (kind, texts.get(kind, f"{kind}:{number!r}")):
        if text != "accumulate_subsample":
            policy = parse_policy(text)
            assert parse_policy(format_policy(policy, digits=17)) == policy
    size = parse_policy(f"union:inf:{number!r}")
    assert parse_policy(format_policy(size, digits=17)) == size


def test_renew_replaces_oldest():
    """Two of six are renewed per generation.

    The removed samples have the labels of the new ones.
    """

    class Batches:
        latest = 3

        def batch(self, generation: int) -> Samples:
            labels = {1: [0, 0, 0, 1, 1, 1], 2: [0, 1], 3: [1, 1]}[generation]
            numbers = torch.arange(len(labels), dtype=torch.float32)[:, None] + 10 * generation
            return Samples.synthetic(numbers, torch.tensor(labels), generation - 1)

    policy = parse_policy("renew:0.34")
    assert [policy.count(6, generation) for generation in (1, 2, 3)] == [6, 2, 2]
    assert [overlapping(policy) for policy in (policy, Weighted(policy, 1.0, 0.5), Replace())] == [True, True, False]
    sets = [policy.mix(REAL, Batches(), generation, STREAM) for generation in (1, 2, 3)]
    assert [mixture.values.flatten().tolist() for mixture in sets] == [
        [10, 11, 12, 13, 14, 15],
        [11, 12, 14, 15, 20, 21],
        [11, 12, 20, 21, 30, 31],
    ]
    assert sets[2].labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert not measure_mixture(sets[2])["real_count"]


def test_accumulate_uses_everything():
    training, history = mix(Accumulate())
    assert history.read == [1, 2, 3]
    assert len(training.values.unique()) == 160


def test_subsample_keeps_budget():
    shares = []
    for seed in range(200):
        training, _ = mix(AccumulateSubsample(30), stream=streams(seed))
        assert len(training.values.unique()) == 30
        shares.append(measure_mixture(training)["synthetic_share"])
    assert sum(shares) / 200 == pytest.approx(0.75, abs=4 * math.sqrt(0.75 * 0.25 / 30 / 200))


def test_large_subsample_accumulates():
    assert torch.equal(mix(AccumulateSubsample(1000))[0].values, mix(Accumulate())[0].values)


def test_keep_draws_new_parts():
    first = mix(Keep(0.5), stream=STREAM.child("a"))[0].values[:20, 0]
    two = mix(Keep(0.5), stream=STREAM.child("b"))[0].values[:20, 0]
    assert len(first.unique()) == len(two.unique()) == 20
    assert not torch.equal(first, two)


def test_fresh_rows_are_used_once():
    policy = Fresh(fresh_blocks(REAL), per_generation=15, synthetic_ratio=2.0)
    assert policy.count(len(REAL), 1) == 30
    rows = [mix(policy, generation)[0].values[:15, 0].tolist() for generation in (1, 2)]
    assert rows == [list(range(15)), list(range(15, 30))]
    with pytest.raises(ValueError, match="generation 3: 40 rows"):
        mix(policy, 3)


def test_weights_multiply():
    training, _ = mix(Weighted(Augment(1.0), real=0.75, synthetic=0.25))
    assert training.weights[:40].unique().tolist() == [0.75]
    assert training.weights[40:].unique().tolist() == [0.25]
    assert measure_mixture(training)["synthetic_weight_share"] == 0.25
    assert measure_mixture(training)["synthetic_share"] == 0.5


def test_policies_are_pure():
    for policy in (AccumulateSubsample(30), Keep(0.3), Augment(1.0)):
        assert torch.equal(mix(policy)[0].values, mix(policy)[0].values)


def test_labels_follow_the_real_distribution():
    labels = torch.tensor([0, 0, 0, 1])
    assert sampling_labels(labels, 8, STREAM).bincount().tolist() == [6, 2]
    assert sampling_labels(labels, 0, STREAM).tolist() == []
    drawn = torch.stack([sampling_labels(labels, 1, streams(seed)) for seed in range(2000)]).double()
    assert drawn.mean() == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 2000))


def test_text_gives_policy():
    assert parse_policy("real") == RealOnly()
    assert parse_policy(" augment:0.5 ") == Augment(0.5)
    assert parse_policy("accumulate_subsample:100:2") == AccumulateSubsample(100, 2)
    source = fresh_blocks(REAL)
    assert parse_policy("fresh:5:1", source) == Fresh(source, 5, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("augment:-1", "λ of Augment .* must be a number from 0 to .*, got -1"),
        ("augment:nan", "λ of Augment .* got nan"),
        ("augment", "must have the form augment:RATIO"),
        ("augment:1:2", "must have the form augment:RATIO"),
        ("augment:half", "could not convert string to float: 'half'"),
        ("accumulate:inf", "λ of Accumulate .* got inf"),
        ("replace:0", "size of replace must be a number from 1e-06 to .*, got 0"),
        ("keep:1.5", "fraction of keep must be a number from 0 to 1, got 1.5"),
        ("accumulate_subsample:0", "must be at least 1, got 0"),
        ("accumulate_subsample:7.5", "must be a whole number, got 7.5"),
        ("fresh:5:1", "needs a source of fresh real data"),
        ("recycle", "unknown policy 'recycle', expected one of real, replace"),
        ("", "unknown policy ''"),
    ],
)
def test_bad_text_gets_one_sentence(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_policy(text)
    assert "\n" not in str(caught.value)


def test_weights_must_not_be_negative():
    with pytest.raises(ValueError, match="weight of synthetic samples"):
        Weighted(Replace(), 1.0, -1.0)


@pytest.mark.parametrize(
    ("text", "reads"),
    [("real", False), ("replace", False), ("augment:1", False), ("keep:0.5", False), ("accumulate", True),
     ("accumulate_subsample:9", True), ("renew:0.5", True)],
)  # fmt: skip
def test_policy_reads_no_past(text: str, reads: bool):
    policy = parse_policy(text)
    assert reads_past(policy) == reads_past(Weighted(policy, 1.0, 0.5)) == reads
    latest = LoopHistory(MemoryStore(), 3, Samples.synthetic(torch.zeros(4, 1), None, 2))  # no other batch is there
    with pytest.raises(LookupError) if reads else nullcontext():
        policy.mix(Samples.real(torch.zeros(4, 1)), latest, 3, streams(0))
