"""Nested results of programs run nothing, and arrays stay within their numbers."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Literal

import joblib
import numpy as np
import pytest
import torch

import selfcorrect as sc
from selfcorrect.storage.files.limits import LIMIT_VARIABLE
from selfcorrect.storage.pickles.results import open_results


class RunsCode:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-file",)


@pytest.mark.parametrize("suffix", [".pkl", ".pt", ".npy"])
def test_files_run_no_code(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"a{suffix}"
    content = {"pose_world": RunsCode()}
    match suffix:
        case ".npy":
            np.save(path, content)  # type: ignore[arg-type]
        case ".pt":
            torch.save(content, path)
        case _:
            joblib.dump(content, path)
    with pytest.raises(sc.InputError, match=r"posix\.mkdir"):
        open_results(path)
    assert not Path("made-by-a-file").exists()


def test_tensor_stays_in_bounds(tmp_path: Path) -> None:
    torch.save({"body_pose": torch.zeros(40, 63)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    (described,) = [name for name in entries if name.endswith("data.pkl")]
    entries[described] = entries[described].replace(b"K?", b"K\xff")  # 63 columns become 255
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    (tmp_path / "a.pt").write_bytes(file.getvalue())
    with pytest.raises(sc.InputError, match="reaches out"):
        open_results(tmp_path / "a.pt")


def test_repeated_numbers_are_limited(tmp_path: Path) -> None:
    torch.save({"body_pose": torch.zeros(1, 1).expand(10**7, 63)}, tmp_path / "a.pt")
    assert (tmp_path / "a.pt").stat().st_size < 10_000
    with pytest.raises(sc.InputError, match=r"would take"):
        open_results(tmp_path / "a.pt").array("body_pose")


def test_too_many_parts_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"frames": list(range(1000))}))
    assert open_results(tmp_path / "a.pkl").numbers["frames.999"] == 999
    monkeypatch.setenv(LIMIT_VARIABLE, "0.1")
    with pytest.raises(sc.InputError, match=rf"would take .* of memory, .*raise {LIMIT_VARIABLE}"):
        open_results(tmp_path / "a.pkl")


def test_shared_numbers_change_together(tmp_path: Path) -> None:
    pose = torch.arange(6.0)
    content = {"pose": pose, "again": pose, "half": pose[:3], "other": pose.clone()}
    for zipped in (True, False):
        torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
        results = open_results(tmp_path / "a.pt")
        results.write(tmp_path / "b.pt", {"again": np.zeros(6)}, 0)
        after = torch.load(tmp_path / "b.pt", weights_only=True)
        assert not any(after[name].any() for name in ("pose", "again", "half"))
        assert torch.equal(after["other"], pose)
        with pytest.raises(sc.InputError, match=r"pose of a\.pt .*shares"):
            results.write(tmp_path / "c.pt", {"pose": np.ones(6), "half": np.zeros(3)}, 0)
        assert not (tmp_path / "c.pt").exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_bytes_stay(tmp_path: Path, protocol: int, order: Literal["C", "F"]) -> None:
    rng = np.random.default_rng(protocol)
    content = {
        "pose": np.asarray(rng.normal(size=(4, 3)), order=order),
        "name": "walk",
        "where": Path("a"),
        "n": (1, None),
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol))
    changed = np.asarray(rng.normal(size=(4, 3)), order=order)
    open_results(tmp_path / "a.pkl").write(tmp_path / "b.pkl", {"pose": changed}, 0)
    reread = pickle.loads((tmp_path / "b.pkl").read_bytes())
    np.testing.assert_array_equal(reread.pop("pose"), changed)
    assert reread == {name: value for name, value in content.items() if name != "pose"}
    if protocol > 2:
        assert (tmp_path / "b.pkl").read_bytes() == pickle.dumps(content | {"pose": changed}, protocol)
    open_results(tmp_path / "b.pkl").write(tmp_path / "c.pkl", {"pose": content["pose"]}, 0)
    if protocol:
        assert (tmp_path / "c.pkl").read_bytes() == (tmp_path / "a.pkl").read_bytes()


@pytest.mark.parametrize("packed", [("zlib", 3), ("gzip", 3)])
def test_joblib_compression_round_trips(tmp_path: Path, packed: tuple[str, int]) -> None:
    path = tmp_path / "a.pkl"
    target = tmp_path / "b.pkl"
    joblib.dump({"pose": np.zeros((4, 3)), "trans": np.arange(12.0).reshape(4, 3)}, path, compress=packed)
    open_results(path).write(target, {"pose": np.ones((4, 3))}, 0)
    assert target.read_bytes()[:1] == path.read_bytes()[:1]
    reread = joblib.load(target)
    np.testing.assert_array_equal(reread["pose"], np.ones((4, 3)))
    np.testing.assert_array_equal(reread["trans"], np.arange(12.0).reshape(4, 3))


def test_legacy_torch_types_stay(tmp_path: Path) -> None:
    content = {"scores": torch.ones(5, dtype=torch.bfloat16), "pose": torch.arange(6.0).reshape(2, 3)}
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    results = open_results(tmp_path / "a.pt")
    np.testing.assert_array_equal(results.array("pose"), content["pose"].numpy())
    results.write(tmp_path / "b.pt", {"pose": np.zeros((2, 3), np.float32)}, 0)
    reread = torch.load(tmp_path / "b.pt", weights_only=True)
    assert torch.equal(reread["scores"], content["scores"])
    assert not reread["pose"].any()
