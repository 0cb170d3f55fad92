"""Hostile files are refused.

They ask for too much, lead elsewhere, or hold numbers from which nothing can be worked out.
"""

import gzip
import io
import json
import os
import re
import resource
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from acclaim_files import write_acclaim
from helpers import format_bvh
from pickle_bombs import PICKLE_BOMBS

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections import cmu
from selfcorrect.datasets.collections.dataset import read_all
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs import gltf
from selfcorrect.datasets.files.rigs.bvh import parse_bvh
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.load import load_motions
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import MAX_JOINTS, MAX_LEVELS
from selfcorrect.storage.files.limits import LIMIT_VARIABLE

MOTION = Motion(SMPL_BODY.average(), np.zeros((4, 3)), np.tile([0.0, 0, 0, 1], (4, 22, 1)), 20.0)
ROOT = "OFFSET 0 0 0\nCHANNELS 3 Xrotation Yrotation Zrotation\n"


@contextmanager
def little_memory(more: int = 2**30) -> Iterator[None]:
    """At most so many bytes more than now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def assert_refused(path: Path, match: str) -> None:
    """Assert that a file is refused by name, within a minute and a gigabyte."""
    start = time.process_time()
    with little_memory(), pytest.raises(InputError, match=match) as refusal:
        open_motion(path)
    assert str(path) in str(refusal.value)
    assert time.process_time() - start < 60


def header(shape: tuple[int, ...], code: str) -> bytes:
    """Return a .npy header without its numbers."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": code})
    return file.getvalue()


def zeros(names: list[str], shape: tuple[int, ...]) -> bytes:
    """A .npz file of zeros, compressed piece by piece."""
    file = io.BytesIO()
    size = 8 * int(np.prod(shape))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(header(shape, "<f8"))
                for _ in range(size // 2**20):
                    member.write(bytes(2**20))
                member.write(bytes(size % 2**20))
    return file.getvalue()


def nest_joints(joints: int) -> str:
    opened = "".join(f"JOINT j{joint}\n{{\n{ROOT}" for joint in range(1, joints))
    head = f"HIERARCHY\nROOT hips\n{{\n{ROOT}{opened}{'}' * joints}\nMOTION\n"
    return f"{head}Frames: 1\nFrame Time: 0.05\n{'0 ' * 3 * joints}\n"


def format_siblings(joints: int, frames: int) -> str:
    ends = "End Site\n{\nOFFSET 0 1 0\n}\n" * joints
    values = "0 0 0\n" * frames
    return f"HIERARCHY\nROOT hips\n{{\n{ROOT}{ends}}}\nMOTION\nFrames: {frames}\nFrame Time: 0.05\n{values}"


BOMBS: dict[str, Callable[[], bytes]] = {
    **PICKLE_BOMBS,
    "zipped.npz": lambda: zeros(["poses", "trans"], (16_000, 156)),
    "nothing.npy": lambda: header((10**12,), "|V0"),
    "declared.npy": lambda: header((10**9, 263), "<f4"),
    "empty.npy": lambda: header((0, 10**12), "<f4"),
    "text.npy": lambda: header((1,), "<U999999999"),
    "brackets.npy": lambda: b"\x93NUMPY\x01\x00" + (60_000).to_bytes(2, "little") + b"(" * 60_000,
    "brackets.gltf": lambda: b"[" * 1_000_000,
    "joints.bvh": lambda: format_siblings(MAX_JOINTS - 1, 1000).encode(),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_raise_before_allocation(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "20")
    (tmp_path / name).write_bytes(BOMBS[name]())
    assert (tmp_path / name).stat().st_size < 2**20
    assert_refused(tmp_path / name, "would take|does not fit|expected|read|unknown layout|refused")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "word", "times"),
    [(b"", b"\n", 30_000_000), (b"HIERARCHY ", b"x ", 10_000_000), (b"HIERARCHY\nROOT ", b"a_", 5_000_000)],
)
def test_endless_text_raises(tmp_path: Path, head: bytes, word: bytes, times: int) -> None:
    (tmp_path / "a.bvh").write_bytes(head + times * word)
    assert_refused(tmp_path / "a.bvh", "expected|empty")


def test_buffers_count_separately(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "20")
    (tmp_path / "a.bin").write_bytes(bytes(2**20))
    buffers = [{"uri": "a.bin", "byteLength": 2**20 - 1}] * 100
    (tmp_path / "a.gltf").write_text(json.dumps({"asset": {"version": "2.0"}, "buffers": buffers}))
    assert_refused(tmp_path / "a.gltf", "would take 21")


def test_channels_and_times_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_motion(tmp_path / "a.gltf", MOTION)
    content = json.loads((tmp_path / "a.gltf").read_text())
    (animation,) = content["animations"]
    once = open_motion(tmp_path / "a.gltf").motion
    content["animations"] = [{**animation, "channels": animation["channels"] * 2000}]
    (tmp_path / "a.gltf").write_text(json.dumps(content))
    started = time.process_time()
    assert open_motion(tmp_path / "a.gltf").motion.rotations.tobytes() == once.rotations.tobytes()
    assert time.process_time() - started < 60
    table = {"bufferView": 0, "componentType": 5126, "count": 300_000, "type": "SCALAR"}
    content["buffers"][0] = {"uri": "times.bin", "byteLength": 1_200_000}
    content["bufferViews"][0] = {"buffer": 0, "byteLength": 1_200_000}
    content["accessors"].append(table)
    samplers = [{**sampler, "input": len(content["accessors"]) - 1} for sampler in animation["samplers"]]
    content["animations"] = [{**animation, "samplers": samplers}] * 60
    (tmp_path / "times.bin").write_bytes(np.arange(300_000, dtype="<f4").tobytes())
    (tmp_path / "a.gltf").write_text(json.dumps(content))
    monkeypatch.setenv(LIMIT_VARIABLE, "100")
    assert_refused(tmp_path / "a.gltf", "its key frames: would take 137")


@pytest.mark.parametrize("suffix", [".glb", ".bvh"])
def test_sparse_keys_count_before_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """Sparse keys stay within the memory limit.

    However far apart they are, the file is read or refused.
    """
    limit_mb = 24.0
    monkeypatch.setenv(LIMIT_VARIABLE, str(limit_mb))
    path = tmp_path / f"a{suffix}"
    outcomes = set()
    save_motion(path, MOTION)
    open_motion(path, any_body=True)  # modules are imported, which takes memory, too
    for step_s in (5.0, 30.0, 60.0, 90.0):
        motion = replace(MOTION, root_m=MOTION.root_m + np.linspace(0, 1, 4)[:, None], fps=1 / step_s)
        save_motion(path, motion, overwrite=True)
        tracemalloc.start()
        with suppress(InputError):
            outcomes.add(len(open_motion(path, Reading(fps=1 / step_s), any_body=True).motion) > 4)
        peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        assert peak_mb < limit_mb, step_s
    assert outcomes == {True}
    with pytest.raises(InputError, match="would take"):
        open_motion(path, Reading(fps=1 / 90.0))


def test_forged_archive_sizes_raise(tmp_path: Path) -> None:
    content = bytearray(zeros(["poses", "trans"], (10_000, 156)))
    (tmp_path / "a.npz").write_bytes(_with_size(content, 1000))
    assert_refused(tmp_path / "a.npz", "does not fit|cannot be read")


def _with_size(archive: bytearray, size: int) -> bytes:
    """The archive with other unpacked sizes in its directory."""
    at = archive.find(b"PK\x01\x02")
    while at >= 0:
        archive[at + 24 : at + 28] = size.to_bytes(4, "little")
        at = archive.find(b"PK\x01\x02", at + 1)
    return bytes(archive)


def test_unusual_compression_raises(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("poses.npy", header((1, 156), "<f8") + bytes(8 * 156))
    assert_refused(tmp_path / "a.npz", "compressed in a way")


@pytest.mark.parametrize("name", ["x.bvh", "x.npy", "x.npz"])
def test_pipes_and_devices_raise(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/zero")
    assert_refused(tmp_path / name, "regular file")
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    assert_refused(tmp_path / name, "regular file")
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(name)
    assert_refused(tmp_path / name, "symbolic links form a cycle")


@pytest.mark.parametrize("joints", [1500, 20_000])
def test_deep_hierarchies_are_refused(tmp_path: Path, joints: int) -> None:
    (tmp_path / "deep.bvh").write_text(nest_joints(joints))
    assert_refused(tmp_path / "deep.bvh", f"at most {MAX_JOINTS} joints on at most {MAX_LEVELS} levels")


def many_bvh(path: Path) -> None:
    joint = "JOINT j{0}\n{{\n" + ROOT + "End Site\n{{\nOFFSET 0 1 0\n}}\n}}\n"
    joints = "".join(joint.format(number) for number in range(MANY))
    zeros = " ".join(["0"] * 3 * (MANY + 1))
    path.write_text(f"HIERARCHY\nROOT r\n{{\n{ROOT}{joints}}}\nMOTION\nFrames: 1\nFrame Time: 0.1\n{zeros}\n")


def many_acclaim(path: Path) -> None:
    write_acclaim(path, MOTION)
    bone = "begin\nid {0}\nname b{0}\ndirection 0 1 0\nlength 1\naxis 0 0 0 XYZ\ndof rx ry rz\nend\n"
    bones = "".join(bone.format(number) for number in range(MANY))
    names = " ".join(f"b{number}" for number in range(MANY))
    text = path.with_suffix(".asf").read_text()
    text = text.replace(":hierarchy", bones + ":hierarchy").replace("  end", f"root {names}\n  end")
    path.with_suffix(".asf").write_text(text)


def many_gltf(path: Path) -> None:
    save_motion(path, MOTION)
    document = json.loads(path.read_text())
    first = len(document["nodes"])
    document["nodes"] += [{"name": f"n{number}"} for number in range(MANY)]
    document["nodes"][0]["children"] += range(first, first + MANY)
    document["skins"][0]["joints"] += range(first, first + MANY)
    path.write_text(json.dumps(document))


def many_usd(path: Path) -> None:
    pytest.importorskip("pxr", reason="needs the extra `usd`")
    save_motion(path, MOTION)
    joints = ", ".join(f'"pelvis/j{number}"' for number in range(MANY))
    path.write_text(re.sub(r"joints = \[([^]]*)\]", rf"joints = [\1, {joints}]", path.read_text()))


MANY = 100_000


@pytest.mark.parametrize(
    ("name", "write"), [("a.bvh", many_bvh), ("a.amc", many_acclaim), ("a.gltf", many_gltf), ("a.usda", many_usd)]
)
def test_joints_are_counted_first(name: str, write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path / name)
    start_s = time.process_time()
    with pytest.raises(InputError, match=str(MAX_JOINTS)):
        open_motion(tmp_path / name)
    assert time.process_time() - start_s < 60


@pytest.mark.parametrize(
    "text",
    [
        nest_joints(MAX_LEVELS),
        pytest.param(format_siblings(MAX_JOINTS - 1, 1), marks=pytest.mark.nightly),  # looked through for limbs twice
    ],
    ids=["deepest", "widest"],
)
def test_largest_hierarchy_round_trips(text: str) -> None:
    assert format_bvh(parse_bvh(text, "large")).count("OFFSET") == text.count("OFFSET")


BVH = format_bvh(parse_bvh(nest_joints(3), "small"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Frame Time: 0.0500000", "Frame Time: 1e-320"),
        ("Frame Time: 0.0500000", "Frame Time: 1e6"),
        ("Frame Time: 0.0500000", "Frame Time: nan"),
        ("Frames: 1", "Frames: " + "9" * 5000),
        ("OFFSET 0.000000", "OFFSET 1e200"),
        ("OFFSET 0.000000", "OFFSET inf"),
        ("0.000000 0.000000\n", "0.000000 1e200\n"),
        ("0.000000 0.000000\n", "0.000000 1e400\n"),
    ],
)
def test_invalid_indices_raise(tmp_path: Path, old: str, new: str) -> None:
    assert old in BVH
    (tmp_path / "a.bvh").write_text(BVH.replace(old, new))
    assert_refused(tmp_path / "a.bvh", "expected")


@pytest.mark.parametrize(
    "array", [np.full((4, 22, 3), 1e200), np.full((4, 263), 1e300, dtype=np.longdouble), np.zeros(())]
)
def test_huge_joints_raise(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    assert_refused(tmp_path / "a.npy", "beyond|expected")


def test_resampling_is_bounded() -> None:
    slow = Motion(MOTION.skeleton, MOTION.root_m, MOTION.rotations, 0.01, source="slow.bvh")
    with little_memory(), pytest.raises(InputError, match=r"slow\.bvh: would take"):
        resample(slow, 1e5)


# --- datasets --------------------------------------------------------------------------------------------------------

INDEX = "file,split,skeleton,subject,category,description\n"


def archive_of(path: Path, members: dict[str, bytes], size: int = 0) -> None:
    """Pack files into a .tar.gz.

    The last is followed by `size` zeros.
    """
    with gzip.open(path, "wb", compresslevel=1) as zipped, tarfile.open(fileobj=zipped, mode="w|") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if size:
            info = tarfile.TarInfo("zeros.bvh")
            info.size = size
            archive.addfile(info, _Zeros(size))


class _Zeros(io.RawIOBase):
    """So many zeros, never all in memory."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left) if size >= 0 else self.left
        self.left -= size
        return bytes(size)


@pytest.mark.parametrize(("where", "message"), [("in it", "would take"), ("after it", "cannot be unpacked")])
def test_archive_limit_holds(tmp_path: Path, where: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "20")
    archive_of(tmp_path / "a.tar.gz", {"cmu/index.csv": INDEX.encode()}, size=30 * 2**20 * (where == "in it"))
    if where == "after it":
        with gzip.open(tmp_path / "a.tar.gz", "ab", compresslevel=1) as file:
            for _ in range(30):
                file.write(bytes(2**20))
    with little_memory(), pytest.raises(InputError, match=rf"a\.tar\.gz: {message}"):
        cmu.list_cmu_clips(tmp_path / "a.tar.gz")


def test_flipped_archive_bits_are_detected(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    row = "a.bvh,train,daz,1,walk,walks\n"
    archive_of(path, {"cmu/index.csv": (INDEX + row).encode(), "cmu/a.bvh": BVH.encode() * 20})
    content = path.read_bytes()
    texts = cmu._read_archive(path)  # what is in it
    random = np.random.default_rng(0)
    for at in random.integers(10, len(content), 60):  # the first ten bytes are gzip's header, with no data in them
        damaged = bytearray(content)
        damaged[at] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        with suppress(InputError):  # or else the bit changed nothing, as those of the file's name in gzip's header
            assert cmu._read_archive(path) == texts


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.bvh", "link.bvh", "", "a\0b", "x" * 5000])
def test_an_index_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "cmu"
    (folder / "tpose").mkdir(parents=True)
    (tmp_path / "secret.bvh").write_text(BVH)
    (folder / "link.bvh").symlink_to(tmp_path / "secret.bvh")
    (folder / "index.csv").write_text(f"{INDEX}{name},train,daz,1,walk,walks\n")
    complaints: list[str] = []
    try:
        assert list(read_all(cmu.list_cmu_clips(folder), complaints.append)) == []
    except InputError as error:
        complaints.append(str(error))
    assert complaints
    assert "internal error" not in complaints[0]
    assert "root:" not in complaints[0]


@pytest.mark.parametrize(
    "text", [INDEX + "x" * 200_000 + ",a,daz,1,b,c\n", INDEX + "a.bvh,train,daz,²,b,c\n", "\0", ""]
)
def test_damaged_index_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(InputError, match=r"index\.csv"):
        cmu.list_cmu_clips(tmp_path)


def test_bad_file_keeps_others(tmp_path: Path) -> None:
    save_motion(tmp_path / "good.bvh", MOTION)
    (tmp_path / "bad.bvh").write_text("HIERARCHY")
    os.mkfifo(tmp_path / "pipe.bvh")
    (tmp_path / "circle.bvh").symlink_to("circle.bvh")
    with pytest.warns(UserWarning, match=r"circle\.bvh: symbolic links") as warned:
        assert len(load_motions(tmp_path)) == 1
    assert [str(warning.message).partition(".bvh")[0] for warning in warned] == [
        str(tmp_path / name) for name in ("bad", "circle", "pipe")
    ]


def _amass(path: Path, poses: np.ndarray) -> Path:
    """A body that stands, z up."""
    poses[:, 0] += np.pi / 2
    trans = np.tile(np.float32([0, 0, 0.9]), (len(poses), 1))
    np.savez_compressed(path, poses=poses, trans=trans, mocap_framerate=np.array(120.0))
    return path


def test_expanding_frames_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _amass(tmp_path / "equal.npz", np.zeros((4000, 156), np.float32))
    assert len(open_motion(path).motion) == 4000
    monkeypatch.setenv(LIMIT_VARIABLE, "20")
    with pytest.raises(InputError, match=rf"equal\.npz: would take .* MB of memory, .* 20 MB.*{LIMIT_VARIABLE}"):
        open_motion(path)
    assert path.stat().st_size < 20_000


def test_long_recordings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poses = np.random.default_rng(0).normal(0, 0.02, (1000, 156)).astype(np.float32)
    monkeypatch.setenv(LIMIT_VARIABLE, "1")
    assert len(open_motion(_amass(tmp_path / "a.npz", poses)).motion) == 1000


def test_many_animations_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gltf.write_gltf(tmp_path / "many.glb", *[MOTION] * 30)
    assert len(open_motion(tmp_path / "many.glb").motions) == 30
    monkeypatch.setenv(LIMIT_VARIABLE, "10")
    with pytest.raises(InputError, match=rf"many\.glb: would take 15 MB of memory, .* 10 MB.*{LIMIT_VARIABLE}"):
        open_motion(tmp_path / "many.glb")


def test_large_bvh_raises_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.bvh"
    with path.open("wb") as file:
        file.truncate(3 * 2**20)
    monkeypatch.setenv(LIMIT_VARIABLE, "2")
    with pytest.raises(InputError, match=rf"long\.bvh: would take 3 MB of memory, .* 2 MB.*{LIMIT_VARIABLE}"):
        open_motion(path)
