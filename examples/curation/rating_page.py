"""Make a page on which a rater compares motions, two at a time; the page needs no server and no network.

    python examples/curation/rating_page.py runs/motion-short --rater ada

The page saves the choices as choices-ada.jsonl, which `selfcorrect motion --ratings` takes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
import tyro

from selfcorrect.core.errors import InputError, SelfcorrectError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.datasets.files.open import motion_files, open_motion
from selfcorrect.experiments.curation.choices import RatedItem, RatingStudy
from selfcorrect.experiments.curation.features import MOTION_FEATURES, features_or_none
from selfcorrect.experiments.motion.settings import settings_from_config
from selfcorrect.experiments.motion.study import motion_runs
from selfcorrect.experiments.motion.task import motion_task, trained_model
from selfcorrect.motion.body.foot_frames import level_feet
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.pictures.player import FASTEST_FPS, SCENE_MARK, encode_scene
from selfcorrect.motion.pictures.player import TEMPLATE as PLAYER
from selfcorrect.runtime.bugs import describe_failure
from selfcorrect.storage.files.digests import read_with_digest
from selfcorrect.storage.files.strict_json import read_json
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.run_folder import CONFIG

MOST_ITEMS = 500
RUN_SAMPLES = 32
"""Approximate number of samples of a run."""
PER_LABEL = 8
"""Samples of a run with the same label. Only these are compared with each other."""
COMMON_SHARE = 0.25
"""Share of the pairs of each rater that all raters see, so that their agreement can be measured."""
FEWEST_COMMON = 10
"""Smallest number of such pairs."""


@dataclass(frozen=True, eq=False)
class Item:
    """A sample with its record for the file of choices."""

    rated: RatedItem
    shown: Motion


def collect_items(sources: Sequence[Path]) -> list[Item]:
    """Return the samples of a run folder, or of a folder in it, or of motion files; equal samples once.

    Raises:
        InputError: There is nothing to compare, or too much.
    """
    is_run = len(sources) == 1 and _has_generations(sources[0])
    found_items = _generate_motions(sources[0].resolve()) if is_run else _read_files(sources)
    items = list({item.rated.id: item for item in found_items}.values())
    if max(Counter(item.rated.label for item in items).values(), default=0) < 2:
        raise InputError(f"{', '.join(map(str, sources))}: two different samples with the same label are needed")
    if len(items) > MOST_ITEMS:
        raise InputError(f"at most {MOST_ITEMS} samples are compared, got {len(items)}")
    return items


def _read_files(paths: Sequence[Path]) -> Iterator[Item]:
    for file in dict.fromkeys(file for path in paths for file in motion_files(path)):
        try:
            motions = open_motion(file, any_body=True).motions
        except SelfcorrectError as error:  # a bad file stops no other
            print(describe_failure(file, error), file=sys.stderr)
            continue
        for number, motion in enumerate(motions):
            name = file.stem if len(motions) == 1 else f"{file.stem} [{number}]"
            yield _make_item(level_feet(motion), name, file.parent.name, "")


def _make_item(motion: Motion, name: str, source: str, label: str) -> Item:
    content = b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in (motion.root_m, motion.rotations))
    digest = hashlib.blake2b(content, digest_size=8).hexdigest()
    return Item(RatedItem(digest, name, source, label, features_or_none(motion)), motion)


def _has_generations(path: Path) -> bool:
    return path.is_dir() and next(path.rglob("generation-[0-9]*"), None) is not None


def _generate_motions(folder: Path) -> Iterator[Item]:
    """Sample the same labels from the last models of the arms in a folder, of the lowest seed in it."""
    configs = [root / CONFIG for root in (folder, *folder.parents) if (root / CONFIG).is_file()]
    config = next((config for config in configs if "comparisons" in read_json(config)), None)
    if config is None:
        raise InputError(f"{folder}: expected a run of `selfcorrect motion`")
    settings = settings_from_config(read_with_digest(config))
    places = []
    for run in motion_runs(settings, config.parent):
        for arm in settings.arms[run.task]:
            arm_folder = run.arm_folder(arm)
            if arm_folder.is_relative_to(folder) and _has_generations(arm_folder):
                places.append((run, arm))
    seed = min(run.seed for run, _ in places)
    places = [(run, arm) for run, arm in places if run.seed == seed]
    per_label = max(1, round(PER_LABEL / len(places)))
    for run, arm in places:
        task = motion_task(settings, run.task, run.stream)
        names = task.data.training.label_names
        count = min(len(names), max(1, round(RUN_SAMPLES / len(places) / per_label)))
        labels = torch.linspace(0, len(names) - 1, count).round().long().repeat(per_label)
        latest = FolderReader(run.arm_folder(arm)).latest
        model = trained_model(task, arm, run.arm_folder(arm), latest)
        batch = task.codec.decode(model.sample(labels, streams(0).child("curate", run.task, arm.key)))
        source = f"{run.task} {arm.title}, generation {latest}"
        for row, label in enumerate(labels.tolist()):
            yield _make_item(batch[row], f"{names[label]} {row}", source, names[label])


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


def make_rating_page(items: Sequence[Item], rater: str, question: str, pairs: int, marked: bool = False) -> str:
    """Return the page of a rater as HTML; `marked` colours and counts faults of motions."""
    fps = min([FASTEST_FPS, *(item.shown.fps for item in items)])
    shown = {}
    for item in items:
        panel = PicturePanel(resample(item.shown, fps))
        shown[item.rated.id] = json.loads(encode_scene([panel], ["Left"], marked=marked, scheme="auto"))
    data = {
        "player": {"page": PLAYER.read_text(encoding="utf-8"), "mark": SCENE_MARK},
        "study": asdict(RatingStudy(question, MOTION_FEATURES, tuple(item.rated for item in items))),
        "rater": rater,
        "shown": shown,
        "pairs": plan_pairs({item.rated.id: item.rated.label for item in items}, pairs, rater, streams(0)),
    }
    template = Path(__file__).with_name("curate.html").read_text(encoding="utf-8")
    text = json.dumps(data).replace("<", "\\u003c")  # so that nothing in it ends the script element
    return template.replace('"{{ data }}"', text)


def main(
    sources: tyro.conf.Positional[tuple[Path, ...]],
    /,
    rater: str,
    out: Path | None = None,
    question: str = "Which one looks more real?",
    pairs_per_sample: int = 3,
    marked: bool = False,
) -> None:
    """Write the page.

    Args:
        sources: A run folder, or the folder of one of its arms; or motion files and folders of them.
        rater: Name of the rater. Each rater has a page.
        out: The page (default: curate-RATER.html).
        question: Question to the rater.
        pairs_per_sample: Number of comparisons per sample.
        marked: Colour and count faults of motions.
    """
    try:
        items = collect_items(sources)
        page = make_rating_page(items, rater, question, pairs_per_sample * len(items), marked)
        write_atomically(out or Path(f"curate-{rater}.html"), page, overwrite=False)
    except SelfcorrectError as error:
        raise SystemExit(f"rating_page: {error}") from error


if __name__ == "__main__":
    tyro.cli(main)
