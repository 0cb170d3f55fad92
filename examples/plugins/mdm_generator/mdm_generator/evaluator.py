"""Embed captions and motions in one space, by the field's evaluator.

The evaluator is loaded from a user's files.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.arrays import read_npy
from selfcorrect.storage.pickles.numbers import read_pickled_words

from .checkpoint import load_weights, read_tensors
from .evaluator_networks import UNIT_FRAMES, MovementEncoder, SequenceEncoder, TextEncoder, networks_like
from .rows import read_statistics

FRAMES = 196
"""Frames to which motions are padded; the last movement sees some beyond a motion's end, so this matters."""
CONTACT_COLUMNS = 4
"""At the end of HumanML3D's rows; the evaluator does not see them."""
CHECKPOINT = "text_mot_match/model/finest.tar"
_GLOVE = (".", "glove", "../glove", "../../glove")
_STATISTICS = (
    ("mean.npy", "std.npy"),
    ("t2m_mean.npy", "t2m_std.npy"),
    ("Comp_v6_KLD005/meta/mean.npy", "Comp_v6_KLD005/meta/std.npy"),
    ("Comp_v6_KLD01/meta/mean.npy", "Comp_v6_KLD01/meta/std.npy"),
)
"""Files with the means and standard deviations of the evaluator's training data: HumanML3D's, with some divided."""
_BATCH = 256


@dataclass(frozen=True, eq=False)
class TextMotionEvaluator:
    """Embeds captions and motions (Guo et al., CVPR 2022)."""

    movement: MovementEncoder
    motion: SequenceEncoder
    text: TextEncoder
    words: WordVectors
    mean: np.ndarray
    """(D,) means of the evaluator's own normalisation."""
    std: np.ndarray
    """(D,) standard deviations, likewise."""

    def on_device(self, device: torch.device) -> Self:
        """Return the evaluator on a device."""
        if device == self._device:
            return self
        networks = {name: copy.deepcopy(getattr(self, name)).to(device) for name in ("movement", "motion", "text")}
        return replace(self, **networks)

    @torch.inference_mode()
    def motions(self, motions: Sequence[np.ndarray]) -> np.ndarray:
        """Embed motions (T, D) as (N, E).

        Motions have 4 to 196 frames, in HumanML3D's units; embeddings are float64.
        """
        for index, rows in enumerate(motions):
            if rows.ndim != 2 or rows.shape[1] != len(self.mean) or not UNIT_FRAMES <= len(rows) <= FRAMES:
                raise InputError(
                    f"motion {index} must have shape ({UNIT_FRAMES} to {FRAMES}, {len(self.mean)}), got {rows.shape}"
                )
        return _embed_in_batches(self._motions, motions)

    def _motions(self, motions: Sequence[np.ndarray]) -> Tensor:
        padded = np.zeros((len(motions), FRAMES, len(self.mean) - CONTACT_COLUMNS), dtype=np.float32)
        for slot, rows in zip(padded, motions, strict=True):
            slot[: len(rows)] = ((rows - self.mean) / self.std)[:, :-CONTACT_COLUMNS]
        units = torch.tensor([len(rows) // UNIT_FRAMES for rows in motions])
        return self.motion(self.movement(torch.from_numpy(padded).to(self._device)), units)

    @torch.inference_mode()
    def captions(self, tokens: Sequence[str]) -> np.ndarray:
        """Embed captions as (N, E) float64.

        A caption is a string of words "word/PART", separated by blanks.
        """
        return _embed_in_batches(self._captions, tokens)

    def _captions(self, tokens: Sequence[str]) -> Tensor:
        words, kinds, lengths = zip(*(self.words.read(caption) for caption in tokens), strict=True)
        word_vectors = torch.from_numpy(np.stack(words)).to(self._device)
        word_kinds = torch.from_numpy(np.stack(kinds)).to(self._device)
        return self.text.embed(word_vectors, word_kinds, torch.tensor(lengths))

    @property
    def _device(self) -> torch.device:
        return self.text.hidden.device


def load_evaluator(folder: Path, device: torch.device | None = None) -> TextMotionEvaluator:
    """Load the evaluator from its published folder, without running its files.

    The folder needs `text_mot_match/model/finest.tar`, the means and standard deviations (`mean.npy` and `std.npy`,
    MDM's `t2m_mean.npy` and `t2m_std.npy`, or those in `Comp_v6_KLD005/meta`), and the word vectors `our_vab_*` there
    or in `glove`. Raises InputError if something is missing or has another shape.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise InputError(
            f"{path}: is not there; expected the evaluator of Guo et al. 2022, the folder t2m as published"
        )
    content = read_tensors(path)
    try:
        networks = networks_like(content)
    except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: is not laid out as the evaluator of Guo et al. 2022, with movement_encoder, motion_encoder and "
            f"text_encoder ({error})"
        ) from error
    for name, network in networks.items():
        load_weights(f"{path}, {name}", network, content[name], "the evaluator's parameters")
        network.to(device or torch.device("cpu"))
    words = _words(folder)
    mean, std = _statistics(folder)
    movement = cast(MovementEncoder, networks["movement_encoder"])
    text = cast(TextEncoder, networks["text_encoder"])
    _check_sizes(path, movement, text, words, mean)
    return TextMotionEvaluator(movement, cast(SequenceEncoder, networks["motion_encoder"]), text, words, mean, std)


def _words(folder: Path) -> WordVectors:
    folders = [folder / place for place in _GLOVE]
    with_vectors = [place for place in folders if (place / "our_vab_data.npy").is_file()]
    return read_word_vectors(with_vectors[0] if with_vectors else folders[0])


def _statistics(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    for names in _STATISTICS:
        mean_file, std_file = (folder / name for name in names)
        if mean_file.is_file() and std_file.is_file():
            return read_statistics(mean_file, std_file)
    expected = " or ".join(" and ".join(names) for names in _STATISTICS[:3])
    raise InputError(f"{folder}: has no means and deviations of the evaluator; expected {expected}")


def _check_sizes(path: Path, movement: nn.Module, text: TextEncoder, words: WordVectors, mean: np.ndarray) -> None:
    columns = cast(nn.Conv1d, cast(MovementEncoder, movement).main[0]).in_channels
    sizes = (
        ("columns of motions without contacts", columns, len(mean) - CONTACT_COLUMNS),
        ("kinds of words", text.pos_emb.in_features, len(KINDS)),
        ("numbers per word", text.pos_emb.out_features, words.vectors.shape[1]),
    )
    for quantity, expected, actual in sizes:
        if expected != actual:
            raise InputError(f"{path}: takes {expected} {quantity}, and the files beside it have {actual}")


Item = TypeVar("Item")


def _embed_in_batches(embed: Callable[[Sequence[Item]], Tensor], items: Sequence[Item]) -> np.ndarray:
    batches = []
    for start in range(0, len(items), _BATCH):
        vectors = embed(items[start : start + _BATCH])
        batches.append(vectors.double().cpu().numpy())
    return np.concatenate(batches)


# --- captions as words ------------------------------------------------------------------------------------------------
# A vector for each word, GloVe's (Pennington et al. 2014), and what part of speech it is. Some words that matter for
# motion have groups of their own in place of a part of speech.

LONGEST = 20
"""Largest number of words that are read of a caption, without start and end."""
_START = "sos/OTHER"
_END = "eos/OTHER"
_PADDING = "unk/OTHER"
_UNKNOWN = "unk"

KINDS = (
    "VERB", "NOUN", "DET", "ADP", "NUM", "AUX", "PRON", "ADJ", "ADV", "place", "body", "object", "action", "manner",
    "OTHER",
)  # fmt: skip
"""Parts of speech and the groups, in the order of the evaluator's inputs."""

_GROUPS = {
    "place": "left right clockwise counterclockwise anticlockwise forward back backward up down straight curve",
    "body": "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh",
    "object": "stair dumbbell chair window floor car ball handrail baseball basketball",
    "action": "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit lift lower raise"
    " wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin spread climb",
    "manner": "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly",
}
_GROUP_OF = {word: group for group, words in _GROUPS.items() for word in words.split()}


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and their vectors."""

    vectors: np.ndarray
    """(V, E) float32."""
    rows: dict[str, int]
    """Row of each word; "unk", "sos" and "eos" are among them."""

    def read(self, tokens: str) -> tuple[np.ndarray, np.ndarray, int]:
        """Return vectors (22, E), kinds and their number.

        Kinds (22, 15) are one-hot; the number is of the 22 that count. tokens: words as "word/PART", separated by
        blanks, as in HumanML3D's text files.
        """
        words = [_START, *tokens.split()[:LONGEST], _END]
        padded = [*words, *[_PADDING] * (LONGEST + 2 - len(words))]
        rows = []
        kinds = []
        for token in padded:
            word, _, part = token.rpartition("/")
            kind = "OTHER"
            if word in self.rows:
                kind = _GROUP_OF.get(word, part if part in KINDS and part.isupper() else "OTHER")
            rows.append(self.rows.get(word, self.rows[_UNKNOWN]))
            kinds.append(KINDS.index(kind))
        return self.vectors[rows], np.eye(len(KINDS), dtype=np.float32)[kinds], len(words)


def read_word_vectors(folder: Path) -> WordVectors:
    """Read word vectors without running pickles.

    The files are `our_vab_data.npy`, `our_vab_words.pkl` and `our_vab_idx.pkl`.
    """
    data = folder / "our_vab_data.npy"
    words_file = folder / "our_vab_words.pkl"
    rows_file = folder / "our_vab_idx.pkl"
    for path in (data, words_file, rows_file):
        if not path.is_file():
            raise InputError(f"{path}: is not there; expected the word vectors our_vab_data.npy, _words.pkl, _idx.pkl")
    vectors = read_npy(data)
    words = read_pickled_words(words_file)
    rows = read_pickled_words(rows_file)
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or not np.isfinite(vectors).all():
        raise InputError(f"{data}: expected finite vectors (words, numbers), got {vectors.dtype} {vectors.shape}")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"{words_file}: expected a list of words")
    if not isinstance(rows, dict) or not all(type(row) is int and 0 <= row < len(vectors) for row in rows.values()):
        raise InputError(
            f"{rows_file}: expected a dictionary from words to rows of {data.name}, 0 to {len(vectors) - 1}"
        )
    needed = (*words, _UNKNOWN, "sos", "eos")
    if lacking := [word for word in needed if word not in rows]:
        raise InputError(f"{rows_file}: has no row for the word {lacking[0]!r}")
    return WordVectors(vectors.astype(np.float32), {word: rows[word] for word in needed})
