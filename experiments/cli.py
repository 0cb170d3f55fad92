"""The `selfcorrect` command: one subcommand per file of `commands`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import tyro

from selfcorrect.errors import SelfcorrectError

COMMANDS = {
    "motion": "motion:MotionCommand",
    "toy": "toy:ToyCommand",
    "correct": "correct:CorrectCommand",
    "data": "data:DataCommand",
    "view": "view:ViewCommand",
    "text-to-motion": "text_to_motion:TextToMotionCommand",
}
"""Module of `commands`, and class, of each subcommand."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a mistake of the caller ends in one sentence and exit code 2, never in a traceback.

    A command may return an exit code of its own.
    """
    command = _command(sys.argv[1:] if arguments is None else arguments)
    try:
        return command.run() or 0
    except KeyboardInterrupt:
        print("\nStopped; the same command continues where it was.", file=sys.stderr)
        return 130
    except (SelfcorrectError, OSError) as error:
        if os.environ.get("SELFCORRECT_TRACEBACK"):
            raise
        print(f"selfcorrect: {error}", file=sys.stderr)
        return 2


def _command(arguments: list[str]) -> Any:
    """The command with its options. Others are not imported, because some take seconds and 200 MB."""
    if arguments and arguments[0] in COMMANDS:
        return tyro.cli(_class_of(arguments[0]), prog=f"selfcorrect {arguments[0]}", args=arguments[1:])
    return tyro.extras.subcommand_cli_from_dict(
        {name: _class_of(name) for name in COMMANDS},
        prog="selfcorrect",
        description="Self-correcting self-consuming loops for generative models.",
        args=arguments,
    )


def _class_of(name: str) -> Any:
    module, class_name = COMMANDS[name].split(":")
    return getattr(import_module(f"selfcorrect.experiments.commands.{module}"), class_name)


if __name__ == "__main__":
    sys.exit(main())
