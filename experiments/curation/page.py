"""Make the page on which a rater compares samples, two at a time: a file that needs no server and no network."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selfcorrect.core.randomness import streams
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.pictures.player import FASTEST_FPS, SCENE_MARK, encode_scene
from selfcorrect.motion.pictures.player import TEMPLATE as PLAYER
from selfcorrect.preferences.pairing import Design

from .choices_file import RatingStudy
from .features import MOTION_FEATURES
from .items import Item

PAIRS_PER_ITEM = 3
"""Comparisons that each rater is asked for by default."""
_TEMPLATE = Path(__file__).with_name("curate.html")
_DATA_MARK = '"{{ data }}"'


def make_rating_page(
    items: Sequence[Item], rater: str, *, question: str, pairs: int | None, seed: int, marked: bool
) -> tuple[str, int]:
    """Return the page of a rater as HTML, and the number of pairs that it shows.

    Args:
        pairs: Number of pairs to show (default: three per sample).
        seed: Seed for the choice of pairs and sides.
        marked: Whether faults of motions are coloured and counted.
    """
    labels = {item.rated.id: item.rated.label for item in items}
    design = Design(labels, pairs or PAIRS_PER_ITEM * len(labels), streams(seed).child("pairs"))
    common = {frozenset(pair) for pair in design.common_pairs()}
    planned = [(left, right, frozenset((left, right)) in common) for left, right in design.plan_pairs(rater)]
    fps = min([FASTEST_FPS, *(item.shown.fps for item in items)])
    data = {
        "player": {"page": PLAYER.read_text(encoding="utf-8"), "mark": SCENE_MARK},
        "study": asdict(RatingStudy(question, MOTION_FEATURES)),
        "rater": rater,
        "items": [asdict(item.rated) for item in items],
        "shown": {item.rated.id: _encode_motion(resample(item.shown, fps), marked) for item in items},
        "pairs": planned,
        "total": min(design.pairs, len(planned)),
    }
    text = json.dumps(data).replace("<", "\\u003c")  # so that nothing in it ends the script element
    return _TEMPLATE.read_text(encoding="utf-8").replace(_DATA_MARK, text), data["total"]


def _encode_motion(motion: Motion, marked: bool) -> dict[str, Any]:
    scene = encode_scene([PicturePanel(motion)], ["Left"], together=False, marked=marked, scheme="auto")
    return json.loads(scene)  # noqa: TID251 - written above
