"""What tests of commands share."""

import pytest
from helpers import Says

from selfcorrect.experiments.cli import main


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Says:
    """Run a command and return what it prints, with errors from exit code 2 on.

    `says("correct clips", *words, code=0)` expects the command to end with the code.
    """

    def run(line: str, *words: object, code: int = 0) -> str:
        capsys.readouterr()
        assert (main([*line.split(), *map(str, words)]) or 0) == code
        printed = capsys.readouterr()
        return printed.out if code < 2 else printed.out + printed.err

    return run
