"""Toys are not taken as finished after anything that their result depends on has changed."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.studies.toy.files import load_toy_module
from selfcorrect.experiments.studies.toy.study import LoadedToy, load_settings, load_toys

LOOP = """
from dataclasses import dataclass
from pathlib import Path

import {helper}
from selfcorrect import toys


@dataclass(frozen=True)
class Settings(toys.ToySettings):
    table: Path | None = None
    inner: object = None


QUICK = Settings(seeds=1)


def toy(settings):
    return toys.Toy(bundles=[toys.bundle_seeds(settings, lambda stream: {helper}.NUMBER)], claims=[])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith(("toy_loop_", "stale_")):
            del sys.modules[name]


def write_loop(folder: Path, name: str = "loop", helper: str = "stale_helper", number: int = 1) -> str:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(LOOP.format(helper=helper))
    (folder / f"{helper}.py").write_text("from stale_deeper import NUMBER\n")
    (folder / "stale_deeper.py").write_text(f"NUMBER = {number}\n")
    return str(folder / f"{name}.py")


def digest(reference: str, table: Path | None = None) -> str:
    settings = replace(load_settings(reference, quick=True), table=table)
    return LoadedToy.load(reference, settings).digest


def read_number(reference: str) -> object:
    toy = LoadedToy.load(reference, load_settings(reference, quick=True))
    (source,) = toy.sources.values()
    return source.bundle.setup(source.bundle.streams[0])


def test_changed_module_is_reloaded(folder: Path) -> None:
    reference = write_loop(folder)
    first = digest(reference)
    assert (digest(reference), read_number(reference)) == (first, 1)
    (folder / "stale_deeper.py").write_text("NUMBER = 22\n")
    assert digest(reference) != first
    assert read_number(reference) == 22
    (folder / "stale_deeper.py").write_text("NUMBER = 1  # again\n")
    assert digest(reference) == first


def test_changed_data_file_is_noticed(folder: Path) -> None:
    reference = write_loop(folder)
    table = folder / "table.txt"
    table.write_text("one")
    times = table.stat()
    first = digest(reference, table)
    table.write_text("two")
    os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest(reference, table) != first
    assert digest(reference, folder) != digest(reference, table)


def test_module_name_clash_raises(folder: Path) -> None:
    references = [write_loop(folder / name, name, number=number) for name, number in (("one", 1), ("two", 3))]
    with pytest.raises(SettingError, match=r"two.stale_helper.py.*one.stale_helper.py"):
        load_toys([(reference, load_settings(reference, quick=True)) for reference in references])


def test_changing_loop_is_not_mixed(folder: Path) -> None:
    reference = write_loop(folder)
    toy = LoadedToy.load(reference, load_settings(reference, quick=True))
    (folder / "stale_deeper.py").write_text("NUMBER = 22\n")
    load_toy_module(reference)
    (source,) = toy.sources.values()
    with pytest.raises(SettingError, match="changed while it ran"):
        _ = source.bundle
