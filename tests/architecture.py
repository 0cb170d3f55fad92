"""Rules of imports, read from the sources.

`python tests/architecture.py` prints what breaks them; `test_architecture.py` fails there.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

PACKAGES = (
    {"selfcorrect": "selfcorrect"}
    | {f"selfcorrect.{name}": name for name in ("simulators", "datasets", "experiments")}
    | {"benchmarks": "benchmarks"}
)
"""Import name of each top-level folder."""

MAY_IMPORT = {
    "selfcorrect": set(),
    "simulators": {"selfcorrect"},
    "datasets": {"selfcorrect"},
    "experiments": {"selfcorrect", "simulators", "datasets"},
    "benchmarks": {"selfcorrect", "simulators", "datasets", "experiments"},
}
"""Which other top-level folders each may import. The public names of `selfcorrect/__init__.py` come from everywhere."""

SIMULATORS = (
    "settings", "body", "contacts", "stages", "engines", "cleanup", "planning",
    "tracking", "postprocess", "evaluate", "batching", "pipeline", "feasibility", "segments", "choose",
    "unrelated_poses", "carried", "lost_way", "views", "corrector", "presets", "foot_contacts", "contact_holding",
)  # fmt: skip
"""The way of data through `simulators`; each imports only what stands before it."""

IN_EXTRAS = {
    "torch",
    "wandb",
    "pyarrow",
    "safetensors",
    "sklearn",
    "jinja2",
    "matplotlib",
    "imageio",
    "smplx",
    "pybullet",
}
"""Libraries that are not in the base installation."""

BASE = (
    "file_correction.batch", "file_correction.in_python", "checking.check_files", "data.sources", "demo",
)  # fmt: skip
"""Of `experiments`, what the base does: correct, check, convert and show."""

IMPORTS_NONE_OF = {
    **{f"selfcorrect.experiments.{name}": IN_EXTRAS for name in BASE},
    "selfcorrect.experiments.file_correction.batch": {*IN_EXTRAS, "scipy"},  # whose import takes as long as some clips
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
    "selfcorrect.experiments.cli": {"numpy", "torch", "scipy", "pyarrow", "wandb", "matplotlib", "pybullet", "mujoco"},
}
"""Libraries that importing a module must not load, at any remove."""


@dataclass(frozen=True)
class Module:
    """A file: its import name, its place below the root, and what it imports.

    at_once: imported with it; later: within functions, and for type checkers alone; absolute: imports of modules of the
    same package by their full name.
    """

    name: str
    path: Path
    at_once: frozenset[str]
    later: frozenset[str]
    absolute: tuple[str, ...]

    @property
    def all(self) -> frozenset[str]:
        return self.at_once | self.later


def modules(root: Path) -> dict[str, Module]:
    """All files of the four folders by import name."""
    paths = [path for folder in PACKAGES.values() for path in (root / folder).rglob("*.py")]
    package_modules = (module(path.relative_to(root), path.read_text(encoding="utf-8")) for path in paths)
    return {module.name: module for module in package_modules}


def module(path: Path, text: str) -> Module:
    """What a file at a path below the root says."""
    package = next(name for name, folder in PACKAGES.items() if folder == path.parts[0])
    name = ".".join((package, *path.with_suffix("").parts[1:])).removesuffix(".__init__")
    at_once = set[str]()
    later = set[str]()
    absolute = []
    folder = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node, delayed in _imports(ast.parse(text)):
        (later if delayed else at_once).update(_names(node, folder))
        if isinstance(node, ast.ImportFrom) and not node.level and _package_of(node.module or "") == package:
            absolute.append(f"{path}:{node.lineno}: an import inside a package is relative")
    return Module(name, path, frozenset(at_once), frozenset(later - at_once), tuple(absolute))


def _imports(tree: ast.AST, delayed: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, delayed
        if isinstance(node, ast.expr | ast.Import | ast.ImportFrom):  # they hold no imports
            continue
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        yield from _imports(node, delayed or guarded or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _names(node: ast.Import | ast.ImportFrom, folder: str) -> list[str]:
    """The modules that an import in a folder may name: `from a import b` names a, and a.b where that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    source = resolve_name("." * node.level + (node.module or ""), folder)
    return [source, *(f"{source}.{alias.name}" for alias in node.names)]


_PUBLIC = re.compile(r"^(?:(?:async )?def |class )([a-zA-Z]\w*)|^([a-zA-Z]\w*)(?:: [^=\n]+)? = ", re.MULTILINE)
"""A public function, class or value of a module, which begins a line."""


def double_names(sources: Mapping[Path, str]) -> list[str]:
    """A sentence for each public name that several modules define: one concept has one name, and a name one concept."""
    places: dict[str, list[Path]] = {}
    for path, text in sources.items():
        for name in {match[1] or match[2] for match in _PUBLIC.finditer(text)}:
            places.setdefault(name, []).append(path)
    return [
        f"{name} is defined in {', '.join(map(str, paths))}" for name, paths in sorted(places.items()) if len(paths) > 1
    ]


def absolute_inside(package_modules: Mapping[str, Module]) -> list[str]:
    """Imports inside a package that name it: they hide the arrows from tools, because folders are mapped."""
    installed = (module for module in package_modules.values() if module.path.parts[0] != "benchmarks")
    return [line for module in installed for line in module.absolute]


def _package_of(name: str) -> str | None:
    """The package that a module lies in; none for the public names of `selfcorrect` itself."""
    if "." not in name:
        return None
    return next((package for package in reversed(PACKAGES) if f"{name}.".startswith(f"{package}.")), None)


def known_imports(module: Module, package_modules: Mapping[str, Module], *, at_once: bool = False) -> set[str]:
    """The modules of this project that a module imports."""
    return {name for name in (module.at_once if at_once else module.all) if name in package_modules} - {module.name}


def list_loaded_modules(start: str, package_modules: Mapping[str, Module]) -> set[str]:
    """All that importing a module imports, libraries by their top-level names."""
    waiting = [start]
    seen = set[str]()
    libraries = set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += known_imports(package_modules[name], package_modules, at_once=True)
        libraries |= {
            imported.partition(".")[0] for imported in package_modules[name].at_once if imported not in package_modules
        }
    return seen | libraries


def violations(package_modules: Mapping[str, Module]) -> list[str]:
    """A sentence for each import that the architecture does not have."""
    return [
        *_between_folders(package_modules),
        *_within_simulators(package_modules),
        *_cycles(package_modules),
        *_heavy(package_modules),
    ]


def _between_folders(package_modules: Mapping[str, Module]) -> Iterator[str]:
    for module in package_modules.values():
        top = module.path.parts[0]
        for name in known_imports(module, package_modules):
            folder_of_import = package_modules[name].path.parts[0]
            if folder_of_import not in {top, *MAY_IMPORT[top]} and module.name != "selfcorrect":
                allowed = ", ".join(sorted(MAY_IMPORT[top])) or "no other folder"
                yield f"{module.path} imports {name}: {top} may import {allowed}"


def _within_simulators(package_modules: Mapping[str, Module]) -> Iterator[str]:
    inside = {name: place for name, module in package_modules.items() if (place := _place(module))}
    yield from (
        f"{package_modules[name].path}: SIMULATORS knows no {place}"
        for name, place in inside.items()
        if place not in SIMULATORS
    )
    stages = {name: SIMULATORS.index(place) for name, place in inside.items() if place in SIMULATORS}
    for name, stage in stages.items():
        for imported in known_imports(package_modules[name], package_modules) & stages.keys():
            if stages[imported] > stage:
                order = f"{SIMULATORS[stage]} stands below {SIMULATORS[stages[imported]]}"
                yield f"{package_modules[name].path} imports {imported}: {order}"


def _place(module: Module) -> str:
    """The entry of `SIMULATORS` that a file belongs to, "" outside of that folder."""
    if module.path.parts[0] != "simulators" or module.path.name == "__init__.py":
        return ""
    below = module.path.relative_to("simulators").with_suffix("")
    return below.as_posix() if below.as_posix() in SIMULATORS else below.parts[0]


def _cycles(package_modules: Mapping[str, Module]) -> Iterator[str]:
    """Circles of modules, also by imports within functions and for type checkers, and circles of folders."""
    inner_modules = {name: module for name, module in package_modules.items() if name != "selfcorrect"}
    modules_graph = {name: known_imports(module, inner_modules) for name, module in inner_modules.items()}
    yield from _find_cycle("modules", modules_graph)
    folders_graph: dict[str, set[str]] = {}
    for name, imported_modules in modules_graph.items():
        folder = _folder_of(inner_modules[name])
        imported_folders = {_folder_of(inner_modules[imported]) for imported in imported_modules}
        folders_graph.setdefault(folder, set()).update(imported_folders - {folder})
    yield from _find_cycle("folders", folders_graph)


def _folder_of(module: Module) -> str:
    """The folder of a module; each module of `selfcorrect/motion` itself counts as one."""
    folder = module.path.parent.as_posix()
    return module.path.as_posix() if folder == "selfcorrect/motion" else folder


def _find_cycle(what: str, graph: Mapping[str, set[str]]) -> Iterator[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"{what} import each other in a circle: {' → '.join(reversed(error.args[1]))}"


def _heavy(package_modules: Mapping[str, Module]) -> Iterator[str]:
    for name, forbidden in IMPORTS_NONE_OF.items():
        if name in package_modules and (libraries_found := list_loaded_modules(name, package_modules) & forbidden):
            yield f"importing {name} loads {', '.join(sorted(libraries_found))}"


if __name__ == "__main__":
    broken = violations(modules(Path(__file__).resolve().parents[1]))
    print(*broken, sep="\n", end="\n" * bool(broken))
    sys.exit(bool(broken))
