"""One rater at work: what is shown now, what was answered, how much is left. The server is another matter."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.pictures.player import scene_of
from selfcorrect.preferences.choices import ANSWERS, Choice
from selfcorrect.preferences.pairing import Design

from .database import Database, Standing
from .items import Item

PAIRS_PER_ITEM = 3
"""Comparisons that each rater is asked for by default."""
_LONGEST_S = 3600.0

Value = TypeVar("Value", int, str)


@dataclass(frozen=True, eq=False)
class _Asked:
    """What a rater is asked now."""

    standing: Standing
    pair: tuple[str, str] | None


class Session:
    """The pages of one rater, which may be open several times."""

    def __init__(
        self, database: Database, items: Sequence[Item], rater: str, pairs: int | None = None, *, marked: bool = False
    ) -> None:
        """Record the items. pairs: that the rater is asked for; marked: whether faults are coloured and counted."""
        self.database, self.rater = database, rater
        database.add([item.rated for item in items])
        self._items = {item.rated.id: item for item in items}
        self._marked = marked
        self._lock = Lock()
        self._asked: _Asked | None = None
        groups = {sample: item.rated.label for sample, item in self._items.items()}
        stream = streams(database.study.seed).child("pairs")
        wanted = pairs if pairs is not None else PAIRS_PER_ITEM * len(groups)
        self.pairs = min(wanted, Design(groups, wanted, stream).possible)
        self._design = Design(groups, self.pairs, stream)
        self._common = {frozenset(pair) for pair in self._design.common_pairs()}

    def state(self) -> dict[str, Any]:
        """What the page shows, as JSON values."""
        with self._lock:
            return self._state()

    def answer(self, given: dict[str, Any]) -> dict[str, Any]:
        """Record an answer, unless it is not about what is asked now; returns what comes next, and whether it was.

        InputError where the request is malformed.
        """
        attempt = _field(given, "attempt", int)
        left, right, answer = (_field(given, name, str) for name in ("left", "right", "answer"))
        seconds = given.get("seconds")
        if not isinstance(seconds, int | float) or not abs(seconds) < 1e9 or answer not in ANSWERS:
            raise InputError(f"an answer needs seconds, and one of {', '.join(ANSWERS)}")
        with self._lock:
            asked, recorded = self._now(), False
            if asked.pair == (left, right) and asked.standing.attempts == attempt:
                choice = Choice(self.rater, left, right, answer)  # type: ignore[arg-type]
                took_s, common = min(max(float(seconds), 0.0), _LONGEST_S), choice.pair in self._common
                recorded = self.database.record(choice, asked.standing, took_s, common=common)
                self._asked = None
            return {**self._state(), "recorded": recorded}

    def undo(self, given: dict[str, Any]) -> dict[str, Any]:
        """Undo the last answer, if as many stand as the page has seen; returns what comes next."""
        places = _field(given, "done", int)
        with self._lock:
            if (standing := self._now().standing).places == places:
                self.database.undo(standing)
                self._asked = None
            return self._state()

    def _now(self) -> _Asked:
        """What is asked; it stays until it is answered, whatever other raters do meanwhile."""
        standing = self.database.standing(self.rater, self._items)
        if self._asked is None or self._asked.standing != standing:
            pair = standing.redo or self._design.next_pair(self.rater, self.database.choices())
            self._asked = _Asked(standing, pair)
        return self._asked

    def _state(self) -> dict[str, Any]:
        asked = self._now()
        study, standing = self.database.study, asked.standing
        left, right = asked.pair or (None, None)
        told = {
            "question": study.question,
            "kind": study.kind,
            "rater": self.rater,
            "done": standing.places,
            "total": self.pairs if asked.pair else standing.places,
            "attempt": standing.attempts,
            "left": left,
            "right": right,
            "label": self._items[left].rated.label if left else "",
        }
        return told | (self._shown(*asked.pair) if asked.pair else {})

    @lru_cache(maxsize=4)  # noqa: B019 - a session lives as long as its program
    def _shown(self, left: str, right: str) -> dict[str, Any]:
        pair = [self._items[sample].shown for sample in (left, right)]
        motions = [one for one in pair if isinstance(one, Motion)]
        if len(motions) < len(pair):
            return {"pictures": [_data_address(one) for one in pair if isinstance(one, np.ndarray)]}
        panels = [PicturePanel(motion) for motion in motions]
        titles = ["Left", "Right"]
        return {"scene": scene_of(panels, titles, together=False, marked=self._marked, scheme="auto")}


def _field(given: dict[str, Any], name: str, kind: type[Value]) -> Value:
    value = given.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"a request needs {name}, {'a whole number' if kind is int else 'a text'}")
    return value


def _data_address(picture: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
