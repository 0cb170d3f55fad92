"""Parse a command's options with tyro, and turn its complaints into errors of this package."""

import contextlib
import difflib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import tyro

from selfcorrect.core.errors import SettingError
from selfcorrect.runtime.registry import describe_unknown

from .help_page import list_option_names

_WIDE = "10000"
"""Terminal width at which tyro does not break the lines of a complaint."""
_UNKNOWN = re.compile(r"Unrecognized options: (?P<words>.*)")
_CHOICE = re.compile(
    r"invalid choice '(?P<value>.*)' for argument '(?P<option>[^']*)'\. Expected one of (?P<known>.*)\."
)
_NO_VALUE = re.compile(r"Missing value for argument '(?P<option>[^']*)'\. Expected (?P<count>\d+) values\.")
_NO_NUMBER = re.compile(r"(?P<kind>invalid literal for int|could not convert string to float).*: (?P<value>'.*')")
_WRONG = re.compile(r"Error parsing (?P<option>[^:]*): (?P<reason>.*)")
_MISSING = re.compile(r"Missing from .*:")


def parse_options(command: Any, program: str, words: Sequence[str], default: Any = None) -> Any:
    """Parse the options of a command.

    The description is empty because `help_page` prints the help, and searching docstrings in the source would take a
    tenth of a short command's time.

    Args:
        command: Dataclass of the command.
        program: Words that call the command, such as "selfcorrect correct".
        words: Words of the command line after these.
        default: Defaults of all options, such as those of a preset.

    Raises:
        SettingError: A word is not an option or a valid value.
    """
    complaint = io.StringIO()
    given = {} if default is None else {"default": default}
    try:
        with _without_line_breaks(), contextlib.redirect_stderr(complaint):
            options = tyro.cli(
                command, prog=program, description="", args=words, config=(tyro.conf.OmitSubcommandPrefixes,), **given
            )
    except SystemExit as error:
        if not error.code:  # printed a shell completion script
            raise
        sentence = _reword(complaint.getvalue(), command)
        if not sentence.endswith("?"):
            sentence += f"; `{program} --help` lists all options"
        raise SettingError(sentence) from None
    sys.stderr.write(complaint.getvalue())  # warnings
    return options


@contextlib.contextmanager
def _without_line_breaks() -> Iterator[None]:
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _WIDE
    try:
        yield
    finally:
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns


def _reword(complaint: str, command: Any) -> str:
    """Reword tyro's complaint as a sentence that begins with the option. Unknown complaints are returned unchanged."""
    lines = [line.strip("│ ") for line in complaint.splitlines()[1:]]  # without the title
    lines = [line for line in lines if line.strip("─╰╯-")] or ["the options cannot be parsed"]
    number = _NO_NUMBER.search("\n".join(lines))
    if match := _UNKNOWN.match(lines[0]):
        return _describe_word(match["words"].split(", ")[0], command)
    if match := _CHOICE.match(lines[0]):
        known = sorted(name for name in re.findall(r"'([^']*)'", match["known"]) if name != "None")
        return f"{match['option']}: {describe_unknown('value', match['value'], known)}"
    if match := _NO_VALUE.match(lines[0]):
        count = int(match["count"])
        return f"{match['option']}: {'a value is missing' if count == 1 else f'expected {count} values, got fewer'}"
    if match := _WRONG.match(lines[0]):
        if number:
            kind = "a whole number" if "int" in number["kind"] else "a number"
            return f"{match['option']}: expected {kind}, got {number['value']}"
        reason = f"{match['reason'][:1].lower()}{match['reason'][1:].rstrip('!.')}"
        is_group = not match["option"].startswith("-")  # whose complaint names the option itself
        return reason if is_group else f"{match['option']}: {reason}"
    if _MISSING.match(lines[0]) and len(lines) > 1:
        return f"{lines[1].split(', ')[-1]} is missing"
    return lines[0].rstrip(".!")


def _describe_word(word: str, command: Any) -> str:
    """Describe a word that is not an option, with a suggestion."""
    if not word.startswith("-"):
        return f"unexpected {word!r}"
    nearest = difflib.get_close_matches(word, list_option_names(command), n=1)
    return f"unknown option {word}" + (f"; did you mean {nearest[0]}?" if nearest else "")
