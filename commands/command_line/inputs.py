"""Check the inputs of a command line before slow imports."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.formats import find_reading_format, readable_suffixes
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.splits import path_and_split
from selfcorrect.experiments.jobs.runner_choice import RunnerChoice

READING_OPTIONS = tuple(option.name for option in fields(Reading))
"""Reading options, a group in the help of several commands."""
RUNNER_OPTIONS = ("workers", *(option.name for option in fields(RunnerChoice)))
"""Options for workers and runners, a group in the help of several commands."""


def must_be_local(names: Iterable[str]) -> None:
    """Raise SettingError for an address, such as s3://bucket/folder."""
    for name in names:
        if "://" in name:
            raise SettingError(f"{name}: expected a path on this machine, got an address; copy the files first")


def must_exist(paths: Iterable[Path | None]) -> None:
    """Raise InputError for the first missing path, skipping None, which stands for an option that was not given."""
    for path in paths:
        if path is not None and not path.exists():
            problem = "broken link" if path.is_symlink() else f"no such file or folder{_suggest(path)}"
            raise InputError(f"{path}: {problem}")


def _suggest(path: Path) -> str:
    """Suggest a file with a similar name in the same folder, or return ""."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    nearest = get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f"; did you mean {path.with_name(nearest[0])}?" if nearest else ""


def must_be_usable(reading: Reading, without: Sequence[str] = ()) -> None:
    """Check the reading options before any work.

    Args:
        reading: The options.
        without: Fields that have no effect in this command.

    Raises:
        InputError: A file that an option names is missing or damaged.
        SettingError: A field without effect was given.
    """
    for name in without:
        if getattr(reading, name) != getattr(Reading(), name):
            raise SettingError(f"{name} has no effect on this command; leave it out")
    must_exist(reading.files)
    if any(reading.files):
        from selfcorrect.datasets.files.open import check_option_files

        check_option_files(reading)


def list_changed(options: object, without: Iterable[str]) -> list[str]:
    """Return the command-line names of the options that differ from their defaults, except those in `without`."""
    defaults = vars(type(options)())
    names = [name for name, value in vars(options).items() if name not in without and value != defaults[name]]
    return [name.replace("_", "-") for name in names]


def sources_must_exist(sources: Iterable[str]) -> None:
    """Raise InputError for the first missing source, which is `deepmimic`, a path or FOLDER#SPLIT."""
    must_exist(path_and_split(source)[0] for source in sources if source != "deepmimic")


def names_file(out: Path) -> bool:
    """Return whether an output is a motion file, by what is there or else by its suffix, and not a folder."""
    return out.is_file() or (out.suffix.lower() in readable_suffixes() and not out.is_dir())


def must_be_one_file(inputs: Sequence[str | Path], out: Path) -> None:
    """Raise SettingError if the inputs for an output file are not a single file."""
    is_folder = len(inputs) == 1 and Path(inputs[0]).is_dir()
    if is_folder or len(inputs) != 1:
        got = f"the folder {inputs[0]}" if is_folder else f"{len(inputs)} inputs"
        raise SettingError(f"{out}: expected a folder as output of {got}, because only a single file gets a name")


def must_be_readable(paths: Iterable[Path]) -> None:
    """Raise InputError for the first path that is neither a folder nor, by its name, a readable motion file."""
    for path in paths:
        must_exist([path])
        if not path.is_dir():
            find_reading_format(path)
