"""BABEL: what people do when in AMASS, as labels of whole clips and of spans of time.

Punnakkal et al., "BABEL: Bodies, Action and Behavior with English Labels", CVPR 2021.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.limits import open_file, path_below
from selfcorrect.storage.files.strict_json import read_json

from ..files.open import open_motion
from .amass import AMASS, AMASS_READING
from .dataset import Clip, Dataset, MissingData, cut, require

SPLITS = ("train", "val", "test", "extra_train", "extra_val")


@dataclass(frozen=True)
class LabelledSpan:
    """A span of a recording: the annotator's words, the action category ("" for none), seconds, None for all of it."""

    words: str
    action: str
    span_s: tuple[float, float] | None


def segments(record: Mapping[str, Any]) -> list[LabelledSpan]:
    """The labelled spans of a record of BABEL's files; labels of the whole clip where it has no spans."""
    return list(_labels(record, "frame")) or list(_labels(record, "seq"))


def _labels(record: Mapping[str, Any], kind: str) -> Iterator[LabelledSpan]:
    """Labels of one annotator, as in the dense files, or of several, as in the extra ones."""
    for annotation in [record.get(f"{kind}_ann"), *(record.get(f"{kind}_anns") or ())]:
        for label in (annotation or {}).get("labels") or ():
            span_s = (float(label["start_t"]), float(label["end_t"])) if kind == "frame" else None
            yield LabelledSpan(str(label["raw_label"] or ""), str((label.get("act_cat") or [""])[0] or ""), span_s)


def _segments(where: str, record: Any) -> list[LabelledSpan]:
    try:
        return segments(record)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{where}: the labels are not as BABEL has them ({type(error).__name__}: {error})") from error


def clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """The labelled recordings of a split ("train" where none is named); AMASS lies in `amass` in or beside `folder`."""
    split = split or "train"
    if split not in SPLITS:
        raise SettingError(f"{folder}: BABEL has the splits {', '.join(SPLITS)}, got {split!r}")
    require(BABEL, folder, f"{split}.json")
    path = folder / f"{split}.json"
    records = read_json(path)
    if not isinstance(records, dict):
        raise InputError(f"{path}: expected an object with a record per recording, got {type(records).__name__}")
    motions = _amass_folder(folder)
    return [_clip(path, motions, name, record) for name, record in records.items()]


def _amass_folder(folder: Path) -> Path:
    for motions in (folder / "amass", folder.parent / "amass"):
        if motions.is_dir():
            return motions
    raise MissingData(
        f"{folder}: BABEL needs AMASS' SMPL+H files in {folder / 'amass'} or {folder.parent / 'amass'}. "
        f"To be had: {AMASS.obtain} Licence: {AMASS.licence}"
    )


def _clip(file: Path, motions: Path, name: str, record: Any) -> Clip:
    try:
        path = _path(motions, record["feat_p"])
    except (InputError, KeyError, TypeError) as error:
        return Clip(name, file, partial(_refuse, InputError(f"{file}, {name}: feat_p: {error}")))
    return Clip(name, path, partial(_read, path, f"{file}, {name}", record))


def _path(motions: Path, stated: Any) -> Path:
    """BABEL's paths begin with the name of the archive, which is not always a folder on disk."""
    whole = path_below(motions, stated)
    without = path_below(motions, str(stated).partition("/")[2] or stated)
    return whole if whole.exists() or not without.exists() else without


def _refuse(error: InputError) -> list[Motion]:
    raise error


def _read(path: Path, where: str, record: Any) -> list[Motion]:
    labelled, motion = _segments(where, record), open_motion(path, AMASS_READING, any_body=True).motion
    return [replace(cut(motion, segment.span_s), label=segment.action, text=segment.words) for segment in labelled]


def _recognises(path: Path) -> bool:
    files = [path / f"{split}.json" for split in SPLITS if (path / f"{split}.json").is_file()]
    return any(b'"babel_sid"' in open_file(file).read(4096) for file in files[:1])


BABEL = Dataset(
    name="babel",
    title="BABEL",
    holds="labels of 43 hours of AMASS: 260 action categories, words of annotators, spans of time",
    obtain="after registration at BABEL's web site of the Max Planck Institute for Intelligent Systems "
    "(babel_v1.0_release); the motions from AMASS.",
    licence="non-commercial scientific research.",
    layout="train.json, val.json, test.json, extra_train.json, extra_val.json\n"
    "amass/SUBSET/… in this folder or beside it",
    recognises=_recognises,
    clips=clips,
)
