"""Only `selfcorrect.storage` opens files for reading, and refuses pipes, devices and large files.

Ruff bans the functions of libraries that read files (pyproject.toml); here are the methods and `open`.
"""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("selfcorrect", "simulators", "datasets", "experiments", "commands")
DOOR = ("selfcorrect/storage/files", "selfcorrect/storage/pickles")

ALLOWED = {
    "datasets/files/native/fbx_child.py": "is a script that imports nothing else, and checks what it opens",
    "commands/cli.py": "the console's own streams",
    "experiments/studies/page.py": "pages of the package",
    "selfcorrect/runtime/machine.py": "what Linux tells of the processor",
    "selfcorrect/__init__.py": "the list of names, a file of the package",
    "selfcorrect/motion/pictures/player.py": "a page of the package",
    "selfcorrect/runtime/processes.py": "what Linux tells of the process",
}


def find_openings(tree: ast.AST) -> list[int]:
    """Return lines that open files for reading without the door."""
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and opens(node)]


def opens(call: ast.Call) -> bool:
    function = call.func
    keywords = {word.arg: word.value for word in call.keywords}
    modes = [*call.args, *filter(None, [keywords.get("mode")])]
    texts = [mode.value for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
    if isinstance(function, ast.Name):
        return function.id == "open" and not any(text[:1] in ("w", "x", "a") for text in texts)
    if not isinstance(function, ast.Attribute):
        return False
    if function.attr in ("read_bytes", "read_text"):
        return not call.args
    return function.attr == "open" and any(text[:1] == "r" for text in texts) and "fileobj" not in keywords


def test_files_open_through_one_module() -> None:
    found: dict[str, list[int]] = {}
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            relative = path.relative_to(REPOSITORY).as_posix()
            text = path.read_text()
            lines = find_openings(ast.parse(text)) if "open(" in text or ".read_" in text else []
            if lines and not relative.startswith(DOOR):
                found[relative] = lines
    others = {path: lines for path, lines in found.items() if path not in ALLOWED}
    assert not others, "use selfcorrect.storage.files"
    assert set(ALLOWED) == set(found), "each exception is one"


@pytest.mark.parametrize(
    "code",
    ["path.read_bytes()", "Path(a).read_text(encoding='utf-8')", "open(path)", "open(path, 'rb')", "p.open('r')"],
)
def test_all_file_openings_are_found(code: str) -> None:
    assert find_openings(ast.parse(code))


@pytest.mark.parametrize("code", ["read_bytes(path)", "limits.read_text(path)", "open(path, 'wb')", "p.open('w')"])
def test_allowed_openings(code: str) -> None:
    assert not find_openings(ast.parse(code))
