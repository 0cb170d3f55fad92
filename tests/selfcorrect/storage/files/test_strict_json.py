"""JSON is bounded, checked against dataclasses, and read in one place."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.limits import LIMIT_VARIABLE
from selfcorrect.storage.files.strict_json import MAX_DEPTH, parse_json, read_as, read_json


@dataclass(frozen=True)
class Part:
    name: str
    weight: float


@dataclass(frozen=True)
class Facts:
    frames: int
    kind: Literal["walk", "run"]
    parts: tuple[Part, ...]
    by_name: dict[str, float] = field(default_factory=dict)
    first: int | None = None
    more: dict[str, Any] | None = None


SOUND = {"frames": 3, "kind": "run", "parts": [{"name": "leg", "weight": 1}]}


def test_sound_values_become_a_dataclass() -> None:
    facts = read_as(Facts, {**SOUND, "by_name": {"a": 1, "b": 2.5}, "first": None, "more": {"x": [1]}}, "a.json")
    assert facts == Facts(3, "run", (Part("leg", 1.0),), {"a": 1.0, "b": 2.5}, None, {"x": [1]})
    assert type(facts.parts[0].weight) is float


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"frames": "x"}, r'a\.json: frames: expected whole number, got "x"'),
        ({"frames": None}, r"a\.json: frames: expected whole number, got null"),
        ({"frames": 1.5}, "frames: expected whole number"),
        ({"frames": True}, "frames: expected whole number"),
        ({"kind": "swim"}, "kind: expected one of"),
        ({"kind": ["run"]}, "kind: expected one of"),
        ({"parts": {}}, "parts: expected list of"),
        ({"parts": [3]}, "parts: expected name, weight, got 3"),
        ({"parts": [{"name": "leg"}]}, "parts: weight is missing"),
        ({"parts": [{"name": "leg", "weight": 10**400}]}, "parts: weight: expected number"),
        ({"by_name": {"a": []}}, "by_name: a: expected number"),
        ({"first": "3"}, "first: expected whole number"),
        ({"more": []}, "more: expected object"),
        ({"extra": 1}, "unknown entry 'extra'"),
    ],
)
def test_forged_values_are_named(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_as(Facts, {**SOUND, **changes}, "a.json")


@pytest.mark.parametrize("value", [None, 3, [], "x"])
def test_non_object_is_named(value: object) -> None:
    with pytest.raises(InputError, match=r"a\.json: expected frames"):
        read_as(Facts, value, "a.json")


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 100_000, 200_000])
@pytest.mark.parametrize("mark", ["[]", '{"a":'])
def test_deep_nesting_is_refused(depth: int, mark: str) -> None:
    text = "[" * depth + "]" * depth if mark == "[]" else mark * depth + "1" + "}" * depth
    with pytest.raises(InputError, match=r"a\.json: .*(nested deeper|recursion)"):
        parse_json(text, "a.json")


def test_usual_nesting_is_read() -> None:
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "a.json") is not None


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"9" * 5000, b"[1,]"])
def test_non_json_is_named(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json.*: not JSON"):
        parse_json(text, "a.json")
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(InputError, match=r"a\.json.*: .*(JSON|text)"):
        read_json(tmp_path / "a.json")


def test_expanding_json_raises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "1")
    text = "[" + "[]," * 20_000 + "0]"
    with pytest.raises(InputError, match=rf"a\.json: would take .* the limit is 1 MB.*{LIMIT_VARIABLE}"):
        parse_json(text, "a.json")
    (tmp_path / "a.json").write_text(json.dumps("x" * 2**20))
    with pytest.raises(InputError, match="the limit is 1 MB"):
        read_json(tmp_path / "a.json")
    monkeypatch.delenv(LIMIT_VARIABLE)
    assert len(parse_json(text, "a.json")) == 20_001
    assert math.isnan(parse_json("NaN", "a.json"))


@dataclass
class Aim:
    aim: Literal["lower", "higher"] | float


@pytest.mark.parametrize("aim", ["lower", 0.8, 2])
def test_union_types_are_read(aim: object) -> None:
    assert read_as(Aim, {"aim": aim}, "file").aim == aim
    with pytest.raises(InputError, match=r"aim: .*lower, higher"):
        read_as(Aim, {"aim": [aim]}, "file")
