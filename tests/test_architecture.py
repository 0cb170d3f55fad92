"""Imports in the sources follow the architecture; every package is installed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

PACKAGES = (
    {"selfcorrect": "selfcorrect"}
    | {f"selfcorrect.{name}": name for name in ("simulators", "datasets", "experiments", "commands")}
    | {"benchmarks": "benchmarks"}
)
"""Import name of each top-level folder."""

MAY_IMPORT = {
    "selfcorrect": set(),
    "simulators": {"selfcorrect"},
    "datasets": {"selfcorrect"},
    "experiments": {"selfcorrect", "simulators", "datasets"},
    "commands": {"selfcorrect", "simulators", "datasets", "experiments"},
    "benchmarks": {"selfcorrect", "simulators", "datasets", "experiments", "commands"},
}
"""Which other top-level folders each may import. The public names of `selfcorrect/__init__.py` come from everywhere."""

SIMULATORS = (
    "results", "settings", "body", "stages", "engines", "core", "hypotheses", "clean", "world", "planning", "tracking",
    "postprocess", "compare", "feasibility", "batching", "pipeline", "choose", "view_table", "corrector", "presets",
)  # fmt: skip
"""The way of data through `simulators`; each imports only what stands before it."""

IN_EXTRAS = {
    "torch", "wandb", "pyarrow", "safetensors", "sklearn", "jinja2", "matplotlib", "imageio", "smplx", "pybullet",
}  # fmt: skip
"""Libraries that are not in the base installation."""

BASE = (
    "correct.batch", "correct.in_python", "correct.demonstration", "check.check_files", "data.sources",
)  # fmt: skip
"""Modules of `commands` behind what the base does: correct, check, convert and show."""

HEAVY = {"numpy", "torch", "scipy", "pyarrow", "wandb", "matplotlib", "pybullet", "mujoco"}
"""Libraries that a command imports once it runs."""

COMMANDS = (
    "demo", "motion", "compare", "toy", "join", "correct.command", "check.command", "data.command", "edit.command",
    "view", "verify",
)  # fmt: skip
"""Modules of `commands` with the options of the commands."""

IMPORTS_NONE_OF = {
    **{f"selfcorrect.commands.{name}": IN_EXTRAS for name in BASE},
    "selfcorrect.commands.correct.batch": {*IN_EXTRAS, "scipy"},  # whose import takes as long as some clips
    "selfcorrect.datasets.files.rigs.bvh_body": {"scipy"},
    "selfcorrect.simulators.pipeline": {"scipy"},
    "selfcorrect.simulators.engines.mujoco_world": {"scipy"},
    "selfcorrect.datasets.load": IN_EXTRAS,
    "selfcorrect.motion.pictures.drawing": IN_EXTRAS,
    "selfcorrect.motion.pictures.player": IN_EXTRAS,
    "selfcorrect.simulators.settings.tracker": {"pybullet", "mujoco"},
    "selfcorrect.simulators.body.humanoid": {"pybullet", "mujoco"},
    "selfcorrect.loop.run": {"pyarrow", "safetensors", "wandb", "sklearn"},
    "selfcorrect.core.errors": {"numpy", "torch"},
    "selfcorrect.commands.cli": HEAVY,
    **{f"selfcorrect.commands.{name}": HEAVY for name in COMMANDS},  # --help imports all of them
}
"""Libraries that importing a module must not load, at any remove."""


@dataclass(frozen=True)
class Module:
    """A file's import name, place and imports.

    at_once: imported with it; later: within functions, and for type checkers alone; absolute: imports of modules of the
    same package by their full name.
    """

    name: str
    path: Path
    at_once: frozenset[str]
    later: frozenset[str]
    absolute: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Return a module's folder, or for a module right in `selfcorrect/motion` its name."""
        folder = self.path.parent.as_posix()
        return self.path.as_posix() if folder == "selfcorrect/motion" else folder


def read_modules() -> dict[str, Module]:
    """All files of the packages by import name."""
    paths = [path for folder in PACKAGES.values() for path in (REPOSITORY / folder).rglob("*.py")]
    modules = (parse_module(path.relative_to(REPOSITORY), path.read_text(encoding="utf-8")) for path in paths)
    return {module.name: module for module in modules}


def parse_module(path: Path, text: str) -> Module:
    """Parse a file at a path below the root."""
    package = next(name for name, folder in PACKAGES.items() if folder == path.parts[0])
    name = ".".join((package, *path.with_suffix("").parts[1:])).removesuffix(".__init__")
    folder = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imports: dict[bool, set[str]] = {False: set(), True: set()}
    absolute = []
    for node, is_delayed in walk_imports(ast.parse(text)):
        if isinstance(node, ast.Import):
            imports[is_delayed] |= {alias.name for alias in node.names}
            continue
        source = resolve_name("." * node.level + (node.module or ""), folder)
        imports[is_delayed] |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
        owner = next((known for known in reversed(PACKAGES) if f"{source}.".startswith(f"{known}.")), None)
        if not node.level and "." in source and owner == package:
            absolute.append(f"{path}:{node.lineno}: an import inside a package is relative")
    return Module(name, path, frozenset(imports[False]), frozenset(imports[True]), tuple(absolute))


def walk_imports(tree: ast.AST, is_delayed: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, is_delayed
        elif not isinstance(node, ast.expr):  # expressions hold no imports
            is_guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from walk_imports(node, is_delayed or is_guarded or is_function)


_PUBLIC = re.compile(r"^(?:(?:async )?def |class )([a-zA-Z]\w*)|^([a-zA-Z]\w*)(?:: [^=\n]+)? = ", re.MULTILINE)
"""A public function, class or value of a module, which begins a line."""


def double_names(sources: Mapping[Path, str]) -> list[str]:
    """Name public names that several modules define.

    One concept has one name, and a name one concept: a sentence each.
    """
    places: dict[str, list[Path]] = {}
    for path, text in sources.items():
        for name in {match[1] or match[2] for match in _PUBLIC.finditer(text)}:
            places.setdefault(name, []).append(path)
    return [
        f"{name} is defined in {', '.join(map(str, paths))}" for name, paths in sorted(places.items()) if len(paths) > 1
    ]


def violations(modules: Mapping[str, Module]) -> list[str]:
    """Name imports against the architecture, in a sentence each."""
    inner = {name: module for name, module in modules.items() if name != "selfcorrect"}
    graph = {name: (module.at_once | module.later) & inner.keys() - {name} for name, module in inner.items()}
    folders: dict[str, set[str]] = {}
    sentences = []
    for name, module in inner.items():
        place = place_in_simulators(module)
        if place not in ("", *SIMULATORS):
            sentences.append(f"{module.path}: SIMULATORS knows no {place}")
        for imported in graph[name]:
            top, other = module.path.parts[0], inner[imported].path.parts[0]
            if other not in {top, *MAY_IMPORT[top]}:
                allowed = ", ".join(sorted(MAY_IMPORT[top])) or "no other folder"
                sentences.append(f"{module.path} imports {imported}: {top} may import {allowed}")
            later = place_in_simulators(inner[imported])
            if {place, later} <= {*SIMULATORS} and SIMULATORS.index(later) > SIMULATORS.index(place):
                sentences.append(f"{module.path} imports {imported}: {place} stands below {later}")
        imported_folders = {inner[imported].folder for imported in graph[name]}
        folders.setdefault(module.folder, set()).update(imported_folders - {module.folder})
    for kind, imports in (("modules", graph), ("folders", folders)):
        try:
            TopologicalSorter(imports).prepare()
        except CycleError as error:
            sentences.append(f"{kind} import each other in a circle: {' → '.join(reversed(error.args[1]))}")
    for name, forbidden in IMPORTS_NONE_OF.items():
        if name in modules and (libraries := find_libraries(name, modules) & forbidden):
            sentences.append(f"importing {name} loads {', '.join(sorted(libraries))}")
    return sentences


def place_in_simulators(module: Module) -> str:
    """Return a file's entry in `SIMULATORS`, or "".

    The latter is outside of that folder.
    """
    if module.path.parts[0] != "simulators" or module.path.name == "__init__.py":
        return ""
    below = module.path.relative_to("simulators").with_suffix("")
    return below.as_posix() if below.as_posix() in SIMULATORS else below.parts[0]


def find_libraries(start: str, modules: Mapping[str, Module]) -> set[str]:
    """Return all libraries that importing a module loads, directly or not."""
    imported = find_imports(start, modules)
    return {name.partition(".")[0] for name in imported if name not in modules}


def find_imports(start: str, modules: Mapping[str, Module]) -> set[str]:
    """Return everything that importing a module loads, directly or not."""
    waiting = [start]
    seen = set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += modules[name].at_once if name in modules else ()
    return seen


@pytest.fixture(scope="module")
def package_modules() -> dict[str, Module]:
    return read_modules()


@pytest.mark.slow
def test_no_import_breaks_the_architecture(package_modules: dict[str, Module]) -> None:
    assert violations(package_modules) == []


@pytest.mark.parametrize("room", ["selfcorrect/loop", "selfcorrect/statistics", "datasets/toy"])
def test_loops_know_no_motion(room: str, package_modules: dict[str, Module]) -> None:
    """Whoever studies loops of images reads and imports these rooms alone."""
    names = [name for name, module in package_modules.items() if module.path.is_relative_to(room)]
    imported = set().union(*(find_imports(name, package_modules) for name in names))
    assert names
    assert [
        name for name in sorted(imported) if name.startswith(("selfcorrect.motion", "selfcorrect.simulators"))
    ] == []


def test_package_imports_are_relative(package_modules: dict[str, Module]) -> None:
    """Package imports are relative.

    Others hide the arrows from tools, because folders are mapped.
    """
    absolute = [line for module in package_modules.values() for line in module.absolute]
    assert [line for line in absolute if not line.startswith("benchmarks/")] == []
    planted = parse_module(Path("simulators/a.py"), "def f():\n    from selfcorrect.simulators.b import c")
    assert planted.absolute == ("simulators/a.py:2: an import inside a package is relative",)


def test_public_name_has_one_module() -> None:
    folders = ("selfcorrect", "simulators", "datasets", "experiments", "commands")
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
        ("simulators/body/soles.py", "import selfcorrect.simulators.planning.planner", "body stands below planning"),
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
def test_forbidden_import_is_reported(file: str, line: str, sentence: str, package_modules: dict[str, Module]) -> None:
    changed = parse_module(Path(file), f"{(REPOSITORY / file).read_text()}\n{line}\n")
    assert any(sentence in violation for violation in violations({**package_modules, changed.name: changed}))


def test_new_folder_needs_a_layer(package_modules: dict[str, Module]) -> None:
    novel = parse_module(Path("simulators/novel/thing.py"), "")
    assert violations({**package_modules, novel.name: novel}) == [
        "simulators/novel/thing.py: SIMULATORS knows no novel"
    ]


def test_folders_with_modules_are_packages() -> None:
    """`setup.py` installs each folder that has an `__init__.py`."""
    folders = {path.parent for folder in PACKAGES.values() for path in (REPOSITORY / folder).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


PLUGINS = (
    "selfcorrect.datasets.programs",
    "selfcorrect.experiments.jobs.runners",
    "selfcorrect.motion.checks.further",
    "selfcorrect.simulators.hypotheses.steps",
    "selfcorrect.simulators.hypotheses.views",
)
"""Packages whose folders and files are found when they are there, so that a deleted one breaks nothing."""


@pytest.mark.parametrize("package", PLUGINS)
def test_plugins_stand_alone(package: str, package_modules: dict[str, Module]) -> None:
    plugins = {name for name in package_modules if name.rpartition(".")[0] == package}
    assert plugins
    for plugin in plugins:
        others = [module for name, module in package_modules.items() if not f"{name}.".startswith(f"{plugin}.")]
        importing = [
            str(module.path)
            for module in others
            if any(f"{name}.".startswith(f"{plugin}.") for name in module.at_once | module.later)
        ]
        assert importing == [], plugin
