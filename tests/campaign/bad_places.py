"""Other people's files, links, pipes and folders wherever a command reads or writes: none is changed or waited for.

Also streams that are closed, terminals that know ASCII alone, files that may not grow, and names that are no text.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from xml.etree import ElementTree

import damage
import numpy as np
from bad_files import sound, walker
from harness import Case, Ended, random_of, run_command, run_fresh_command

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.locks import LOCK
from selfcorrect.storage.files.writing import replacing, scratch_folder
from selfcorrect.storage.files.written import JOURNAL

Random = np.random.Generator
THEIRS = b"somebody's only copy"
_COMMANDS = (
    ["correct", "data", "-o", "out", "--kinematic", "--workers", "1"],
    ["correct", "data", "-o", "out", "--kinematic", "--workers", "1", "--keep-failed"],
    ["correct", "data", "-o", "out", "--kinematic", "--workers", "1", "--report", "told.json"],
    ["correct", "shards", "-o", "corrected", "--kinematic", "--workers", "1"],
    ["check", "data", "out"],
    ["verify", "."],
    ["verify", "out"],
    ["verify", "run"],
    ["data", "check", "shards"],
    ["data", "shard", "data", "-o", "shards"],
    ["data", "convert", "shards", "--out", "files"],
    ["data", "stats", "data"],
    ["view", "data/a.bvh", "out/a.bvh", "--out", "seen.png"],
    ["toy", "weighting", "--quick", "--out", "toys"],
)
_ODD_NAMES = (
    b"a\nb",
    b"a\x1b[2J",
    b"caf\xe9",
    b"<&\"'>",
    b"x" * 250,
    "λ😀\ufffe".encode(),
    b"-o",
    b"{}%s",
    b"CON",
    b" ",
)


def thrown() -> Motion:
    """Somebody who is rejected."""
    body = walker(20)
    rises_m = np.linspace(0, 9, 20)[:, None] ** 2 * [0.0, 1.0, 0.0]
    return Motion(body.skeleton, body.root_m + rises_m, body.rotations, body.fps)


@cache
def _prepared(folder: Path) -> Path:
    """Motions, and what every command leaves of them."""
    place = folder / "prepared"
    (place / "data").mkdir(parents=True)
    (place / "data" / "a.bvh").write_bytes(sound("a.bvh"))
    (place / "data" / "b.npz").write_bytes(sound("a.npz"))
    save_motion(place / "data" / "thrown.bvh", thrown())
    for words in (
        _COMMANDS[0],
        ["data", "shard", "data", "-o", "shards"],
        ["correct", "shards", "-o", "corrected", "--kinematic", "--workers", "1"],
    ):
        ended = run_command(words, place, 60)
        assert ended.code in (0, 1), ended.err
    damage.run(place / "run", 2)
    return place


def place_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` commands beside what belongs to others."""
    _prepared(folder)
    return [Case(f"places:{case}", partial(_case, seed, case, folder)) for case in range(count)]


def _case(seed: int, case: int, folder: Path) -> str:
    random, place = random_of(seed, "places", case), folder / f"places-{case}"
    shutil.copytree(_prepared(folder), place, symlinks=True)
    kind = _KINDS[case % len(_KINDS)]
    wrong = kind(place, random)
    shutil.rmtree(place)
    return f"{kind.__name__}, {wrong}" if wrong else ""


def _planted(place: Path, random: Random) -> str:
    """Somebody's file, link, pipe or folder in the place of a file of the program's, or of one that it would make."""
    made = [path for path in sorted(place.rglob("*")) if path.is_file() and "data" not in path.parts]
    made += [place / name for name in _names_of_the_program(place)]
    path = made[random.integers(len(made))]
    plant = _PLANTS[random.integers(len(_PLANTS))]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    (place / "theirs").write_bytes(THEIRS)
    (place / "theirs-folder").mkdir()
    (place / "theirs-folder" / "chapter.tex").write_bytes(THEIRS)
    plant(path)
    words = _COMMANDS[random.integers(len(_COMMANDS))]
    before = _state(place, path)
    wrong = run_command(words, place, 60).wrong() or run_command(words, place, 60).wrong()
    lost = _lost(before, place)
    return f"{plant.__name__} at {path.relative_to(place)}, {words}: {wrong or lost}" if wrong or lost else ""


def _names_of_the_program(place: Path) -> list[str]:
    """Where it would write while it works, or after that."""
    names = ["told.json", "seen.png", "files/a.bvh", "toys/report.html", "toys/results.json", "out/thrown.bvh",
             "out/a.bvh.mp4", "out/.selfcorrect-backup.tmp", "out/.generation-0001.tmp", "out/.walk-abcdefgh.tmp",
             "run/arm/.generation-0001.tmp", "out/.lock", "corrected/.ledger/mine.json"]  # fmt: skip
    for folder in ("out", "run/arm", "shards", "corrected", "toys", "files"):
        names += [f"{folder}/{LOCK}", f"{folder}/{JOURNAL}"]
    for target in ("out/a.bvh", "out/report.json", "out/.records/a.bvh.json", "shards/shard-00000-000.parquet"):
        (place / target).parent.mkdir(exist_ok=True)
        for context in (replacing, scratch_folder):
            try:
                with context(place / target) as temporary:
                    folder = temporary if context is scratch_folder else temporary.parent
                    names.append(str(folder.relative_to(place)))
                    raise KeyboardInterrupt  # nothing is replaced
            except KeyboardInterrupt:
                pass
    return names


def _a_file(path: Path) -> None:
    path.write_bytes(THEIRS)


def _an_empty_file(path: Path) -> None:
    path.touch()


def _a_link(path: Path) -> None:
    path.symlink_to(os.path.relpath(_root(path) / "theirs", path.parent))


def _a_dangling_link(path: Path) -> None:
    path.symlink_to(os.path.relpath(_root(path) / "nowhere", path.parent))


def _a_hard_link(path: Path) -> None:
    os.link(_root(path) / "theirs", path)


def _a_link_to_a_folder(path: Path) -> None:
    path.symlink_to(os.path.relpath(_root(path) / "theirs-folder", path.parent))


def _a_folder(path: Path) -> None:
    path.mkdir()
    (path / "chapter.tex").write_bytes(THEIRS)


def _a_pipe(path: Path) -> None:
    os.mkfifo(path)


def _root(path: Path) -> Path:
    return next(parent for parent in path.parents if (parent / "theirs").exists())


_PLANTS: tuple[Callable[[Path], None], ...] = (
    _a_file, _an_empty_file, _a_link, _a_dangling_link, _a_hard_link, _a_link_to_a_folder, _a_folder, _a_pipe
)  # fmt: skip


def _state(place: Path, planted: Path) -> Mapping[Path, object]:
    """What must stay: inputs, and what somebody else has."""
    kept = [planted, place / "theirs", place / "theirs-folder", *planted.rglob("*"), *(place / "data").rglob("*")]
    return {path: _what_is(path) for path in kept} | {place / "nowhere": None}


def _what_is(path: Path) -> object:
    """The content of a file, where a link leads, the type of anything else; None where nothing is."""
    if not os.path.lexists(path):
        return None
    if path.is_symlink():
        return f"→ {os.readlink(path)}"
    return path.read_bytes() if path.is_file() else stat.S_IFMT(path.lstat().st_mode)


def _lost(before: Mapping[Path, object], place: Path) -> str:
    """What is another than it was; an empty file of a name of the program's own may become its."""
    changed = [
        path.relative_to(place)
        for path, was in before.items()
        if _what_is(path) != was and not (was == b"" and path.name in (LOCK, JOURNAL))
    ]
    return f"changed {changed[0]}" if changed else ""


_WAYS = ('"$@" >&-', '"$@" 2>&-', '"$@" <&-', '"$@" >&- 2>&- <&-', 'LC_ALL=C "$@"', 'ulimit -f 1; "$@"',
         'ulimit -f 4; "$@"')  # fmt: skip


def _streams(place: Path, random: Random) -> str:
    """Closed streams, a terminal that knows ASCII alone, files that may not grow."""
    around = (
        '"$@" >&-',
        '"$@" 2>&-',
        '"$@" <&-',
        '"$@" >&- 2>&- <&-',
        'LC_ALL=C "$@"',
        'ulimit -f 1; "$@"',
        'ulimit -f 4; "$@"',
    )
    way = around[random.integers(len(around))]
    words = _COMMANDS[random.integers(len(_COMMANDS))]
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    before = _state(place, place / "data")
    shutil.rmtree(place / "out")
    ended = run_fresh_command(words, place, 60, plain, way)
    wrong, lost = "" if _is_told(ended, way) else ended.wrong(), _lost(before, place)
    unreadable = "a fault of the inputs" if "ulimit" in way and "could not be read" in ended.err else ""
    return f"{way}, {words}: {wrong or lost or unreadable}" if wrong or lost or unreadable else ""


def _is_told(ended: Ended, way: str) -> bool:
    """Whether it ended as it should where nobody can hear."""
    return "2>&-" in way and ended.code == 2


def _names(place: Path, random: Random) -> str:
    """A motion with a name that is no text, too long or full of signs."""
    name = _ODD_NAMES[random.integers(len(_ODD_NAMES))][: 250 - len(".bvh")] + b".bvh"
    (place / "odd").mkdir()
    shutil.copyfile(place / "data" / "a.bvh", os.path.join(os.fsencode(place), b"odd", name))
    shutil.copyfile(place / "data" / "a.bvh", place / "odd" / "plain.bvh")
    correct = ["correct", "odd", "-o", "out2", "--kinematic", "--workers", "1"]
    for words in (
        correct, correct, ["data", "shard", "odd", "-o", "odd-shards"],
        ["data", "convert", "odd-shards", "--out", "odd-files"],
        ["verify", "out2"], ["view", "odd/plain.bvh", "--out", "seen.png"],
    ):  # fmt: skip
        if wrong := run_command(words, place, 60).wrong():
            return f"{name!r}, {words}: {wrong}"
    if not (place / "odd-files" / "plain.bvh").is_file():
        return f"{name!r}: no file came back from the shards"
    ended = run_command(["check", "odd", "--format", "junit"], place, 60)
    try:
        ElementTree.fromstring(ended.out)
    except ElementTree.ParseError as error:
        return f"{name!r}: JUnit's XML is malformed ({error})"
    return ended.wrong()


_KINDS = (_planted, _planted, _planted, _planted, _streams, _names)
