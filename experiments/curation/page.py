"""Make the page on which a rater compares samples, two at a time: a file that needs no server and no network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.pictures.player import FASTEST_FPS, SCENE_MARK, encode_scene
from selfcorrect.motion.pictures.player import TEMPLATE as PLAYER

from .choices import RatingStudy
from .features import MOTION_FEATURES
from .items import Item

PAIRS_PER_ITEM = 3
"""Comparisons that each rater is asked for by default."""
COMMON_SHARE = 0.25
"""Share of the pairs of each rater that all raters see, so that their agreement is measured."""
FEWEST_COMMON = 10
"""Smallest number of such pairs."""
_TEMPLATE = Path(__file__).with_name("curate.html")
_DATA_MARK = '"{{ data }}"'


def make_rating_page(
    items: Sequence[Item], rater: str, *, question: str, pairs: int | None, marked: bool
) -> tuple[str, int]:
    """Return the page of a rater as HTML, and the number of pairs that it shows.

    Args:
        pairs: Number of pairs to show (default: three per sample).
        marked: Whether faults of motions are coloured and counted.
    """
    labels = {item.rated.id: item.rated.label for item in items}
    planned = plan_pairs(labels, pairs or PAIRS_PER_ITEM * len(labels), rater, streams(0).child("pairs"))
    fps = min([FASTEST_FPS, *(item.shown.fps for item in items)])
    data = {
        "player": {"page": PLAYER.read_text(encoding="utf-8"), "mark": SCENE_MARK},
        "study": asdict(RatingStudy(question, MOTION_FEATURES, tuple(item.rated for item in items))),
        "rater": rater,
        "shown": {item.rated.id: _encode_motion(resample(item.shown, fps), marked) for item in items},
        "pairs": planned,
    }
    text = json.dumps(data).replace("<", "\\u003c")  # so that nothing in it ends the script element
    return _TEMPLATE.read_text(encoding="utf-8").replace(_DATA_MARK, text), len(planned)


def plan_pairs(labels: Mapping[str, str], count: int, rater: str, stream: Stream) -> list[tuple[str, str, bool]]:
    """Return the pairs that a rater sees, (left, right, whether all raters see the pair): first the common pairs.

    Args:
        labels: Sample → label. Only samples of a label are compared.
    """
    pairs = [pair for pair in combinations(sorted(labels), 2) if labels[pair[0]] == labels[pair[1]]]
    order = stream.child("common").numpy().permutation(len(pairs))
    common_count = min(count, max(FEWEST_COMMON, round(COMMON_SHARE * count)))
    order[common_count:] = stream.child("rater", rater).numpy().permutation(order[common_count:])
    is_swapped = stream.child("side", rater).numpy().random(len(pairs)) < 0.5
    planned = []
    for place, index in enumerate(order[:count]):
        left, right = pairs[index][::-1] if is_swapped[place] else pairs[index]
        planned.append((left, right, place < common_count))
    return planned


def _encode_motion(motion: Motion, marked: bool) -> dict[str, Any]:
    scene = encode_scene([PicturePanel(motion)], ["Left"], marked=marked, scheme="auto")
    return json.loads(scene)  # noqa: TID251 - written above
