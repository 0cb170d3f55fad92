"""Write docs/reference.md, every public name with its signature, from the program itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import selfcorrect

PAGE = Path(__file__).resolve().parents[1] / "reference.md"
TOPICS = {
    "Motions": ("motion", "datasets", "simulators", "experiments.file_correction"),
    "The loop": (
        "loop", "core.samples", "core.randomness", "metrics", "models", "storage", "testing", "statistics",
        "experiments.studies", "experiments.toy", "experiments.remedies",
    ),
    "Policies": ("loop.policy",),
    "Correctors": ("correctors",),
    "Errors": ("core.errors",),
}  # fmt: skip
"""The public names by the part of the package that they live in; the longest part decides."""
INTRODUCTION = """\
`import selfcorrect as sc` gives these names, and `dir(sc)` lists them. Each is imported when it is first used. `*`
stands before parameters that are given by name. `help(sc.Arm)` shows types and the meaning of each field.
"""


def topic_of(name: str) -> str:
    """Return the topic of a public name; ValueError if its part of the package belongs to none."""
    places = {**selfcorrect._MODULES, **selfcorrect._SUBMODULES, "__version__": "selfcorrect"}
    place = places[name].removeprefix("selfcorrect.") + "."
    matches = []
    for topic, parts in TOPICS.items():
        matches += [(len(part), topic) for part in parts if place.startswith(f"{part}.")]
    return max(matches)[1]


def signature(name: str) -> str:
    """Return a name as it is called: parameters with defaults, without types; protocols, errors and modules alone."""
    thing = getattr(selfcorrect, name)
    if inspect.ismodule(thing) or getattr(thing, "_is_protocol", False):
        return name
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return name
    bare = []
    for parameter in inspect.signature(thing).parameters.values():
        if not parameter.name.startswith("_"):
            default = _short(parameter.default)
            bare.append(parameter.replace(annotation=inspect.Parameter.empty, default=default))
    return f"{name}{inspect.Signature(bare)}"


class _Words:
    """A default in words."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _short(default: object) -> object:
    if default is inspect.Parameter.empty or isinstance(default, str | int | float | bool | tuple | type(None)):
        return default
    name = getattr(default, "__name__", "…")
    return _Words(name if name.isidentifier() else "…")


def page() -> str:
    """The text of the page."""
    return "\n".join(["# Public names", "", INTRODUCTION, *_lines()])


def _lines() -> Iterator[str]:
    for topic in TOPICS:
        yield f"## {topic}\n"
        for name in (name for name in dir(selfcorrect) if not name.startswith("_") and topic_of(name) == topic):
            first = (inspect.getdoc(getattr(selfcorrect, name)) or "").split("\n")[0]
            yield f"- `{signature(name)}`  \n  {first}"
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
