"""Damaged files of all formats, programs and datasets are read, or a sentence names them."""

import gzip
import json
import pickle
import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from robustness.damage import DATASETS, FILES, draw_damaged, flip_bits, make_settings, move_block, short_walk, sound
from robustness.faults import attempt
from toy_data.digits import read_idx

import selfcorrect as sc
from selfcorrect.commands.data.sources import map_readable, measure_motion, open_source, summarise
from selfcorrect.core.errors import InputError, SelfcorrectError
from selfcorrect.core.randomness import streams
from selfcorrect.datasets.collections import catalog
from selfcorrect.datasets.collections.dataset import read_all
from selfcorrect.datasets.files.formats import written_suffix
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.pickles.numbers import read_pickled_numbers
from selfcorrect.storage.pickles.results import open_results

pytestmark = pytest.mark.filterwarnings("ignore")
READING = Reading(fps=30.0, allow_pickle=True)


def wrong_with(complaints: list[str], path: Path) -> list[str]:
    """What is no sentence about a file."""
    return [line for line in complaints if "internal error" in line or str(path) not in line or len(line) > 2000]


def look_at(path: Path) -> None:
    """Read, check and measure a file, then write it moved and read it again."""
    file, refused = attempt(partial(open_motion, path, READING), InputError)
    complaints = [refused] if refused else []
    for work in (check, measure_motion):
        list(map_readable(file.motions if file else (), work, complaints.append))
    assert not wrong_with(complaints, path)
    if not file or file.write is None:
        return
    assert all(np.isfinite(motion.root_m).all() and np.isfinite(motion.rotations).all() for motion in file.motions)
    higher = [replace(motion, root_m=motion.root_m + np.array([0.0, 0.05, 0.0])) for motion in file.motions]
    copy = path.with_name(f"{path.stem}-copy{written_suffix(path)}")
    _, refused = attempt(partial(file.write, copy, *higher), InputError)
    if refused:  # arrays that only writing needs may be damaged, too
        assert not wrong_with([refused], path)
        return
    reread, refused = attempt(partial(open_motion, copy, READING), InputError)
    if refused:  # damaged accessors may share the bytes that writing changes
        assert path.suffix in (".glb", ".gltf", ".vrma"), refused
    else:
        assert len(reread.motions) == len(higher)


AGAIN = ("usd.usd",)
"""A kind whose bytes another one, `.usdc`, has too, and whose files are each read in a process that takes a second."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.nightly) if kind in AGAIN else kind for kind in FILES]
)
def test_damaged_file_reads_or_raises(kind: str, tmp_path: Path) -> None:
    if kind == "fbx":
        pytest.importorskip("ufbx")
    if kind.startswith("usd"):
        pytest.importorskip("pxr")
    path = tmp_path / FILES[kind][0]
    FILES[kind][1](path)
    look_at(path)
    data = path.read_bytes()

    @given(content=draw_damaged(path))
    @make_settings(4 if kind.startswith("usd") else 12)  # a second for each process that loads usd-core
    def read(content: bytes) -> None:
        path.write_bytes(content)
        look_at(path)

    read()
    path.write_bytes(data)
    look_at(path)


def look_at_dataset(name: str, folder: Path) -> None:
    """Read a dataset as commands do."""
    complaints: list[str] = []
    try:
        clips = catalog.dataset(name).clips(folder, allow_pickle=True)
        list(map_readable(read_all(clips, complaints.append), measure_motion, complaints.append))
        _, clips = open_source(folder, reading=Reading(allow_pickle=True))
        complaints += summarise(clips).unreadable
    except SelfcorrectError as error:
        complaints.append(str(error))
    except OSError as error:  # commands report these by the file's name
        complaints.append(f"{error.filename} {error}")
    assert not wrong_with(complaints, folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", DATASETS)
def test_damaged_dataset_reads_or_raises(name: str, tmp_path: Path) -> None:
    intact = tmp_path / "whole"
    place = tmp_path / "damaged"
    intact.mkdir()
    DATASETS[name](intact)
    paths = [path for path in sorted(intact.rglob("*")) if path.is_file() and path.suffix != ".lock"]

    @given(data=st.data())
    @make_settings(16)
    def read(data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(paths))
        shutil.copytree(intact, place)
        (place / path.relative_to(intact)).write_bytes(data.draw(draw_damaged(path)))
        try:
            look_at_dataset(name, place)
        finally:
            shutil.rmtree(place)

    look_at_dataset(name, intact)
    read()


# --- models and digits -----------------------------------------------------------------------------------------------


def _save_digits(path: Path) -> None:
    images = np.arange(320, dtype=np.uint8).reshape(5, 8, 8)
    path.write_bytes(gzip.compress(b"\0\0\x08\x03" + np.array(images.shape, ">u4").tobytes() + images.tobytes()))


def _load_and_draw(path: Path) -> None:
    model = sc.Gaussian.standard(3).load(path)
    assert model.sample(torch.zeros(4, dtype=torch.int64), streams(0)).isfinite().all()


TOYS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "digits.gz": (_save_digits, read_idx),
    "model.safetensors": (sc.Gaussian.standard(3).save, _load_and_draw),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TOYS)
def test_damaged_models_read_or_raise(name: str, tmp_path: Path) -> None:
    save, load = TOYS[name]
    path = tmp_path / name
    save(path)
    load(path)

    @given(content=draw_damaged(path))
    @make_settings(60)
    def read(content: bytes) -> None:
        path.write_bytes(content)
        _, refused = attempt(partial(load, path), InputError)
        assert not refused or not wrong_with([refused], path)

    read()


# --- pickles made to do harm -----------------------------------------------------------------------------------------

NAMES = (
    b"os\nsystem", b"posix\n_exit", b"builtins\neval", b"builtins\ngetattr", b"numpy\nload", b"numpy\nndarray",
    b"numpy.f2py.__main__\nndarray", b"numpy\nndarray.__new__", b"numpy.core.multiarray\n_reconstruct",
    b"numpy\ndtype", b"scipy.sparse\ncsc_matrix", b"copyreg\n_reconstructor", b"builtins\nobject", b"_codecs\nencode",
    b"chumpy.ch\nCh", b"numpy.core.multiarray\nscalar", b"numpy._core.numeric\n_frombuffer",
    b"torch._utils\n_rebuild_tensor_v2", b"torch._utils\n_rebuild_parameter", b"torch.storage\n_load_from_bytes",
    b"torch\nFloatStorage", b"torch\nSize", b"collections\nOrderedDict", b"collections\ndefaultdict", b"pathlib\nPath",
    b"joblib.numpy_pickle\nNumpyArrayWrapper",
)  # fmt: skip
PARTS = (
    *b"]})N(Rb\x81aseu\x85\x86\x87t012\x94\x93Qo\x92\x8f\x97\x98",
    b"K\x01", b"J\xff\xff\xff\x7f", b"G\x7f\xf0\0\0\0\0\0\0", b"X\x02\0\0\0f8", b"X\x02\0\0\0O8", b"X\x02\0\0\0V0",
    b"X\x01\0\0\0<", b"C\x08AAAAAAAA", b"C\x00", b"q\x00", b"h\x00", b"r\xff\xff\xff\xff", b"j\xff\xff\xff\xff",
    b"\x8a\x10" + b"\xff" * 16, b"\x95" + b"\xff" * 8, b"\x8e" + b"\xff" * 8, b"P1\n", b"ios\nsystem\n", b"\x82\x01",
    b"I99\n", b"S'x'\n", b"L1L\n", *(b"c" + name + b"\n" for name in NAMES),
)  # fmt: skip
OPCODES = st.lists(
    st.sampled_from(PARTS).map(lambda part: bytes([part]) if isinstance(part, int) else part), min_size=3
)


@given(opcodes=OPCODES)
@make_settings(150)
def test_random_opcodes_read_or_raise(opcodes: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04}X\x01\0\0\0a" + b"".join(opcodes) + b"s.")
    before = set(sys.modules), sorted(tmp_path.iterdir())
    for read in (partial(read_pickled_numbers, allow_pickle=True), open_results):
        _, refused = attempt(partial(read, path), InputError)
        assert not refused or str(path) in refused
    assert {name for name in sys.modules if not name.startswith("encodings")} <= before[0]
    assert sorted(tmp_path.iterdir()) == before[1]


def test_a_sound_pickle_is_read(tmp_path: Path) -> None:
    """So that the test above could fail."""
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": np.arange(3.0)}))
    np.testing.assert_array_equal(open_results(tmp_path / "a.pkl").array("a"), np.arange(3.0))


# --- threads ---------------------------------------------------------------------------------------------------------


def bytes_of(motion: Motion) -> bytes:
    return motion.root_m.tobytes() + motion.rotations.tobytes()


def read_there(path: Path) -> bytes:
    """Return a file's motions and what is odd about them, or its refusal."""
    try:
        return b"".join(bytes_of(motion) + repr(check(motion)).encode() for motion in open_motion(path).motions)
    except SelfcorrectError as error:
        return re.sub("0x[0-9a-f]+", "", str(error)).encode()  # NumPy prints where its parser's objects are


@pytest.mark.slow
def test_threads_equal_one(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    works = list[Callable[[], bytes]]()
    for index, kind in enumerate(kind for kind in FILES if kind != "fbx"):
        path = tmp_path / f"{index}-{FILES[kind][0]}"
        path.write_bytes((lambda content, _: content, flip_bits, move_block)[index % 3](sound(kind), random))
        works.append(partial(read_there, path))
    works += [lambda engine=engine: bytes_of(sc.correct(short_walk(), engine=engine).motion)
              for engine in ("mujoco", "pybullet") * 2]  # fmt: skip
    alone = [work() for work in works]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda work: work(), works)) == alone


def test_damage_is_noticed(tmp_path: Path) -> None:
    """Readers that let damage through would be reported.

    That is what is not finite, or a sentence without the file.
    """
    assert wrong_with(["x: internal error"], Path("x"))
    assert wrong_with(["no name"], Path("x"))
    assert not wrong_with(["x: is damaged"], Path("x"))
    assert json.loads(sound("gltf.gltf"))["asset"]
