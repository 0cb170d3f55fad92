"""CIFAR-10 as its authors publish it (Krizhevsky 2009), or a folder of pictures in its manner."""

import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.limits import read_bytes
from selfcorrect.storage.pickles.numbers import read_pickled_numbers

SIZE, CHANNELS = 32, 3
_ROW = 1 + CHANNELS * SIZE * SIZE
LAYOUTS = (
    "cifar-10-binary.tar.gz or cifar-10-python.tar.gz, a folder that one of them unpacks to, "
    "or a folder with a subfolder of 32×32 pictures per class"
)

Images = tuple[Tensor, Tensor]
"""Values (N, 3, 32, 32) float32 in [−1, 1], and labels (N,) int64."""


def cifar10(path: Path) -> Images:
    """The training images of CIFAR-10 in any of `LAYOUTS`; InputError, naming the file, for anything else."""
    if path.is_file() and tarfile.is_tarfile(path):
        with tempfile.TemporaryDirectory() as folder:
            return _batches(_unpacked(path, Path(folder)), path)
    if not path.is_dir():
        raise InputError(f"{path}: no CIFAR-10; expected {LAYOUTS}")
    batches = sorted(each for each in path.rglob("data_batch_*") if each.is_file())
    return _batches(batches, path) if batches else _pictures(path)


def _unpacked(path: Path, folder: Path) -> list[Path]:
    """The training batches of an archive, as files in a folder."""
    found = list[Path]()
    with tarfile.open(path) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if member.isfile() and name.startswith("data_batch_") and (content := archive.extractfile(member)):
                if member.size > 100_000_000:
                    raise InputError(f"{path}: {member.name} is larger than any batch of CIFAR-10")
                found.append(folder / name)
                found[-1].write_bytes(content.read())
    return sorted(found)


def _batches(files: list[Path], place: Path) -> Images:
    if not files:
        raise InputError(f"{place}: no data_batch_… within; expected {LAYOUTS}")
    read: Callable[[Path], tuple[np.ndarray, np.ndarray]] = _binary if files[0].suffix == ".bin" else _pickled
    parts = [read(file) for file in files]
    pixels, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _scaled(pixels.reshape(-1, CHANNELS, SIZE, SIZE)), torch.from_numpy(labels.astype(np.int64))


def _binary(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a label and 3072 bytes."""
    content = np.frombuffer(read_bytes(file), np.uint8)
    if len(content) == 0 or len(content) % _ROW:
        raise InputError(
            f"{file.name}: a batch of CIFAR-10 has rows of {_ROW} bytes, and this has {len(content)} bytes"
        )
    rows = content.reshape(-1, _ROW)
    if rows[:, 0].max() > 9:
        raise InputError(f"{file.name}: labels of CIFAR-10 are from 0 to 9, got {rows[:, 0].max()}")
    return rows[:, 1:], rows[:, 0]


def _pickled(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """A dictionary with data (N, 3072) and labels, of which only the numbers are read."""
    numbers = read_pickled_numbers(file, allow_pickle=True)
    pixels, labels = np.asarray(numbers.get("data", ())), np.asarray(numbers.get("labels", ()))
    if pixels.shape != (len(labels), _ROW - 1) or pixels.dtype != np.uint8:
        raise InputError(
            f"{file.name}: expected data (N, {_ROW - 1}) uint8 and N labels, got {pixels.shape} {pixels.dtype} and "
            f"{len(labels)} labels"
        )
    return pixels, labels


def _pictures(folder: Path) -> Images:
    classes = sorted(each for each in folder.iterdir() if each.is_dir())
    found = [(number, file) for number, each in enumerate(classes) for file in _picture_files(each)]
    if not found:
        raise InputError(f"{folder}: no CIFAR-10; expected {LAYOUTS}")
    pixels = np.stack([_picture(file) for _, file in found]).transpose(0, 3, 1, 2)
    return _scaled(pixels), torch.tensor([number for number, _ in found])


def _picture_files(folder: Path) -> Iterator[Path]:
    yield from sorted(file for file in folder.iterdir() if file.suffix.lower() in (".png", ".jpg", ".jpeg"))


def _picture(file: Path) -> np.ndarray:
    try:
        with Image.open(file) as image:
            if image.size != (SIZE, SIZE):
                raise InputError(f"{file}: expected a picture of {SIZE}×{SIZE}, got {image.size[0]}×{image.size[1]}")
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{file}: no picture that can be read ({error})") from error


def _scaled(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1)
