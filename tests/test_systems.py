"""The package works without Unix's own modules.

Linux and macOS alone have them; CI runs the tests on Windows itself.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion

pytestmark = [pytest.mark.long, pytest.mark.skipif(sys.platform != "linux", reason="Linux pretends to be Windows")]

WINDOWS_LIKE = Path(__file__).with_name("windows_like.py")

BEGIN = f"""
import runpy
windows_like = runpy.run_path({str(WINDOWS_LIKE)!r})
"""

IMPORT_ALL = """
windows_like["pretend"]((*windows_like["BASE"], *windows_like["EXTRAS"]))
import importlib.util, pkgutil
from pathlib import Path
import selfcorrect

def modules(package):
    for module in pkgutil.iter_modules([str(Path(package.__file__).parent)], package.__name__ + "."):
        yield module.name
        if module.ispkg:
            yield from modules(importlib.import_module(module.name))

above_names = ("simulators", "datasets", "experiments", "commands")
above = (importlib.import_module(f"selfcorrect.{name}") for name in above_names)
packages = [selfcorrect, *above]
names = {name for package in packages for name in modules(package)}
for module, needed in (("on_ray.runner", "ray"), ("on_slurm.runner", "submitit")):  # extras that tests need not have
    if importlib.util.find_spec(needed) is None:
        names.remove(f"selfcorrect.experiments.jobs.runners.{module}")
for name in sorted(names):
    importlib.import_module(name)
print(len(names))
"""

FILES = """
windows_like["pretend"]()
import sys
from pathlib import Path
from selfcorrect.core.errors import InUseError, RunFolderError
from selfcorrect.storage.files.locks import LOCK, FolderLock, read_identity
from selfcorrect.storage.files.writing import remove_leftovers, scratch_folder, write_atomically, write_folder

folder = Path(sys.argv[1])

def refused(error, call):
    try:
        call()
    except error:
        return True
    return False

with FolderLock(folder) as lock:
    assert refused(InUseError, lambda: FolderLock(folder))
    lock.require_held()
    assert len(read_identity(folder)) == 32
    write_atomically(folder / "a.txt", "one\\ntwo\\n")
    write_atomically(folder / "a.txt", "three\\n")
    write_folder(folder / "made", {"b.txt": b"four"})
    with scratch_folder(folder / "c.txt") as scratch:
        (scratch / "left").touch()
    remove_leftovers(folder, below=True)
assert sorted(path.name for path in folder.iterdir()) == [LOCK, "a.txt", "made"]
assert (folder / "a.txt").read_bytes() == b"three\\n"
FolderLock(folder).release()

(folder / "elsewhere").mkdir()
(folder / "theirs").write_text("only copy")
(folder / "elsewhere" / LOCK).symlink_to(folder / "theirs")
assert refused(RunFolderError, lambda: FolderLock(folder / "elsewhere"))
assert (folder / "theirs").read_text() == "only copy"
(folder / "third" / LOCK).mkdir(parents=True)
assert refused(RunFolderError, lambda: FolderLock(folder / "third"))
print("all well")
"""

OTHERS = """
import time

def counts(kept, numbers):
    numbers.append(1)
    kept["calls"] = kept.get("calls", 0) + 1
    return kept["calls"], numbers

def fails(kept):
    return 1 / 0

def leaves(kept):
    raise SystemExit(3)
"""

CODE_OF_OTHERS = """
windows_like["pretend"]()
import sys
from selfcorrect.core.errors import CorrectorError
from selfcorrect.core.errors import SettingError
from selfcorrect.loop.correctors.sandbox import InProcessSandbox, make_sandbox

sys.path.append(sys.argv[1])
import others

def raised(kind, function):
    try:
        process.call(function)
    except kind as error:
        return str(error)
    raise AssertionError(f"{function} raised nothing")

process = make_sandbox("mine")
assert type(process) is InProcessSandbox
try:
    make_sandbox("mine", 0.5)
except SettingError as error:
    assert "a time limit for mine needs a separate process" in str(error)
else:
    raise AssertionError("a limit that nothing keeps")
given = [0]
assert process.call(others.counts, given) == (1, [0, 1])
assert process.call(others.counts, given) == (2, [0, 1])
assert given == [0]
assert "ZeroDivisionError" in raised(CorrectorError, others.fails)
assert "tried to end the program (exit code 3)" in raised(Exception, others.leaves)
assert process.call(others.counts, given)[0] == 3
print("all well")
"""


def run(program: str, *arguments: str | Path) -> str:
    """What a program prints that goes well."""
    command = [sys.executable, "-c", BEGIN + program, *map(str, arguments)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_modules_import_without_unix() -> None:
    assert int(run(IMPORT_ALL)) > 200


def test_locks_work_without_unix(tmp_path: Path) -> None:
    assert run(FILES, tmp_path) == "all well\n"


def test_correctors_fall_back_to_this_process(tmp_path: Path) -> None:
    (tmp_path / "others.py").write_text(OTHERS)
    assert run(CODE_OF_OTHERS, tmp_path) == "all well\n"


def test_correction_works_without_unix(tmp_path: Path, stepping: Motion) -> None:
    save_motion(tmp_path / "steps.bvh", stepping)
    command = [
        "correct",
        str(tmp_path / "steps.bvh"),
        "-o",
        str(tmp_path / "out"),
        "--workers",
        "1",
        "--engine",
        "mujoco",
    ]
    program = f'windows_like["pretend"]()\nfrom selfcorrect.commands.cli import main\nassert main({command!r}) == 0'
    run(program)
    assert (tmp_path / "out" / "steps.bvh").is_file()
    assert not list((tmp_path / "out").glob(".*.tmp"))
