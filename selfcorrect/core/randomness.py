"""Random streams: one seed, and many independent named streams.

A stream is a path of names below a root seed. It has no state: a path always gives the same numbers, and drawing from
one path cannot affect another. So adding an arm, a metric or a resume to an experiment changes none of its other draws.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from .checks import check_count

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Stream:
    """A named source of random numbers, given by a root seed and a path of names."""

    root_seed: int
    path: tuple[str, ...] = ()

    def child(self, *names: str | int) -> Self:
        """Return the stream at a path below this one, for example `child("generation", 3, "sample")`."""
        return type(self)(self.root_seed, self.path + tuple(str(name) for name in names))

    @property
    def seed(self) -> int:
        """A 63-bit seed, hashed from root seed and path."""
        text = "\x1f".join((str(self.root_seed), *self.path))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 1

    def generator(self, device: torch.device | str = "cpu") -> torch.Generator:
        """Return a fresh PyTorch generator at the start of this stream."""
        import torch

        return torch.Generator(device=device).manual_seed(self.seed)

    def numpy(self) -> np.random.Generator:
        """Return a fresh NumPy generator at the start of this stream."""
        return np.random.default_rng(self.seed)


def streams(seed: int) -> Stream:
    """Return the root stream of an experiment."""
    check_count("a seed", seed, 0)
    return Stream(int(seed))
