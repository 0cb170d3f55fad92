"""Correctors are identified by code, arguments and weights.

The same code gives the same identity.
"""

import functools
import importlib
import json
import os
import re
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from selfcorrect.runtime.identity import Identity, identity_of
from selfcorrect.runtime.user_code import locate_code


def scale_values(values, factor=1.0):
    return factor * values


@dataclass
class Scale:
    factor: float
    offsets: np.ndarray

    def __call__(self, values):
        return self.factor * values + self.offsets


class ScaleBy(Scale):
    """An object whose attributes differ from its fields.

    The class is not a dataclass, has one more attribute, and lacks a field.
    """

    def __init__(self, number):
        self.factor = 1.0
        self.number = number


def scale_by(factor):
    return lambda values: factor * values


def call_with(function, number):
    return lambda values: function(values, number)


@pytest.mark.parametrize(
    "make",
    [
        lambda number: functools.partial(scale_values, factor=number),
        lambda number: functools.partial(scale_values, settings={"factors": [(number, "x")]}),
        lambda number: functools.partial(scale_values, factor={number, "x"}),
        lambda number: Scale(number, np.zeros(2)),
        lambda number: Scale(number, np.zeros(2)).__call__,
        ScaleBy,
        lambda number: functools.partial(scale_by(number)),
        lambda number: call_with(scale_by(number), 0),
        scale_by,
    ],
)
def test_held_numbers_count(make) -> None:
    first = identity_of(make(1.0))
    same = identity_of(make(1.0))
    second = identity_of(make(2.0))
    assert first == same
    assert first.changed_since(same) == ""
    assert second.changed_since(first) == "other arguments or variables"


def test_arrays_do_not_count() -> None:
    assert identity_of(Scale(1.0, np.zeros(2))) == identity_of(Scale(1.0, np.ones(2)))
    network = torch.nn.Linear(2, 2)
    before = identity_of(functools.partial(scale_values, factor=network))
    torch.nn.init.constant_(network.weight, 3.0)
    assert identity_of(functools.partial(scale_values, factor=network)) == before


@dataclass(frozen=True)
class Halving:
    """A corrector that computes when first asked."""

    share: float = 0.5

    @functools.cached_property
    def rest(self) -> float:
        return 1 - self.share

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        return self.rest * values


def test_cached_results_do_not_count() -> None:
    corrector = Halving()
    before = identity_of(corrector)
    corrector(torch.ones(2))
    assert identity_of(corrector) == before
    assert identity_of(Halving(0.25)) != before


def test_json_round_trip() -> None:
    identity = identity_of(scale_values)
    assert Identity(**json.loads(json.dumps(asdict(identity)))) == identity
    assert identity.source.startswith("def scale_values")
    assert Path(__file__).name in identity.files
    assert "it is" in identity_of(scale_by).changed_since(identity)


def test_long_line_shows_difference() -> None:
    first = Identity("m:f", f"x = {' + '.join(['a_long_name'] * 9)} + 0.1")
    second = Identity("m:f", f"x = {' + '.join(['a_long_name'] * 9)} + 0.2")
    assert re.search(r"`.*0\.2` instead of `.*0\.1`", second.changed_since(first))


def test_recursive_code_ends() -> None:
    def countdown(number):
        return countdown(number - 1) if number else 0

    assert "countdown" in identity_of(countdown).values or identity_of(countdown).source


@pytest.mark.slow
def test_package_counts_by_version() -> None:
    assert identity_of(np.linalg.norm).packages["numpy"].startswith(f"{np.__version__} (files ")
    assert identity_of(np.linalg.norm).files == {}
    assert identity_of(len) == Identity("builtins:len")


@dataclass
class Reader:
    table: Path
    notes: tuple[object, ...] = ()

    def __call__(self) -> str:
        return self.table.read_text()


def test_nested_values_count(tmp_path: Path) -> None:
    table = tmp_path / "table.txt"
    table.write_text("one")
    first = identity_of(Reader(table))
    nested = identity_of(Reader(table, ({"inner": Reader(table)}, np.int64(1))))
    assert identity_of(Reader(table)) == first
    modified = table.stat()
    table.write_text("two")
    os.utime(table, ns=(modified.st_atime_ns, modified.st_mtime_ns))
    assert identity_of(Reader(table)).changed_since(first) == "other arguments or variables"
    assert identity_of(Reader(table, ({"inner": Reader(table)}, np.int64(1)))) != nested
    table.write_text("one")
    assert identity_of(Reader(table, ({"inner": Reader(table)}, np.int64(1)))) == nested
    assert identity_of(Reader(table, ({"inner": Reader(table)}, np.int64(2)))) != nested
    assert identity_of(Reader(tmp_path)) != first


def test_imported_modules_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    texts = {
        "outer.py": "import inner_a\nimport zoo_installed\ndef f():\n    import late_one\n",
        "inner_a.py": "from inner_b import scale\n",
        "inner_b/__init__.py": "from .scale import FACTOR as scale\n",
        "inner_b/scale.py": "from . import more\nFACTOR = 1\n",
        "inner_b/more.py": "",
        "late_one.py": "",
    }
    site = tmp_path / "site-packages"
    (site / "zoo_installed-1.0.dist-info").mkdir(parents=True)
    (site / "zoo_installed-1.0.dist-info" / "METADATA").write_text("Name: zoo-installed\nVersion: 1.0\n")
    (site / "zoo_installed.py").write_text("")
    monkeypatch.syspath_prepend(str(site))
    (tmp_path / "inner_b").mkdir()
    for name, text in {**texts, "unused.py": "5"}.items():
        (tmp_path / name).write_text(text)
    outer = importlib.import_module("outer")
    first = identity_of(outer)
    assert sorted(first.files) == sorted(texts)
    assert first.packages == {"zoo_installed": "1.0"}
    for name in ("inner_b/scale.py", "late_one.py"):
        (tmp_path / name).write_text(f"{texts[name]}more = 7\n")
        assert identity_of(outer).changed_since(first) == f"other content in {name}"
        (tmp_path / name).write_text(f"{texts[name]}# more\n")
    assert identity_of(outer) == first
    later = replace(first, packages={"zoo_installed": "1.1"})
    assert later.changed_since(first) == "zoo_installed 1.1 instead of 1.0"
    for name in ("outer", "inner_a", "inner_b", "inner_b.scale", "inner_b.more", "zoo_installed"):
        sys.modules.pop(name, None)


def of_script(text: str) -> Identity:
    """Run a script, and return the identity of its `fix`."""
    names: dict = {"__name__": "__main__"}
    exec(text, names)
    return identity_of(names["fix"])


@pytest.mark.parametrize(
    "fix", ["def fix(v): return helper(v)\n", "class Fix:\n    def __call__(self, v): return helper(v)\nfix = Fix()\n"]
)
def test_script_counts_used_code(fix: str) -> None:
    script = "FACTOR = {}\ndef helper(v):\n    return [FACTOR * x for x in v]\n" + fix
    first = of_script(script.format(2))
    assert of_script(script.format(2) + "SEEDS = 5\ndef other(): return SEEDS\n") == first
    assert of_script(script.format(3)).changed_since(first) == "other arguments or variables"
    assert first.files == {}


def test_other_file_has_no_source(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("Text that 'ends (nowhere\n" * 3)
    names: dict = {}
    exec(compile("\ndef moved(motion):\n    return motion\n", str(tmp_path / "page.md"), "exec"), names)
    assert locate_code(names["moved"]) == ""
    assert identity_of(names["moved"]) == identity_of(names["moved"])


def test_attribute_name_does_not_count() -> None:
    names: dict = {"__name__": "__main__"}
    exec("def score(run): return run.task + offset\noffset = 1", names)
    before = identity_of(names["score"])
    names["task"] = 5
    assert identity_of(names["score"]).values == before.values
    names["offset"] = 2
    assert identity_of(names["score"]).values != before.values
