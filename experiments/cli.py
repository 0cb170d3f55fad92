"""The `selfcorrect` command: one subcommand per file of `commands`, whose options import nothing heavy."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Protocol, get_args, get_origin, get_type_hints

import tyro

from selfcorrect.core.errors import JobsError, LoopError, SelfcorrectError, SettingError
from selfcorrect.core.extras import requires_extra
from selfcorrect.runtime.bugs import FAILING_MACHINE
from selfcorrect.runtime.registry import describe_unknown, import_object
from selfcorrect.simulators.settings.tracker import OLD_NAMES
from selfcorrect.storage.files.limits import unpacked_limit_bytes

from .commands.from_file import from_file


class Command(Protocol):
    """Options, checked where that is cheap, and what they ask for; `run` may return another exit code."""

    def run(self) -> int | None: ...


COMMANDS = {
    "demo": "selfcorrect.experiments.commands.demo:DemoCommand",
    "motion": "selfcorrect.experiments.commands.motion:MotionCommand",
    "compare": "selfcorrect.experiments.commands.compare:CompareCommand",
    "toy": "selfcorrect.experiments.commands.toy:ToyCommand",
    "correct": "selfcorrect.experiments.commands.correct:CorrectCommand",
    "check": "selfcorrect.experiments.commands.check:CheckCommand",
    "data": "selfcorrect.experiments.commands.data:DataCommand",
    "view": "selfcorrect.experiments.commands.view:ViewCommand",
    "curate": "selfcorrect.experiments.commands.curate:CurateCommand",
    "verify": "selfcorrect.experiments.commands.verify:VerifyCommand",
}
"""Dataclass of each command; only that of the command that runs is imported."""


def load_command(name: str) -> type[Command]:
    """Return the dataclass of a command."""
    command: type[Command] = import_object(COMMANDS[name])
    return command


EXPERIMENTS = ("motion", "compare")
"""Commands whose options a YAML file may give."""

ABOUT = """Self-correcting self-consuming loops for generative models.

`selfcorrect COMMAND --help` explains a command, `selfcorrect --version` prints the version, and `--debug` anywhere on
the line shows where in the program an error came from. `selfcorrect --tyro-print-completion bash` (or zsh, tcsh)
prints what makes the Tab key complete commands and options."""

WRONG, BUG, INTERRUPTED, UNREAD = 2, 70, 130, 141
"""Exit codes: a mistake of the caller; a bug (EX_SOFTWARE); Ctrl-C and a closed pipe, as shells report them."""


NARROWEST = 40
"""Columns that help takes at least."""

RENAMED = {"motion": {"--strength": "--gamma"}, "compare": {"--plans": "--arms"}}
"""Options of a subcommand that had another name, which works for one more release."""

RENAMED_VALUES = {"correct": {"--strength": OLD_NAMES}}
"""Values of its options that had another name, likewise."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. A mistake of the caller ends in one sentence and exit code 2, a bug in a report about it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or bool(os.environ.get("SELFCORRECT_TRACEBACK"))
    words = [word for word in words if word != "--debug"]
    if not debug:
        warnings.formatwarning = _format_warning
    _open_what_is_closed()
    _print_what_can_be_printed()
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nStopped; the same command continues where it was.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError as error:
        if not _nobody_reads():
            return _tell(error, words, debug)
        _drop_output()
        return UNREAD
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FAILING_MACHINE:
            _drop_output()
        return _tell(error, words, debug)


_formatted = warnings.formatwarning
_NUMERICAL = re.compile(r"encountered in|empty slice|All-NaN|Degrees of freedom")
"""What NumPy warns of, which says nothing to somebody who runs a command: results are checked to be finite."""


def _format_warning(message: Warning | str, category: type[Warning], *place: Any) -> str:
    """Return what is printed of a warning: one of our own without its place, nothing of overflows and the like."""
    if issubclass(category, RuntimeWarning) and _NUMERICAL.search(str(message)):
        return ""
    return f"selfcorrect: {message}\n" if category is UserWarning else _formatted(message, category, *place)


def _run(words: Sequence[str]) -> int:
    if words[:1] == ["--version"]:
        print(f"selfcorrect {_version()}")
        return 0
    with _readable_width():
        command = _command(words)
    _check_surroundings()
    try:
        with requires_extra(f"selfcorrect {words[0]}"):
            return command.run() or 0
    except SystemExit as end:  # of code that was called on the way, perhaps before the work was done
        raise RuntimeError(f"something ended the program with exit code {end.code}") from end


@contextmanager
def _readable_width() -> Iterator[None]:
    """Print help in at least `NARROWEST` columns; tyro needs minutes, or for ever, to fit it into a few."""
    if shutil.get_terminal_size().columns >= NARROWEST:
        yield
        return
    given = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(NARROWEST)
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if given is not None:
            os.environ["COLUMNS"] = given


def _check_surroundings() -> None:
    """SettingError where what all commands need is missing: the current folder, and limits that can be understood."""
    try:
        os.getcwd()
    except OSError:
        raise SettingError("the current folder was removed; change to one that exists") from None
    unpacked_limit_bytes()


def _command(words: Sequence[str]) -> Command:
    """The command with its options; SettingError suggests the nearest to a name that there is not."""
    if "" in words:
        raise SettingError("there is an empty word on the command line, perhaps a variable that is not set")
    name = words[0] if words else ""
    if name in COMMANDS:
        command = load_command(name)
        _check_name(f"command {name}", words[1:], _subcommands(command))
        if _subcommands(command) and not words[1:]:
            words = [name, "--help"]
        options, rest = from_file(command, words[1:]) if name in EXPERIMENTS else (None, words[1:])
        _hide_none_defaults(command)
        given: dict[str, Any] = {} if options is None else {"default": options}
        return tyro.cli(command, prog=f"selfcorrect {name}", args=_with_new_names(name, rest), **given)
    _check_name("command", words, COMMANDS)
    commands = {name: load_command(name) for name in COMMANDS}
    return tyro.extras.subcommand_cli_from_dict(commands, prog="selfcorrect", description=ABOUT, args=words)


def _hide_none_defaults(options: Any) -> None:
    """Leave "(default: None)" and "(default: '')" out of help: the text of such an option says what happens without it.

    Args:
        options: A dataclass of options, or a type made of several. Annotations of the dataclasses are changed.
    """
    for part in get_args(options):
        _hide_none_defaults(part)
    if not isinstance(options, type) or not is_dataclass(options):
        return
    hints = get_type_hints(options, include_extras=True)
    for field in fields(options):
        _hide_none_defaults(hints[field.name])
        if field.default in (None, ""):
            options.__annotations__[field.name] = Annotated[hints[field.name], tyro.conf.arg(help_behavior_hint=_hint)]


def _hint(default: str) -> str:
    return "" if default in ("None", "''") else f"(default: {default})"


def _with_new_names(command: str, options: Sequence[str]) -> Sequence[str]:
    """The options with old names replaced, each reported on stderr."""
    for old, new in RENAMED.get(command, {}).items():
        pattern = re.compile(rf"{old}(?=[=.]|$)")
        renamed = [pattern.sub(new, word, count=1) if pattern.match(word) else word for word in options]
        if renamed != list(options):
            print(f"selfcorrect: {old} of {command} is now {new}; the old name will go", file=sys.stderr)
        options = renamed
    for option, values in RENAMED_VALUES.get(command, {}).items():
        options = _with_new_values(option, values, options)
    return options


def _with_new_values(option: str, values: Mapping[str, str], words: Sequence[str]) -> Sequence[str]:
    """The words with old values of an option replaced, each reported on stderr."""
    renamed = list(words)
    for index, word in enumerate(words):
        follows = index > 0 and words[index - 1] == option
        value = word if follows else word.removeprefix(f"{option}=")
        if value in values and (follows or value != word):
            renamed[index] = word.removesuffix(value) + values[value]
            print(f"selfcorrect: {option} {value} is now {values[value]}; the old name will go", file=sys.stderr)
    return renamed


def _check_name(kind: str, words: Sequence[str], known: Sequence[str] | Mapping[str, object]) -> None:
    if known and words and not words[0].startswith("-") and words[0] not in known:
        raise SettingError(describe_unknown(kind, words[0], known))


def _subcommands(command: type[Command]) -> list[str]:
    """The names that the annotations of a command's fields give to their alternatives."""
    hints = get_type_hints(command, include_extras=True).values()
    kinds = [kind for hint in hints for kind in get_args(hint) if get_origin(kind) is Annotated]
    return [name for kind in kinds for extra in kind.__metadata__ if (name := getattr(extra, "name", None))]


# --- what went wrong -------------------------------------------------------------------------------------------------


def _tell(error: Exception, words: Sequence[str], debug: bool) -> int:
    """Report an error on stderr; returns the exit code."""
    sentence = _sentence(error)
    bug = "" if sentence else "".join(traceback.format_exception(error))
    if isinstance(error, LoopError | JobsError):
        bug = error.bug
    if debug and not bug:
        traceback.print_exception(error)
    if sentence:
        print(f"selfcorrect: {sentence}", file=sys.stderr)
    if bug:
        print(f"{bug.rstrip()}\n\n{_report(words)}", file=sys.stderr)
    return BUG if bug else WRONG


def _sentence(error: Exception) -> str:
    """What a caller can fix, "" for a bug."""
    if isinstance(error, SelfcorrectError):
        return str(error)
    if isinstance(error, OSError) and (error.filename is not None or error.errno in FAILING_MACHINE):
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return ": ".join([*names, (error.strerror or str(error)).lower()])
    return ""


def _report(words: Sequence[str]) -> str:
    from selfcorrect.storage.runs.run_folder import describe_environment

    here = describe_environment()
    packages = [f"{name} {version}" for name, version in dict[str, Any](here["packages"]).items() if version]  # type: ignore[arg-type]
    return (
        "This is a bug of selfcorrect. Please report it to the maintainers, with the lines above and these:\n"
        f"  selfcorrect {shlex.join(words)}\n  Python {here['python']}, {here['platform']}, {', '.join(packages)}"
    )


def _version() -> str:
    from importlib.metadata import version

    return version("selfcorrect")


# --- where it is printed ---------------------------------------------------------------------------------------------


def _open_what_is_closed() -> None:
    """Have streams that the caller closed (`>&-`) lead nowhere; files that are opened would get their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)
            if nowhere != number:
                os.close(nowhere)
            os.set_inheritable(number, True)  # worker processes have it as well
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 - that of the process


def _print_what_can_be_printed() -> None:
    """A terminal that knows no λ or → shows ? in their place."""
    stream: Any = sys.stdout
    if not hasattr(stream, "reconfigure"):  # a notebook's, or text that a caller collects
        return
    if stream.errors == "strict" or stream.encoding.lower() != "utf-8":
        stream.reconfigure(errors="replace")


def _nobody_reads() -> bool:
    """Whether stdout is a pipe whose reader has gone, as in `| head`; taken for granted where that is unknown."""
    if not hasattr(select, "poll"):
        return True
    watch = select.poll()
    watch.register(sys.stdout, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))


def _drop_output() -> None:
    """Have the rest of the output go nowhere, without complaint when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
