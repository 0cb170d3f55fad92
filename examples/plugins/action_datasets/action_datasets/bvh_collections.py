"""Published collections of BVH files: LAFAN1, Bandai Namco's, and folders of Mixamo's.

Their skeletons rest in poses of their own making, so that motions come on SMPL's 22 joints, joint positions kept. To
read a file on its own skeleton, see `files.open`.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.collections.dataset import Clip, Dataset, ListsClips, MissingData
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.body.smpl import to_smpl
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.limits import open_file

_LAFAN1 = re.compile(r"(?P<action>[a-zA-Z]+)\d*_subject\d+")
_BANDAI_NAMCO = re.compile(r"dataset-[12]_(?P<action>[a-z-]+)_(?P<style>[a-z-]+)_\d+")


def _lafan1_words(name: str) -> tuple[str, str]:
    match = _LAFAN1.fullmatch(name)
    action = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", match["action"]).lower() if match else ""
    return action, action


def _bandai_namco_words(name: str) -> tuple[str, str]:
    if (match := _BANDAI_NAMCO.fullmatch(name)) is None:
        return "", ""
    action = match["action"].replace("-", " ")
    style = match["style"].replace("-", " ")
    return action, action if style == "normal" else f"{action}, {style}"


def _mixamo_words(name: str) -> tuple[str, str]:
    words = re.sub(r"[_-]+", " ", name).strip().lower()
    return words, words


def _read(path: Path, words: Callable[[str], tuple[str, str]]) -> list[Motion]:
    label, text = words(path.stem)
    motion = open_motion(path, any_body=True).motion
    return [replace(to_smpl(motion), label=label, text=text)]


def _lists(pattern: str, words: Callable[[str], tuple[str, str]], obtain: str) -> ListsClips:
    """Return a function that lists the files of a folder that match a pattern.

    Args:
        words: Function of a file's name that returns label and text.
        obtain: Place where the collection can be had, for messages.
    """

    def clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
        if split is not None:
            raise SettingError(f"{folder}: this collection has no splits, got {split!r}")
        files = sorted(folder.rglob(pattern))
        if not files:
            raise MissingData(f"{folder}: no files {pattern} here. To be had: {obtain}")
        listed = []
        for path in files:
            name = str(path.relative_to(folder).with_suffix(""))
            listed.append(Clip(name, path, partial(_read, path, words)))
        return listed

    return clips


def _has_joint(folder: Path, pattern: str, joint: str) -> bool:
    """Return whether the first file of a folder has a joint of that name."""
    for path in sorted(folder.rglob(pattern))[:1]:
        with open_file(path) as file:
            return joint.encode() in file.read(4096)
    return False


_LAFAN1_SOURCE = "the repository ubisoft/ubisoft-laforge-animation-dataset on GitHub."
_BANDAI_NAMCO_SOURCE = "the repository BandaiNamcoResearchInc/Bandai-Namco-Research-Motiondataset on GitHub."
_MIXAMO_SOURCE = "Adobe's Mixamo, with an account; it gives FBX, which Blender turns into BVH."

LAFAN1 = Dataset(
    name="lafan1",
    title="LAFAN1",
    holds="77 clips, 4.6 hours, 30 fps, of 15 actions by 5 people",
    obtain=_LAFAN1_SOURCE,
    licence="CC BY-NC-ND 4.0.",
    layout="ACTION_subjectN.bvh, e.g. walk1_subject1.bvh",
    recognises=lambda path: path.is_dir() and any(path.rglob("*_subject[0-9].bvh")),
    clips=_lists("*_subject[0-9].bvh", _lafan1_words, _LAFAN1_SOURCE),
)
BANDAI_NAMCO = Dataset(
    name="bandai-namco",
    title="Bandai Namco Research Motion Dataset",
    holds="more than 3,000 clips, 30 fps: actions in many styles",
    obtain=_BANDAI_NAMCO_SOURCE,
    licence="CC BY-NC 4.0.",
    layout="dataset-N_ACTION_STYLE_NNN.bvh, e.g. dataset-1_walk_happy_001.bvh",
    recognises=lambda path: path.is_dir() and any(path.rglob("dataset-[12]_*.bvh")),
    clips=_lists("dataset-[12]_*.bvh", _bandai_namco_words, _BANDAI_NAMCO_SOURCE),
)
MIXAMO = Dataset(
    name="mixamo",
    title="Mixamo",
    holds="characters' animations as BVH, named after what they do",
    obtain=_MIXAMO_SOURCE,
    licence="free to use, not to be passed on as files.",
    layout="any .bvh files whose joints are named mixamorig:…",
    recognises=lambda path: path.is_dir() and _has_joint(path, "*.bvh", "mixamorig"),
    clips=_lists("*.bvh", _mixamo_words, _MIXAMO_SOURCE),
)
