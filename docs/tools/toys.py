"""Run toy loops in full for the gallery.

`python docs/tools/toys.py`, in about an hour, keeps what the theory gallery shows. Names choose some of them: `python
docs/tools/toys.py lineages`. Loops of the table come first, then those of `examples/loops`. Writes
docs/pictures/toys/NAME-0.svg …, docs/tools/toys.json, and the outcomes in docs/theory.md. `--page-only` writes only the
last of these. A run that was stopped is resumed from the folder `--out`.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tyro

from selfcorrect.experiments.jobs.where import Where
from selfcorrect.experiments.studies.figures import draw
from selfcorrect.experiments.studies.run import run_study
from selfcorrect.experiments.studies.study import Study
from selfcorrect.experiments.studies.toy.files import name_toy
from selfcorrect.experiments.studies.toy.study import LoadedToy, derive_result, load_settings, load_toys, make_toy_study
from selfcorrect.experiments.studies.toy.toy_page import make_toy_page, to_json_row
from selfcorrect.runtime.processes import default_workers

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((REPOSITORY / "examples" / "loops").glob("*.py"))
LOOPS = {name_toy(str(path)): str(path) for path in EXAMPLES}
"""Name of each loop → name in the table, or path of the file."""
PICTURES = Path(__file__).resolve().parents[1] / "pictures" / "toys"
SUMMARY = Path(__file__).with_suffix(".json")
PAGE = PICTURES.parents[1] / "theory.md"
MARKED = re.compile(r"<!-- toy: ([\w-]+) -->\n.*?<!-- /toy -->", re.DOTALL)
"""Place where the page shows an outcome; the site shows all pictures and statements there."""
HELD = r"\d+ of \d+ statements hold.*"
"""The part of a reading that the page shows."""


def command_of(name: str) -> str:
    """Return the command that runs a loop."""
    return f"selfcorrect toy {Path(LOOPS[name]).relative_to(REPOSITORY).as_posix()}"


def fill_page(page: str, outcomes: Mapping[str, Any]) -> str:
    """Fill the page with the first picture of each loop and the number of its statements that hold."""

    def fill_mark(match: re.Match[str]) -> str:
        toy = outcomes[match[1]]
        first = toy["figures"][0]
        picture = f"![{first['title']}](pictures/{first['file']})"
        holding = re.search(HELD, toy["reading"])
        assert holding
        held, _, undecided = holding[0].partition(" Undecided: ")
        if undecided:
            held += " Undecided: all." if undecided == "all." else f" Undecided: {undecided.count('; ') + 1}."
        source = f"*{toy['source']}; `{Path(LOOPS[match[1]]).name}`.* {held}"
        return "\n\n".join([f"<!-- toy: {match[1]} -->", picture, source, "<!-- /toy -->"])

    return MARKED.sub(fill_mark, page)


def keep(toy: LoadedToy, study: Study, folder: Path) -> dict[str, object]:
    """Write a loop's pictures, and return its outcome for the page."""
    result = derive_result(study, toy, folder)
    name = toy.name
    figures = []
    for index, figure in enumerate(result.figures):
        (PICTURES / f"{name}-{index}.svg").write_text(draw(figure))
        figures.append({"file": f"toys/{name}-{index}.svg", "title": figure.title})
    json_row = to_json_row(toy, result)
    texts = {key: json_row[key] for key in ("source", "reading", "ends")}
    return {"title": toy.title, **texts, "figures": figures, "checks": json_row["checks"]}


def main(
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (), page_only: bool = False, out: Path = Path("runs/toys")
) -> None:
    """Run the named loops, or all, and fill the page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    loops = () if page_only else names or tuple(LOOPS)
    results = {}
    if loops:
        toys = load_toys([(LOOPS[name], load_settings(LOOPS[name])) for name in loops])
        study = make_toy_study(toys)
        run_study(study, make_toy_page(toys, study), out, Where(default_workers()))
        results = {name: keep(toys[name], study, out) for name in loops}
    outcomes = json.loads(SUMMARY.read_text()) if SUMMARY.exists() else {}  # read late: others may run some, too
    outcomes |= results
    shown = {name: outcome for name, outcome in outcomes.items() if name in LOOPS}
    SUMMARY.write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(fill_page(PAGE.read_text(), shown))


if __name__ == "__main__":
    tyro.cli(main)
