"""Results of programs, .pkl, .pt, .npy and .npz, with damaged bytes or odd arrays: read, written back, read again."""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from bad_files import BYTES, Random, odd_array, walker
from harness import Case, random_of
from program_files import PROGRAMS, reading_of

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion


@cache
def _sound(name: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PROGRAMS[name].file
        PROGRAMS[name].save(path, walker())
        return path.read_bytes()


def result_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` damaged files of results."""
    return [Case(f"results:{case}", partial(_case, seed, case, folder)) for case in range(count)]


def _case(seed: int, case: int, folder: Path) -> str:
    random, name = random_of(seed, "results", case), list(PROGRAMS)[case % len(PROGRAMS)]
    path = folder / f"{case}-{PROGRAMS[name].file}"
    damage = (_with_odd_array, _in_archive, *BYTES)[random.integers(5)]
    path.write_bytes(_sound(name))
    content = damage(path, random) if damage in (_with_odd_array, _in_archive) else damage(_sound(name), random)
    path.write_bytes(content)
    wrong = _look(path, reading_of(PROGRAMS[name]))
    for one in folder.glob(f"{case}-*"):
        one.unlink()
    return f"{name}, {damage.__name__}: {wrong}" if wrong else ""


def _look(path: Path, reading: Any) -> str:
    """What is wrong with how a file is read; one that is read can be written, and what was written be read.

    Arrays that only writing needs may turn out to be damaged then.
    """
    copy = path.with_name(f"{path.stem}-copy{path.suffix}")
    try:
        file = open_motion(path, reading)
        moved = [replace(motion, root_m=motion.root_m + np.array([0.0, 0.05, 0.0])) for motion in file.motions]
        file.write(copy, *moved)
    except InputError as error:
        return "" if str(path) in str(error) and len(str(error)) < 2000 else str(error)
    again = open_motion(copy, reading).motions
    return "" if len(again) == len(moved) else f"{len(moved)} motions became {len(again)}"


def _with_odd_array(path: Path, random: Random) -> bytes:
    """The file with one array of another kind."""
    content = _loaded(path)
    places = list(_places(content))
    parent, key = places[random.integers(len(places))]
    old = parent[key]
    parent[key] = odd_array(np.asarray(old), random)
    if isinstance(old, torch.Tensor) and isinstance(parent[key], np.ndarray) and parent[key].dtype.kind in "fib":
        parent[key] = torch.from_numpy(np.ascontiguousarray(parent[key]))
    file = io.BytesIO()
    match path.suffix:
        case ".npz":
            np.savez(file, **content)
        case ".npy":
            np.save(file, np.array(content, dtype=object))
        case ".pt":
            torch.save(content, file)
        case _:
            pickle.dump(content, file)
    return file.getvalue()


def _in_archive(path: Path, random: Random) -> bytes:
    """The file with damage in one of its entries, whose checksum is right again; any other file just damaged."""
    damage = BYTES[random.integers(len(BYTES))]
    if not zipfile.is_zipfile(path):
        return damage(path.read_bytes(), random)
    file = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(file, "w") as new:
        names = old.namelist()
        hit = names[random.integers(len(names))] if path.suffix == ".npz" or random.random() < 0.2 else "data.pkl"
        for name in names:
            new.writestr(name, damage(old.read(name), random) if name.endswith(hit) else old.read(name))
    return file.getvalue()


def _loaded(path: Path) -> Any:
    """What the program's own reader makes of a sound file."""
    match path.suffix:
        case ".npz":
            return dict(np.load(path))
        case ".npy":
            return np.load(path, allow_pickle=True).item()
        case ".pt":
            return torch.load(path, weights_only=True)
    return joblib.load(path)


def _places(node: Any) -> Any:
    """The containers and keys of all arrays."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if isinstance(value, np.ndarray | torch.Tensor):
            yield node, key
        yield from _places(value)
