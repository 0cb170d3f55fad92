"""The `selfcorrect` command: one subcommand per file of this folder."""

from __future__ import annotations

import os
import sys

import tyro

from selfcorrect.experiments.correct import CorrectCommand
from selfcorrect.experiments.data import DataCommand
from selfcorrect.experiments.motion import MotionCommand
from selfcorrect.experiments.text_to_motion import TextToMotionCommand
from selfcorrect.experiments.toy.command import ToyCommand
from selfcorrect.experiments.view import ViewCommand

COMMANDS = {
    "motion": MotionCommand,
    "toy": ToyCommand,
    "correct": CorrectCommand,
    "data": DataCommand,
    "view": ViewCommand,
    "text-to-motion": TextToMotionCommand,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a mistake of the caller ends in one sentence and exit code 2, never in a traceback.

    A command may return an exit code of its own.
    """
    command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="selfcorrect",
        description="Self-correcting self-consuming loops for generative models.",
        args=arguments,
    )
    try:
        return command.run() or 0
    except KeyboardInterrupt:
        print("\nStopped; the same command continues where it was.", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        if os.environ.get("SELFCORRECT_TRACEBACK"):
            raise
        print(f"selfcorrect: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
