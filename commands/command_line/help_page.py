"""Print the help of the commands: what a command does, two examples, and its options in groups.

tyro parses the options and draws a box for each nested dataclass. The options of a command are fields on one level, so
nested dataclasses for the boxes are made here, only for the help.
"""

import shutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, make_dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

from selfcorrect.core.field_docs import read_field_docs

ADVANCED = "advanced"
"""Group of the options that are not common, if a page names the common ones."""


@dataclass(frozen=True)
class HelpPage:
    """Layout of a command's help."""

    examples: Mapping[str, str]
    """Command lines and what they do; about two."""
    common: tuple[str, ...] = ()
    """Options in the first box; by default all that are in no other group."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Options in further boxes, by title."""
    presets: Mapping[str, str] = field(default_factory=dict)
    """Presets and what they do, listed below the options."""


@dataclass(frozen=True)
class _Option:
    name: str
    hint: Any
    default: Any
    """Default value; MISSING for a required option."""

    @property
    def is_positional(self) -> bool:
        """True if the option is given by its position and not by its name."""
        return tyro.conf.Positional in getattr(self.hint, "__metadata__", ())

    @property
    def written_name(self) -> str:
        """The option as it is written on a command line, such as --out."""
        names = [mark.name for mark in getattr(self.hint, "__metadata__", ()) if getattr(mark, "name", None)]
        return f"--{[self.name, *names][-1].replace('_', '-')}"

    def to_member(self) -> tuple[str, Any, Any]:
        """Convert the option to a field for `make_dataclass`."""
        if self.default is MISSING:
            return self.name, self.hint, field()
        return self.name, self.hint, field(default_factory=lambda: self.default)


def print_help(command: Any, page: HelpPage, program: str, given: Any = None) -> None:
    """Print the help of a command that has options.

    Args:
        command: Dataclass of the command.
        page: Layout of the help.
        program: Words that call the command, such as "selfcorrect correct".
        given: Options whose values are shown as defaults, such as those of a preset.
    """
    print(_format_head(command, page), end="\n\n")
    members: list[Any] = []
    for group, options in _group_options(command, page, given).items():
        if not group or is_dataclass(options[0].hint):
            members += [option.to_member() for option in options]
            continue
        box = make_dataclass(group, [option.to_member() for option in options], kw_only=True)
        members.append((group, Annotated[box, tyro.conf.OmitArgPrefixes], field(default_factory=box)))
    help_options = make_dataclass("Help", members, kw_only=True)
    try:
        pairs_off = tyro.conf.FlagCreatePairsOff
        tyro.cli(help_options, prog=program, description="", args=["--help"], config=(pairs_off,))
    finally:
        if page.presets:
            print("\nPresets, with times on two cores:")
        for name, text in page.presets.items():
            print(_fill(text, f"  {name}: ", "      "))


def _group_options(command: Any, page: HelpPage, given: Any) -> dict[str, "list[_Option]"]:
    """Group the options by the title of their box, which is "" for the first one.

    Options with a prefix form a box of their own.
    """
    groups = {name: group for group, names in page.groups.items() for name in names}
    options = list(_list_options(command, given))
    nested = {option.name: [option] for option in options if is_dataclass(option.hint)}
    boxes: dict[str, list[_Option]] = {"": [], **{group: [] for group in page.groups}, **nested, ADVANCED: []}
    for option in options:
        if option.name not in nested:
            is_first = not page.common or option.name in page.common or option.is_positional
            boxes[groups.get(option.name, "" if is_first else ADVANCED)].append(option)
    return {group: box for group, box in boxes.items() if box}


def print_overview(about: str, page: HelpPage, commands: Mapping[str, Any]) -> None:
    """Print the help of a command with subcommands: what it does, examples, and a line for each subcommand."""
    print(_format_head(about, page), end="\n\nCommands:\n")
    width = max(map(len, commands))
    for name, command in commands.items():
        print(_fill(_first_paragraph(command), f"  {name:<{width}}  ", " " * (width + 4)))


def _format_head(command: Any, page: HelpPage) -> str:
    """Format the description and the examples of a command."""
    about = command if isinstance(command, str) else command.__doc__ or ""
    summary, *others = [" ".join(paragraph.split()) for paragraph in about.split("\n\n")]
    lines = ["Examples:"]
    for line, effect in page.examples.items():
        lines += [f"  {line}", _fill(effect, "      ", "      ")]
    return "\n\n".join([_fill(summary), "\n".join(lines), *map(_fill, others)])


def _first_paragraph(command: Any) -> str:
    return " ".join((command.__doc__ or "").split("\n\n")[0].split())


def _fill(text: str, first: str = "", other: str = "") -> str:
    width = max(shutil.get_terminal_size().columns, 40)
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=other, break_long_words=False, break_on_hyphens=False
    )


def list_option_names(command: Any) -> list[str]:
    """Return a command's options as they are written on a command line, such as --out."""
    names = []
    for option in _list_options(command):
        name = option.written_name
        if is_dataclass(option.hint):
            names += [f"{name}.{part.name.replace('_', '-')}" for part in fields(option.hint)]
        elif isinstance(option.default, bool):
            names += [name, name.replace("--", "--no-")]
        else:
            names.append(name)
    return names


def _list_options(command: Any, given: Any = None) -> Iterator[_Option]:
    """Yield a command's options, including those of nested dataclasses without a prefix."""
    hints = get_type_hints(command, include_extras=True)
    texts = read_field_docs(command)
    for option in fields(command):
        hint = hints[option.name]
        marks = getattr(hint, "__metadata__", ())
        if tyro.conf.Suppress in marks:
            continue
        if given is not None:
            default = getattr(given, option.name)
        elif option.default_factory is not MISSING:
            default = option.default_factory()
        else:
            default = option.default
        part = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        has_prefix = default is not MISSING and not any(getattr(mark, "name", None) == "" for mark in marks)
        if is_dataclass(part) and not has_prefix:
            yield from _list_options(part, None if default is MISSING else default)
        elif is_dataclass(part):
            members = [below.to_member() for below in _list_options(part, default)]
            box = make_dataclass(str(getattr(part, "__name__", option.name)), members, kw_only=True)
            box.__doc__ = _first_paragraph(part)
            yield _Option(option.name, box, box())
        else:
            hint = _add_help(hint, default, texts.get(option.name, ""), option.name)
            yield _Option(option.name, hint, default)


def _add_help(hint: Any, default: Any, text: str, name: str) -> Any:
    """Add the help text, and the default if it is informative, to an option's type hint."""
    marks = getattr(hint, "__metadata__", ())
    given = [mark for mark in marks if hasattr(mark, "help_behavior_hint")]
    if not any(mark.help_behavior_hint for mark in given):
        hint = Annotated[hint, tyro.conf.arg(help_behavior_hint=_format_default(default))]
    if text and not any(mark.help for mark in given):
        hint = Annotated[hint, tyro.conf.arg(help=" ".join(text.split()))]
    value = _name_value(get_args(hint)[0] if get_origin(hint) is Annotated else hint)
    if tyro.conf.Positional in marks:
        value = name.removesuffix("s").upper() + (" ..." if value.endswith("...") else "")
    if value and not any(mark.metavar for mark in given):
        hint = Annotated[hint, tyro.conf.arg(metavar=value)]
    return hint


def _format_default(default: Any) -> str:
    if default is MISSING:
        return "(required)"
    if default is None or isinstance(default, bool) or default in ("", (), {}):
        return ""
    words = default if isinstance(default, tuple) else (default,)
    return f"(default: {' '.join(map(str, words))})"


def _name_value(kind: Any) -> str:
    """Return the name of an option's value in the help, or "" to leave it to tyro."""
    parts = [part for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) is tuple and len(parts) == 2 and parts[1] is ...:
        name = _name_value(parts[0]) or parts[0].__name__.upper()
        return f"{name} ..."
    if get_origin(kind) is Literal:
        return "{" + ",".join(map(str, parts)) + "}"
    if NoneType in get_args(kind) and len(parts) == 1:
        return _name_value(parts[0]) or parts[0].__name__.upper()
    return ""
