"""Draw the extension's dialog and sidebar as SVG, from what their classes draw. Blender's module has no windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import bpy

_ROW, _MARGIN, _FONT = 22, 10, 12
_PANEL, _FIELD, _BUTTON, _TEXT, _BLUE = "#303030", "#1d1d1d", "#545454", "#e6e6e6", "#4772b3"


@dataclass
class Sketch:
    """A layout that keeps what is drawn into it, as rows of items: kind, title and value."""

    owner: object = None
    """Class of the operator whose properties are drawn, if it is a dialog."""
    is_row: bool = False
    items: list = field(default_factory=list)
    enabled: bool = True
    use_property_split: bool = False
    operator_context: str = ""

    def _add(self, kind: str, title: str, value: str = "") -> None:
        self.items.append((kind, title, value))

    def _nest(self, is_row: bool) -> Sketch:
        nested = Sketch(self.owner, is_row)
        self.items.append(nested)
        return nested

    def row(self, **_) -> Sketch:
        return self._nest(True)

    def column(self, **_) -> Sketch:
        return self._nest(False)

    def box(self) -> Sketch:
        return self._nest(False)

    def split(self, **_) -> Sketch:
        return self._nest(True)

    def separator(self, **_) -> None:
        """Nothing is drawn."""

    def label(self, text: str = "", icon: str = "NONE", **_) -> None:
        self._add("label", {"ERROR": "⚠ ", "INFO": "• ", "BLANK1": "  "}.get(icon, "") + text)

    def operator(self, name: str, text: str | None = None, depress: bool = False, **_) -> object:
        group, short = name.split(".")
        kind = getattr(getattr(bpy.ops, group), short).get_rna_type()
        self._add("pressed" if depress else "button", kind.name if text is None else text)
        return type("Properties", (), {})()

    def prop(self, holder: object, name: str, text: str | None = None, **_) -> None:
        properties = self.owner or holder.bl_rna
        found = properties.properties[name]
        value = getattr(holder, name)
        title = found.name if text is None else text
        if found.type == "BOOLEAN":
            self._add("tick" if self.owner else "plain tick", title, "✓" if value else "")
        elif found.type == "ENUM":
            self._add("field", title, found.enum_items[value].name + "  ▾")
        else:
            self._add("field", title, f"{value:g} m" if isinstance(value, float) else str(value))

    def prop_search(self, holder: object, name: str, *_, text: str | None = None) -> None:
        self._add("field", self.owner.properties[name].name if text is None else text, "")

    def template_list(self, kind: str, _: str, holder: object, name: str, *__, **___) -> None:
        for row in getattr(holder, name):
            line = self._nest(True)
            getattr(bpy.types, kind).draw_item(None, bpy.context, line, holder, row, 0, holder, "")

    def progress(self, **_) -> None:
        """Nothing is drawn."""


def _flatten(sketch: Sketch) -> list[tuple[list[tuple[str, str, str]], bool]]:
    """Return lines of items, each with whether it is enabled."""
    lines = []
    for item in sketch.items:
        if isinstance(item, Sketch):
            inner = _flatten(item)
            if item.is_row:
                inner = [([cell for cells, _ in inner for cell in cells], all(enabled for _, enabled in inner))]
            lines += [(cells, enabled and item.enabled) for cells, enabled in inner if cells]
        else:
            lines.append(([item], True))
    return lines


def draw(title: str, sketch: Sketch, left: int, width: int) -> tuple[list[str], int]:
    """Return the SVG elements of a panel at a distance from the left, and its height."""
    lines = _flatten(sketch)
    height = 2 * _MARGIN + _ROW * (len(lines) + 1)
    marks = [f'<rect x="{left}" y="0" width="{width}" height="{height}" rx="6" fill="{_PANEL}"/>']
    marks.append(_write(title, left + _MARGIN, _MARGIN + 14, weight="bold"))
    for number, (cells, enabled) in enumerate(lines, start=1):
        top = _MARGIN + _ROW * number
        share = (width - 2 * _MARGIN) / len(cells)
        opacity = "" if enabled else ' opacity="0.4"'
        marks.append(f"<g{opacity}>")
        for place, cell in enumerate(cells):
            marks += _draw_cell(*cell, left + _MARGIN + place * share, top, share - 2)
        marks.append("</g>")
    return marks, height


def _draw_cell(kind: str, title: str, value: str, x: float, y: float, width: float) -> list[str]:
    box = '<rect x="{:.0f}" y="{:.0f}" width="{:.0f}" height="18" rx="4" fill="{}"/>'
    if kind in ("button", "pressed"):
        colour = _BLUE if kind == "pressed" else _BUTTON
        return [box.format(x, y, width, colour), _write(title, x + width / 2, y + 13, anchor="middle")]
    if kind == "label":
        return [_write(title, x, y + 13)]
    half = x if kind == "plain tick" else x + 0.4 * width
    if kind in ("tick", "plain tick"):
        return [
            box.format(half, y, 18, _BLUE if value else _FIELD),
            _write(value, half + 4, y + 13),
            _write(title, half + 26, y + 13),
        ]
    return [
        _write(title, half - 8, y + 13, anchor="end"),
        box.format(half, y, 0.6 * width, _FIELD),
        _write(value, half + 8, y + 13),
    ]


def _write(text: str, x: float, y: float, weight: str = "normal", anchor: str = "start") -> str:
    style = f'font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{_TEXT}" {style}>{escape(text)}</text>'


def make_svg(panels: list[tuple[str, Sketch, int]]) -> str:
    """Return a picture of panels, each with title, contents and width, side by side."""
    marks = []
    left = 0
    highest = 0
    for title, sketch, width in panels:
        drawn, height = draw(title, sketch, left, width)
        marks += drawn
        left += width + 16
        highest = max(highest, height)
    size = f'width="{left - 16}" height="{highest}" viewBox="0 0 {left - 16} {highest}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="{_FONT}">'
    return "\n".join([head, *marks, "</svg>"]) + "\n"
