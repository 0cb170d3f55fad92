"""Pickle files give numbers and run nothing."""

import copyreg
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from selfcorrect.storage.files.limits import LIMIT_VARIABLE
from selfcorrect.storage.pickles.numbers import read_pickled_npy, read_pickled_numbers

NUMBERS = {
    "a": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">i4"),
    "words": np.array(["ab", "cé"]),
    "bytes": np.array([b"ab"]),
    "truth": np.array([True, False]),
    "one": np.array(3.0),
    "none of three": np.zeros((0, 3)),
    "many of none": np.zeros((20_000, 0, 3)),
    "ragged": [np.zeros(2), np.ones(3)],
    "n": np.float32(2),
    "name": "x",
    "long": 10**30,
}


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_round_trip(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(NUMBERS, protocol=protocol))
    read = read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)
    assert read.keys() == NUMBERS.keys()
    assert {type(text) for text in (*read, read["name"])} == {str}
    for name, value in NUMBERS.items():
        np.testing.assert_equal(read[name], value)


@pytest.mark.parametrize("protocol", [1, 2, 5])
@pytest.mark.parametrize("layout", ["csc_matrix", "csc_array"])
def test_sparse_matrices_become_dense(tmp_path: Path, layout: str, protocol: int) -> None:
    dense = np.diag(np.arange(3.0))[:2]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"J": getattr(scipy.sparse, layout)(dense)}, protocol=protocol))
    np.testing.assert_array_equal(read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)["J"], dense)


def test_npy_dictionary_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array({"motion": np.ones((2, 3)), "text": ["walk"]}, dtype=object))
    read = read_pickled_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(read["motion"], np.ones((2, 3)))
    assert read["text"] == ["walk"]


def test_plain_npy_raises(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(ValueError, match="expected pickled objects"):
        read_pickled_npy(tmp_path / "a.npy")


def test_chumpy_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("chumpy")
    module = types.ModuleType("chumpy.ch")
    module.Ch = type("Ch", (), {"__module__": "chumpy.ch", "__qualname__": "Ch"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chumpy", package)
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    array = module.Ch()  # type: ignore[attr-defined]
    array.x = np.arange(3.0)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"v": array}, protocol=2))
    monkeypatch.undo()
    np.testing.assert_array_equal(read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)["v"], np.arange(3.0))


def test_consent_is_required(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match="is a pickle file"):
        read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *(
            (text, "not a readable pickle file .it neither begins")
            for text in (b"junk", b"hello, text\n", b'{"a": 1}', b"a,b\n")
        ),
        (b"", "not a readable pickle"),
        (pickle.dumps([1]), "expected a dictionary"),
    ],
)
def test_other_files_are_told_apart(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)


# --- files made to do harm -------------------------------------------------------------------------------------------


class Calls:
    """Pickled as a call with a state.

    The state is set on what the function returns.
    """

    def __init__(self, function: object, *arguments: object, state: object = None) -> None:
        self.call = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self):
        return self.call


def forge_matrix(matrix: type, **parts: object) -> Calls:
    """Forge a sparse 3 × 3 matrix with parts of other matrices."""
    sound = {"_shape": (3, 3), "data": np.ones(1), "indices": np.array([0]), "indptr": np.array([0, 1, 1, 1])}
    return Calls(copyreg._reconstructor, matrix, object, None, state=sound | parts)  # type: ignore[attr-defined]


def of_type(code: str, shape: tuple[int, ...], content: bytes) -> Calls:
    """An array of that type code over those bytes."""
    state = (1, shape, Calls(np.dtype, code, False, True), False, content)
    return Calls(np._core.multiarray._reconstruct, np.ndarray, (0,), b"b", state=state)  # type: ignore[attr-defined]


MATRIX = scipy.sparse.csc_matrix
HOSTILE = {
    "pointers for numbers": Calls(np.ndarray, (1,), "O", b"A" * 8),
    "objects over bytes": of_type("O8", (1,), b"A" * 8),
    "void": of_type("V8", (1,), b"A" * 8),
    "nothing many times": of_type("V0", (10**12,), b""),
    "empty and endless": of_type("f8", (2**40, 0), b""),
    "too few bytes": of_type("f8", (10**12,), b"A" * 8),
    "a negative side": of_type("f8", (-1, -1), b"A" * 8),
    "half true": of_type("b1", (1,), b"\x02"),
    "characters beyond all": of_type("U1", (1,), b"\xff" * 4),
    "indices outside": forge_matrix(MATRIX, indices=np.array([10**9])),
    "indices before": forge_matrix(MATRIX, indices=np.array([-5])),
    "pointers outside": forge_matrix(MATRIX, indptr=np.array([0, 10**9, 1, 1])),
    "values missing": forge_matrix(MATRIX, data=np.ones(0)),
    "a state for a class": Calls(copyreg._reconstructor, MATRIX, object, None, state=(MATRIX, {"toarray": 1})),  # type: ignore[attr-defined]
    "fractions for indices": forge_matrix(MATRIX, indices=np.array([0.5])),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [2, 5])
def test_forged_objects_are_refused(tmp_path: Path, name: str, protocol: int) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": HOSTILE[name]}, protocol=protocol))
    with pytest.raises(ValueError, match=r"a\.pkl: (refused|not|would)"):
        read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)


def test_sparse_matrix_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"J": scipy.sparse.csc_matrix((1000, 1000))}))
    monkeypatch.setenv(LIMIT_VARIABLE, "7")
    with pytest.raises(ValueError, match=r"7\.\d+ MB.*7 MB"):
        read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)
    monkeypatch.setenv(LIMIT_VARIABLE, "8")
    assert read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)["J"].shape == (1000, 1000)
