# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the program from the extension's wheels.

Usage: `python -I bundled.py FOLDER FOLDER … -- ARGUMENTS`. The folders hold the program's modules. Blender's own Python
runs this file in a process of its own.
"""

import sys


def main() -> None:
    """Run the command line with modules from these folders, which come before all others."""
    place = sys.argv.index("--")
    sys.path[:0] = sys.argv[1:place]
    sys.argv[: place + 1] = ["selfcorrect"]
    from selfcorrect.commands.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
