"""A file of `checks/further` is a rule; without the file, all other rules work."""

from pathlib import Path

import pytest
from copied_packages import CopiedPackages

import selfcorrect as sc
from selfcorrect.motion.checks import further
from selfcorrect.motion.checks.rules import RULES
from selfcorrect.motion.motion import Motion

FILES = {path.stem: path for path in Path(further.__path__[0]).resolve().glob("[!_]*.py")}
PREFIX = f"{further.__name__}."


def list_further() -> dict[str, str]:
    """Return the codes of further rules by the file that measures them."""
    measures = {rule.code: rule.measure.__module__ for rule in RULES if rule.measure}
    return {name.removeprefix(PREFIX): code for code, name in measures.items() if name.startswith(PREFIX)}


def test_each_file_is_a_rule() -> None:
    assert list_further().keys() == FILES.keys()


@pytest.mark.slow
def test_motions_are_checked_without_files(walk: Motion, tmp_path: Path) -> None:
    """All files are deleted from a copy of the packages, and a walk is checked there."""
    packages = CopiedPackages.make(tmp_path)
    packages.delete(*FILES.values())
    sc.save_motion(tmp_path / "walk.bvh", walk)
    checked = packages.run("check", "walk.bvh", folder=tmp_path)
    assert checked.returncode in (0, 1), checked.stderr
    rules = packages.run("check", "--rules", folder=tmp_path).stdout
    codes = {line.split()[0] for line in rules.splitlines() if line}
    assert {rule.code for rule in RULES} - codes == {*list_further().values()}
