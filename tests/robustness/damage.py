"""Damage valid files of every format, of programs and of datasets.

Bytes are flipped, cut or moved, words are replaced by extremes, and arrays get odd types, shapes or values.
"""

import csv
import io
import os
import pickle
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from acclaim_files import write_acclaim
from fbx_text import write_fbx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from posed_motions import walking
from program_files import PROGRAMS, load_values
from xsens_files import write_mvnx

from selfcorrect.datasets.files.formats import FORMATS
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion

Random = np.random.Generator
SCALE = float(os.environ.get("ROBUSTNESS_SCALE", "1"))
"""Factor on the usual number of damaged files; `make campaign` sets it."""
EXTREMES = ("nan", "inf", "-inf", "1e200", "1e308", "1e-320", "0", "-1", "1e6", "9" * 20, "x", "null", "true", "[]", "")


def examples(usual: int) -> int:
    """Return how many cases a property is tested on."""
    return max(1, round(SCALE * usual))


def make_settings(usual: int) -> settings:
    """Return Hypothesis settings for a number of cases.

    The cases are the same in each run unless ROBUSTNESS_SCALE asks for another number of them.
    """
    checks = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
    return settings(max_examples=examples(usual), derandomize=SCALE == 1, suppress_health_check=checks)


def short_walk() -> Motion:
    """Return eight frames of a walk."""
    return walking().frames(0, 8)


def _save_fbx(path: Path) -> None:
    write_fbx(path, short_walk())


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    **{
        f"{form.name}{suffix}": (f"a{suffix}", lambda path, form=form: save_motion(path, short_walk(), form.name))
        for form in FORMATS if form.reader and form.writer for suffix in form.suffixes if suffix != ".pth"
    },
    "fbx": ("a.fbx", _save_fbx),
    "mvnx": ("a.mvnx", lambda path: write_mvnx(path, short_walk())),
    "amc": ("a.amc", lambda path: write_acclaim(path, short_walk())),
    **{
        name: (program.file, lambda path, program=program: program.save(path, short_walk()))
        for name, program in PROGRAMS.items()
    },
}  # fmt: skip
"""For each kind of file, its name and the function that writes it."""


@cache
def sound(kind: str) -> bytes:
    """Return the content of a valid file of a kind."""
    name, save = FILES[kind]
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def draw_damaged(path: Path) -> st.SearchStrategy[bytes]:
    """Draw damaged versions of a valid file: damage to its bytes, words, arrays, or a member of its archive."""
    content = path.read_bytes()
    return st.integers(0, 2**32).map(lambda seed: _damage(path.suffix, content, np.random.default_rng(seed)))


def _damage(suffix: str, content: bytes, random: Random) -> bytes:
    choices: list[Callable[[bytes, Random], bytes]] = [flip_bits, cut_end, move_block]
    if suffix in (".bvh", ".amc", ".mvnx", ".fbx", ".gltf", ".json", ".csv", ".txt", ".usda"):
        choices += [reword] * 6
    if suffix in (".glb", ".vrma"):
        choices += [_reworded_head] * 6
    if suffix in (".npz", ".npy", ".pt", ".pkl"):
        choices += [lambda content, random: _with_odd_array(suffix, content, random)] * 4
    if zipfile.is_zipfile(io.BytesIO(content)):
        choices += [_in_archive] * 3
    return choices[random.integers(len(choices))](content, random)


def flip_bits(content: bytes, random: Random) -> bytes:
    """Change some bytes anywhere or, half of the time, near the beginning, where headers are."""
    changed = bytearray(content)
    reach = len(changed) if random.random() < 0.5 else min(len(changed), 200)
    for at in random.integers(0, reach, random.integers(1, 6)) if reach else ():
        changed[at] = random.integers(256) if random.random() < 0.5 else changed[at] ^ (1 << random.integers(8))
    return bytes(changed)


def cut_end(content: bytes, random: Random) -> bytes:
    return content[: random.integers(len(content) + 1)]


def move_block(content: bytes, random: Random) -> bytes:
    """Remove or repeat a block of bytes, or replace it by other bytes of the file or random ones."""
    start = int(random.integers(len(content) + 1))
    size = int(random.integers(1, 2000))
    part = content[start : start + size]
    rest = content[start + size :]
    changed = (b"", part * 2, rest[:size], random.bytes(len(part)))[random.integers(4)]
    return content[:start] + changed + rest


def reword(content: bytes, random: Random) -> bytes:
    """Replace some words or numbers of a text by extremes."""
    words = re.split(r"([\s,:{}\[\]\"]+)", content.decode(errors="replace"))
    for _ in range(random.integers(1, 4)):
        words[2 * random.integers((len(words) + 1) // 2)] = EXTREMES[random.integers(len(EXTREMES))]
    return "".join(words).encode()


def _reworded_head(content: bytes, random: Random) -> bytes:
    """Reword the JSON of a binary glTF file and correct its lengths."""
    length = int.from_bytes(content[12:16], "little")
    text = reword(content[20 : 20 + length], random)
    text += b" " * (-len(text) % 4)
    rest = content[20 + length :]
    size = (20 + len(text) + len(rest)).to_bytes(4, "little")
    return content[:8] + size + len(text).to_bytes(4, "little") + content[16:20] + text + rest


def odd_array(like: np.ndarray, random: Random) -> Any:
    """Return an array like another one, but with a wrong type or shape, or values that no motion has."""
    values = like.copy() if like.dtype.kind == "f" and like.ndim else np.zeros((3, 3))
    if random.random() < 0.4 and values.size:
        values.flat[random.integers(values.size)] = (np.nan, np.inf, 1e200, -1e30)[random.integers(4)]
        return values
    kinds = ("i1", "c16", "S3", "U2", "?", "f2", "M8[s]", "V8")
    others: tuple[Any, ...] = (
        values * 1e200, values * 0, values[:1], values[:0], values.reshape(-1), values[..., None],
        values[..., : random.integers(1, 4)], np.array([None, "x", {}], dtype=object), np.zeros((10**6, 0)),
        np.zeros((0, 156)), np.float64(np.nan), np.float64(1e300), np.zeros(()), "nonsense",
        *(values.astype(kind) for kind in kinds),
    )  # fmt: skip
    return others[random.integers(len(others))]


def _with_odd_array(suffix: str, content: bytes, random: Random) -> bytes:
    """Replace or remove one array of a file."""
    values = load_values(io.BytesIO(content), suffix)
    places = list(_places(values))
    if not places:
        return _save_values(suffix, odd_array(np.asarray(values), random))
    parent, key = places[random.integers(len(places))]
    old = parent[key]
    if random.random() < 0.1:
        del parent[key]
    else:
        parent[key] = odd_array(np.asarray(old), random)
        if isinstance(old, torch.Tensor) and isinstance(parent[key], np.ndarray) and parent[key].dtype.kind in "fib":
            parent[key] = torch.from_numpy(np.ascontiguousarray(parent[key]))
    return _save_values(suffix, values)


def _save_values(suffix: str, values: Any) -> bytes:
    file = io.BytesIO()
    match suffix:
        case ".npz":
            np.savez(file, **values)
        case ".npy":
            np.save(file, np.array(values, dtype=object) if isinstance(values, dict) else values)
        case ".pt":
            torch.save(values, file)
        case _:
            pickle.dump(values, file)
    return file.getvalue()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the container and key of each array."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if isinstance(value, np.ndarray | torch.Tensor):
            yield node, key
        yield from _places(value)


def _in_archive(content: bytes, random: Random) -> bytes:
    """Damage a member of a ZIP archive and correct its checksum."""
    damage = (flip_bits, cut_end, move_block)[random.integers(3)]
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        names = old.namelist()
        hit = next((name for name in names if name.endswith("data.pkl") and random.random() < 0.8), None)
        hit = hit or names[random.integers(len(names))]
        for name in names:
            new.writestr(name, damage(old.read(name), random) if name == hit else old.read(name))
    return file.getvalue()


# --- datasets --------------------------------------------------------------------------------------------------------


def _cmu(folder: Path) -> None:
    head = ["file", "split", "skeleton", "subject", "category", "description"]
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, ["train/a.bvh", "train", "daz", "1", "walk", "walks"]])
    for name in ("train/a.bvh", "tpose/daz.bvh"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(sound("bvh.bvh"))


def _humanml3d(folder: Path) -> None:
    (folder / "new_joint_vecs").mkdir()
    (folder / "texts").mkdir()
    (folder / "new_joint_vecs" / "000001.npy").write_bytes(sound("humanml3d.npy"))
    (folder / "texts" / "000001.txt").write_text("walks#walk/VERB#0.0#0.0\nsits#sit/VERB#0.1#0.3\n")
    (folder / "train.txt").write_text("000001\n")


def _amass(folder: Path) -> None:
    (folder / "X").mkdir()
    for name in ("a", "b"):
        (folder / "X" / f"{name}.npz").write_bytes(sound("amass.npz"))


DATASETS: dict[str, Callable[[Path], None]] = {
    "cmu": _cmu, "humanml3d": _humanml3d, "amass": _amass,
}  # fmt: skip
"""Functions that write a small dataset into an empty folder, by the dataset's name in the catalogue."""
