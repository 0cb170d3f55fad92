"""Options of every command with values that they should not have, through the real command line.

One case in twenty starts a new interpreter, the others fork one that has imported already.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from bad_files import sound
from harness import Case, random_of, run_command, run_fresh_command

_FRESH_EVERY = 20
_NUMBERS = (
    "0",
    "-1",
    "1",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e-320",
    "1000000000",
    "99999999999999999999",
    "x",
    "",
    "1.5",
    "-0.0",
)
_TEXTS = (
    "",
    "x",
    "..",
    "/",
    "/dev/null",
    "/dev/full",
    "/proc/self/mem",
    "nowhere",
    "caf\udce9",
    "a\nb",
    "λ",
    "-",
    "--",
    "x" * 300,
    "~",
    "*",
    "%s%n",
    "{}",
    "\x1b[2J",
)
_PATHS = (
    "good.bvh",
    "bad.bvh",
    "data",
    "nowhere",
    "/dev/null",
    "/dev/full",
    "empty",
    "",
    ".",
    "good.npz",
    "pipe",
    "loop",
    "locked/x",
)

NUMBER, TEXT, PATH, FLAG = "number", "text", "path", "flag"
READING = {
    "--metres-per-unit": NUMBER, "--fps": NUMBER, "--up": TEXT, "--body-model": PATH, "--allow-pickle": FLAG,
}  # fmt: skip
COMMANDS: dict[tuple[str, ...], dict[str, str]] = {
    ("correct",): {
        "--out": PATH, "--strength": TEXT, "--kinematic": FLAG, "--support": TEXT, "--engine": TEXT,
        "--workers": NUMBER, "--keep-failed": FLAG, "--report": PATH, "--mass-kg": NUMBER, "--raw": FLAG,
        "--retime": FLAG, "--quiet": FLAG, **READING,
    },
    ("check",): {
        "--select": TEXT, "--ignore": TEXT, "--format": TEXT, "--out": PATH, "--picture": PATH, "--overwrite": FLAG,
        "--quiet": FLAG, "--rules": FLAG, **READING,
    },
    ("data", "check"): {"--dataset": TEXT, "--split": TEXT, "--limit": NUMBER, "--json": FLAG, **READING},
    ("data", "stats"): {"--dataset": TEXT, "--split": TEXT, "--limit": NUMBER, **READING},
    ("data", "convert"): {"--out": PATH, "--to": TEXT, "--overwrite": FLAG, **READING},
    ("data", "preview"): {"--out": PATH, "--rows": NUMBER, "--pictures": NUMBER, "--limit": NUMBER,
        "--overwrite": FLAG, **READING,
    },
    ("data", "shard"): {
        "--out": PATH, "--dataset": TEXT, "--split": TEXT, "--motions-per-shard": NUMBER, "--workers": NUMBER,
        **READING,
    },
    ("data", "list"): {},
    ("data", "formats"): {},
    ("view",): {
        "--out": PATH, "--port": NUMBER, "--host": TEXT, "--spread-m": NUMBER, "--overwrite": FLAG, **READING,
    },
    ("verify",): {},
    ("motion",): {
        "--preset": TEXT, "--policy": TEXT, "--synthetic-ratio": NUMBER, "--corrector": TEXT, "--gamma": NUMBER,
        "--generations": NUMBER, "--seeds": NUMBER, "--real-count": NUMBER, "--judged-count": NUMBER, "--steps": NUMBER,
        "--initial-steps": NUMBER, "--denoiser": TEXT, "--data": PATH, "--out": PATH, "--wandb": TEXT,
        "--workers": NUMBER,
        "--device": TEXT, "--corrector-timeout": NUMBER, "--corrector-in-process": FLAG,
        "--accept-changed": FLAG, "--remedy": TEXT, "--keep": TEXT, "--repair": FLAG,
        "--runner": TEXT, "--guidance": NUMBER, "--temperature": NUMBER, "--reference": PATH,
    },
    ("toy",): {
        "--out": PATH, "--quick": FLAG, "--seed": NUMBER, "--text": PATH, "--mnist": PATH, "--wandb": TEXT,
    },
    ("text-to-motion",): {"--data": PATH, "--out": PATH, "--steps": NUMBER, "--seed": NUMBER, "--clip": TEXT,
        "--overwrite": FLAG, "--windows.frames": NUMBER, "--windows.stride": NUMBER, "--config.width": NUMBER,
    },
}  # fmt: skip
_ALWAYS = {
    ("correct",): ["--kinematic"],
    ("motion",): ["--real-count", "999999"],  # more than there are: whatever is accepted ends before the training
    ("view",): ["--out", "seen.png"],
    ("toy",): ["weighting", "--quick"],
    ("text-to-motion",): ["--steps", "1"],
}
_NEEDS_PATH = {
    ("correct",),
    ("check",),
    ("data", "check"),
    ("data", "stats"),
    ("data", "shard"),
    ("data", "convert"),
    ("data", "preview"),
    ("view",),
    ("verify",),
}


def prepare(folder: Path) -> None:
    """What the options may name."""
    (folder / "data").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "good.bvh").write_bytes(sound("a.bvh"))
    (folder / "good.npz").write_bytes(sound("a.npz"))
    (folder / "bad.bvh").write_text("HIERARCHY\nROOT")
    for name in ("a.bvh", "b.npz", "c.npy"):
        (folder / "data" / name).write_bytes(sound({"b.npz": "a.npz", "c.npy": "rows.npy"}.get(name, name)))
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")


def option_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` command lines."""
    return [Case(f"options:{case}", partial(_case, seed, case, folder)) for case in range(count)]


def words_of(random: np.random.Generator, case: int) -> list[str]:
    """A command line of a few options, some of them odd."""
    command = list(COMMANDS)[case % len(COMMANDS)]
    words = [*command]
    if command in _NEEDS_PATH:
        words.append(_PATHS[random.integers(3)] if random.random() < 0.6 else _pick(_PATHS, random))
    if command == ("text-to-motion",):
        words.append(_pick(_TEXTS, random))
    options = list(COMMANDS[command].items())
    given: list[str] = []
    for at in random.permutation(len(options))[: random.integers(0, 4)]:
        option, kind = options[at]
        given.append(option)
        if kind != FLAG:
            given.append(_pick({NUMBER: _NUMBERS, TEXT: _TEXTS, PATH: _PATHS}[kind], random))
    if random.random() < 0.1:
        given.append(_pick(("--nonsense", "-", "--out=", "--help", "extra", "\udcff"), random))
    always = [word for word in _ALWAYS.get(command, ()) if word not in given]
    if command == ("text-to-motion",) and "--data" not in given:
        given += ["--data", "data"]
    if command in (("data", "convert"), ("data", "shard")) and "--out" not in given:
        given += ["--out", "converted"]
    return [*words, *always, *given]


def _pick(values: Sequence[str], random: np.random.Generator) -> str:
    return values[random.integers(len(values))]


def _case(seed: int, case: int, folder: Path) -> str:
    random, place = random_of(seed, "options", case), folder / f"options-{case}"
    prepare(place)
    words = words_of(random, case)
    replaceable = words if "--overwrite" in words else ()
    files = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    precious = {path: path.read_bytes() for path in files if str(path.relative_to(place)) not in replaceable}
    wrong = (run_command if case % _FRESH_EVERY else run_fresh_command)(words, place).wrong()
    lost = [path.name for path, content in precious.items() if not path.is_file() or path.read_bytes() != content]
    if lost:
        wrong = wrong or f"changed {lost[0]}"
    if not Path("/dev/null").is_char_device() or not Path("/dev/full").is_char_device():
        wrong = wrong or "replaced a device"
    shutil.rmtree(place)
    return f"{words}: {wrong}" if wrong else ""
