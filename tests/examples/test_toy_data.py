"""Idx files byte by byte, bundled digits, text as windows."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_data.digits import mnist, read_idx
from toy_data.text import Alphabet, documentation, split_windows

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.storage.files.limits import LIMIT_VARIABLE


def idx_bytes(array: np.ndarray) -> bytes:
    """An idx file of unsigned bytes as LeCun et al. define it."""
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (5, 28, 28), np.uint8)
    labels = np.arange(5, dtype=np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    return tmp_path


def test_bundled_digits_are_scaled_and_complete() -> None:
    images, labels = bundled_digits()
    assert images.shape == (1797, 8, 8)
    assert (images.min(), images.max()) == (-1.0, 1.0)
    assert len(labels.unique()) == 10


def test_mnist_files_are_read_plain_or_gzipped(mnist_folder: Path) -> None:
    images, labels = mnist(mnist_folder)
    assert images.shape == (5, 28, 28)
    assert labels.tolist() == [0, 1, 2, 3, 4]
    raw = np.frombuffer((mnist_folder / "train-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    assert ((images.flatten() + 1) * 127.5).round().numpy() == pytest.approx(raw)


def test_missing_and_damaged_files_are_named(mnist_folder: Path) -> None:
    with pytest.raises(ValueError, match="no t10k-images"):
        mnist(mnist_folder, "t10k")
    path = mnist_folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte should hold 3936 bytes .* holds 3935"):
        read_idx(path)
    path.write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="is not an idx file of bytes: it starts with 47 49 46 38"):
        read_idx(path)


def test_documentation_is_english_prose() -> None:
    text = documentation()
    assert len(text) > 300_000
    assert text.count(" the ") > 3000


def test_alphabet_round_trip_and_unknown_characters() -> None:
    alphabet = Alphabet.from_text("aaab bbc", 3)
    assert len(alphabet) == 3
    assert alphabet.decode(alphabet.encode("ab")) == "ab"
    assert alphabet.decode(alphabet.encode("z")) == alphabet.characters[0]


def test_held_out_windows_come_after_all_training_windows() -> None:
    train, held_out = split_windows(torch.arange(103.0), 10, 0.2)
    assert train.shape == (8, 10)
    assert held_out.flatten().tolist() == list(map(float, range(80, 100)))
    with pytest.raises(ValueError, match="too short for windows of 10"):
        split_windows(torch.arange(9.0), 10, 0.2)


def gzipped_zeros(size: int) -> bytes:
    return gzip.compress(bytes(size))


BROKEN = {
    "cut off": (lambda content: gzip.compress(content)[:-20], "cut off"),
    "no gzip": (lambda content: content, "cannot be unpacked"),
    "a bomb": (lambda content: gzipped_zeros(2**24), "would take"),
    "many parts": (lambda content: gzipped_zeros(2**10) * 2, "continued by something else"),
    "too many axes": (lambda content: gzip.compress(b"\0\0\x08\xff" + bytes(4 * 255)), "should hold"),
    "negative sizes": (lambda content: gzip.compress(content[:4] + b"\xff" * 12 + content[16:]), "should hold"),
    "floats": (lambda content: gzip.compress(b"\0\0\x0d" + content[3:]), "not an idx file"),
    "nothing": (lambda content: gzip.compress(b""), "not an idx file"),
    "empty": (lambda content: b"", "cut off"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_digits_get_a_sentence(mnist_folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "4")
    change, message = BROKEN[name]
    plain = mnist_folder / "train-images-idx3-ubyte"
    path = plain.with_name(f"{plain.name}.gz")
    path.write_bytes(change(plain.read_bytes()))
    plain.unlink()
    with pytest.raises(InputError, match=message) as refusal:
        mnist(mnist_folder)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
def test_pipes_and_devices_are_no_digits(mnist_folder: Path, target: str) -> None:
    path = mnist_folder / "train-images-idx3-ubyte"
    path.unlink()
    if target == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    with pytest.raises(InputError, match="no regular file"):
        mnist(mnist_folder)
