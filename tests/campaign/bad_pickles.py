"""Pickles made to do harm, written opcode by opcode, or sound ones damaged."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse
from bad_files import flipped, stuffed
from harness import Case, random_of

from selfcorrect.core.errors import InputError
from selfcorrect.storage.pickles.numbers import read_pickled_numbers
from selfcorrect.storage.pickles.results import open_results

_SOUND = {
    "a": np.arange(6.0).reshape(2, 3),
    "J": scipy.sparse.csc_matrix(np.eye(3)),
    "list": [np.zeros(2), 1.5, "x", None],
    "n": np.float32(2),
}
_NAMES = (
    b"os\nsystem", b"posix\n_exit", b"builtins\neval", b"builtins\ngetattr", b"numpy\nload",
    b"numpy.f2py.__main__\nndarray",
    b"numpy\nndarray.__new__", b"numpy.core.multiarray\n_reconstruct", b"numpy\nndarray", b"numpy\ndtype",
    b"scipy.sparse\ncsc_matrix", b"scipy.sparse._csc\ncsc_matrix", b"copyreg\n_reconstructor", b"builtins\nobject",
    b"_codecs\nencode", b"chumpy.ch\nCh", b"numpy.core.multiarray\nscalar", b"numpy._core.numeric\n_frombuffer",
    b"torch._utils\n_rebuild_tensor_v2", b"torch._utils\n_rebuild_parameter", b"torch.storage\n_load_from_bytes",
    b"torch\nFloatStorage", b"torch\nSize", b"collections\nOrderedDict", b"collections\ndefaultdict", b"pathlib\nPath",
    b"joblib.numpy_pickle\nNumpyArrayWrapper",
)  # fmt: skip
_PARTS = (
    b"]", b"}", b")", b"N", b"K\x01", b"J\xff\xff\xff\x7f", b"G\x7f\xf0\0\0\0\0\0\0", b"X\x02\0\0\0f8",
    b"X\x02\0\0\0O8",
    b"X\x02\0\0\0V0", b"X\x01\0\0\0<", b"C\x08AAAAAAAA", b"C\x00", b"(", b"R", b"b", b"\x81", b"a", b"s", b"e", b"u",
    b"\x85", b"\x86", b"\x87", b"t", b"0", b"1", b"2", b"q\x00", b"h\x00", b"r\xff\xff\xff\xff", b"j\xff\xff\xff\xff",
    b"\x94", b"\x93", b"\x8a\x10" + b"\xff" * 16, b"\x95" + b"\xff" * 8, b"\x8e" + b"\xff" * 8, b"P1\n", b"Q", b"o",
    b"ios\nsystem\n", b"\x92", b"\x8f", b"\x97", b"\x98", b"\x82\x01", b"I99\n", b"S'x'\n", b"L1L\n",
)  # fmt: skip


def pickle_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` pickles."""
    return [Case(f"pickles:{case}", partial(_case, seed, case, folder)) for case in range(count)]


def _case(seed: int, case: int, folder: Path) -> str:
    random, folder = random_of(seed, "pickles", case), folder / str(case)
    folder.mkdir()
    path = folder / "a.pkl"
    if case % 3 == 0:
        content = pickle.dumps(_SOUND, protocol=int(random.integers(6)))
        path.write_bytes((flipped, stuffed)[random.integers(2)](content, random))
    else:
        words = [*_PARTS, *(b"c" + name + b"\n" for name in _NAMES)]
        parts = [words[at] for at in random.integers(len(words), size=random.integers(3, 60))]
        path.write_bytes(b"\x80\x04}X\x01\0\0\0a" + b"".join(parts) + b"s.")
    before = (set(sys.modules), dict(vars(scipy.sparse.csc_matrix)), os.getcwd(), set(os.listdir(folder)))
    for read in (partial(read_pickled_numbers, allow_pickle=True), _read_and_write):
        try:
            read(path)
        except InputError as error:
            if str(path) not in str(error):
                return f"a message without the file: {error}"
    after = (set(sys.modules), dict(vars(scipy.sparse.csc_matrix)), os.getcwd(), set(os.listdir(folder)))
    shutil.rmtree(folder)
    news = sorted(name for name in after[0] - before[0] if not name.startswith("encodings"))
    if news or before[1:] != after[1:]:
        return f"reading it changed something: {news}"
    return ""


def _read_and_write(path: Path) -> None:
    """Read a file of results and write it back with other numbers."""
    results, copy = open_results(path), path.with_name("copy.pkl")
    results.write(copy, {name: 2 * results.array(name) for name in results.shapes})
    copy.unlink()
