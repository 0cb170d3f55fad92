"""CIFAR-10 in each layout that its authors and others publish it in, made up here."""

import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.user_files.cifar10 import cifar10

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(20) % 10
VALUES = torch.from_numpy(PIXELS.astype(np.float32) / 127.5 - 1)


def binary(folder: Path) -> Path:
    """Two batches as in cifar-10-batches-bin."""
    folder.mkdir(parents=True)
    rows = np.concatenate([LABELS[:, None].astype(np.uint8), PIXELS.reshape(20, -1)], axis=1)
    for number, part in enumerate(np.split(rows, 2), 1):
        (folder / f"data_batch_{number}.bin").write_bytes(part.tobytes())
    (folder / "test_batch.bin").write_bytes(rows[:1].tobytes())
    return folder


def pickled(folder: Path) -> Path:
    """Two batches as in cifar-10-batches-py."""
    folder.mkdir(parents=True)
    for number, rows in enumerate(np.split(np.arange(20), 2), 1):
        batch = {
            "batch_label": "training batch", "labels": LABELS[rows].tolist(), "data": PIXELS[rows].reshape(10, -1),
            "filenames": ["a.png"] * 10,
        }  # fmt: skip
        (folder / f"data_batch_{number}").write_bytes(pickle.dumps(batch, protocol=2))
    return folder


def packed(folder: Path) -> Path:
    """An archive with a folder of batches."""
    made = binary(folder / "cifar-10-batches-bin")
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(made, made.name)
    return folder / "cifar-10-binary.tar.gz"


def pictures(folder: Path) -> Path:
    """A subfolder per class."""
    for number, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        (folder / f"class {label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / f"class {label}" / f"{number:02}.png")
    return folder


@pytest.mark.parametrize("layout", [binary, pickled, packed])
def test_batches_are_read_in_their_order(layout: Callable[[Path], Path], tmp_path: Path) -> None:
    images, labels = cifar10(layout(tmp_path / "data"))
    assert torch.equal(images, VALUES)
    assert labels.tolist() == LABELS.tolist()


def test_pictures_are_read_class_by_class(tmp_path: Path) -> None:
    images, labels = cifar10(pictures(tmp_path / "data"))
    order = np.argsort(LABELS, kind="stable")
    assert torch.equal(images, VALUES[order])
    assert labels.tolist() == LABELS[order].tolist()


class Hostile:
    """Runs something where a pickle is loaded carelessly."""

    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run",)


def test_what_is_no_cifar10_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(InputError, match="no CIFAR-10; expected cifar-10-binary"):
            cifar10(place)
    short = binary(tmp_path / "short")
    (short / "data_batch_2.bin").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match=r"data_batch_2.bin: .* rows of 3073 bytes, and this has 100 bytes"):
        cifar10(short)
    (short / "data_batch_2.bin").write_bytes(b"\x0b" * 3073)
    with pytest.raises(InputError, match="from 0 to 9, got 11"):
        cifar10(short)
    bad = pickled(tmp_path / "bad")
    (bad / "data_batch_1").write_bytes(pickle.dumps({"labels": [1]}, protocol=2))
    with pytest.raises(InputError, match=r"data_batch_1: expected data \(N, 3072\) uint8"):
        cifar10(bad)
    (bad / "data_batch_1").write_bytes(pickle.dumps(Hostile(), protocol=2))
    with pytest.raises(InputError):
        cifar10(bad)
    assert "run" not in capsys.readouterr().out
    large = pictures(tmp_path / "large")
    Image.new("RGB", (40, 32)).save(large / "class 0" / "large.png")
    with pytest.raises(InputError, match=r"large.png: expected a picture of 32×32, got 40×32"):
        cifar10(large)
    (large / "class 0" / "large.png").write_text("no picture")
    with pytest.raises(InputError, match=r"large.png: no picture that can be read"):
        cifar10(large)
