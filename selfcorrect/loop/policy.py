"""Policies: what the next generation trains on.

λ is the number of synthetic samples per real sample, and λ/(1 + λ) is the synthetic share of the training set. A policy
is a pure function of the real data, the history of synthetic batches, the generation and a stream.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..core.checks import MAX_SETTING, MIN_RATIO, check_count, check_number, describe_value, explain_arguments
from ..core.errors import InputError, SettingError
from ..core.randomness import Stream
from ..core.samples import Samples, concatenate
from ..runtime.registry import import_callable
from ..runtime.user_code import is_of_users, name_of
from .policy_table import POLICIES, split_policy

_explained = explain_arguments(lam="synthetic_ratio", lambda_="synthetic_ratio", ratio="synthetic_ratio")


class History(Protocol):
    """Corrected synthetic batches of past generations.

    Generations 1 to `latest` are read only when they are asked for.
    """

    @property
    def latest(self) -> int: ...

    def batch(self, generation: int) -> Samples: ...


class Policy(Protocol):
    """The data policy of a loop.

    Generation t ≥ 1 trains on `mix(…)`, after `count(…)` samples were drawn from the model of generation t − 1. A
    policy whose attribute `reads_past` is false reads only the latest batch of the history.
    """

    def count(self, real_count: int, generation: int) -> int:
        """Return how many samples a generation (from 1 on) draws."""
        ...

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        """Return the training set of a generation.

        Args:
            real: Real samples (n, *event).
            history: Corrected synthetic batches up to this generation.
            generation: Number of the generation, from 1 on.
            stream: Random numbers for the choice.

        Returns:
            Samples (N, *event) to train on, real and synthetic ones in any order.
        """
        ...


FreshSource: TypeAlias = Callable[[int, int, Stream], Samples]
"""Function of a generation, a count and a stream that returns new real samples."""


@dataclass(frozen=True)
class RealOnly:
    """Only real data: the baseline."""

    reads_past: ClassVar[bool] = False

    drawn_ratio: float = 0.0
    """Samples drawn per real sample. They are not trained on, but a fitting may use them in pairs."""

    def __post_init__(self) -> None:
        check_number("drawn ratio of real", self.drawn_ratio, 0, MAX_SETTING)

    def count(self, real_count: int, generation: int) -> int:
        return round(self.drawn_ratio * real_count)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        return real


@dataclass(frozen=True)
class Replace:
    """Only the last model's samples, `size` per real sample: fully synthetic."""

    reads_past: ClassVar[bool] = False

    size: float = 1.0

    def __post_init__(self) -> None:
        check_number("size of replace", self.size, MIN_RATIO, MAX_SETTING)

    def count(self, real_count: int, generation: int) -> int:
        return round(self.size * real_count)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        return history.batch(generation)


@dataclass(frozen=True)
class Freeze:
    """The first synthetic set in every generation, `size` samples per real sample.

    This is the control of every remedy that stores nothing.
    """

    size: float = 1.0

    def __post_init__(self) -> None:
        check_number("size of freeze", self.size, MIN_RATIO, MAX_SETTING)

    def count(self, real_count: int, generation: int) -> int:
        return round(self.size * real_count) if generation == 1 else 0

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        return history.batch(1)


@dataclass(frozen=True)
class Union:
    """The synthetic samples of all generations so far, or of the `last` ones: `Accumulate` without real data.

    Each generation adds `size` samples per real sample. Training on several generations averages their errors.
    """

    last: float = math.inf
    size: float = 1.0

    def __post_init__(self) -> None:
        check_number("number of generations of union", self.last, 1, math.inf)
        if self.last != math.inf:
            check_count("number of generations of union", self.last, 1)
        check_number("size of union", self.size, MIN_RATIO, MAX_SETTING)

    def count(self, real_count: int, generation: int) -> int:
        return round(self.size * real_count)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        first = max(1, generation + 1 - int(min(self.last, generation)))
        return concatenate([history.batch(past) for past in range(first, generation + 1)])


@dataclass(frozen=True)
class Renew:
    """Fully synthetic, with overlapping generations.

    Each generation replaces a `share` of the last training set. New samples replace the oldest ones with the same
    label; the first synthetic set is complete. In population genetics, this is Moran's model (1958), where `Replace` is
    Wright and Fisher's. Renewing the whole set takes 1/share generations and loses as much as a generation of
    `Replace`.
    """

    overlapping: ClassVar[bool] = True

    share: float

    def __post_init__(self) -> None:
        check_number("share of renew", self.share, MIN_RATIO, 1)

    def count(self, real_count: int, generation: int) -> int:
        return real_count if generation == 1 else max(1, round(self.share * real_count))

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        members = history.batch(1)
        for past in range(2, generation + 1):
            members = _replace_oldest(members, history.batch(past))
        return members


def _replace_oldest(members: Samples, born: Samples) -> Samples:
    """Replace the oldest members of each label by newcomers.

    Members are returned from old to new.
    """
    replaced = torch.zeros(len(members), dtype=torch.bool)
    for label in born.labels.unique():
        rows = (members.labels == label).nonzero().flatten()
        replaced[rows[: int((born.labels == label).sum())]] = True
    return concatenate([members.take((~replaced).nonzero().flatten()), born])


class _DrawnPerRealSample:
    """Base of policies that draw λ samples per real sample in each generation."""

    synthetic_ratio: float

    def __post_init__(self) -> None:
        name = f"λ of {type(self).__name__} (synthetic samples per real sample)"
        check_number(name, self.synthetic_ratio, 0, MAX_SETTING)

    def count(self, real_count: int, generation: int) -> int:
        return round(self.synthetic_ratio * real_count)


@_explained
@dataclass(frozen=True)
class Augment(_DrawnPerRealSample):
    """All real data and λ samples of the last model per real sample."""

    reads_past: ClassVar[bool] = False

    synthetic_ratio: float

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        return concatenate([real, history.batch(generation)])


@_explained
@dataclass(frozen=True)
class AugmentOnce(_DrawnPerRealSample):
    """All real data and λ samples of generation 1 per real sample.

    This is the control of every remedy used beside real data: new samples must add more than this static set does.
    """

    synthetic_ratio: float

    def count(self, real_count: int, generation: int) -> int:
        return super().count(real_count, generation) if generation == 1 else 0

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        return concatenate([real, history.batch(1)])


@_explained
@dataclass(frozen=True)
class Accumulate(_DrawnPerRealSample):
    """All real data and all synthetic samples so far.

    Each generation adds λ samples per real sample.
    """

    synthetic_ratio: float = 1.0

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        return concatenate([real, *(history.batch(past) for past in range(1, generation + 1))])


@dataclass(frozen=True)
class AccumulateSubsample(_DrawnPerRealSample):
    """As `Accumulate`, but at most `budget` samples, drawn without replacement."""

    budget: int
    synthetic_ratio: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("budget of accumulate_subsample", self.budget, 1)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        pool = concatenate([real, *(history.batch(past) for past in range(1, generation + 1))])
        rows = torch.randperm(len(pool), generator=stream.generator())[: self.budget].sort().values
        return pool.take(rows)


@_explained
@dataclass(frozen=True)
class Fresh(_DrawnPerRealSample):
    """New real data in every generation, and synthetic samples.

    There are `per_generation` new real samples, and λ synthetic samples for each of them.
    """

    reads_past: ClassVar[bool] = False

    source: FreshSource
    per_generation: int
    synthetic_ratio: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("real samples per generation of fresh", self.per_generation, 1)

    def count(self, real_count: int, generation: int) -> int:
        return super().count(self.per_generation, generation)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        fresh = self.source(generation, self.per_generation, stream)
        return concatenate([fresh, history.batch(generation)])


@dataclass(frozen=True)
class Keep:
    """A random `fraction` of the real data, and synthetic samples.

    The fraction is drawn anew in each generation. Synthetic samples replace the rest.
    """

    reads_past: ClassVar[bool] = False

    fraction: float

    def __post_init__(self) -> None:
        check_number("fraction of keep", self.fraction, 0, 1)

    def count(self, real_count: int, generation: int) -> int:
        return real_count - round(self.fraction * real_count)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        order = torch.randperm(len(real), generator=stream.generator())
        rows = order[: round(self.fraction * len(real))].sort().values
        return concatenate([real.take(rows), history.batch(generation)])


@dataclass(frozen=True)
class ModifiedPolicy:
    """Another policy with changed training sets.

    A subclass weights, filters or exchanges samples.
    """

    policy: Policy

    @property
    def reads_past(self) -> bool:
        return reads_past(self.policy)

    @property
    def overlapping(self) -> bool:
        return overlapping(self.policy)

    def count(self, real_count: int, generation: int) -> int:
        return self.policy.count(real_count, generation)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        return self.change(self.policy.mix(real, history, generation, stream), stream)

    def change(self, mixed: Samples, stream: Stream) -> Samples:
        """Return the training set to use in place of the wrapped policy's."""
        raise NotImplementedError


def count_draws(policy: Policy, real_count: int, generation: int) -> int:
    """Return how many samples a generation draws.

    Raises:
        SettingError: The policy does not return such a number.
    """
    label = f"`count` of the policy {name_of(policy)} for {real_count} real samples in generation {generation}"
    count: object = policy.count(real_count, generation)
    check_count(label, count, 0, MAX_SETTING * max(real_count, 1))
    return int(count)  # type: ignore[call-overload]


def mix_samples(policy: Policy, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
    """Return the training set of a generation.

    A policy of users gets copies of real and synthetic samples, so that it cannot change what is stored.

    Raises:
        InputError: The policy does not return samples of the real data's shape.
    """
    if is_of_users(policy):
        real, history = copy_samples(real), _CopiedHistory(history)
    mixed: object = policy.mix(real, history, generation, stream)
    title = f"`mix` of the policy {name_of(policy)} in generation {generation}"
    if not isinstance(mixed, Samples):
        raise InputError(f"{title} must return Samples, got {describe_value(mixed)}")
    if not len(mixed):
        raise InputError(f"{title} returned no samples; the training set is empty")
    if mixed.event_shape != real.event_shape:
        raise InputError(
            f"{title} returned values of shape {mixed.event_shape}, expected {real.event_shape} as in the real data"
        )
    is_good = mixed.values.isfinite().flatten(1).all(dim=1) & mixed.weights.isfinite() & (mixed.weights >= 0)
    if not is_good.all():
        row = int((~is_good).nonzero()[0])
        raise InputError(f"{title}: sample {row} has values or a weight that are not finite, or a negative weight")
    return mixed


def copy_samples(samples: Samples) -> Samples:
    """Return samples that share no memory with others."""
    return Samples(
        samples.values.clone(), samples.labels.clone(), deepcopy(samples.provenance), samples.weights.clone()
    )


@dataclass(frozen=True)
class _CopiedHistory:
    """A history of which policies get copies."""

    history: History

    @property
    def latest(self) -> int:
        return self.history.latest

    def batch(self, generation: int) -> Samples:
        return copy_samples(self.history.batch(generation))


def reads_past(policy: Policy) -> bool:
    """Return whether a policy may read generations before the latest (default: true)."""
    return getattr(policy, "reads_past", True)


def overlapping(policy: Policy) -> bool:
    """Return whether a policy's generations overlap.

    Its training sets then hold synthetic samples of several generations, of which the oldest are replaced.
    """
    return getattr(policy, "overlapping", False)


def fresh_blocks(pool: Samples) -> FreshSource:
    """Return a source of fresh real data in blocks.

    Generation t gets the t-th block of `pool`, so no row is used twice. Fresh data are not founders, because lineages
    begin in the training data of generation 0.
    """
    pool = replace(pool, provenance=replace(pool.provenance, founder=np.full(len(pool), -1)))

    def block(generation: int, count: int, stream: Stream) -> Samples:
        rows = torch.arange((generation - 1) * count, generation * count)
        if rows[-1] >= len(pool):
            raise InputError(f"fresh real data are used up in generation {generation}: {len(pool)} rows in all")
        return pool.take(rows)

    return block


def measure_mixture(training: Samples) -> dict[str, float]:
    """Measure what a training set consists of.

    Figures are counts, λ (synthetic per real), and synthetic shares by count and by training weight.
    """
    is_synthetic = training.provenance.synthetic
    synthetic = int(is_synthetic.sum())
    total = len(training)
    real = total - synthetic
    weights = training.weights.double()
    synthetic_weight = weights[torch.from_numpy(is_synthetic)].sum()
    return {
        "real_count": real,
        "synthetic_count": synthetic,
        "synthetic_ratio": synthetic / real if real else math.inf,
        "synthetic_share": synthetic / total if total else math.nan,
        "synthetic_weight_share": float(synthetic_weight / weights.sum()),
    }


def sampling_labels(real_labels: Tensor, count: int, stream: Stream) -> Tensor:
    """Return `count` labels distributed as the real ones.

    Whole multiples of the real labels are followed by draws without replacement.
    """
    repeats, rest = divmod(count, len(real_labels))
    extra = torch.randperm(len(real_labels), generator=stream.generator())[:rest]
    return torch.cat([real_labels.repeat(repeats), real_labels[extra]])


def parse_policy(text: str, fresh_source: FreshSource | None = None) -> Policy:
    """Return a policy from text such as "augment:0.5".

    Args:
        text: Name of the policy and its numbers, separated by colons; or your own FILE.py:Class and numbers.
        fresh_source: Source of new real data, needed by "fresh:…".

    Raises:
        SettingError: The policy is unknown, a number is missing or out of bounds, or there is no source of real data.
    """
    name, words = split_policy(text)
    is_own = ":" in name
    form = f"{name}:NUMBER:…, one for each argument of the class" if is_own else POLICIES.row(name).form
    make = import_callable(name, "policy", may_be_class=True) if is_own else POLICIES.load(name)
    if name == "fresh" and fresh_source is None:
        raise SettingError(f"policy {text!r} needs a source of fresh real data, and this experiment has none")
    try:
        numbers = [int(word) if word.isdecimal() else float(word) for word in words]
        policy = make(fresh_source, *numbers) if name == "fresh" else make(*numbers)
    except TypeError:
        raise SettingError(f"policy {text!r} must have the form {form}") from None
    except ValueError as error:
        raise SettingError(f"policy {text!r} must have the form {form}: {error}") from None
    if missing := [method for method in ("count", "mix") if not callable(getattr(policy, method, None))]:
        raise SettingError(f"policy {text!r} must have methods count and mix, it lacks {' and '.join(missing)}")
    return policy


def format_policy(policy: Policy, digits: int = 6) -> str:
    """Format a policy as text for `parse_policy`, such as "augment:0.5".

    A user's policy is named by its class. `digits` is the maximum number of digits; with 17, any number is exact.
    """
    target = f"{__name__}:{type(policy).__name__}"
    name = next((row.name for row in POLICIES if row.reference == target), type(policy).__name__)
    numbers = []
    changed = 0
    for field in fields(policy) if is_dataclass(policy) else ():
        value = getattr(policy, field.name)
        if isinstance(value, int | float):
            numbers.append(value)
            changed = len(numbers) if value != field.default else changed
    numbers = numbers[:changed]  # a number at its default is needed only before another number
    return ":".join([name, *(f"{number:.{digits}g}" for number in numbers)])
