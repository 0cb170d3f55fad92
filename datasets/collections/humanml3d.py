"""HumanML3D and KIT-ML, captioned motions as arrays.

Source: Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022.
`selfcorrect.motion.encodings.humanml3d` describes the numbers.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.arrays import read_npy
from selfcorrect.storage.files.limits import path_below, read_text

from ..files.open import open_motion
from .dataset import Clip, Dataset, cut_clip, require


@dataclass(frozen=True)
class Caption:
    """A caption of a clip or of a segment."""

    text: str
    """The caption."""
    tokens: str
    """Words as "word/PART-OF-SPEECH", separated by blanks."""
    span_s: tuple[float, float] | None
    """Start and end of the described time span, in s; None for the whole clip."""


def read_captions(path: Path) -> list[Caption]:
    """Read captions from a text file.

    Its lines are "caption#tokens#from#to" with times in seconds, which are both 0 for the whole clip.
    """
    lines = read_text(path).splitlines()
    return [_parse_caption(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _parse_caption(path: Path, number: int, line: str) -> Caption:
    parts = line.strip().split("#")
    try:
        text = parts[0]
        tokens = parts[1]
        start_s = float(parts[2])
        stop_s = float(parts[3])
    except (IndexError, ValueError):
        raise InputError(f"{path}, line {number}: expected caption#tokens#from#to, got {line.strip()!r}") from None
    is_whole = math.isnan(start_s) or math.isnan(stop_s) or start_s == stop_s == 0
    return Caption(text.strip(), tokens, None if is_whole else (start_s, stop_s))


def read_split_names(folder: Path, split: str) -> list[str]:
    """Return the clip names in `split`.txt, where the split is "train", "val" or "test"."""
    path = path_below(folder, f"{split}.txt")
    if not path.is_file():
        splits = sorted(path.stem for path in folder.glob("*.txt"))
        raise SettingError(f"{folder}: unknown split {split!r}; expected one of {splits}")
    return read_text(path).split()


def group_by_span(sentences: list[Caption]) -> dict[tuple[float, float] | None, list[Caption]]:
    """Group captions by the time span that they describe."""
    by_span: dict[tuple[float, float] | None, list[Caption]] = {}
    for caption in sentences:
        by_span.setdefault(caption.span_s, []).append(caption)
    return by_span


def list_humanml3d_clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """List the recordings of a HumanML3D folder; see `ListsClips`."""
    return list_captioned_clips(HUMANML3D, folder, split)


def list_kit_clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """List the recordings of a KIT-ML folder; see `ListsClips`."""
    return list_captioned_clips(KIT_ML, folder, split)


def list_captioned_clips(dataset: Dataset, folder: Path, split: str | None) -> list[Clip]:
    """List the captioned clips of a split, or all clips of the folder.

    Raises:
        MissingData: The folder lacks files of the layout.
        SettingError: The split does not exist.
    """
    require(dataset, folder, "texts")
    if not (motions := folder / "new_joint_vecs").is_dir() and not (motions := folder / "new_joints").is_dir():
        require(dataset, folder, "new_joint_vecs")
    names = sorted(path.stem for path in motions.glob("*.npy")) if split is None else read_split_names(folder, split)
    return [Clip(name, motions / f"{name}.npy", partial(_read_clip, motions, name)) for name in names]


def _read_clip(motions: Path, name: str) -> list[Motion]:
    """Read a clip, and return a motion for each captioned time span with its captions as text, one per line."""
    motion = open_motion(path_below(motions, f"{name}.npy"), any_body=True).motion
    captions = read_captions(path_below(motions.parent / "texts", f"{name}.txt"))
    parts = []
    for span_s, part_captions in group_by_span(captions).items():
        text = "\n".join(caption.text for caption in part_captions)
        parts.append(replace(cut_clip(motion, span_s), text=text))
    return parts or [motion]


def count_columns(folder: Path) -> int | None:
    """Return the number of columns in a folder with HumanML3D's layout, or None for another layout.

    The number is read from Mean.npy, or else from the first motion.
    """
    if not (folder / "texts").is_dir():
        return None
    for path in (folder / "Mean.npy", *sorted(folder.glob("new_joint_vecs/*.npy"))[:1]):
        if path.is_file():
            return (read_npy(path).shape or (0,))[-1]
    joints = sorted(folder.glob("new_joints/*.npy"))[:1]
    return 12 * (*read_npy(joints[0]).shape, 0, 0)[1] - 1 if joints else None


HUMANML3D = Dataset(
    name="humanml3d",
    title="HumanML3D",
    holds="14,616 motions (29,232 with mirrored motions), 44,970 captions, 20 fps, SMPL's 22 joints",
    obtain="the repository EricGuo5513/HumanML3D on GitHub has the captions, the splits and the scripts that make the "
    "motions from AMASS, which needs an account at the Max Planck Institute for Intelligent Systems.",
    licence="captions and scripts MIT; the motions fall under AMASS' licence (non-commercial research) "
    "and HumanAct12's.",
    layout="new_joint_vecs/NNNNNN.npy (T, 263) and/or new_joints/NNNNNN.npy (T, 22, 3)\n"
    "texts/NNNNNN.txt: caption#tokens#from#to\nMean.npy, Std.npy (263,)\ntrain.txt, val.txt, test.txt: names",
    recognises=lambda folder: count_columns(folder) == 263,
    clips=list_humanml3d_clips,
)

KIT_ML = Dataset(
    name="kit-ml",
    title="KIT-ML",
    holds="3,911 motions, 6,278 captions, 12.5 fps, 21 joints of the MMM body",
    obtain="the repository EricGuo5513/HumanML3D on GitHub links to the files in this layout; the recordings are "
    "those of the KIT Motion-Language Dataset (Plappert et al. 2016).",
    licence="that of the KIT Motion-Language Dataset.",
    layout="new_joint_vecs/NNNNN.npy (T, 251) and/or new_joints/NNNNN.npy (T, 21, 3)\n"
    "texts/NNNNN.txt: caption#tokens#from#to\nMean.npy, Std.npy (251,)\ntrain.txt, val.txt, test.txt: names",
    recognises=lambda folder: count_columns(folder) == 251,
    clips=list_kit_clips,
)
