"""Tables of members are ordered, lazy and helpful.

Errors help, and rows of installed packages count.
"""

import shutil
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest
from helpers import add_package

from selfcorrect.core.errors import MissingExtraError, SettingError
from selfcorrect.core.extras import requires_extra
from selfcorrect.runtime.registry import Registry, Row

ROWS = (
    Row("square", "math:sqrt", "A square root."),
    Row("joined", "os:path.join", "Paths."),
    Row("absent", "smplx.body:thing", "Needs what is not installed.", hint="draw bodies by hand"),
    Row("broken", "math:no_such_function", "A bug in this table."),
)
GROUP = "selfcorrect.test_tools"


@pytest.fixture
def tools() -> Registry[Row]:
    return Registry("tool", ROWS, GROUP)


def install(folder: Path, package: str, **members: str) -> None:
    """Leave what pip leaves of a package with entry points."""
    add_package(folder, package, "\n".join([f"[{GROUP}]", *map(" = ".join, members.items())]))


def test_members_import_on_use(tools: Registry[Row]):
    assert tools.names == ["square", "joined", "absent", "broken"]
    assert tools.load("square")(9) == 3
    assert tools.load("joined")("a", "b") == "a/b"
    assert tools.row("absent").summary == "Needs what is not installed."


def test_unknown_name_gets_suggestion(tools: Registry[Row]):
    with pytest.raises(SettingError, match=r"'sqare',.*'square'\?"):
        tools.row("sqare")
    with pytest.raises(SettingError, match=r"broken$"):
        tools.load("zzz")


def test_a_missing_extra_is_named(tools: Registry[Row], monkeypatch: pytest.MonkeyPatch):
    for module in ("smplx", "smplx.body"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"'absent'.*`smpl`"):
        tools.load("absent")


@pytest.mark.parametrize(
    "line", ["import no_such_module_here", "from math import no_such_name", "raise ModuleNotFoundError('x')"]
)
@pytest.mark.parametrize("extra", ["", "smpl"])
def test_plugin_bug_is_no_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, extra: str):
    (tmp_path / "installed_package.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError) as error, requires_extra("a body model", extra):
        import_module("installed_package")
    assert not isinstance(error.value, MissingExtraError)


def test_own_broken_row_is_bug(tools: Registry[Row]):
    with pytest.raises(AttributeError):
        tools.load("broken")


def test_an_installed_package_adds_rows(tools: Registry[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path, "zoo", cube="math:cbrt", gone="no_such_module_here:thing")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert tools.names[-2:] == ["cube", "gone"]
    assert tools.load("cube")(27) == pytest.approx(3)
    assert tools.row("cube").summary == "Added by zoo 1.2."
    with pytest.raises(SettingError, match=r"'gone'.*no_such_module_here:thing.*1\.2"):
        tools.load("gone")


def test_archived_package_adds_rows(tools: Registry[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path / "zoo", "zoo", cube="math:cbrt")
    monkeypatch.syspath_prepend(shutil.make_archive(str(tmp_path / "zoo"), "zip", tmp_path / "zoo"))
    assert tools.load("cube")(27) == pytest.approx(3)


def test_metadata_need_declared_group(tools: Registry[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metadata, "entry_points", lambda: pytest.fail("nothing declares the group"))
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert len(tools.names) == len(ROWS)


@pytest.mark.parametrize("end", ["import sys; sys.exit(0)", "raise KeyError('no')", "raise KeyboardInterrupt"])
def test_exiting_package_is_named(tools: Registry[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str):
    (tmp_path / "ending.py").write_text(end)
    install(tmp_path, "ends", odd="ending:made")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "ending", raising=False)
    with pytest.raises(ValueError, match="'odd' at ending:made"):
        tools.load("odd")


@pytest.mark.filterwarnings("ignore:.*is left out")
def test_name_clash_takes_none(tools: Registry[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path, "zoo", cube="math:cbrt", same="math:sqrt")
    install(tmp_path, "farm", cube="math:exp", same="math:sqrt")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        SettingError, match=r"'cube' is added by (zoo|farm) 1\.2 .* and (zoo|farm) 1\.2 .*uninstall all"
    ):
        tools.load("cube")
    assert tools.load("same")(16) == 4


def test_package_cannot_take_name(tools: Registry[Row], tmp_path: Path, monkeypatch):
    install(tmp_path, "zoo", square="math:cbrt")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert tools.load("square")(16) == 4
    with pytest.warns(UserWarning, match=r"'square'.*1\.2"):
        assert tools.names.count("square") == 1
