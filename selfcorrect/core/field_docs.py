"""Field texts in the docstrings of dataclasses.

`help` then shows what the source says below each field.
"""

import ast
import inspect
import textwrap
from contextlib import suppress
from dataclasses import is_dataclass


def add_field_docs(kind: type) -> None:
    """Append a section "Attributes" from the texts below fields.

    Classes without such texts, without source, or with the section already, stay as they are.
    """
    if not is_dataclass(kind) or "Attributes:" in (kind.__doc__ or ""):
        return
    if texts := read_field_docs(kind):
        lines = [f"    {name}: {textwrap.indent(text, ' ' * 8).lstrip()}" for name, text in texts.items()]
        kind.__doc__ = "\n".join([inspect.cleandoc(kind.__doc__ or ""), "", "Attributes:", *lines])


def read_field_docs(kind: type) -> dict[str, str]:
    """Return the texts below fields by name, base classes included; none without source."""
    texts = {}
    for base in (base for base in reversed(kind.__mro__) if hasattr(base, "__dataclass_fields__")):
        texts |= _read_own_field_docs(base)
    return texts


def _read_own_field_docs(kind: type) -> dict[str, str]:
    source = ""
    with suppress(OSError, TypeError):
        source = inspect.getsource(kind)
    if not source:
        return {}
    (definition,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = inspect.cleandoc(text)
    return texts
