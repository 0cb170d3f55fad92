"""Share the training set among an ecosystem of models, sampled in turn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.loop.models.saving import Saveable


@dataclass(frozen=True)
class Ecosystem(Saveable):
    """M models that share the training set.

    Each is trained on a part of the samples; every M-th sample comes from the same model. After arXiv 2512.15011:
    diversity among models slows collapse down. Parts are drawn at random in each fit; training steps are shared out
    too, so that the whole costs what one model does.
    """

    members: tuple[GenerativeModel, ...]

    @classmethod
    def replicate(cls, model: GenerativeModel, members: int) -> Self:
        """Copy a model into an ecosystem.

        The copies will differ in their training data.
        """
        if members < 1:
            raise SettingError(f"an ecosystem needs at least 1 member, got {members}")
        return cls((model,) * members)

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        generator = stream.child("parts").generator()
        parts = torch.randperm(len(samples), generator=generator).chunk(len(self.members))
        share = max(1, steps // len(self.members))
        trained = []
        for index, member in enumerate(self.members):
            rows = parts[index % len(parts)].sort().values
            trained.append(member.fit(samples.take(rows), share, stream.child(index)))
        return replace(self, members=tuple(trained))

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        turns = torch.arange(len(labels)) % len(self.members)
        drawn = [member.sample(labels[turns == i], stream.child(i)) for i, member in enumerate(self.members)]
        values = torch.empty((len(labels), *drawn[0].shape[1:]), dtype=drawn[0].dtype)
        for turn, part in enumerate(drawn):
            values[turns == turn] = part
        return values

    def state(self) -> dict[str, Tensor]:
        return {f"{i}.{name}": value for i, member in enumerate(self.members) for name, value in member.state().items()}

    def load_state(self, state: dict[str, Tensor]) -> Self:
        """Load a state, or give the state of a single model to every member."""
        states = self._split_state(state)
        members = [member.load_state(part) for member, part in zip(self.members, states, strict=True)]
        return replace(self, members=tuple(members))

    def for_sampling(self) -> Self:
        """Keep what sampling needs of each member."""
        return replace(self, members=tuple(member.for_sampling() for member in self.members))  # type: ignore[attr-defined]

    def check_loaded(self, where: object, state: Mapping[str, Tensor], model: Any) -> None:
        """Check each member's part of the state; see `Saveable`."""
        states = self._split_state(state)
        known = {f"{index}.{name}" for index, part in enumerate(states) for name in part} | set(states[0])
        if unknown := sorted(set(state) - known):
            raise InputError(f"{where}: has, unexpectedly, {unknown[0]}, which belongs to no member")
        for member, part, loaded in zip(self.members, states, model.members, strict=True):
            if isinstance(member, Saveable):
                member.check_loaded(where, part, loaded)  # type: ignore[arg-type]

    def _split_state(self, state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return the state of each member."""
        states = []
        for index in range(len(self.members)):
            prefix = f"{index}."
            names = [name for name in state if name.startswith(prefix)]
            states.append({name.removeprefix(prefix): state[name] for name in names} or dict(state))
        return states
