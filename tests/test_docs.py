"""Code in README.md and docs/ runs as it stands."""

import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from socketserver import BaseServer
from typing import Any

import numpy as np
import pytest
import torch
from helpers import DEVELOPERS_ONLY, LOOPS, install_plugin, installed_plugins
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from selfcorrect.commands import cli
from selfcorrect.commands.motion import MotionCommand
from selfcorrect.core.extras import EXTRA_OF
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.load import load_motions
from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.motion.presets import PRESET_ROWS
from selfcorrect.experiments.studies.motion.settings import (
    METHODS,
    SAMPLER_KEY,
    USUAL,
    MotionSettings,
    settings_from_config,
)
from selfcorrect.experiments.studies.summary import Summary, read_summary
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.diffusion.presets import preset
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.remedies.table import REMEDIES
from selfcorrect.motion.checks.rules import all_rules
from selfcorrect.statistics import Thresholds
from selfcorrect.testing import Trial

FIXTURES = {
    "loop_toy": (Gaussian.standard(2), torch.randn((80, 2), generator=torch.Generator().manual_seed(0)).double()),
    "loop_trial": Trial(40, thresholds=Thresholds(1.5, 3.0)),
}
"""Those of pytest that the pages use, as `selfcorrect.pytest_plugin` makes them."""

OPTIONAL = (*EXTRA_OF, *DEVELOPERS_ONLY)
"""Packages that the base does not bring."""
IMPORTED = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
PRINTED = re.compile(r"\n\n```text\n(.*?)```", re.DOTALL)
"""What a block of code prints stands right below it."""
PLUGIN = re.compile(r"pip install \./examples/plugins/(\w+)")
"""An example package that a page installs."""
REPOSITORY = Path(__file__).resolve().parents[1]
TEXTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
PAGES = [page for page in TEXTS if BLOCK.search(page.read_text()) and page.stem != "own-model"]
"""All with code; own-model.md has a separate test."""
TUTORIALS = [page for page in TEXTS if "```console" in page.read_text()]


def find_installed(text: str) -> set[str]:
    """Return the packages that a page installs: the base and those it names."""
    installs = re.findall(r"pip install (?:-c \S+ )?'?\.(?:\[([\w,]+)\])?'?((?: \w+)*)", text)
    extras = {extra for listed, _ in installs for extra in listed.split(",")}
    extras |= set(re.findall(r"[Ee]xtra `(\w+)`", text))
    found: set[str] = set()
    waiting = [("selfcorrect", frozenset(extras - {""}))]
    waiting += [(package, frozenset()) for _, packages in installs for package in packages.split()]
    for plugin in set(PLUGIN.findall(text)):
        project = tomllib.loads((REPOSITORY / "examples" / "plugins" / plugin / "pyproject.toml").read_text())[
            "project"
        ]
        needed = map(Requirement, project["dependencies"])
        waiting += [(requirement.name, frozenset(requirement.extras)) for requirement in needed]
    while waiting:
        name, of_it = waiting.pop()
        found.add(canonicalize_name(name))
        try:
            requires = map(Requirement, metadata.requires(name) or ())
        except metadata.PackageNotFoundError:
            continue
        for required in requires:
            wanted = required.marker is None or any(
                required.marker.evaluate({"extra": extra}) for extra in of_it or ("",)
            )
            if wanted and (canonicalize_name(required.name) not in found or required.extras):
                waiting.append((required.name, frozenset(required.extras)))
    return found


def list_missing(text: str) -> list[str]:
    """Return the optional packages that a page's installation does not bring."""
    installed = find_installed(text)
    distributions = metadata.packages_distributions()
    return [
        package
        for package in OPTIONAL
        if not {canonicalize_name(name) for name in distributions.get(package, ())} & installed
    ]


def hide_what_is_not_installed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide optional packages that a page does not install."""
    for package in list_missing(text):
        if package != "torch":  # SciPy looks for it among the imported modules; test_base.py hides it from the start
            monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_page_installs_its_imports(page: Path) -> None:
    """A page names the extras and packages that its code imports."""
    text = page.read_text()
    imported = {name for block in BLOCK.findall(text) for name in IMPORTED.findall(block)}
    assert not imported & set(list_missing(text))


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_python_blocks_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages print the numbers that they show."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    hide_what_is_not_installed(text, monkeypatch)
    names: dict[str, object] = {"__name__": "__main__"}  # pages are scripts
    for block in BLOCK.finditer(text):
        capsys.readouterr()
        exec(compile(block[1], str(page), "exec"), names)
        if shown := PRINTED.match(text, block.end()):
            printed = capsys.readouterr().out
            assert read_measured(printed) == expect_measured(shown[1])
    for name, value in list(names.items()):
        if name.startswith("test_") and callable(value):
            fixtures = {name: FIXTURES[name] for name in inspect.signature(value).parameters}
            value(**fixtures)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorial_output_matches(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tutorials print near numbers.

    A line of `…` ends what is compared.
    """
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
        for command, shown in re.findall(r"^\$ selfcorrect (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            cli.main(shlex.split(command))
            printed = capsys.readouterr().out.splitlines()
            expected = shown.split("…\n")[0].splitlines()
            measured = read_measured("\n".join(printed[: len(expected)]))
            assert measured == expect_measured("\n".join(expected), rel=0.15)


MEASURED = re.compile(r"[-+]?\d+\.\d+|(?<=→ )\d+|\d+(?=%| → | mm\b)")
"""A measurement in what a command prints: a decimal, or an integer with its unit or beside an arrow."""


def read_measured(text: str) -> list[float]:
    return [float(number) for number in MEASURED.findall(text)]


def expect_measured(text: str, rel: float = 0.05) -> list[Any]:
    """Return measurements with tolerances.

    Each has a relative one and at least one unit of its last digit.
    """
    numbers = MEASURED.findall(text)
    return [pytest.approx(float(n), rel=rel, abs=1.01 * 10.0 ** -len(n.partition(".")[2])) for n in numbers]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", sorted((REPOSITORY / "docs").rglob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_outputs_match(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python docs/tools/notebooks.py` keeps them."""
    monkeypatch.chdir(tmp_path)
    content = json.loads(notebook.read_text())
    hide_what_is_not_installed("".join(content["cells"][0]["source"]), monkeypatch)
    outputs = import_module("notebooks").run_cells(content, str(notebook))
    for cell, found in zip(content["cells"], outputs, strict=True):
        printed = read_texts(found)
        kept = read_texts(cell.get("outputs", []))
        assert read_measured(printed) == expect_measured(kept)


def read_texts(outputs: list[dict[str, Any]]) -> str:
    """Return a cell's outputs as text."""
    parts = [output["text"] if "text" in output else output["data"]["text/plain"] for output in outputs]
    return "".join(line for part in parts for line in part)


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_model_guide_learns_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's model loses variety and resumes.

    The loop is synthetic, and a second call of the same script computes nothing.
    """
    monkeypatch.chdir(tmp_path)
    page = REPOSITORY / "docs" / "own-model.md"
    assert "pandas" not in list_missing(page.read_text()), "the page prints a table of pandas"
    names: dict[str, Any] = {"__name__": "__main__"}
    blocks = BLOCK.findall(page.read_text().replace("seeds=5", "seeds=2"))
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    frame = names["found"].to_frame().groupby(["arm", "generation"])[["distance", "recall"]].mean()
    assert frame.recall["real only", 3] > frame.recall["real only", 0] > 0.05
    assert frame.recall["synthetic", 3] < 0.5 * frame.recall["real only", 3]
    assert frame.distance["corrected", 3] < frame.distance["synthetic", 3]
    model = next(tmp_path.glob("runs/digits/task/seed-0/synthetic/generation-0003/model.safetensors"))
    before = model.stat().st_mtime_ns
    exec(compile(blocks[-1], str(page), "exec"), names)
    assert model.stat().st_mtime_ns == before


def test_all_files_name_one_version() -> None:
    """All files name the package's version.

    The last section of the changelog is about it.
    """
    places = {
        "pyproject.toml": r'^version = "(.+)"',
        "CITATION.cff": r"^version: (.+)$",
        "CHANGELOG.md": r"^## (\S+) — ",
        "blender/blender_manifest.toml": r'^version = "(.+)"',
        "README.md": r"selfcorrect-(\S+)-py3-none-any\.whl",
    }
    found = {}
    for name, pattern in places.items():
        match = re.search(pattern, (REPOSITORY / name).read_text(encoding="utf-8"), re.MULTILINE)
        found[name] = match and match[1]
    assert len(set(found.values())) == 1, found


def test_toys_are_in_gallery() -> None:
    page = (REPOSITORY / "docs" / "theory.md").read_text()
    outcomes = json.loads((REPOSITORY / "docs" / "tools" / "toys.json").read_text())
    toys = import_module("toys")
    assert sorted(match[1] for match in toys.MARKED.finditer(page)) == sorted(outcomes) == sorted(LOOPS)
    assert toys.fill_page(page, outcomes) == page, "python docs/tools/toys.py --page-only"
    pictures = [figure["file"] for toy in outcomes.values() for figure in toy["figures"]]
    assert all((REPOSITORY / "docs" / "pictures" / picture).is_file() for picture in pictures)


@pytest.mark.slow
def test_result_tables_match_summaries() -> None:
    results = import_module("results")
    summaries = results.read_all()
    asked = {kind for page in results.PAGES for kind in results.MARKED.findall(page.read_text())}
    assert asked == set(results.MAKERS)
    for page in results.PAGES:
        assert results.fill_page(page.read_text(), summaries) == page.read_text(), f"make results, for {page.name}"
    for figure, keys in results.COLLAPSE.items():
        drawn = results.draw_collapse(summaries["split"], keys) + "\n"
        assert drawn == (results.PICTURES / f"{figure}.svg").read_text(), f"make results, for {figure}"


@pytest.mark.slow
def test_figures_in_text_match_data() -> None:
    """Figures in text agree with their data.

    They do if their digits are spoilt first; a mark that stands behind no number would fill nothing.
    """
    results, figures = import_module("results"), import_module("figures")
    summaries = results.read_all()
    for page in TEXTS:
        text = page.read_text(encoding="utf-8")
        marks = figures.FIGURE.findall(text)
        assert not marks or page in results.PAGES, page.name
        assert len(marks) == len(re.findall(r"\S<!--", text)), page.name
        spoilt = figures.FIGURE.sub(
            lambda found: re.sub(r"\d", "9", found[0].partition("<")[0]) + f"<!-- {found[6]} -->", text
        )
        assert figures.fill_figures(spoilt, summaries) == text, f"make results, for {page.name}"


def test_sampler_rows_match_closed_form() -> None:
    tables = import_module("split_tables")
    kept = tables.read_rows("gen0")
    for network in tables.NETWORKS:
        config = replace(preset(network.denoiser).config, diffusion_steps=network.levels)
        for name in network.samplers:
            rows = [row for row in kept if network.has_drawn(row) and row["sampler"] == name]
            assert len({row["seed"] for row in rows}) == len(rows) == network.seeds, (network.title, name)
            own = replace(config, **tables.read_sampler(name))
            model = MotionDiffusion(own, frames=4, features=3, classes=1)
            for row in rows:
                assert (row["kept_1"], row["kept_0.1"]) == pytest.approx(
                    (model.variance_kept(1.0), model.variance_kept(0.1)), rel=1e-4
                )


def test_kept_command_repeats_seeds() -> None:
    results = import_module("results")
    facts = {"date": "2026-01-02", "core_hours": 0.5}
    command = "selfcorrect motion --data 'cmu-bvh#train' --out runs/a --seeds 2"
    first = Summary(command, facts, {"seeds": 2, "first_seed": 0}, {}, {})
    second = Summary("selfcorrect motion --first-seed 2", facts, {"seeds": 3, "first_seed": 2}, {}, {})
    assert results.join_runs([first]).command == "selfcorrect motion --data 'cmu-bvh#train' --seeds 2"
    assert results.join_runs([second, first]).command == "selfcorrect motion --data 'cmu-bvh#train' --seeds 5"


STEPS = ("steps", "initial_steps")
"""Settings by denoiser; a run keeps those of the denoisers that its version had."""


def named_arms(settings: MotionSettings) -> set[tuple[str, ArmSettings]]:
    """Return denoisers with their arms."""
    return {(denoiser, arm) for denoiser, arms in settings.arms.items() for arm in arms}


def is_sampled_as_usual(named_arm: tuple[str, ArmSettings]) -> bool:
    """Return whether an arm has a model and samples as its preset."""
    arm = named_arm[1]
    return not arm.sampling and arm.remedy != "copying"


RESULTS = REPOSITORY / "docs" / "results"
SUMMARIES = sorted(path for path in RESULTS.rglob("*.json") if path.parent.name not in ("splits", "place-splits"))
"""Kept summaries of runs; the results of the splits are no runs of a preset."""


@cache
def parse_experiment(text: str) -> MotionSettings:
    """Return a command's settings.

    Many commands differ only in their first seed.
    """
    program, *words = shlex.split(text)
    command = cli._parse_command(words)
    assert isinstance(command, MotionCommand)
    assert program == "selfcorrect"
    return command.complete()


@pytest.mark.slow
@pytest.mark.parametrize("path", SUMMARIES, ids=lambda path: path.stem)
def test_table_command_repeats_experiment(path: Path) -> None:
    summary = read_summary(path)
    text, *first_seed = re.split(r" --first-seed (\d+)", summary.command)
    current = parse_experiment(text + "".join(first_seed[1:]))
    if first_seed:
        current = replace(current, first_seed=int(first_seed[0]))
    recorded = settings_from_config(summary.settings)
    earlier = {name: USUAL[name] for name in METHODS if name not in summary.settings}
    current = replace(current, **earlier)  # --simulation fine --training plain give the table to the digit
    newer = current.steps.keys() - summary.settings["steps"].keys()
    steps = {kind: getattr(current, kind) | {key: getattr(recorded, kind)[key] for key in newer} for kind in STEPS}
    assert replace(current, arms={}, **steps) == replace(recorded, arms={})
    current_arms = named_arms(current)
    recorded_arms = named_arms(recorded)
    if SAMPLER_KEY not in summary.settings:  # presets got control arms, and options of sampling cross, with the sampler
        current_arms = set(filter(is_sampled_as_usual, current_arms))
        recorded_arms = set(filter(is_sampled_as_usual, recorded_arms))
    assert current_arms <= recorded_arms
    missing = recorded_arms - current_arms
    assert all(REMEDIES.is_added(arm.remedy) for _, arm in missing), "the preset has no remedies of example packages"


@pytest.fixture(autouse=True, scope="module")
def _packages_of_pages_are_installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed_plugins(tmp_path_factory, "mdm_generator", "published_remedies"):
        yield


def test_preset_table_matches() -> None:
    text = (REPOSITORY / "docs" / "experiments.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    cells = {row[0].strip("`"): row[1:] for row in rows if row[0].strip("`") in PRESET_ROWS}
    assert len(cells) > 5
    for name, row in cells.items():
        settings = PRESET_ROWS[name].settings
        counts = (len(settings.all_arms), settings.generations, settings.seeds, settings.real_count)
        assert row[1:5] == [*map(str, counts)], name


def test_check_page_lists_rules() -> None:
    text = (REPOSITORY / "docs" / "check.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| ([A-Z]\d+) \| ([\w-]+) \|", text, re.MULTILINE)
    assert sorted(listed) == sorted((rule.code, rule.name) for rule in all_rules())


def run_of(values: dict[str, list[float]]) -> Summary:
    """Make a run with these scores per seed in the last generation, and 1 before."""
    arms = tuple(
        ArmCurves(name, "", name, {"recall": np.stack([np.ones(len(last)), np.array(last)], axis=1)})
        for name, last in values.items()
    )
    return Summary("", {}, {}, {"dct-mlp": arms}, {})


@pytest.mark.parametrize(
    ("way", "than", "verdict"),
    [
        ("falls", "before", "reproduced"),
        ("stays", "before", "**not reproduced**"),
        ("rises", "before", "**not reproduced**"),
        ("stays", "steady", "**not reproduced**"),
        ("rises", "lower", "reproduced"),
        ("falls", "noisy", "open"),
        ("stays", "noisy", "open"),
    ],
)
def test_claims_follow_intervals(way: str, than: str, verdict: str) -> None:
    claims = import_module("claims")
    summary = run_of({
        "arm": [0.5, 0.52, 0.51, 0.53, 0.5], "steady": [0.9, 0.92, 0.9, 0.91, 0.93],
        "lower": [0.1, 0.12, 0.1, 0.11, 0.13], "noisy": [0.1, 0.95, 0.6, 0.2, 0.8], "before": [1.0] * 5,
    })  # fmt: skip
    claim = claims.Claim("source", "words", "where", "run", "dct-mlp", "arm", "recall", way, than)
    assert claims.judge_claim(claim, summary)[1] == verdict
    stays = claims.Claim("source", "words", "where", "run", "dct-mlp", "steady", "recall", "stays", "before")
    kept = run_of({"steady": [0.98, 0.99, 0.97, 0.98, 0.96], "before": [1.0] * 5})
    assert claims.judge_claim(stays, kept)[1] == "reproduced"


def test_later_half_is_judged() -> None:
    average_late = import_module("evidence").average_late
    values = np.array([[9.0, 9.0, 1.0, 3.0], [9.0, 9.0, 5.0, 7.0]])
    assert average_late(ArmCurves("", "", "", {"recall": values}), "recall").tolist() == [2.0, 6.0]
    measured_once = np.where(np.arange(4) == 3, values, np.nan)
    assert average_late(ArmCurves("", "", "", {"recall": measured_once}), "recall").tolist() == [3.0, 7.0]


# --- commands --------------------------------------------------------------------------------------------------------

ELSEWHERE = re.compile(
    r"HumanML3D|--runner|^join|check corrected|convert corrected|AMASS|shards|mnist|cmu-bvh|/shared/|runs/motion"
    r"|choices-|--wandb|--tyro-print|--device cuda"
)
"""Data, machines and runs that no test has; commands with these are only parsed."""
EXPERIMENTS = ("motion", "toy", "compare")
YAML = re.compile(r"```yaml\n# (\S+\.yaml)\n(.*?)```", re.DOTALL)


def list_commands(page: Path) -> list[list[str]]:
    """Return a page's commands of selfcorrect.

    Blocks of code have them; each is a list of words without the program's name.
    """
    commands = []
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if match := re.match(r"(?:    |\$ |\s*- run: )(?:\$ )?selfcorrect ((?!itself).*)", line):
            words = shlex.split(match[1], comments=True)
            commands.append(["samples" if word == "samples/*.bvh" else word for word in words])
    return commands


WITH_COMMANDS = [page for page in TEXTS if list_commands(page)]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_page_commands_have_valid_options(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in YAML.findall(page.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for words in list_commands(page):
        if "--tyro-print-completion" not in words:
            cli._parse_command(words)
        if words[0] == "motion" and not ELSEWHERE.search(shlex.join(words)) and "my_module:" not in shlex.join(words):
            assert cli.main([*words, "--dry-run"]) == 0


@pytest.fixture(scope="module")
def prepared_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that commands of pages take."""
    folder = tmp_path_factory.mktemp("pages") / "files"
    assert cli.main(["data", "samples", "--out", str(folder / "layouts")]) == 0
    (folder / "samples").mkdir()
    (folder / "takes").mkdir()
    clips = {motion.label: motion for motion in load_motions("deepmimic")}
    for name, label in {
        "walk": "walk",
        "run": "run",
        "climb": "walk",
        "takes/a": "walk",
        "spinkick": "spinkick",
    }.items():
        save_motion(folder / f"{name}.bvh", clips[label])
    shutil.copy(folder / "layouts" / "bvh.bvh", folder / "samples")
    shutil.copy(folder / "layouts" / "joints.npy", folder / "sample.npy")
    (folder / "ground.json").write_text('{"slope_deg": 0.0}', encoding="utf-8")
    return folder


@pytest.fixture
def files_of_pages(prepared_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with the files that pages use."""
    shutil.copytree(prepared_files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in WITH_COMMANDS if page not in TUTORIALS], ids=lambda page: page.stem)
def test_file_page_commands_run(page: Path, files_of_pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 is a finding, or what a correction leaves. Servers stop at once, as by Ctrl+C."""
    hide_what_is_not_installed(page.read_text(encoding="utf-8"), monkeypatch)
    monkeypatch.setattr(BaseServer, "serve_forever", interrupt)
    for words in list_commands(page):
        if words[0] in EXPERIMENTS or ELSEWHERE.search(shlex.join(words)):
            continue
        expected = (0, 1) if words[0] in ("check", "correct") else (0,)
        options = ["--no-open"] if words[0] in ("demo", "edit") else []
        assert cli.main([*words, *options]) in expected, shlex.join(words)


def interrupt(*_arguments: object, **_options: object) -> None:
    raise KeyboardInterrupt


TINY = {
    "--seeds": "1",
    "--generations": "1",
    "--real-count": "24",
    "--evaluated-count": "24",
    "--steps": "2",
    "--initial-steps": "60",
}
"""Options of `motion` for an experiment of a minute or few.

With fewer initial steps, samples are so far from motion that physics rejects nearly all.
"""
CORRECTORS = """
from dataclasses import replace


def fix(motion):
    return replace(motion, root_m=motion.root_m + (0.0, 0.01, 0.0))


my_corrector = fix
"""
"""What readers of other pages bring as my_module.py."""
SHARPEN = """

def sharpen(samples):
    return samples.with_values(samples.values.sign() * samples.values.abs().sqrt())
"""
"""What readers of own-model.md bring beside the code of the page."""
MODULE = re.compile(r"`my_module.py`[^\n]*:\n\n```python\n(.*?)```", re.DOTALL)


def list_experiments(page: Path) -> list[list[str]]:
    """Return a page's experiments, small, that need no data or machine of the reader."""
    experiments = []
    for words in list_commands(page):
        if words[0] not in EXPERIMENTS or ELSEWHERE.search(shlex.join(words)):
            continue
        if words[0] == "motion" and "published" in words:
            experiments.append([*words, "--seeds", "1"])  # other settings would make pairs invalid
        elif words[0] == "motion":
            kept = []
            for before, word in zip(["", *words], words, strict=False):
                if not {before, word} & TINY.keys():
                    kept.append("ratios-quick" if word == "ratios" else word)
            experiments.append([*kept, *(word for option in TINY.items() for word in option)])
        elif words[0] == "toy":
            paths = [str(REPOSITORY / word) if word.startswith("examples/") else word for word in words]
            experiments.append([*paths, "--quick"])
        else:
            experiments.append(words)
    return experiments


HIDE = """
from importlib.machinery import PathFinder

find_installed = PathFinder.find_spec
PathFinder.find_spec = lambda name, *args: None if name in HIDDEN else find_installed(name, *args)
"""
"""What a process runs first, so that it does not find packages that are hidden."""
FIRST_PAGE = "README.md"
WITH_EXPERIMENTS = {str(page.relative_to(REPOSITORY)): page for page in WITH_COMMANDS if list_experiments(page)}


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [name if name == FIRST_PAGE else pytest.param(name, marks=pytest.mark.nightly) for name in WITH_EXPERIMENTS]
)
def test_experiments_of_a_page_run(name: str, tmp_path: Path) -> None:
    """Experiments run in the page's own installation.

    Example packages count.
    """
    page = WITH_EXPERIMENTS[name]
    text = page.read_text(encoding="utf-8")
    site = tmp_path / "site"
    paths = [site]
    with pytest.MonkeyPatch.context() as patch:
        for plugin in sorted(set(PLUGIN.findall(text))):
            paths.append(REPOSITORY / "examples" / "plugins" / plugin)
            install_plugin(paths[-1], site, patch)
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(f"HIDDEN = {list_missing(text)}\n{HIDE}", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    modules = MODULE.findall(text)
    (tmp_path / "my_module.py").write_text(modules[0] if modules else CORRECTORS, encoding="utf-8")
    for block in BLOCK.findall(text):
        if name_of_file := re.match(r"# (\w+\.py)\n", block):
            (tmp_path / name_of_file[1]).write_text(block, encoding="utf-8")
    for file, content in YAML.findall(text):
        (tmp_path / file).write_text(content, encoding="utf-8")
        (tmp_path / "my_digits.py").write_text("\n\n".join(BLOCK.findall(text)) + SHARPEN, encoding="utf-8")
    for number, words in enumerate(list_experiments(page)):
        options = () if "--out" in words or words[0] != "motion" else ("--out", f"runs/{number}")
        command = [sys.executable, "-m", "selfcorrect.commands.cli", *words, *options]
        process = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert process.returncode == 0, f"{shlex.join(words)}: {process.stderr}"


# --- the site --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["| F1 | sunk |", "**not bold", "see [the page](page.md)", "{ .lead }", "$$ x $$", "!!! note", "<!-- end"]
)
def test_raw_marks_outside_code(text: str) -> None:
    marks = import_module("raw_marks")
    shown = text.replace("<", "&lt;")
    assert marks.find_raw_marks(f"<p>Words.</p>\n<p>{shown}</p>") == [text]
    assert marks.find_raw_marks(f"<p>Words.</p>\n<pre><code>{shown}</code></pre>") == []
