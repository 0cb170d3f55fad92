"""Extend mkdocs by generated pages and formulas.

The pages of commands, examples and the API are generated from the program at every build, so that they cannot go stale.
The theory gallery's figures come from `toys.py`, whose runs take too long for that. Formulas become MathML, which
browsers show without a script.
"""

import ast
import html
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import settings
from latex2mathml.converter import convert as mathml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from page_tables import all_arms, all_runs, as_csv
from raw_marks import find_raw_marks
from results import fill_page, read_all
from tables import make_table
from toys import MARKED, command_of

import selfcorrect
from selfcorrect.commands.cli import COMMANDS, find_subcommands, load_command
from selfcorrect.commands.correct.demonstration import demonstration
from selfcorrect.commands.correct.show import show

ROOT = Path(__file__).resolve().parents[2]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add generated pages to the navigation: examples to the tutorials, all others to the reference."""
    assert config.nav is not None
    sections = {title: pages for entry in config.nav for title, pages in entry.items()}
    sections["Tutorials"].append({"Examples": [{title_of(path): place_of_example(path)} for path in EXAMPLES]})
    api = [{"Overview": "api/index.md"}, *({title: api_place(title)} for title in API_PAGES)]
    generated = [{"Commands": "commands.md"}, {"API": api}]
    sections["Reference"][:] = [*generated, *sections["Reference"]]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and the demo."""
    pages = {"commands.md": commands_page(), "api/index.md": api_overview()}
    pages |= {api_place(title): api_page(title) for title in API_PAGES}
    pages |= {place_of_example(path): example_page(path) for path in EXAMPLES}
    pages |= {f"{name.lower()}.md": project_page(name) for name in ("CONTRIBUTING", "CHANGELOG", "SECURITY")}
    pages["results/data.md"] = data_page()
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    files.append(File.generated(config, "results/results.csv", content=as_csv(kept_summaries())))
    files.append(File.generated(config, "results/settings.csv", content=settings.table()))
    demo = demonstration()
    player = show(demo.before, demo.after, titles=("before", "after")).html
    files.append(File.generated(config, "player/demo.html", content=player))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what only the site has: long tables, all outcomes of a toy loop, and its own pages behind links."""
    if page.file.src_uri.startswith("results/"):
        markdown = fill_page(markdown, kept_summaries())
    markdown = MARKED.sub(lambda match: toy_outcome(match[1]), markdown)
    markdown = OUTPUT.sub("```{.text .output}\n", markdown)
    return OUTSIDE.sub(lambda match: f"]({place_on_site(Path(page.file.src_uri), match[1])})", markdown)


kept_summaries = cache(read_all)


def data_page() -> str:
    """Return the page of all arms, with the command of every kept run."""
    summaries = kept_summaries()
    about = (
        "Means over seeds ± half of the 95 % interval, over the later half of the generations. "
        "[results.csv](results.csv) holds the last generation of every arm and seed."
    )
    return f"# Data of all arms and runs\n\n{about}\n\n{all_arms(summaries)}\n\n## Runs\n\n{all_runs(summaries)}\n"


OUTPUT = re.compile(r"^```text\n", re.MULTILINE)
"""Start of a block that shows an output, which has no button that copies it."""
OUTSIDE = re.compile(r"\]\(((?:\.\./)+[\w./-]+(?:#[\w-]+)?)\)")
"""A link that leaves the page's folder."""
PLACES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "selfcorrect/loop/policy_table.py": "commands.md#selfcorrect-motion",
}
"""Pages of the site by the file that a reader of the repository has instead."""


def place_on_site(page: Path, link: str) -> str:
    """Convert a relative link to the site's: unchanged within docs/, else to the page of that file."""
    path, _, anchor = link.partition("#")
    target = os.path.normpath(Path("docs") / page.parent / path)
    if target.startswith("docs/"):
        return link
    place = str(Path(target).with_suffix(".md")) if target.startswith("examples/") else PLACES[target]
    place += f"#{anchor}" if anchor else ""
    return os.path.relpath(place, page.parent)


VALUE = re.compile(r"<td>(?=[−+]?[\d.,]+ (?:±|\[)[^<]{,30}</td>)")
"""A cell with a value and its interval."""


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write formulas as MathML, keep values and their intervals together, and refuse raw Markdown."""
    if marks := find_raw_marks(html):
        raise PluginError(f"{page.file.src_uri} shows Markdown as it is typed: {marks}")
    html = VALUE.sub('<td class="value">', html)
    return re.sub(r'<(span|div) class="arithmatex">(.*?)</\1>', _formula, html, flags=re.DOTALL)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse pages that ask the network for a script, style, font or picture, or link to a missing place."""
    pages = [*Path(config.site_dir).rglob("*.html"), *Path(config.site_dir).rglob("*.css")]
    remote = {f"{path.name}: {match[0]}" for path in pages for match in REMOTE.finditer(path.read_text())}
    if remote:
        raise PluginError(f"the site must work without a network, but asks it for {', '.join(sorted(remote))}")
    texts = {path.resolve(): path.read_text() for path in pages if path.suffix == ".html" and path.name != "404.html"}
    if missing := find_missing_places(texts):
        raise PluginError(f"links to places that are missing: {', '.join(missing)}")


def find_missing_places(texts: Mapping[Path, str]) -> list[str]:
    """Return links to places such as "page.html#place" that no element of the page has as id."""
    places = {path: set(PLACE.findall(text)) for path, text in texts.items()}
    missing = []
    for path, text in texts.items():
        for page, place in LINK.findall(text):
            target = (path.parent / page).resolve() if page else path
            if target in places and html.unescape(place) not in places[target]:
                missing.append(f"{path.name} → {page}#{place}")
    return sorted(set(missing))


PLACE = re.compile(r'\b(?:id|name)="([^"]+)"')
LINK = re.compile(r'<a\b[^>]*\bhref="([^":#]*)#([^"]+)"')

REMOTE = re.compile(
    r'<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"|url\(["\']?https?://[^)]*'
)


def _formula(match: re.Match[str]) -> str:
    r"""Return the MathML of a formula, `\(…\)` within a line or `\[…\]` on its own."""
    tex = html.unescape(match[2].strip())[2:-2]
    if match[1] == "div":
        return f'<div class="formula">{mathml(tex, display="block")}</div>'
    return mathml(tex, display="inline")


# --- examples, and files of the repository ---------------------------------------------------------------------------

EXAMPLES = sorted((ROOT / "examples").rglob("*.py"), key=lambda path: (path.parent != ROOT / "examples", path))
"""Python files with a page each, those directly in the folder first."""


def place_of_example(path: Path) -> str:
    """Return the page of an example, such as "examples/loops/crossfeed.md"."""
    return path.relative_to(ROOT).with_suffix(".md").as_posix()


def command_to_run(path: Path) -> str:
    """Return the command that runs an example."""
    name = path.relative_to(ROOT).as_posix()
    return f"selfcorrect toy {name}" if path.parent.name == "loops" else f"python {name}"


def title_of(path: Path) -> str:
    """Return the first sentence of an example's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or path.stem).split("\n")[0].removesuffix(".")


def example_page(path: Path) -> str:
    """Return an example's page: its docstring as text, then its code."""
    text = path.read_text()
    title, _, rest = (ast.get_docstring(ast.parse(text)) or path.stem).partition("\n")
    code = text.split('"""', 2)[2].strip()
    run = f"Run it with `{command_to_run(path)}`."
    heading = f"---\nhide: [toc]\n---\n\n# {title.removesuffix('.')}"
    return "\n\n".join([heading, rest.strip(), run, f"```python\n{code}\n```"])


def project_page(name: str) -> str:
    """Return a page of the repository's root, with links as seen from docs/."""
    text = (ROOT / f"{name}.md").read_text()
    text = text.replace("](docs/", "](")
    return re.sub(r"\]\((CHANGELOG|CONTRIBUTING|SECURITY)\.md", lambda match: f"]({match[1].lower()}.md", text)


# --- theory gallery --------------------------------------------------------------------------------------------------

OUTCOMES = json.loads(Path(__file__).with_name("toys.json").read_text())


FIRST_PICTURES = 4
"""Number of pictures of a loop that are shown at once; the others open on demand."""


def toy_outcome(name: str) -> str:
    """Return a toy loop's outcome: reading, pictures, statements beside measurements, sources."""
    toy = OUTCOMES[name]
    pictures = [f"![{figure['title']}](pictures/{figure['file']})" for figure in toy["figures"]]
    rows = [_check_cells(check) for check in toy["checks"]]
    statements = make_table(["statement", "predicted", "measured, 95 % interval", ""], rows)
    holding = sum(check["outcome"] == "holds" for check in toy["checks"])
    parts = [f"{toy['reading']}\n{{ .reading }}"]
    ends = toy["ends"]
    end_rows = [[arm, *cells] for arm, cells in ends["rows"].items()]
    parts.append(make_table([ends["title"], *ends["columns"]], end_rows))
    parts.append(_row(pictures[:FIRST_PICTURES]))
    if more := pictures[FIRST_PICTURES:]:
        parts.append(_fold(f"{len(more)} more pictures", _row(more)))
    parts.append(_fold(f"{holding} of {len(rows)} statements hold", statements))
    return "\n\n".join([*parts, f"*{toy['source']}; `{command_of(name)}`*"])


def _row(pictures: Sequence[str]) -> str:
    return "\n".join([*pictures, "{ .toys }"])


def _fold(title: str, text: str) -> str:
    """Return a block that opens when it is clicked."""
    return "\n".join([f'??? note "{title}"', "", *(f"    {line}" for line in text.splitlines())])


def _check_cells(check: dict[str, str]) -> list[str]:
    ours = "" if check["published"] else " (ours)"
    return [check["statement"] + ours, check["predicted"], check["measured"], check["outcome"]]


# --- commands --------------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """Return a page with the `--help` of every command."""
    parts = ["# Commands", "What each command says with `--help`.", *_section(())]
    for name in COMMANDS:
        parts += _section((name,))
        for below in find_subcommands(load_command(name)):
            parts += _section((name, below))
    return "\n\n".join(parts)


def _section(command: tuple[str, ...]) -> list[str]:
    heading = "#" * (2 + max(0, len(command) - 1))
    return [f"{heading} `{' '.join(('selfcorrect', *command))}`", f"```text\n{help_of(command).rstrip()}\n```"]


@cache
def help_of(command: tuple[str, ...]) -> str:
    """Return the output of `selfcorrect COMMAND --help`, 88 columns wide."""
    environment = {**os.environ, "COLUMNS": "88", "NO_COLOR": "1"}
    call = [sys.executable, "-m", "selfcorrect.commands.cli", *command, "--help"]
    return subprocess.run(call, env=environment, capture_output=True, text=True, check=True).stdout


# --- API -------------------------------------------------------------------------------------------------------------


API_PAGES = {
    "Motion files": r"datasets\.",
    "Motions": r"motion\.(motion|skeleton|ground|geometry|kinematics|inverse_kinematics|views|pictures)",
    "Correction of motion": r"simulators\.|commands\.correct|experiments\.studies\.motion\.correctors",
    "Checks of motion": r"motion\.checks",
    "Correctors": r"loop\.correctors\.",
    "Loops": r"loop\.(run|bias|store)|core\.(randomness|samples)",
    "Policies": r"loop\.policy",
    "Models": r"loop\.(models|calibration)",
    "Experiments": r"experiments\.studies\.(?!motion\.)|loop\.remedies\.",
    "Metrics, statistics and tests": r"metrics\.|statistics|testing",
    "Errors": r"core\.errors",
}
"""Pages of the API by title: where the public names of a page are defined, below the package `selfcorrect`."""


def api_place(title: str) -> str:
    """Return the page of a title, such as "api/motion-files.md"."""
    return f"api/{title.lower().replace(',', '').replace(' ', '-')}.md"


def entries_of(title: str) -> dict[str, str]:
    """Map a title's public names to full paths, such as {"Arm": "selfcorrect.loop.run.Arm"}."""
    is_here = re.compile(rf"selfcorrect\.(?:{API_PAGES[title]})").match
    return {name: entry for name, entry in public_entries().items() if is_here(entry)}


@cache
def public_entries() -> dict[str, str]:
    """Return the full path of every public name."""
    entries = {}
    for name, module in sorted(selfcorrect._MODULES.items()):
        value = getattr(selfcorrect, name)
        entries[name] = value.__name__ if inspect.ismodule(value) else f"{module}.{name}"
    return entries


def api_page(title: str) -> str:
    """Return a title's page of the API: its public names, each with its docstring as tables."""
    return "\n\n".join([f"# {title}", *(f"::: {entry}" for entry in entries_of(title).values())])


def api_overview() -> str:
    """Return the overview of public names, grouped by the pages that document them."""
    text = "Each public name is imported when it is first used. `help(sc.Arm)` shows its fields."
    parts = ["# API", text]
    documented: list[str] = []
    for title in API_PAGES:
        entries = entries_of(title)
        documented += entries
        rows = [
            (f"[`sc.{name}`]({Path(api_place(title)).name}#{entry})", first_line(name))
            for name, entry in entries.items()
        ]
        parts.append(f"## {title}\n\n{make_table(['`import selfcorrect as sc`', ''], rows)}")
    if sorted(documented) != sorted(public_entries()):
        wrong = set(public_entries()) ^ set(documented) or {name for name in documented if documented.count(name) > 1}
        raise PluginError(f"each public name needs one page of the API (API_PAGES): {', '.join(sorted(wrong))}")
    return "\n\n".join(parts)


def first_line(name: str) -> str:
    """Return the first line of a public name's docstring."""
    return (inspect.getdoc(getattr(selfcorrect, name)) or "").split("\n")[0]
