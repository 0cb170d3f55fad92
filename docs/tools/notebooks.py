"""Run the documentation's notebooks and keep their outputs: `python docs/tools/notebooks.py`.

Jupyter is not needed: cells are run from top to bottom, and the value of a last expression is kept as Jupyter keeps it.
"""

import ast
import base64
import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


def run_cells(notebook: dict[str, Any], source: str) -> list[list[dict[str, Any]]]:
    """Run a notebook in the working folder, and return each cell's outputs.

    Args:
        source: The notebook, for messages.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    outputs = []
    for number, cell in enumerate(notebook["cells"], start=1):
        outputs.append(_run_cell("".join(cell["source"]), number, source, names) if cell["cell_type"] == "code" else [])
    return outputs


def _run_cell(text: str, number: int, source: str, names: dict[str, object]) -> list[dict[str, Any]]:
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, source, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), source, "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        lines = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": lines})
    if value is not None:
        result = {"output_type": "execute_result", "execution_count": number, "metadata": {}}
        outputs.append({**result, "data": _describe_value(value)})
    return outputs


def _describe_value(value: Any) -> dict[str, Any]:
    """Describe a value as Jupyter does: as text, and as HTML or a picture if it has one."""
    data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
    if hasattr(value, "savefig"):
        picture = io.BytesIO()
        value.savefig(picture, format="png", dpi=80, metadata={"Software": None})
        data["image/png"] = base64.b64encode(picture.getvalue()).decode()
    elif hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_().splitlines(keepends=True)
        if type(value).__name__ == "PlayerPage":
            data["text/plain"] = ["a page that plays the motions"]
    return data


def main() -> None:
    """Run every notebook in an empty folder, and write the outputs into the notebook."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            outputs = run_cells(notebook, str(path))
        for number, (cell, kept) in enumerate(zip(notebook["cells"], outputs, strict=True), start=1):
            if cell["cell_type"] == "code":
                cell |= {"outputs": kept, "execution_count": number}
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + os.linesep, encoding="utf-8")


if __name__ == "__main__":
    main()
