"""BABEL: what people do when in AMASS, as labels of whole clips and of spans of time.

Punnakkal et al., "BABEL: Bodies, Action and Behavior with English Labels", CVPR 2021.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import selfcorrect as sc

from . import require_files

SPLITS = ("train", "val", "test", "extra_train", "extra_val")
READING = sc.Reading(up="z")
"""The vertical axis of AMASS, also for a body that lies."""


@dataclass(frozen=True)
class LabelledSpan:
    """A span of a recording with its label."""

    words: str
    """The annotator's words."""
    action: str
    """The action category, "" for none."""
    span_s: tuple[float, float] | None
    """Beginning and end in seconds, None for the whole recording."""


def list_clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[sc.Clip]:
    """Return the labelled recordings of a split, "train" by default; AMASS lies in `amass` in or beside `folder`."""
    split = split or "train"
    if split not in SPLITS:
        raise sc.SettingError(f"{folder}: BABEL has the splits {', '.join(SPLITS)}, got {split!r}")
    path = folder / f"{split}.json"
    require_files(folder, BABEL, [path.name])
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise sc.InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(records, dict):
        raise sc.InputError(f"{path}: expected an object with a record per recording, got {type(records).__name__}")
    amass = find_amass(folder)
    clips = []
    for name, record in records.items():
        motion_path = find_motion(amass, record)
        read = partial(read_clip, motion_path, f"{path}, {name}", record)
        clips.append(sc.Clip(name, motion_path or path, read))
    return clips


def find_amass(folder: Path) -> Path:
    """Return the folder of AMASS in or beside that of BABEL."""
    for amass in (folder / "amass", folder.parent / "amass"):
        if amass.is_dir():
            return amass
    raise sc.InputError(f"{folder}: BABEL needs AMASS' SMPL+H files in {folder / 'amass'} or {folder.parent / 'amass'}")


def find_motion(amass: Path, record: Any) -> Path | None:
    """Return the file of a record below the folder of AMASS, None for a record without a path there.

    Paths of BABEL begin with the name of the archive, which is not always a folder on disk.
    """
    stated = record.get("feat_p") if isinstance(record, Mapping) else None
    if not isinstance(stated, str):
        return None
    with_archive, without_archive = amass / stated, amass / stated.partition("/")[2]
    path = without_archive if without_archive.is_file() and not with_archive.exists() else with_archive
    is_inside = path.resolve().is_relative_to(amass.resolve())
    return path if is_inside else None


def read_clip(path: Path | None, where: str, record: Any) -> list[sc.Motion]:
    """Return the motion of each labelled span of a record; where: the record in messages."""
    if path is None:
        raise sc.InputError(f"{where}: expected a path below the folder of AMASS as feat_p")
    try:
        spans = list(read_labels(record, "frame")) or list(read_labels(record, "seq"))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise sc.InputError(f"{where}: unexpected form of the labels ({type(error).__name__}: {error})") from error
    motion = sc.open_motion(path, READING, any_body=True).motion
    return [replace(cut_span(motion, span.span_s), label=span.action, text=span.words) for span in spans]


def read_labels(record: Mapping[str, Any], kind: str) -> Iterator[LabelledSpan]:
    """Yield the labels of frames or of the whole sequence.

    The dense files have one annotator (`frame_ann`, `seq_ann`), the extra ones several (`frame_anns`, `seq_anns`).
    """
    for annotation in [record.get(f"{kind}_ann"), *(record.get(f"{kind}_anns") or ())]:
        for label in (annotation or {}).get("labels") or ():
            span_s = (float(label["start_t"]), float(label["end_t"])) if kind == "frame" else None
            action = (label.get("act_cat") or [""])[0]
            yield LabelledSpan(str(label["raw_label"] or ""), str(action or ""), span_s)


def cut_span(motion: sc.Motion, span_s: tuple[float, float] | None) -> sc.Motion:
    """Return the frames of a span; all of them for None."""
    if span_s is None:
        return motion
    start_s, stop_s = span_s
    if not 0 <= start_s < min(stop_s, motion.seconds):
        raise sc.InputError(f"{motion.source}: a label spans {span_s} s in a clip of {motion.seconds:.2f} s")
    stop = len(motion) if stop_s > motion.seconds else round(stop_s * motion.fps)
    return motion.frames(round(start_s * motion.fps), max(stop, round(start_s * motion.fps) + 1))


def is_babel(path: Path) -> bool:
    """Return True if a folder has a split of BABEL."""
    for split in SPLITS:
        file = path / f"{split}.json"
        if file.is_file():
            with file.open("rb") as stream:
                return b'"babel_sid"' in stream.read(4096)
    return False


BABEL = sc.Dataset(
    name="babel",
    title="BABEL",
    holds="labels of 43 hours of AMASS: 260 action categories, words of annotators, spans of time",
    obtain="after registration at BABEL's web site of the Max Planck Institute for Intelligent Systems "
    "(babel_v1.0_release); the motions from AMASS.",
    licence="non-commercial scientific research.",
    layout="train.json, val.json, test.json, extra_train.json, extra_val.json\n"
    "amass/SUBSET/… in this folder or beside it",
    recognises=is_babel,
    clips=list_clips,
)
