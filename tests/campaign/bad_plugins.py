"""Packages that add members to the tables and are broken in every way: each is told of, and nobody else suffers."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

from harness import Case, random_of, run_command
from options import prepare

_GROUPS = ("correctors", "denoisers", "engines", "datasets", "runners")
_MODULES = {
    "a sound function": "def made(*arguments, **options):\n    return arguments[0] if arguments else None\n",
    "no such name": "",
    "raises": "raise RuntimeError('no')\n",
    "ends": "import sys\nsys.exit(0)\n",
    "does not parse": "def made(:\n",
    "imports what is not there": "import nothing_of_that_name\n",
    "a number": "made = 3\n",
    "a class that raises": "class made:\n    def __init__(self, *_, **__):\n        raise KeyError('no')\n",
    "needs itself": "from odd_plugin import made\n",
}
_REFERENCES = (
    "odd_plugin:made",
    "odd_plugin",
    "nothing_of_that_name:made",
    "odd_plugin:made.deeper",
    "odd plugin:made",
)
_NAMES = ("odd", "physics", "here", "cmu", "a b", "Ω", "none")
_COMMANDS = (
    ["motion", "--corrector", "odd", "--data", "good.bvh", "--real-count", "999999"],
    ["motion", "--denoiser", "odd", "--data", "good.bvh", "--real-count", "999999"],
    ["motion", "--runner", "odd", "--data", "good.bvh", "--real-count", "999999"],
    ["motion", "--help"],
    ["correct", "good.bvh", "--kinematic"],
    ["correct", "good.bvh", "--engine", "odd"],
    ["data", "check", "good.bvh", "--dataset", "odd"],
    ["data", "check", "data"],
    ["data", "list"],
)


def plugin_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` commands beside a broken package."""
    return [Case(f"plugins:{case}", partial(_case, seed, case, folder)) for case in range(count)]


def _case(seed: int, case: int, folder: Path) -> str:
    random, place = random_of(seed, "plugins", case), folder / f"plugins-{case}"
    prepare(place)
    about = place / "site" / "odd_plugin-1.dist-info"
    about.mkdir(parents=True)
    kind = list(_MODULES)[case % len(_MODULES)]
    (place / "site" / "odd_plugin.py").write_text(_MODULES[kind])
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-plugin\nVersion: 1\n")
    points = [
        f"[selfcorrect.{group}]\n{_NAMES[random.integers(len(_NAMES))]} = {_REFERENCES[0]}\n"
        f"odd = {_REFERENCES[random.integers(len(_REFERENCES)) if random.random() < 0.5 else 0]}\n"
        for group in _GROUPS
    ]
    (about / "entry_points.txt").write_text("\n".join(points))
    clashes = random.random() < 0.3
    if clashes:  # another package adds other members of the same names
        other = place / "site" / "odder_plugin-1.dist-info"
        shutil.copytree(about, other)
        (other / "METADATA").write_text("Metadata-Version: 2.1\nName: odder-plugin\nVersion: 1\n")
        (other / "entry_points.txt").write_text("\n".join(points).replace(" = odd", " = odder"))
    words = _COMMANDS[random.integers(len(_COMMANDS))]
    sys.path.insert(0, str(place / "site"))
    try:
        ended = run_command(words, place)
        wrong = ended.wrong()
        if clashes and "odd" in words and ended.code != 2:
            wrong = wrong or "one of two members of a name was taken"
    finally:
        sys.path.remove(str(place / "site"))
    shutil.rmtree(place)
    return f"{kind}, {words}: {wrong}" if wrong else ""
