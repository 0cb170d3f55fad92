"""Disks that are full, that fail now and then, or that cannot be written, below a loop and below a correction."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import damage
import numpy as np
from bad_files import sound
from harness import Case, random_of, run_command, run_fresh_command, stretched

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Fails the n-th call of a kind on files below FAULT_BELOW with the error FAULT_ERRNO, and all that follow where
   FAULT_STAYS is set, as a full disk does. */
static long calls = 0;

static int is_below(int descriptor) {
    char link[64], path[4096];
    const char *below = getenv("FAULT_BELOW");
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!below || length < 0) return 0;
    path[length] = 0;
    return strncmp(path, below, strlen(below)) == 0;
}

static int fails(const char *call, int descriptor) {
    const char *wanted = getenv("FAULT_CALL"), *at = getenv("FAULT_AT"), *error = getenv("FAULT_ERRNO");
    if (!wanted || !at || !error || strcmp(wanted, call) || !is_below(descriptor)) return 0;
    long number = __sync_add_and_fetch(&calls, 1), first = atol(at);
    if (number != first && !(getenv("FAULT_STAYS") && number > first)) return 0;
    errno = atoi(error);
    return 1;
}

ssize_t write(int descriptor, const void *content, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (fails("write", descriptor)) return -1;
    return real(descriptor, content, size);
}

ssize_t read(int descriptor, void *content, size_t size) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "read");
    if (fails("read", descriptor)) return -1;
    return real(descriptor, content, size);
}

int fsync(int descriptor) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    if (fails("fsync", descriptor)) return -1;
    return real(descriptor);
}
"""
ENOSPC, EIO, EROFS, EDQUOT = 28, 5, 30, 122

LOOP = """
import sys, warnings
sys.path.insert(0, sys.argv[2])
warnings.simplefilter("ignore")
from pathlib import Path
import damage
from selfcorrect.core.errors import SelfcorrectError
try:
    damage.run(Path(sys.argv[1]), 6)
except (SelfcorrectError, OSError) as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""


@functools.cache
def shim(folder: Path) -> Path | None:
    """The library that makes calls fail, None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler or sys.platform != "linux":
        return None
    (folder / "faults.c").write_text(SHIM)
    library = folder / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, folder / "faults.c", "-ldl"], check=True)
    return library


def disk_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` faults, none where they cannot be made on this machine."""
    if shim(folder) is None:
        return []
    damage.references(folder)
    return [Case(f"disks:{case}", partial(_case, seed, case, folder)) for case in range(count)]


def _case(seed: int, case: int, folder: Path) -> str:
    random, place = random_of(seed, "disks", case), folder / f"disk-{case}"
    place.mkdir()
    kind = ("write", "fsync", "read")[random.integers(3)]
    faults = {
        "LD_PRELOAD": str(shim(folder)), "FAULT_BELOW": str(place / "run"), "FAULT_CALL": kind,
        "FAULT_AT": str(random.integers(1, 40)),
        "FAULT_ERRNO": str(EIO if kind == "read" else (ENOSPC, EIO, EDQUOT, EROFS)[random.integers(4)]),
        **({"FAULT_STAYS": "1"} if random.random() < 0.5 else {}),
    }  # fmt: skip
    if case % 5 == 4 and _can_mount(folder):
        return _small_disk(place, folder, random)
    wrong = (_loop if case % 2 else _correct)(place, folder, faults)
    shutil.rmtree(place)
    told = {name: value for name, value in faults.items() if name.startswith("FAULT") and name != "FAULT_BELOW"}
    return f"{told}: {wrong}" if wrong else ""


@functools.cache
def _can_mount(folder: Path) -> bool:
    """Whether this process may mount file systems; most may not."""
    place = folder / f"mounted-{os.getpid()}"  # two processes ask at once
    place.mkdir()
    if not _mount(place, 1):
        return False
    _unmount(place)
    return True


def _mount(folder: Path, kilobytes: int) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)]
    return bool(shutil.which("mount")) and subprocess.run(command, capture_output=True, check=False).returncode == 0


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _small_disk(place: Path, folder: Path, random: np.random.Generator) -> str:
    """A loop on a file system that becomes full; it goes on when there is room."""
    _short, wanted, _ = damage.references(folder)
    kilobytes = int(random.integers(8, 120))
    (place / "run").mkdir()
    _mount(place / "run", kilobytes)
    try:
        command = [sys.executable, "-c", LOOP, str(place / "run"), str(Path(__file__).parent)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=stretched(30))
        if done.returncode not in (0, 2) or "Traceback" in done.stderr:
            return f"{kilobytes} kB: ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
        if not done.returncode:
            return f"{kilobytes} kB: was not filled"
        subprocess.run(["mount", "-o", "remount,size=100m", str(place / "run")], check=True)
        damage.run(place / "run", 6)
        got = damage.content_of(place / "run")
    finally:
        _unmount(place / "run")
    shutil.rmtree(place)
    different = [name for name in wanted if got.get(name) != wanted[name]]
    return (
        f"{kilobytes} kB: went on to other files: {different[:3]}" if different or got.keys() != wanted.keys() else ""
    )


def _loop(place: Path, folder: Path, faults: dict[str, str]) -> str:
    _short, wanted, _ = damage.references(folder)
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", LOOP, str(place / "run"), here]
    done = subprocess.run(command, env={**os.environ, **faults}, capture_output=True, text=True, timeout=stretched(30))
    if done.returncode not in (0, 2) or "Traceback" in done.stderr:
        return f"ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
    damage.run(place / "run", 6)
    got = damage.content_of(place / "run")
    different = [name for name in wanted if got.get(name) != wanted[name]]
    return f"went on to other files: {different[:3]}" if different or got.keys() != wanted.keys() else ""


def _correct(place: Path, folder: Path, faults: dict[str, str]) -> str:
    (place / "data").mkdir()
    (place / "data" / "a.bvh").write_bytes(sound("a.bvh"))
    words = ["correct", "data", "-o", str(place / "run"), "--kinematic", "--workers", "1"]
    if wrong := run_fresh_command(words, place, environment=faults).wrong():
        return wrong
    again = run_command(words, place)
    left = list((place / "run").rglob(".*.tmp"))
    if again.code not in (0, 1) or left:
        return f"could not be finished: {again.err.strip()[-200:]} {left}"
    return ""
