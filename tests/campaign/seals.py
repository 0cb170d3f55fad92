"""One flipped bit or a cut in any file that commands leave, and JSON that is forged with its digest made right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from bad_files import Random, cut, flipped, odd_document, sound
from damage import run
from harness import Case, Ended, random_of, run_command

from selfcorrect.storage.files.digests import SEAL, sealed

_AGAIN = {
    "out": ["correct", "in", "-o", "out", "--kinematic"],
    "set": ["data", "shard", "in", "-o", "set"],
    "corrected": ["correct", "set", "-o", "corrected", "--kinematic", "--keep-failed"],
}
"""What made each folder, to be done again."""


@cache
def _made(folder: Path) -> Path:
    """What a loop, `correct` and `data shard` leave."""
    place = folder / "made"
    (place / "in").mkdir(parents=True)
    for name in ("a.bvh", "b.npz"):
        (place / "in" / name).write_bytes(sound({"b.npz": "a.npz"}.get(name, name)))
    for words in _AGAIN.values():
        ended = run_command(words, place, 60)
        assert ended.code in (0, 1), ended.err
    run(place / "run", 2)
    return place


def _files(place: Path) -> list[Path]:
    paths = (path for name in (*_AGAIN, "run") for path in (place / name).rglob("*") if path.is_file())
    return sorted(path for path in paths if path.name != ".selfcorrect.lock")


def seal_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` damaged files, which `verify` notices, or names as not looked at."""
    _made(folder)
    return [Case(f"seals:{case}", partial(_seal_case, seed, case, folder)) for case in range(count)]


def _seal_case(seed: int, case: int, folder: Path) -> str:
    random, place = random_of(seed, "seals", case), folder / f"seals-{case}"
    shutil.copytree(_made(folder), place)
    files = _files(place)
    path = files[case % len(files)]
    part = path.relative_to(place).parts[0]
    told = _lines_on_motions(run_command(["correct", "in", "-o", "out", "--kinematic"], place)) if part == "out" else ""
    whole = path.read_bytes()
    path.write_bytes(
        _bit(whole, random) if random.random() < 0.8 else (flipped, cut)[random.integers(2)](whole, random)
    )
    wrong = ""
    if path.read_bytes() != whole:
        wrong = _not_noticed(path, part, place) or _told_otherwise(part, place, told)
    shutil.rmtree(place)
    return f"{path.relative_to(place)}: {wrong}" if wrong else ""


def _bit(content: bytes, random: Random) -> bytes:
    damaged = bytearray(content)
    damaged[random.integers(len(content))] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def _not_noticed(path: Path, part: str, place: Path) -> str:
    ended = run_command(["verify", part], place)
    if wrong := ended.wrong():
        return wrong
    named = path.relative_to(place / part).as_posix() in ended.out
    return "" if named else f"verify neither noticed nor named it: {ended.out[-200:]}"


def _told_otherwise(part: str, place: Path, told: str) -> str:
    """What the same command says of a damaged output folder: that it will not go on, or what it said before."""
    if part not in _AGAIN:
        return ""
    ended = run_command(_AGAIN[part], place, 30)
    if wrong := ended.wrong():
        return wrong
    return (
        f"told otherwise: {ended.out[-300:]}" if told and ended.code == 0 and _lines_on_motions(ended) != told else ""
    )


def _lines_on_motions(ended: Ended) -> str:
    """What a command says of motions."""
    return "\n".join(line for line in ended.out.splitlines() if "finished already" not in line)


def forged_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` forged JSON files, of which no command tells a bug."""
    _made(folder)
    return [Case(f"forged:{case}", partial(_forged_case, seed, case, folder)) for case in range(count)]


def _forged_case(seed: int, case: int, folder: Path) -> str:
    random, place = random_of(seed, "forged", case), folder / f"forged-{case}"
    shutil.copytree(_made(folder), place)
    files = [path for path in _files(place) if path.suffix in (".json", ".jsonl")]
    path = files[case % len(files)]
    part = path.relative_to(place).parts[0]
    forge = _FORGERIES[random.integers(len(_FORGERIES))]
    path.write_bytes((_line if path.suffix == ".jsonl" else forge)(path.read_bytes(), random))
    commands = [["verify", part], *([_AGAIN[part]] if part in _AGAIN else [])]
    if part == "set":
        commands += [["data", "check", "set"], _AGAIN["corrected"]]
    found = ((words, run_command(words, place, 30).wrong()) for words in commands)
    wrong = next((f"{words}: {wrong}" for words, wrong in found if wrong), "")
    shutil.rmtree(place)
    return f"{path.relative_to(place)}, {forge.__name__}: {wrong}" if wrong else ""


def _values(content: bytes) -> dict[str, Any]:
    return {key: value for key, value in json.loads(content).items() if key != SEAL}


def _line(content: bytes, random: Random) -> bytes:
    """Other values in a line of several."""
    lines = content.splitlines()
    at = random.integers(len(lines))
    lines[at] = (odd_document(lines[at], random), _deep(b"", random))[random.integers(2)]
    return b"\n".join(lines) + b"\n"


def _odd(content: bytes, random: Random) -> bytes:
    """Other values in some places, or none."""
    values = json.loads(odd_document(json.dumps(_values(content)).encode(), random))
    return sealed(values if isinstance(values, dict) else {"x": values})


def _unsealed(content: bytes, random: Random) -> bytes:
    """The same without a digest, as earlier versions wrote it."""
    return odd_document(json.dumps(_values(content)).encode(), random)


def _deep(content: bytes, random: Random) -> bytes:
    """Brackets in brackets, as the whole or in a value."""
    count = (900, 100_000, 200_000)[random.integers(3)]
    deep = b"[" * count + b"]" * count
    return deep if random.random() < 0.5 else b'{"x": ' + deep + b', "sha256": "' + b"0" * 64 + b'"}\n'


_FORGERIES: tuple[Callable[[bytes, Random], bytes], ...] = (_odd, _odd, _unsealed, _deep)
