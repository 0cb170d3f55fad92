"""Imports go where the architecture says, and every package is installed."""

import tomllib
from pathlib import Path

import pytest
from architecture import PACKAGES, Module, absolute_inside, double_names, module, modules, violations

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def package_modules() -> dict[str, Module]:
    return modules(REPOSITORY)


@pytest.mark.slow
def test_no_import_breaks_the_architecture(package_modules: dict[str, Module]) -> None:
    assert violations(package_modules) == []


def test_imports_inside_a_package_are_relative(package_modules: dict[str, Module]) -> None:
    assert absolute_inside(package_modules) == []
    absolute = module(Path("simulators/a.py"), "def f():\n    from selfcorrect.simulators.b import c")
    assert absolute_inside({absolute.name: absolute}) == ["simulators/a.py:2: an import inside a package is relative"]


def test_a_public_name_belongs_to_one_module() -> None:
    folders = ("selfcorrect", "simulators", "datasets", "experiments")
    paths = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    sources = {path.relative_to(REPOSITORY): path.read_text(encoding="utf-8") for path in paths}
    assert double_names(sources) == []
    others = {Path("new.py"): "LIMIT: float = 2\n\n\nclass Stream:\n    pass\n\n\ndef _hidden() -> None: ...\n"}
    others[Path("other.py")] = "LIMIT = 3\ndef _hidden() -> None: ...\n"
    assert double_names(others) == ["LIMIT is defined in new.py, other.py"]
    (sentence,) = double_names({**sources, Path("new.py"): others[Path("new.py")]})
    assert sentence.startswith("Stream is defined in selfcorrect/core/randomness.py")


@pytest.mark.parametrize(
    ("file", "line", "sentence"),
    [
        (
            "selfcorrect/core/samples.py",
            "import selfcorrect.simulators.corrector",
            "selfcorrect may import no other folder",
        ),
        ("datasets/load.py", "from selfcorrect.experiments import jobs", "datasets may import selfcorrect"),
        ("simulators/corrector.py", "import selfcorrect.datasets.load", "simulators may import selfcorrect"),
        ("simulators/body/soles.py", "import selfcorrect.simulators.contacts.dynamics", "body stands below contacts"),
        ("simulators/body/soles.py", "def f():\n import selfcorrect.simulators.tracking.tracker", "below tracking"),
        ("selfcorrect/core/samples.py", "import selfcorrect.loop.policy", "modules import each other in a circle"),
        (
            "datasets/files/motion_file.py",
            "def f():\n import selfcorrect.datasets.files.open",
            "modules import each other",
        ),
        (
            "datasets/files/skeletons/naming.py",
            "import selfcorrect.datasets.files.sampling",
            "folders import each other",
        ),
        ("simulators/settings/plan.py", "import pybullet", "selfcorrect.simulators.settings.tracker loads pybullet"),
        ("selfcorrect/loop/policy.py", "import pyarrow.parquet", "importing selfcorrect.loop.run loads pyarrow"),
    ],
)
def test_an_import_against_the_architecture_is_told(
    file: str, line: str, sentence: str, package_modules: dict[str, Module]
) -> None:
    changed = module(Path(file), f"{(REPOSITORY / file).read_text()}\n{line}\n")
    assert any(sentence in violation for violation in violations({**package_modules, changed.name: changed}))


def test_a_new_room_of_the_simulators_is_asked_for_its_place(package_modules: dict[str, Module]) -> None:
    novel = module(Path("simulators/novel/thing.py"), "")
    assert violations({**package_modules, novel.name: novel}) == [
        "simulators/novel/thing.py: SIMULATORS knows no novel"
    ]


def test_every_package_is_installed_but_the_benchmarks() -> None:
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    installed_packages = {
        ".".join((package, *file.parent.relative_to(REPOSITORY / folder).parts))
        for package, folder in PACKAGES.items()
        for file in (REPOSITORY / folder).rglob("*.py")
        if package != "benchmarks"
    }
    assert sorted(listed) == sorted(installed_packages)
