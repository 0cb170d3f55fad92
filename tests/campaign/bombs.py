"""Small files that would become large, endless or deep."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from bad_files import look_at_file, sound
from harness import Case, run_command
from pickle_bombs import PICKLE_BOMBS

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections import cmu

_ROOT = "OFFSET 0 0 0\nCHANNELS 3 Xrotation Yrotation Zrotation\n"


def _header(shape: str, code: str) -> bytes:
    text = f"{{'descr': '{code}', 'fortran_order': False, 'shape': {shape}, }}".ljust(118) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def _zipped(names: tuple[str, ...], shape: str, megabytes: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in names:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(_header(shape, "<f8"))
                for _ in range(megabytes):
                    member.write(bytes(2**20))
    return file.getvalue()


def _deep(joints: int) -> bytes:
    opened = "".join(f"JOINT j{joint}\n{{\n{_ROOT}" for joint in range(joints))
    head = f"HIERARCHY\nROOT r\n{{\n{_ROOT}{opened}{'}' * (joints + 1)}\nMOTION\nFrames: 1\nFrame Time: 0.1\n"
    return (head + "0 " * 3 * (joints + 1) + "\n").encode()


def _wide(joints: int, frames: int) -> bytes:
    ends = "End Site\n{\nOFFSET 0 1 0\n}\n" * joints
    head = f"HIERARCHY\nROOT r\n{{\n{_ROOT}{ends}}}\nMOTION\nFrames: {frames}\nFrame Time: 0.1\n"
    return (head + "0 0 0\n" * frames).encode()


def _slow(frame_time: str) -> bytes:
    lines = sound("a.bvh").decode().split("\n")
    return "\n".join(f"Frame Time: {frame_time}" if line.startswith("Frame Time") else line for line in lines).encode()


def _long_gltf() -> bytes:
    """An animation of eight keys that lasts for a hundred thousand years."""
    document = json.loads(sound("a.gltf"))
    import base64

    data = bytearray(base64.b64decode(document["buffers"][0]["uri"].partition(",")[2]))
    accessor = document["accessors"][document["animations"][0]["samplers"][0]["input"]]
    at = document["bufferViews"][accessor["bufferView"]]["byteOffset"]
    times = np.arange(accessor["count"], dtype="<f4") ** 8 * 1e6
    data[at : at + times.nbytes] = times.tobytes()
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    return json.dumps(document).encode()


def _equal(frames: int) -> bytes:
    """So many equal frames, which compress to almost nothing."""
    file = io.BytesIO()
    poses, trans = np.full((frames, 156), 0.01, np.float32), np.tile(np.float32([0, 0, 0.9]), (frames, 1))
    np.savez_compressed(file, poses=poses, trans=trans, mocap_framerate=np.array(120.0))
    return file.getvalue()


def _many_animations(count: int) -> bytes:
    """A file with so many animations of the same numbers."""
    document = json.loads(sound("a.gltf"))
    one = json.dumps(document["animations"][0])
    document["animations"] = ["here"]
    return json.dumps(document).replace('"here"', ", ".join([one] * count)).encode()


BOMBS: dict[str, Callable[[], bytes]] = {
    "zip.npz": lambda: _zipped(("poses", "trans"), "(860000, 156)", 1024),
    "many.npz": lambda: _zipped((*tuple(f"x{index}" for index in range(40)), "poses", "trans"), "(860000, 156)", 64),
    "void.npy": lambda: _header("(1000000000000,)", "|V0"),
    "declared.npy": lambda: _header("(1000000000, 263)", "<f4"),
    "empty.npy": lambda: _header("(0, 1000000000000)", "<f4"),
    "text.npy": lambda: _header("(1,)", "<U999999999"),
    "negative.npy": lambda: _header("(-1, 263)", "<f4"),
    "brackets.npy": lambda: b"\x93NUMPY\x01\x00" + (60000).to_bytes(2, "little") + b"(" * 60000,
    "deep1500.bvh": lambda: _deep(1500),
    "deep20000.bvh": lambda: _deep(20_000),
    "wide.bvh": lambda: _wide(4000, 20_000),
    "ends.bvh": lambda: _wide(50_000, 1),
    "lines.bvh": lambda: b"\n" * 30_000_000,
    "words.bvh": lambda: b"HIERARCHY " + b"x " * 10_000_000,
    "long.bvh": lambda: b"HIERARCHY\nROOT " + b"a_" * 5_000_000,
    "number.bvh": lambda: sound("a.bvh").replace(b"Frames: 8", b"Frames: " + b"9" * 100_000),
    "slow.bvh": lambda: _slow("1e6"),
    "slow99.bvh": lambda: _slow("99"),
    "fast.bvh": lambda: _slow("1e-320"),
    "quick.bvh": lambda: _slow("1e-300"),
    "brackets.gltf": lambda: b"[" * 1_000_000,
    "long.gltf": _long_gltf,
    "equal.npz": lambda: _equal(400_000),
    "many.gltf": lambda: _many_animations(20_000),
    "some.gltf": lambda: _many_animations(200),
    **{name: partial(make, 20) for name, make in PICKLE_BOMBS.items()},
}
_DEVICES = ("/dev/zero", "/dev/random", "/dev/full")


def bomb_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """All bombs, pipes and devices with the names of motion files, and archives."""
    cases = [Case(f"bombs:{name}", partial(_bomb, folder / name, make)) for name, make in BOMBS.items()]
    for words in (["check"], ["correct", "--kinematic", "-o", "out"], ["view", "--out", "picture.png"]):
        cases.append(Case(f"bombs:{words[0]}", partial(_command, folder / words[0], words)))
    for suffix in (".bvh", ".npz", ".npy", ".glb", ".gltf", ".pt", ".pkl"):
        cases.append(Case(f"bombs:pipe{suffix}", partial(_pipe, folder / f"pipe{suffix}")))
        for device in _DEVICES:
            cases.append(
                Case(f"bombs:{device}{suffix}", partial(_device, folder / f"{Path(device).name}{suffix}", device))
            )
    for size in (1, 4000):
        cases.append(Case(f"bombs:tar{size}", partial(_archive, folder / f"{size}.tar.gz", size)))
    cases.append(Case("bombs:sparse tar", partial(_sparse, folder / "sparse.tar.gz")))
    return cases[:count]


def _bomb(path: Path, make: Callable[[], bytes]) -> str:
    return look_at_file(path, make())


def _command(folder: Path, words: list[str]) -> str:
    """What a command does with a file whose motion would be large, told to read it or not."""
    folder.mkdir()
    (folder / "equal.npz").write_bytes(_equal(400_000))
    ended = run_command([words[0], "equal.npz", *words[1:]], folder, 20)
    refused = "SELFCORRECT_UNPACKED_LIMIT_MB" in ended.err + ended.out
    return ended.wrong() or ("" if refused else f"was not refused: {(ended.out + ended.err)[-200:]}")


def _pipe(path: Path) -> str:
    os.mkfifo(path)
    return _refused(path)


def _device(path: Path, device: str) -> str:
    path.symlink_to(device)
    return _refused(path)


def _refused(path: Path) -> str:
    from selfcorrect.datasets.files.open import open_motion

    try:
        open_motion(path)
    except InputError as error:
        return "" if str(path) in str(error) else f"a message without the file: {error}"
    return "was read"


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left) if size >= 0 else self.left
        self.left -= size
        return bytes(size)


def _archive(path: Path, megabytes: int) -> str:
    """A .tar.gz whose last file is of zeros, and which goes on after its end."""
    with gzip.open(path, "wb", compresslevel=1) as zipped:
        with tarfile.open(fileobj=zipped, mode="w|") as archive:
            info = tarfile.TarInfo("zeros.bvh")
            info.size = megabytes * 2**20 // 4
            archive.addfile(info, _Zeros(info.size))
        for _ in range(megabytes // 4):
            zipped.write(bytes(2**20))
    return _reading(path)


def _sparse(path: Path) -> str:
    info = tarfile.TarInfo("sparse.bvh")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(40 * 2**30)}
    body = b"1\n0\n0\n".ljust(512, b"\0")
    info.size = len(body)
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(body))
    return _reading(path)


def _reading(path: Path) -> str:
    try:
        cmu.clips(path)
    except InputError as error:
        return "" if str(path) in str(error) else f"a message without the file: {error}"
    return "was read"
