"""Plain text as windows of characters: the standard library's own documentation, or any file."""

import pydoc_data.topics
from collections import Counter
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from selfcorrect.core.errors import InputError


def documentation() -> str:
    """Return about 450,000 characters of English prose that every Python has: the topics of `help()`."""
    return "\n\n".join(pydoc_data.topics.topics.values())


@dataclass(frozen=True)
class Alphabet:
    """The characters that are distinguished; any other is read as the first character."""

    characters: str

    @classmethod
    def from_text(cls, text: str, size: int) -> Self:
        """Return the alphabet of the `size` most frequent characters of a text, the most frequent first."""
        return cls("".join(character for character, _ in Counter(text).most_common(size)))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Tensor:
        """Return character numbers (length,) as float32."""
        numbers = {character: number for number, character in enumerate(self.characters)}
        return torch.tensor([numbers.get(character, 0) for character in text], dtype=torch.float32)

    def decode(self, numbers: Tensor) -> str:
        """Return the text of character numbers (length,)."""
        return "".join(self.characters[int(number)] for number in numbers)


def split_windows(numbers: Tensor, length: int, held_out: float) -> tuple[Tensor, Tensor]:
    """Split a text into windows that do not overlap.

    Args:
        numbers: (T,) numbers of the text's characters.
        held_out: Share of the windows, those of the text's end, that is held out.

    Returns:
        Windows (N, length) of the text's start, and those that are held out.

    Raises:
        InputError: The text is too short for both.
    """
    windows = numbers[: len(numbers) // length * length].reshape(-1, length)
    trained_on = round(len(windows) * (1 - held_out))
    if not 0 < trained_on < len(windows):
        raise InputError(
            f"a text of {len(numbers)} characters is too short for windows of {length} with a held-out part"
        )
    return windows[:trained_on], windows[trained_on:]


def select_evenly(windows: Tensor, count: int) -> Tensor:
    """Return `count` of windows (N, length), or all if there are fewer, evenly spread over them."""
    return windows[torch.linspace(0, len(windows) - 1, min(count, len(windows))).long()]


def windows_of(text: str, alphabet: int, length: int, train: int, held_out: int) -> tuple[Tensor, Tensor]:
    """Windows of characters to train on and held out, evenly spread over the first 90 % and the rest of a text."""
    parts = split_windows(Alphabet.from_text(text, alphabet).encode(text), length, 0.1)
    return select_evenly(parts[0], train), select_evenly(parts[1], held_out)
