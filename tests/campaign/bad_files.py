"""Files of every format with every kind of damage: text, bytes, fields, documents and whole datasets."""

from __future__ import annotations

import copy
import csv
import gzip
import importlib.util
import io
import json
import pickle
import re
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from harness import Case, random_of

import selfcorrect  # noqa: F401 - before tests/selfcorrect could be taken for it

sys.path.insert(0, str(Path(__file__).parents[1]))

import pickle_bombs  # noqa: F401 - which other modules of the campaign then find
import program_files  # noqa: F401
from fbx_text import write_fbx

sys.path.pop(0)  # worker processes inherit it, and would take tests/selfcorrect for the package

from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.datasets.collections import catalog
from selfcorrect.datasets.collections.dataset import read_all
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.experiments.data.sources import of_each, open_source
from selfcorrect.experiments.data.summary import measures, summarise
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.motion import Motion

Random = np.random.Generator
EXTREMES = (
    "nan",
    "inf",
    "-inf",
    "1e200",
    "-1e200",
    "1e308",
    "1e-320",
    "0",
    "-1",
    "1e6",
    "99999999999999999999",
    "x",
    "",
)


def walker(frames: int = 8) -> Motion:
    """A person who leans from side to side."""
    rotations = np.tile([0.0, 0, 0, 1], (frames, 22, 1))
    rotations[:, 3:] += 0.05 * np.random.default_rng(0).normal(size=(frames, 19, 4))
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    root_m = np.linspace([0, 0.95, 0], [0, 0.95, 0.3], frames)
    return Motion(SMPL_BODY.average(), root_m, rotations, 20.0)


@cache
def sound(name: str) -> bytes:
    """A sound file of that name's format."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        if name == "mdm.npy":
            content = {"motion": np.random.default_rng(0).normal(0, 1, (2, 22, 3, 8)), "lengths": np.array([8, 5])}
            np.save(path, np.array({**content, "text": ["walks", "sits"], "num_samples": 2}, dtype=object))
        elif name == "tool.npz":
            zeros = np.random.default_rng(0).normal(0, 0.1, (8, 72))
            np.savez(path, pose_world=zeros, trans_world=zeros[:, :3], betas=zeros[:, :10])
        elif name == "a.fbx":
            write_fbx(path, walker())
        elif name == "joints.npy":
            save_motion(path, walker(), "joints")
        else:
            save_motion(path, walker())
        return path.read_bytes()


# --- damage ----------------------------------------------------------------------------------------------------------


def flipped(content: bytes, random: Random) -> bytes:
    """Some bytes changed, at any place or near the beginning, where headers are."""
    damaged = bytearray(content)
    reach = len(damaged) if random.random() < 0.5 else min(len(damaged), 200)
    for at in random.integers(0, reach, random.integers(1, 6)):
        damaged[at] = random.integers(256) if random.random() < 0.5 else damaged[at] ^ (1 << random.integers(8))
    return bytes(damaged)


def cut(content: bytes, random: Random) -> bytes:
    return content[: random.integers(len(content))]


def stuffed(content: bytes, random: Random) -> bytes:
    """Some bytes put in, taken out, or given twice."""
    start, stop = sorted(random.integers(0, len(content) + 1, 2))
    stop = min(stop, start + int(random.integers(1, 2000)))
    middle = [b"", content[start:stop] * 2, random.bytes(stop - start), b"\0" * (stop - start)][random.integers(4)]
    return content[:start] + middle + content[stop:]


def reworded(content: bytes, random: Random) -> bytes:
    """Words of a text replaced by extreme ones, its lines moved, doubled or left out."""
    lines = content.decode(errors="replace").split("\n")
    for _ in range(random.integers(1, 4)):
        at = int(random.integers(len(lines) if random.random() < 0.5 else min(len(lines), 150)))
        words = lines[at].split(" ")
        match random.integers(7):
            case 0 | 1 | 2:
                words[random.integers(len(words))] = EXTREMES[random.integers(len(EXTREMES))]
                lines[at] = " ".join(words)
            case 3:
                lines.insert(at, lines[random.integers(len(lines))])
            case 4:
                del lines[at]
            case 5:
                lines[at] = lines[at] * int(random.integers(2, 50))
            case _:
                other = int(random.integers(len(lines)))
                lines[at], lines[other] = lines[other], lines[at]
        lines = lines or [""]
    return "\n".join(lines).encode()


def odd_list(content: bytes, random: Random) -> bytes:
    """A number in a list between commas replaced by an extreme one, or the list's length by another."""
    words = re.split(rb"([,* ])", content)
    places = [at for at, word in enumerate(words) if word[:1].isdigit()]
    for _ in range(random.integers(1, 6)):
        words[places[random.integers(len(places))]] = EXTREMES[random.integers(len(EXTREMES))].encode()
    return b"".join(words)


def odd_array(like: np.ndarray, random: Random) -> Any:
    """An array of another type, shape or size than it should be."""
    values = like.copy() if like.dtype.kind == "f" and like.ndim else np.zeros((3, 3))
    choice = random.integers(12)
    if choice < 3 and values.size:
        values.flat[random.integers(values.size)] = [np.nan, np.inf, 1e200, -1e300][random.integers(4)]
        return values
    if choice == 3:
        return values * [1e10, 1e200, 0, np.nan][random.integers(4)]
    if choice == 4:
        return values[: random.integers(0, 2)]
    if choice == 5:
        return values.reshape(-1)
    if choice == 6:
        return values[..., None]
    if choice == 7:
        return values.astype(["i1", "c16", "S3", "U2", "?", "f2", "M8[s]", "V8"][random.integers(8)])
    if choice == 8:
        return np.array([None, "x", {}], dtype=object)
    if choice == 9:
        return np.float64([np.nan, np.inf, 0, -1, 1e-320, 1e300][random.integers(6)])
    if choice == 10:
        return np.zeros([(0,), (0, 156), (0, 22, 3), (1, 156), (10**6, 0)][random.integers(5)])
    return np.zeros(()) if random.random() < 0.5 else values[..., : random.integers(1, 4)]


def odd_fields(content: bytes, random: Random) -> bytes:
    """A .npz file whose arrays are others, missing, or more."""
    with np.load(io.BytesIO(content)) as archive:
        arrays: dict[str, Any] = dict(archive)
    name = list(arrays)[random.integers(len(arrays))]
    if random.random() < 0.15:
        del arrays[name]
    else:
        arrays[name] = odd_array(arrays[name], random)
    file = io.BytesIO()
    (np.savez if random.random() < 0.5 else np.savez_compressed)(file, **arrays)
    return file.getvalue()


def odd_numbers(content: bytes, random: Random) -> bytes:
    """A .npy file that holds another array."""
    file = io.BytesIO()
    try:
        array = np.load(io.BytesIO(content))
    except ValueError:
        array = np.zeros((8, 22, 3))
    np.save(file, odd_array(array, random), allow_pickle=True)
    return file.getvalue()


def odd_header(content: bytes, random: Random) -> bytes:
    """A .npy file whose header says something else about its numbers."""
    end = content.index(b"\n") + 1
    header = content[10:end].decode("latin-1")
    shape = ["(1000000000000,)", "(-1, 3)", "()", "(0, 99999999999)", "(2,) * 9", "((1,),)", "[1]"][random.integers(7)]
    code = ["|V0", "|O", "<f8", "<U9999999", "|S0", "<c16", ">f4", "<M8[ns]", "f, f"][random.integers(9)]
    header = re.sub(r"\(\d[^)]*\)", shape, header) if random.random() < 0.6 else header
    header = re.sub(r"'descr': '[^']*'", f"'descr': '{code}'", header) if random.random() < 0.6 else header
    text = header.strip().ljust(118) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1") + content[end:]


ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", "x" * 5000, "../../etc/passwd", "/etc/passwd",
    [], {}, [[[[[]]]]], {"x": {"y": []}}, "\0", "\ud800",
)  # fmt: skip


def odd_document(content: bytes, random: Random) -> bytes:
    """A JSON document in which some parts are others."""
    document = json.loads(content)
    for _ in range(random.integers(1, 4)):
        places = list(_places(document))
        if not places:
            break
        parent, key = places[random.integers(len(places))]
        if random.random() < 0.2:
            del parent[key]
        else:
            parent[key] = copy.deepcopy(ODD_VALUES[random.integers(len(ODD_VALUES))])  # it may be a place next
    return json.dumps(document).encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from _places(value)


def odd_binary_document(content: bytes, random: Random) -> bytes:
    """A .glb file whose document has other parts."""
    length = int.from_bytes(content[12:16], "little")
    text = odd_document(content[20 : 20 + length], random)
    text += b" " * (-len(text) % 4)
    rest = content[20 + length :]
    head = content[:8] + (20 + len(text) + len(rest)).to_bytes(4, "little")
    return head + len(text).to_bytes(4, "little") + content[16:20] + text + rest


def odd_pickle(content: bytes, random: Random) -> bytes:
    """A .npy file of a dictionary whose values are others."""
    values = dict(np.load(io.BytesIO(content), allow_pickle=True).item())
    name = list(values)[random.integers(len(values))]
    choice = random.integers(3)
    if choice == 0:
        del values[name]
    else:
        values[name] = odd_array(np.asarray(values[name]), random) if choice == 1 else "nonsense"
    file = io.BytesIO()
    np.save(file, np.array(values, dtype=object))
    return file.getvalue()


BYTES = (flipped, cut, stuffed)
FILES: dict[str, tuple[Callable[[bytes, Random], bytes], ...]] = {
    "a.bvh": (reworded, reworded, reworded, *BYTES),
    "a.npz": (odd_fields, odd_fields, *BYTES),
    "tool.npz": (odd_fields, odd_fields, flipped),
    "rows.npy": (odd_numbers, odd_header, *BYTES),
    "joints.npy": (odd_numbers, odd_header, *BYTES),
    "mdm.npy": (odd_pickle, odd_pickle, *BYTES),
    "a.gltf": (odd_document, odd_document, *BYTES),
    "a.glb": (odd_binary_document, odd_binary_document, *BYTES),
    "a.vrma": (odd_binary_document, flipped),
}


def look_at_file(path: Path, content: bytes) -> str:
    """Reads a file as the commands do; complaints must be sentences that name it."""
    path.write_bytes(content)
    complaints: list[str] = []
    try:
        _, clips = open_source(path, reading=Reading(allow_pickle=True))
    except SelfcorrectError as error:
        return "" if str(path) in str(error) else str(error)
    motions = list(read_all(clips, complaints.append))
    for work in (check, measures):
        list(of_each(motions, work, complaints.append))
    if not all(np.isfinite(motion.root_m).all() and np.isfinite(motion.rotations).all() for motion in motions):
        return "read a motion that is not finite"
    bad = [line for line in complaints if "internal error" in line or str(path) not in line]
    return bad[0] if bad else ""


def file_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` damaged motion files."""
    return [Case(f"files:{case}", partial(_file_case, seed, case, folder)) for case in range(count)]


def _file_case(seed: int, case: int, folder: Path) -> str:
    random = random_of(seed, "files", case)
    name = list(FILES)[case % len(FILES)]
    damage = FILES[name][random.integers(len(FILES[name]))]
    wrong = look_at_file(folder / f"{case}-{name}", damage(sound(name), random))
    (folder / f"{case}-{name}").unlink(missing_ok=True)
    return f"{name}, {damage.__name__}: {wrong}" if wrong else ""


def fbx_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` damaged FBX files, none where they cannot be read."""
    if importlib.util.find_spec("ufbx") is None:
        return []
    return [Case(f"fbx:{case}", partial(_fbx_case, seed, case, folder)) for case in range(count)]


def _fbx_case(seed: int, case: int, folder: Path) -> str:
    random, path = random_of(seed, "fbx", case), folder / f"{case}-a.fbx"
    damage = (reworded, reworded, odd_list, *BYTES)[random.integers(6)]
    wrong = look_at_file(path, damage(sound("a.fbx"), random))
    path.unlink(missing_ok=True)
    return f"{damage.__name__}: {wrong}" if wrong else ""


# --- datasets --------------------------------------------------------------------------------------------------------


def _cmu(folder: Path) -> None:
    head = ["file", "split", "skeleton", "subject", "category", "description"]
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, ["train/a.bvh", "train", "daz", "1", "walk", "walks"]])
    (folder / "train").mkdir()
    (folder / "tpose").mkdir()
    for name in ("train/a.bvh", "tpose/daz.bvh"):
        (folder / name).write_bytes(sound("a.bvh"))


def _archive(folder: Path) -> None:
    _cmu(folder)
    with tarfile.open(folder / "cmu.tar.gz", "w:gz") as archive:
        for path in [folder / "index.csv", folder / "train", folder / "tpose"]:
            archive.add(path, path.name)
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _humanml3d(folder: Path) -> None:
    (folder / "new_joint_vecs").mkdir()
    (folder / "texts").mkdir()
    (folder / "new_joint_vecs" / "000001.npy").write_bytes(sound("rows.npy"))
    (folder / "texts" / "000001.txt").write_text("walks#walk/VERB#0.0#0.0\nsits#sit/VERB#0.1#0.3\n")
    (folder / "train.txt").write_text("000001\n")


def _babel(folder: Path) -> None:
    labels = [{"raw_label": "walk", "act_cat": ["walk"], "start_t": 0.0, "end_t": 0.3}]
    record = {"babel_sid": 1, "feat_p": "X/X/a.npz", "frame_ann": {"labels": labels}, "seq_ann": {"labels": labels}}
    (folder / "train.json").write_text(json.dumps({"1": record, "2": record}))
    (folder / "amass" / "X").mkdir(parents=True)
    (folder / "amass" / "X" / "a.npz").write_bytes(sound("a.npz"))


def _humanact12(folder: Path) -> None:
    values = {"poses": [np.zeros((4, 72))] * 2, "joints3D": [np.zeros((4, 24, 3))] * 2, "y": [1, 2]}
    (folder / "humanact12poses.pkl").write_bytes(pickle.dumps(values))


def _uestc(folder: Path) -> None:
    (folder / "info").mkdir()
    (folder / "info" / "names.txt").write_text("a0_d0_p001_c1_color.avi\n")
    (folder / "info" / "action_classes.txt").write_text("punching\n")
    values = {"pose": [np.zeros((4, 72))], "joints3d": [np.zeros((4, 49, 3))], "orig_cam": [np.ones((4, 4))]}
    (folder / "vibe_cache_refined.pkl").write_bytes(pickle.dumps(values))


def _amass(folder: Path) -> None:
    (folder / "X").mkdir()
    for name in ("a", "b"):
        (folder / "X" / f"{name}.npz").write_bytes(sound("a.npz"))


SETS: dict[str, Callable[[Path], None]] = {
    "cmu": _cmu, "cmu archive": _archive, "humanml3d": _humanml3d, "babel": _babel, "humanact12": _humanact12,
    "uestc": _uestc, "amass": _amass,
}  # fmt: skip


def set_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` dataset folders with a damaged file."""
    return [Case(f"datasets:{case}", partial(_set_case, seed, case, folder)) for case in range(count)]


def _set_case(seed: int, case: int, folder: Path) -> str:
    random = random_of(seed, "datasets", case)
    name, place = list(SETS)[case % len(SETS)], folder / f"set-{case}"
    place.mkdir()
    SETS[name](place)
    paths = sorted(path for path in place.rglob("*") if path.is_file())
    path = paths[random.integers(len(paths))]
    content = path.read_bytes()
    path.write_bytes(_damaged(path, content, random))
    source = path if name == "cmu archive" else place
    complaints: list[str] = []
    try:
        known = catalog.dataset("cmu" if name == "cmu archive" else name)
        list(of_each(read_all(known.clips(source, allow_pickle=True), complaints.append), measures, complaints.append))
        _, clips = open_source(source, reading=Reading(allow_pickle=True))
        complaints += summarise(clips).unreadable
    except SelfcorrectError as error:
        complaints.append(str(error))
    except OSError as error:
        complaints.append(f"{error.filename} {error}")
    shutil.rmtree(place)
    bad = [line for line in complaints if "internal error" in line or str(place) not in line]
    return f"{name}, {path.name}: {bad[0]}" if bad else ""


def _damaged(path: Path, content: bytes, random: Random) -> bytes:
    if path.suffix == ".json" and random.random() < 0.8:
        return odd_document(content, random)
    if path.suffix == ".pkl" and random.random() < 0.7:
        values = pickle.loads(content)
        name = list(values)[random.integers(len(values))]
        column = values[name]
        match random.integers(3):
            case 0:
                del values[name]
            case 1:
                values[name] = odd_array(np.zeros((3, 3)), random)
            case _:
                column[random.integers(len(column))] = odd_array(np.asarray(column[0], dtype=float), random)
        return pickle.dumps(values)
    if path.suffix in (".csv", ".txt", ".bvh"):
        return reworded(content, random) if random.random() < 0.8 else flipped(content, random)
    if path.suffix == ".gz" and random.random() < 0.5:
        return gzip.compress(flipped(gzip.decompress(content), random))
    return (flipped, cut, stuffed)[random.integers(3)](content, random)
