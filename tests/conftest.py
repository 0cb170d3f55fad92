"""Fixtures that several test folders share."""

import gc
import os
import re
import signal
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook
from _pytest.mark.expression import Expression
from helpers import DEVELOPERS_ONLY, Says, load_clips
from hypothesis import settings
from scipy.spatial.transform import Rotation

from selfcorrect.commands.cli import main
from selfcorrect.core.extras import EXTRA_OF
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.motion import Motion

try:
    import torch
except ModuleNotFoundError:  # in the base installation
    torch = None

REPOSITORY = Path(__file__).resolve().parents[1]

for finder in sys.meta_path:
    # By the entry point of its plugin, pytest rewrites assertions in all of this package; they are only in tests.
    if isinstance(finder, AssertionRewritingHook):
        finder._must_rewrite.discard("selfcorrect")

settings.register_profile("no deadline", settings.default, deadline=None)  # machines may be busy
settings.load_profile("no deadline")


def find_missing_package(error: BaseException | None) -> str:
    """Return the missing package that caused an error, or "" if the error has another cause."""
    while error is not None:
        name = (getattr(error, "name", None) or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and name in (*EXTRA_OF, *DEVELOPERS_ONLY):
            return name
        error = error.__cause__
    return ""


class _Module(pytest.Module):
    """A test file that is skipped if the extra it needs is not installed."""

    def _getobj(self) -> Any:
        try:
            return super()._getobj()
        except Exception as error:
            package = find_missing_package(error)
            if not package:
                raise
            pytest.skip(f"needs {package}", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    """Skip files that need more than what is installed, as in `make test-base`."""
    return _Module.from_parent(parent, path=module_path)


MARKS_OF_TIME = ("slow", "long", "nightly")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--list-slower", type=float, metavar="S", help="list unmarked tests that take more processor time")


PROCESSOR_S = "processor time in s"
"""Property of a report, which workers send with it."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip tests of extras that are not installed, and measure the processor time of the others.

    Child processes count only if none was there before: the time of a child that an earlier test left would be added
    to the test in which the child ends.
    """
    numbers = slice(2) if has_children() else slice(4)
    start_s = sum(os.times()[numbers])
    try:
        yield
    except ImportError as error:
        package = find_missing_package(error)
        if not package:
            raise
        pytest.skip(f"needs {package}")
    item.user_properties.append((PROCESSOR_S, sum(os.times()[numbers]) - start_s))


def has_children() -> bool:
    """Return whether this process has child processes, also those that ended and were not waited for."""
    if not hasattr(os, "waitid"):  # Windows, where times of children are not known
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List unmarked tests that took more than `--list-slower`; a slow core fails no test."""
    limit_s = terminalreporter.config.getoption("--list-slower")
    if limit_s is None:
        return
    slow = {}
    for report in terminalreporter.stats.get("passed", ()):
        taken_s = dict(report.user_properties).get(PROCESSOR_S, 0.0)
        if report.when == "call" and taken_s > limit_s and not any(mark in report.keywords for mark in MARKS_OF_TIME):
            slow[report.nodeid] = taken_s
    if slow:
        terminalreporter.section(f"tests to make faster or to mark as slow: more than {limit_s:g} s of processor time")
    for name, taken_s in sorted(slow.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{taken_s:6.1f} s  {name}")


LONG_FILE = re.compile(r"^pytestmark = \[?pytest\.mark\.long\b", re.MULTILINE)
MARKED = re.compile(rf"\bmark\.({'|'.join(MARKS_OF_TIME)})\b")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore files without selected tests, because their imports take time."""
    marks = config.getoption("markexpr")
    if not marks or collection_path.suffix != ".py" or collection_path.name == "conftest.py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    if "not long" in marks:
        return True if LONG_FILE.search(text) else None
    if MARKED.search(text) or Expression.compile(marks).evaluate(lambda name, **_: False):
        return None
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start with the slowest files, so that no worker is left alone with one at the end."""
    if config.pluginmanager.has_plugin("randomly"):
        return
    costs: Counter[Path] = Counter()
    for item in items:
        if item.get_closest_marker("long"):
            costs[item.path] += 5
        elif item.get_closest_marker("slow"):
            costs[item.path] += 1
    items.sort(key=lambda item: -costs[item.path])


def pytest_collection_finish() -> None:
    """Hide tests and modules from the garbage collector.

    Tests and modules live until the end of the run, so scanning them repeatedly would only cost time.
    """
    gc.freeze()


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to have one core, so that work stays in this process, where monkeypatches apply.

    Tests of worker processes ask for more cores.
    """
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)


@pytest.fixture(autouse=True)
def known_draws() -> None:
    """Seed PyTorch's global generator before each test.

    What a test draws without a generator of its own then does not depend on the tests before it in the same process.
    `torch.manual_seed` would also record the call stack for each kind of device, which takes longer than many tests.
    """
    if torch is not None:
        torch.default_generator.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_disks() -> Iterator[None]:
    """Make `os.fsync` do nothing, because it takes a third of the time of small loops.

    Programs that tests start and kill still wait for the disk.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_arrives() -> None:
    """Let Ctrl-C interrupt tests even if pytest runs in the background, where shells make programs ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace drawn figures by an empty SVG, because drawing takes most of the time of a small experiment."""
    from selfcorrect.experiments.studies import figures

    monkeypatch.setattr(figures, "as_svg", lambda figure: "<svg></svg>")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real motions and golden vectors.

    Tests that need this folder are skipped if it does not exist.
    """
    folder = Path(os.environ.get("SELFCORRECT_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the shared test data (set SELFCORRECT_SHARED; looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def cmu(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked CMU motion-capture set: index.csv, train/, test/, tpose/."""
    folder = tmp_path_factory.mktemp("cmu")
    with tarfile.open(shared / "mocap" / "cmu-bvh.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "cmu-bvh"


@pytest.fixture(scope="session")
def clips() -> dict[str, Motion]:
    """The DeepMimic clips by label."""
    return load_clips()


@pytest.fixture(scope="session")
def walk(clips: dict[str, Motion]) -> Motion:
    """Return one cycle of a real walk at 30 fps."""
    return clips["walk"]


@pytest.fixture
def stepping() -> Motion:
    """Return 1.5 s of a body that steps in place and is sunk 6 cm into the floor."""
    frames = np.linspace(0, 3 * np.pi, 45)
    rotations = np.tile([0.0, 0, 0, 1], (45, 22, 1))
    for side, phase in ((1, 0), (2, np.pi)):
        swing = np.maximum(np.sin(frames + phase), 0)[:, None]
        rotations[:, side] = Rotation.from_euler("x", -0.4 * swing).as_quat()
        rotations[:, side + 3] = Rotation.from_euler("x", 0.8 * swing).as_quat()
    skeleton = SMPL_BODY.average()
    height_m = 0.025 - skeleton.offsets_m[[1, 4, 7, 10], 1].sum() - 0.06
    return Motion(skeleton, np.tile([0.0, height_m, 0.0], (45, 1)), rotations, 30.0)


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Says:
    """Return `says("correct clips", *words, code=0)`, which runs a command and returns what it prints.

    The command must end with exit code `code`. If this is 2 or more, what it prints to stderr is returned, too.
    """

    def run(line: str, *words: object, code: int = 0) -> str:
        capsys.readouterr()
        assert (main([*line.split(), *map(str, words)]) or 0) == code
        printed = capsys.readouterr()
        return printed.out if code < 2 else printed.out + printed.err

    return run
