"""Damage in folders of results is found, file by file."""

from pathlib import Path

import pytest
import torch

from selfcorrect.experiments.cli import main
from selfcorrect.experiments.correction.report import Result
from selfcorrect.storage.digests import sealed
from selfcorrect.storage.folder_store import FolderStore
from selfcorrect.storage.protocol import Generation


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with two generations, references, and a corrected motion."""
    with FolderStore(tmp_path / "run" / "arm", {}) as store:
        for number in range(2):
            store.commit(Generation(number, {"weight": torch.ones(3)}, None, {"mean": 0.5}, {"train": 1.0}))
    (tmp_path / "run" / "real").mkdir()
    (tmp_path / "run" / "real" / "references.json").write_bytes(sealed({"real": {"fid": 1.0}}))
    (tmp_path / "run" / "out").mkdir()
    (tmp_path / "run" / "out" / "a.bvh").write_text("HIERARCHY")
    digest = "5a0a9b8f6d5a0c2a9b0c4cbcbb5ad0fa"
    Result("a.bvh", "a.bvh", "key", "accepted", output="corrected", output_hash=digest).save(
        tmp_path / "run" / "out" / ".records" / "a.bvh.json"
    )
    return tmp_path / "run"


@pytest.fixture
def sound(run: Path) -> Path:
    from selfcorrect.experiments.correction.correct_file import hash_of_file

    record = run / "out" / ".records" / "a.bvh.json"
    record.write_text(
        record.read_text().replace("5a0a9b8f6d5a0c2a9b0c4cbcbb5ad0fa", hash_of_file(run / "out" / "a.bvh"))
    )
    return run


def test_a_sound_folder_is_said_to_be_sound(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(sound)]) == 0
    assert (
        "2 generations, 1 files of references, 1 corrected motions and 0 shards looked at; none damaged"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "name",
    [
        "arm/generation-0001/model.safetensors",
        "arm/generation-0000/metrics.json",
        "arm/generation-0000/timings.json",
        "arm/generation-0000/digests.json",
        "real/references.json",
        "out/a.bvh",
        "out/.records/a.bvh.json",
    ],
)
def test_a_damaged_file_is_named(sound: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray((sound / name).read_bytes())
    content[len(content) // 2] ^= 2
    (sound / name).write_bytes(content[:-4])
    assert main(["verify", str(sound)]) == 1
    assert f"{sound / name} is" in capsys.readouterr().out


def test_a_folder_without_results_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert "neither generations of a run nor corrected motions" in capsys.readouterr().err
