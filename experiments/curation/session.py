"""Let one rater work: show a pair, record the answer, and report the progress."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.pictures.player import encode_scene
from selfcorrect.preferences.choices import ANSWERS, Choice
from selfcorrect.preferences.pairing import Design

from .database import Progress, RatingDatabase
from .items import Item

PAIRS_PER_ITEM = 3
"""Comparisons that each rater is asked for by default."""
_LONGEST_S = 3600.0


class Session:
    """The work of one rater, who may have several pages open."""

    def __init__(
        self,
        database: RatingDatabase,
        items: Sequence[Item],
        rater: str,
        pairs: int | None = None,
        *,
        marked: bool = False,
    ) -> None:
        """Record the items and plan the pairs.

        Args:
            database: Database of the study.
            items: Samples to compare.
            rater: Name of the rater.
            pairs: Number of pairs to ask for (default: three per sample).
            marked: Whether faults are coloured and counted.
        """
        self.database = database
        self.rater = rater
        database.add([item.rated for item in items])
        self._items = {item.rated.id: item for item in items}
        self._marked = marked
        self._lock = Lock()
        self._asked: tuple[Progress, tuple[str, str] | None] | None = None
        labels = {sample: item.rated.label for sample, item in self._items.items()}
        stream = streams(database.study.seed).child("pairs")
        pair_count = pairs if pairs is not None else PAIRS_PER_ITEM * len(labels)
        self.pairs = min(pair_count, Design(labels, pair_count, stream).possible)
        self._design = Design(labels, self.pairs, stream)
        self._common = {frozenset(pair) for pair in self._design.common_pairs()}

    def state(self) -> dict[str, Any]:
        """Return what the page shows, as JSON values."""
        with self._lock:
            return self._build_state()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Record an answer, unless it is about another pair than the current one.

        Args:
            request: "attempt", "left", "right", "answer" and "seconds" as the page sends them.

        Returns:
            The next state, with "recorded".

        Raises:
            InputError: The request is malformed.
        """
        attempt = _read_field(request, "attempt", int)
        left_sample = _read_field(request, "left", str)
        right_sample = _read_field(request, "right", str)
        answer = _read_field(request, "answer", str)
        seconds = request.get("seconds")
        if not isinstance(seconds, int | float) or not abs(seconds) < 1e9 or answer not in ANSWERS:
            raise InputError(f"an answer needs seconds, and one of {', '.join(ANSWERS)}")
        with self._lock:
            progress, pair = self._current_pair()
            recorded = False
            if pair == (left_sample, right_sample) and progress.attempts == attempt:
                choice = Choice(self.rater, left_sample, right_sample, answer)
                seconds = min(max(float(seconds), 0.0), _LONGEST_S)
                recorded = self.database.record(choice, progress, seconds, common=choice.pair in self._common)
                self._asked = None
            return {**self._build_state(), "recorded": recorded}

    def undo(self, request: dict[str, Any]) -> dict[str, Any]:
        """Undo the latest answer, if the page has seen all answers, and return the next state."""
        answered = _read_field(request, "done", int)
        with self._lock:
            progress, _ = self._current_pair()
            if progress.answered == answered:
                self.database.undo(progress)
                self._asked = None
            return self._build_state()

    def _current_pair(self) -> tuple[Progress, tuple[str, str] | None]:
        """Return the pair to show. It stays until it is answered, whatever other raters do meanwhile."""
        progress = self.database.progress(self.rater, self._items)
        if self._asked is None or self._asked[0] != progress:
            pair = progress.redo or self._design.next_pair(self.rater, self.database.choices())
            self._asked = progress, pair
        return self._asked

    def _build_state(self) -> dict[str, Any]:
        progress, pair = self._current_pair()
        state = {
            "question": self.database.study.question,
            "kind": self.database.study.kind,
            "rater": self.rater,
            "done": progress.answered,
            "attempt": progress.attempts,
        }
        if pair is None:
            return state | {"total": progress.answered, "left": None, "right": None, "label": ""}
        left_sample, right_sample = pair
        label = self._items[left_sample].rated.label
        return (
            state
            | {"total": self.pairs, "left": left_sample, "right": right_sample, "label": label}
            | self._draw(left_sample, right_sample)
        )

    @lru_cache(maxsize=4)  # noqa: B019 - a session lives as long as its program
    def _draw(self, left_sample: str, right_sample: str) -> dict[str, Any]:
        motions = []
        pictures = []
        for sample in (left_sample, right_sample):
            shown = self._items[sample].shown
            if isinstance(shown, Motion):
                motions.append(PicturePanel(shown))
            else:
                pictures.append(_to_data_url(shown))
        if pictures:
            return {"pictures": pictures}
        scene = encode_scene(motions, ["Left", "Right"], together=False, marked=self._marked, scheme="auto")
        return {"scene": scene}


def _read_field(request: dict[str, Any], name: str, kind: type) -> Any:
    value = request.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"a request needs {name}, {'a whole number' if kind is int else 'a text'}")
    return value


def _to_data_url(picture: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
