"""Fixture that tests of commands share."""

import pytest
from helpers import Says

from selfcorrect.experiments.cli import main


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Says:
    """Return `says("correct clips", *words, code=0)`, which runs a command and returns what it prints.

    The command must end with exit code `code`. If this is 2 or more, what it prints to stderr is returned, too.
    """

    def run(line: str, *words: object, code: int = 0) -> str:
        capsys.readouterr()
        assert (main([*line.split(), *map(str, words)]) or 0) == code
        printed = capsys.readouterr()
        return printed.out if code < 2 else printed.out + printed.err

    return run
