"""The `selfcorrect` command.

`commands` has a module per subcommand, whose options import nothing heavy.
"""

import gc
import os
import select
import shlex
import shutil
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Any, ClassVar, Protocol, get_args, get_origin, get_type_hints

import tyro

from selfcorrect.core.errors import JobsError, LoopError, SelfcorrectError, SettingError
from selfcorrect.core.extras import requires_extra
from selfcorrect.runtime.bugs import is_machine_failure
from selfcorrect.runtime.console_warnings import format_for_console
from selfcorrect.runtime.registry import describe_unknown, import_object
from selfcorrect.runtime.software import describe_environment, describe_software
from selfcorrect.runtime.supervision import forbid_exit
from selfcorrect.storage.files.limits import unpacked_limit_bytes

from .command_line.from_file import from_file
from .command_line.help_page import HelpPage, print_help, print_overview
from .command_line.parsing import parse_options
from .command_line.schema import PrintSchema


class Command(Protocol):
    """Options of a command.

    `run` does the work and may return an exit code.
    """

    def run(self) -> int | None: ...


class HelpedCommand(Command, Protocol):
    """A command that has a page of help."""

    HELP: ClassVar[HelpPage]


COMMANDS = {
    "demo": "selfcorrect.commands.demo:DemoCommand",
    "motion": "selfcorrect.commands.motion:MotionCommand",
    "compare": "selfcorrect.commands.compare:CompareCommand",
    "toy": "selfcorrect.commands.toy:ToyCommand",
    "join": "selfcorrect.commands.join:JoinCommand",
    "correct": "selfcorrect.commands.correct.command:CorrectCommand",
    "check": "selfcorrect.commands.check.command:CheckCommand",
    "data": "selfcorrect.commands.data.command:DataCommand",
    "view": "selfcorrect.commands.view:ViewCommand",
    "edit": "selfcorrect.commands.edit.command:EditCommand",
    "verify": "selfcorrect.commands.verify:VerifyCommand",
}
"""Dataclass of each command; only that of the command that runs is imported."""


def load_command(name: str) -> type[HelpedCommand]:
    """Return the dataclass of a command."""
    command: type[HelpedCommand] = import_object(COMMANDS[name])
    return command


EXPERIMENTS = ("motion", "compare")
"""Commands whose options a YAML file may give."""

ABOUT = """Correct human motion, and train generative models on their own corrected samples.

`selfcorrect COMMAND --help` explains a command. `selfcorrect --version` prints the version, and with `--verbose` the
versions of packages, the kernels and the engines. `--debug` anywhere on the line shows the traceback of an error.
`selfcorrect --tyro-print-completion bash` (or zsh, tcsh) prints a script with which the Tab key completes commands and
options."""
EXAMPLES = HelpPage(
    {
        "selfcorrect correct walk.bvh": "Write a corrected copy of a motion file to corrected/walk.bvh.",
        "selfcorrect motion": "Train models on their own samples for ten generations, with and without physics.",
    }
)

WRONG = 2
"""Exit code for a mistake of the caller."""
BUG = 70
"""Exit code for a bug (EX_SOFTWARE)."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells report it."""
UNREAD = 141
"""Exit code after a closed pipe, as shells report it."""

COLLECTED_OBJECTS = 100_000
"""Number of new objects after which the garbage collector looks for cycles; imports make many, hardly any in cycles."""

NARROWEST = 40
"""Smallest width of help, columns; tyro takes minutes, or does not end, in narrower terminals."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    A mistake of the caller ends in one sentence and exit code 2, a bug in a report about it.
    """
    if arguments is None:  # this process runs nothing else
        gc.set_threshold(COLLECTED_OBJECTS)
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or bool(os.environ.get("SELFCORRECT_TRACEBACK"))
    words = [word for word in words if word != "--debug"]
    if not debug:
        warnings.formatwarning = format_for_console
    _reopen_closed_streams()
    _replace_unprintable()
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nStopped; the same command continues where it was.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError as error:
        if not _is_pipe_closed():
            return _report_error(error, words, debug)
        _drop_output()
        return UNREAD
    except Exception as error:
        if is_machine_failure(error):
            _drop_output()
        return _report_error(error, words, debug)


def _run(words: Sequence[str]) -> int:
    if words[:1] == ["--version"]:
        print(f"selfcorrect {version('selfcorrect')}")
        if "--verbose" in words:
            print("\n".join(_describe_installation()))
        return 0
    if shutil.get_terminal_size().columns < NARROWEST:
        os.environ["COLUMNS"] = str(NARROWEST)
    command = _parse_command(words)
    _check_environment()
    with requires_extra(f"selfcorrect {words[0]}"), forbid_exit("code that was called"):
        return command.run() or 0


def _check_environment() -> None:
    """Check the current folder and environment limits.

    Raises SettingError if the folder is missing, or a limit is not a number.
    """
    try:
        os.getcwd()
    except OSError:
        raise SettingError("the current folder was removed; change to a folder that exists") from None
    unpacked_limit_bytes()


def _parse_command(words: Sequence[str]) -> Command:
    """Parse a command with its options.

    Raises SettingError for what cannot be parsed. Help ends the program.
    """
    if "" in words:
        raise SettingError("the command line has an empty argument; is a variable unset?")
    name = words[0] if words else ""
    if name not in COMMANDS:
        _check_name("command", words, COMMANDS)
        return _show_overview(words)
    command = load_command(name)
    option_words = words[1:]
    subcommands = find_subcommands(command)
    _check_name(f"command {name}", option_words, subcommands)
    if name in EXPERIMENTS and list(option_words) == ["--schema"]:
        return PrintSchema(command)
    options = None
    if name in EXPERIMENTS:
        options, option_words = from_file(command, option_words)
    program = f"selfcorrect {name}"
    if subcommands:
        if not option_words or option_words[0].startswith("-"):
            print_overview(command.__doc__ or "", command.HELP, subcommands)
            sys.exit(0)
        command = subcommands[option_words[0]]
        program = f"{program} {option_words[0]}"
        option_words = option_words[1:]
    if not {"-h", "--help"}.isdisjoint(option_words):
        print_help(command, command.HELP, program, options)
    return parse_options(command, program, option_words, options)


def _show_overview(words: Sequence[str]) -> Command:
    """Print what the commands do, and exit.

    tyro answers other words, such as those for the completion of words.
    """
    commands = {name: load_command(name) for name in COMMANDS}
    if not words or words[0] in ("-h", "--help"):
        print_overview(ABOUT, EXAMPLES, commands)
        sys.exit(0)
    if not words[0].startswith("--tyro"):
        raise SettingError(f"unknown option {words[0]!r}; `selfcorrect --help` lists the commands")
    return tyro.extras.subcommand_cli_from_dict(commands, prog="selfcorrect", description=ABOUT, args=words)


def _check_name(kind: str, words: Sequence[str], names: Sequence[str] | Mapping[str, object]) -> None:
    """Check a command's name.

    Raises SettingError if the first word is neither an option nor one of the names.
    """
    if names and words and not words[0].startswith("-") and words[0] not in names:
        raise SettingError(describe_unknown(kind, words[0], names))


def find_subcommands(command: type[HelpedCommand]) -> dict[str, type[HelpedCommand]]:
    """Return the subcommands of a command by their names in its annotations."""
    hints = get_type_hints(command, include_extras=True).values()
    subcommands = {}
    for kind in (kind for hint in hints for kind in get_args(hint) if get_origin(kind) is Annotated):
        subcommands |= {extra.name: get_args(kind)[0] for extra in kind.__metadata__ if getattr(extra, "name", None)}
    return subcommands


# --- what went wrong -------------------------------------------------------------------------------------------------


def _report_error(error: Exception, words: Sequence[str], debug: bool) -> int:
    """Report an error on stderr and return the exit code."""
    sentence = _describe_mistake(error)
    bug = "" if sentence else "".join(traceback.format_exception(error))
    if isinstance(error, LoopError | JobsError):
        bug = error.bug
    if debug and not bug:
        traceback.print_exception(error)
    if sentence:
        print(f"selfcorrect: {sentence}", file=sys.stderr)
    if bug:
        print(f"{bug.rstrip()}\n\n{_format_bug_report(words)}", file=sys.stderr)
    return BUG if bug else WRONG


def _describe_mistake(error: Exception) -> str:
    """Describe a mistake that the caller can fix, or return "" for a bug."""
    if isinstance(error, SelfcorrectError):
        return str(error)
    if isinstance(error, OSError) and (error.filename is not None or is_machine_failure(error)):
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return ": ".join([*names, (error.strerror or str(error)).lower()])
    return ""


def _format_bug_report(words: Sequence[str]) -> str:
    environment = describe_environment()
    packages = [f"{name} {number}" for name, number in environment["packages"].items() if number]
    versions = ", ".join([f"Python {environment['python']}", environment["platform"], *packages])
    return (
        "This is a bug in selfcorrect. Please report it to the maintainers, with the lines above and these:\n"
        f"  selfcorrect {shlex.join(words)}\n  {versions}"
    )


def _describe_installation() -> list[str]:
    """Describe the installation line by line.

    There are lines for Python, each package with its version, the kernels, and each engine that can be imported.
    """
    from selfcorrect.motion.geometry.compiled import KERNELS
    from selfcorrect.simulators.settings.engine_table import ENGINES

    software = describe_software()
    lines = [f"Python {software['python']}, {software['platform']}"]
    lines += [f"{name} {version or 'not installed'}" for name, version in software["packages"].items()]
    lines.append(f"kernels: {'compiled' if KERNELS is not None else 'none, NumPy takes their place'}")
    for name in ENGINES.names:
        try:
            ENGINES.load(name)
            lines.append(f"engine {name}: works")
        except SelfcorrectError as error:
            lines.append(f"engine {name}: {error}")
    return lines


# --- standard streams ------------------------------------------------------------------------------------------------


def _reopen_closed_streams() -> None:
    """Connect closed streams to the null device.

    The caller closed them (`>&-`); new files would get their numbers.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
            os.set_inheritable(number, True)  # worker processes have it as well
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 - that of the process


def _replace_unprintable() -> None:
    """Print ? for characters that the terminal lacks, such as λ and →."""
    stream: Any = sys.stdout
    if not hasattr(stream, "reconfigure"):  # a notebook's, or text that a caller collects
        return
    if stream.errors == "strict" or stream.encoding.lower() != "utf-8":
        stream.reconfigure(errors="replace")


def _is_pipe_closed() -> bool:
    """Return True if stdout's reader may be gone.

    stdout is a pipe whose reader has ended, as in `| head`, or that is unknown.
    """
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(sys.stdout, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _drop_output() -> None:
    """Send further output to the null device.

    The interpreter then ends without a complaint.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
