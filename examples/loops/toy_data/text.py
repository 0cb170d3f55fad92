"""Cut plain text into windows of characters.

The text is the standard library's own documentation, or any file.
"""

import pydoc_data.topics
from collections import Counter

import torch
from torch import Tensor

from selfcorrect.core.errors import InputError


def documentation() -> str:
    """Return 450,000 characters of Python's help topics.

    Every Python has this English prose; the number is approximate.
    """
    return "\n\n".join(pydoc_data.topics.topics.values())


def encode(text: str, alphabet: int) -> Tensor:
    """Encode characters as numbers (length,) float32, frequent ones first.

    0 also stands for all rarer characters.
    """
    common = Counter(text).most_common(alphabet)
    numbers = {character: number for number, (character, _) in enumerate(common)}
    return torch.tensor([numbers.get(character, 0) for character in text], dtype=torch.float32)


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


def windows_of(text: str, alphabet: int, length: int, train: int, held_out: int) -> list[Tensor]:
    """Cut windows to train on and hold out.

    Training windows are spread over the first 90 % of the text, and held-out windows over the rest.
    """
    parts = split_windows(encode(text, alphabet), length, 0.1)
    chosen = []
    for windows, count in zip(parts, (train, held_out), strict=True):
        chosen.append(windows[torch.linspace(0, len(windows) - 1, min(count, len(windows))).long()])
    return chosen
