"""Write the table of options into the page on Blender.

usage: python docs/tools/blender_page.py
"""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START, END = "<!-- options -->\n", "\n<!-- /options -->"


def main() -> None:
    """Replace the table between its marks."""
    sys.path.insert(0, str(ROOT / "blender"))
    options = importlib.import_module("options")
    page = ROOT / "docs" / "blender.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END.strip("\n"))[2]
    page.write_text(f"{before}{START}{options.format_table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
