"""Captions as the evaluator reads them: a vector for each word and what part of speech it is.

Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022, with GloVe vectors (Pennington et
al. 2014). Some words that matter for motion have groups of their own in place of a part of speech.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....core.errors import InputError
from ....storage.files.arrays import read_npy
from ....storage.pickles.numbers import read_pickled_words

LONGEST = 20
"""Words that are read of a caption, without start and end."""
_START, _END, _PADDING = "sos/OTHER", "eos/OTHER", "unk/OTHER"
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
        """Vectors (22, E), kinds (22, 15) one-hot, and how many of the 22 count.

        tokens: words as "word/PART", separated by blanks, as HumanML3D's text files have them.
        """
        own = [_START, *tokens.split()[:LONGEST], _END]
        filled = [*own, *[_PADDING] * (LONGEST + 2 - len(own))]
        rows, kinds = zip(*(self._one(token) for token in filled), strict=True)
        return self.vectors[list(rows)], np.eye(len(KINDS), dtype=np.float32)[list(kinds)], len(own)

    def _one(self, token: str) -> tuple[int, int]:
        word, _, part = token.rpartition("/")
        if word not in self.rows:
            return self.rows[_UNKNOWN], KINDS.index("OTHER")
        kind = _GROUP_OF.get(word, part if part in KINDS and part.isupper() else "OTHER")
        return self.rows[word], KINDS.index(kind)


def read_word_vectors(folder: Path, prefix: str = "our_vab") -> WordVectors:
    """The vectors in `PREFIX_data.npy`, `PREFIX_words.pkl` and `PREFIX_idx.pkl`; the pickles are not run."""
    data, words_file, rows_file = (folder / f"{prefix}_{end}" for end in ("data.npy", "words.pkl", "idx.pkl"))
    for path in (data, words_file, rows_file):
        if not path.is_file():
            raise InputError(f"{path}: is not there; expected the word vectors {prefix}_data.npy, _words.pkl, _idx.pkl")
    vectors, words, rows = read_npy(data), read_pickled_words(words_file), read_pickled_words(rows_file)
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or not np.isfinite(vectors).all():
        raise InputError(f"{data}: expected finite vectors (words, numbers), got {vectors.dtype} {vectors.shape}")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"{words_file}: expected a list of words")
    if not isinstance(rows, dict) or not all(type(row) is int and 0 <= row < len(vectors) for row in rows.values()):
        raise InputError(
            f"{rows_file}: expected a dictionary from words to rows of {data.name}, 0 to {len(vectors) - 1}"
        )
    if lacking := [word for word in (*words, _UNKNOWN, "sos", "eos") if word not in rows]:
        raise InputError(f"{rows_file}: has no row for the word {lacking[0]!r}")
    return WordVectors(vectors.astype(np.float32), {word: rows[word] for word in {*words, _UNKNOWN, "sos", "eos"}})
