"""Pickle files give numbers and run nothing."""

import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from selfcorrect.storage.pickled import read_pickled_numbers


class RunsCode:
    def __reduce__(self):
        return os.mkdir, ("made-by-pickle",)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_arrays_come_out_as_they_went_in(tmp_path: Path, protocol: int) -> None:
    numbers = {"a": np.arange(6.0).reshape(2, 3), "ragged": [np.zeros(2), np.ones(3)], "n": np.float32(2), "name": "x"}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(numbers, protocol=protocol))
    read = read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)
    np.testing.assert_array_equal(read["a"], numbers["a"])
    np.testing.assert_array_equal(read["ragged"][1], np.ones(3))
    assert (read["n"], read["name"]) == (2, "x")


def test_sparse_matrices_become_dense(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"J": scipy.sparse.csc_matrix(np.eye(3))}))
    np.testing.assert_array_equal(read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)["J"], np.eye(3))


def test_chumpy_arrays_are_read_without_chumpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")
    module.Ch = type("Ch", (), {"__module__": "chumpy.ch", "__qualname__": "Ch"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chumpy", package)
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    array = module.Ch()  # type: ignore[attr-defined]
    array.x = np.arange(3.0)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"v": array}, protocol=2))
    monkeypatch.undo()
    np.testing.assert_array_equal(read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)["v"], np.arange(3.0))


def test_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.pkl").write_bytes(pickle.dumps({"a": RunsCode()}))
    with pytest.raises(ValueError, match=r"a\.pkl: refused, it holds posix\.mkdir, and only numbers"):
        read_pickled_numbers(Path("a.pkl"), allow_pickle=True)
    assert not Path("made-by-pickle").exists()


def test_without_the_callers_word_nothing_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match="can run code"):
        read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"junk", "not a readable pickle"), (b"", "not a readable pickle"), (pickle.dumps([1]), "expected a dictionary")],
)
def test_other_files_are_told_apart(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_pickled_numbers(tmp_path / "a.pkl", allow_pickle=True)
