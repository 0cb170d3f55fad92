"""Checks of a command line before heavy imports."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.formats import find_reading_format
from selfcorrect.datasets.files.skeletons.reading import Reading

from ...jobs.runner_choice import RunnerChoice

READING_OPTIONS = tuple(option.name for option in fields(Reading))
RUNNER_OPTIONS = ("workers", *(option.name for option in fields(RunnerChoice)))
"""Options that several commands have, groups of their help."""


def must_exist(paths: Iterable[Path | None]) -> None:
    """Raise InputError for the first missing path.

    None stands for an option that was not given.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise InputError(f"{path}: no such file or folder{_suggest(path)}")


def _suggest(path: Path) -> str:
    """Suggest a file with nearly that name.

    Returns "" if there is no such file beside it.
    """
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    nearest = get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f"; did you mean {path.with_name(nearest[0])}?" if nearest else ""


def must_be_usable(reading: Reading, without: Sequence[str] = ()) -> None:
    """Check the options of reading before any work.

    Args:
        without: Fields that would change nothing in this command.

    Raises:
        InputError: A file that an option names is missing or damaged.
        SettingError: A field was given that would change nothing.
    """
    for name in without:
        if getattr(reading, name) != getattr(Reading(), name):
            raise SettingError(f"{name} changes nothing in the results of this command; leave it out")
    must_exist(reading.files)
    if any(reading.files):
        from selfcorrect.datasets.files.open import check_option_files

        check_option_files(reading)


def list_changed(options: object, without: Iterable[str]) -> list[str]:
    """Return the options that differ from their defaults.

    Names are as on the command line. `without` names options to omit.
    """
    defaults = vars(type(options)())
    names = [name for name, value in vars(options).items() if name not in without and value != defaults[name]]
    return [name.replace("_", "-") for name in names]


def sources_must_exist(sources: Iterable[str]) -> None:
    """Raise InputError for the first missing source.

    A source is `deepmimic`, a path, or FOLDER#SPLIT.
    """
    from selfcorrect.datasets.splits import path_and_split

    must_exist(path_and_split(source)[0] for source in sources if source != "deepmimic")


def must_be_readable(paths: Iterable[Path]) -> None:
    """Raise InputError for the first unreadable path.

    A path is a folder or, by its name, a motion file that can be read.
    """
    for path in paths:
        must_exist([path])
        if not path.is_dir():
            find_reading_format(path)
