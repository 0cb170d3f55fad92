"""What mkdocs does beside turning pages into HTML: pages that are made from the program itself, and formulas.

The pages of commands, examples and the API are generated at every build, so that they cannot go stale. The theory
gallery's figures come from `toys.py`, whose runs take too long for that. Formulas become MathML, which browsers show
without a script.
"""

from __future__ import annotations

import ast
import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from latex2mathml.converter import convert as mathml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / "build" / "types" / "selfcorrect"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the generated pages to the navigation."""
    assert config.nav is not None
    *reading, project = config.nav
    examples = [{title_of(path): f"examples/{path.stem}.md"} for path in EXAMPLES]
    api = [{"Overview": "api/index.md"}, *({name: f"api/{name}.md"} for name in packages())]
    generated = [{"Examples": examples}, {"Commands": "commands.md"}, {"API": api}]
    config.nav = [*reading, *generated[0 if examples else 1 :], project]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages themselves."""
    pages = {"commands.md": commands_page(), "api/index.md": api_overview()}
    pages |= {f"api/{name}.md": api_page(name) for name in packages()}
    pages |= {f"examples/{path.stem}.md": example_page(path) for path in EXAMPLES}
    pages |= {f"{name.lower()}.md": project_page(name) for name in ("CONTRIBUTING", "CHANGELOG")}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The outcome of a toy loop in place of `{{ toy: NAME }}`."""
    return re.sub(r"\{\{ toy: ([\w-]+) \}\}", lambda match: toy_outcome(match[1]), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas as MathML."""
    return re.sub(r'<(span|div) class="arithmatex">(.*?)</\1>', _formula, html, flags=re.DOTALL)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that asks the network for a script, style, font or picture."""
    pages = [*Path(config.site_dir).rglob("*.html"), *Path(config.site_dir).rglob("*.css")]
    remote = {f"{path.name}: {match[0]}" for path in pages for match in REMOTE.finditer(path.read_text())}
    if remote:
        raise PluginError(f"the site must work without a network, but asks it for {', '.join(sorted(remote))}")


REMOTE = re.compile(
    r'<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"|url\(["\']?https?://[^)]*'
)


def _formula(match: re.Match[str]) -> str:
    r"""The MathML of `\(…\)` within a line, or of `\[…\]` on its own."""
    tex = html.unescape(match[2].strip())[2:-2]
    return mathml(tex, display="block" if match[1] == "div" else "inline")


# --- examples, and files of the repository ---------------------------------------------------------------------------

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def title_of(path: Path) -> str:
    """The first sentence of an example's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or path.stem).split("\n")[0].removesuffix(".")


def example_page(path: Path) -> str:
    """An example's docstring as text, and its code."""
    text = path.read_text()
    title, _, rest = (ast.get_docstring(ast.parse(text)) or path.stem).partition("\n")
    code = text.split('"""', 2)[2].strip()
    run = f"It runs as it stands: `python examples/{path.name}`."
    return f"# {title.removesuffix('.')}\n\n{rest.strip()}\n\n{run}\n\n```python\n{code}\n```\n"


def project_page(name: str) -> str:
    """A page of the repository's root, with links as they are from docs/."""
    text = (ROOT / f"{name}.md").read_text()
    text = text.replace("](docs/", "](")
    return text.replace("](CHANGELOG.md)", "](changelog.md)").replace("](CONTRIBUTING.md)", "](contributing.md)")


# --- theory gallery --------------------------------------------------------------------------------------------------

TOYS = json.loads(Path(__file__).with_name("toys.json").read_text())


def toy_outcome(name: str) -> str:
    """What a toy loop showed: its sources, reading and pictures, and every statement beside what was measured."""
    toy = TOYS[name]
    pictures = "\n".join(f"![{one['title']}](../pictures/{one['file']})" for one in toy["figures"])
    rows = [[cell.replace("|", "\\|") for cell in _check_cells(check)] for check in toy["checks"]]
    table = ["| statement | predicted | measured, 95 % interval | |", "| --- | --- | --- | --- |"]
    table += [f"| {' | '.join(cells)} |" for cells in rows]
    held = sum(check["outcome"] == "holds" for check in toy["checks"])
    folded = "\n".join(f"    {line}" for line in table)
    summary = f'??? note "{held} of {len(rows)} statements hold"\n\n{folded}'
    source = f"*{toy['source']}; `selfcorrect toy {name}`*"
    return "\n\n".join([f"{toy['reading']}\n{{ .reading }}", f"{pictures}\n{{ .toys }}", summary, source])


def _check_cells(check: dict[str, str]) -> list[str]:
    ours = "" if check["published"] else " (ours)"
    return [check["statement"] + ours, check["predicted"], check["measured"], check["outcome"]]


# --- commands --------------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """Every command's `--help`, as it prints it."""
    parts = ["# Commands", "What each command says with `--help`.", *_section(())]
    for name in subcommands(help_of(())):
        parts += _section((name,))
        for below in subcommands(help_of((name,))):
            parts += _section((name, below))
    return "\n\n".join(parts)


def _section(command: tuple[str, ...]) -> list[str]:
    heading = "#" * (2 + max(0, len(command) - 1))
    return [f"{heading} `{' '.join(('selfcorrect', *command))}`", f"```text\n{help_of(command).rstrip()}\n```"]


_HELP: dict[tuple[str, ...], str] = {}


def help_of(command: tuple[str, ...]) -> str:
    """What `selfcorrect COMMAND --help` prints, 100 columns wide."""
    if command not in _HELP:
        environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
        call = [sys.executable, "-m", "selfcorrect.experiments.cli", *command, "--help"]
        _HELP[command] = subprocess.run(call, env=environment, capture_output=True, text=True, check=True).stdout
    return _HELP[command]


def subcommands(text: str) -> list[str]:
    """The subcommands that a help text lists."""
    return re.findall(r"^│   • ([\w-]+)", text, flags=re.MULTILINE)


# --- API -------------------------------------------------------------------------------------------------------------


def packages() -> list[str]:
    """The packages with public modules, such as "selfcorrect.motion.body"."""
    return sorted({module.rpartition(".")[0] for module in modules()})


def modules() -> Iterator[str]:
    """All public modules, such as "selfcorrect.motion.body.smpl"."""
    for path in sorted(INSTALLED.rglob("*.py")):
        parts = path.relative_to(INSTALLED.parent).with_suffix("").parts
        if not any(part.startswith("_") for part in parts):
            yield ".".join(parts)


def api_page(package: str) -> str:
    """One page per package, its modules one after another."""
    own = [module for module in modules() if module.rpartition(".")[0] == package]
    blocks = "\n\n".join(f"::: {module}" for module in own)
    return f"# {package}\n\n{summary_of(INSTALLED.parent / Path(*package.split('.')) / '__init__.py')}\n\n{blocks}\n"


def api_overview() -> str:
    """All modules with the first sentence of their docstrings."""
    parts = ["# API"]
    for package in packages():
        parts.append(f"## [{package}]({package}.md)")
        rows = [module for module in modules() if module.rpartition(".")[0] == package]
        paths = {module: INSTALLED.parent / Path(*module.split(".")).with_suffix(".py") for module in rows}
        table = [f"| [{name.rpartition('.')[2]}]({package}.md#{name}) | {summary_of(paths[name])} |" for name in rows]
        parts.append("\n".join(["| module | |", "| --- | --- |", *table]))
    return "\n\n".join(parts)


def summary_of(path: Path) -> str:
    """The first line of a module's docstring."""
    match = re.match(r'"""(.*?)(?:"""|\n)', path.read_text())
    return match[1] if match else ""
