"""Every published loop, remedy, system and measure has a command or an example."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import LOOPS, REPOSITORY, installed_plugins

from selfcorrect.commands import cli
from selfcorrect.commands.motion import MotionCommand
from selfcorrect.experiments.studies.motion.correctors.table import CORRECTORS
from selfcorrect.experiments.studies.motion.settings import GENERATORS, MotionSettings
from selfcorrect.experiments.studies.toy.files import select_toys
from selfcorrect.loop.models.diffusion.denoiser_table import DENOISERS
from selfcorrect.loop.policy_table import POLICIES
from selfcorrect.loop.remedies.table import PLACES, REMEDIES
from selfcorrect.motion.measures.metrics import DESCENT, EXPLAINED, FIELD, MEASURED, METRICS, TRAINED

POLICY_TEXTS = (
    "real replace freeze union renew:0.25 augment:1 augment_once:1 accumulate accumulate_subsample:64 keep:0.5"
)
REMEDY_NAMES = (
    "none copying matched extrapolated lineages lineages-quarter lineages-reworked sims rescaled-score "
    "annealed-truncation farthest-points self-verified likelihood-rank latent-filter truncated-loss ecosystem "
    "averaged-weights moment-matching oversampling more-steps inside-sampler inside-sampler-once"
)
PLACE_NAMES = "data sampler filter preference shuffled-preference"
CORRECTOR_NAMES = (
    "none kinematic clean-up physics projection force-projection residual-free residual-free-fallback "
    "residual-free-verifier anchored anchored-real centroids-only centroids-only-real random-perturbation filter "
    "random-verifier re-encoded floor ground low-pass sunk sliding jittery uneven"
)
DENOISER_NAMES = "patch-mixer dct-mixer dct-mlp dct-transformer temporal-conv transformer"
PAPER = "motion --preset paper-2794 --data HumanML3D --generator mdm checkpoint=mdm/args.json evaluator=t2m"


def take_all(names: str, option: str) -> dict[str, str]:
    """Parse a command once with all values, and map names to commands."""
    return {name.partition(":")[0]: f"{option} {names}" for name in names.split()}


CATALOGUE = {
    "loops": {name: f"toy {path}" for name, path in LOOPS.items()},
    "policies": take_all(POLICY_TEXTS, "motion --policy") | {"fresh": "toy examples/loops/mad.py"},
    "remedies": take_all(REMEDY_NAMES, "motion --remedy"),
    "places": take_all(PLACE_NAMES, "motion --physics-in"),
    "correctors": take_all(CORRECTOR_NAMES, "motion --engine mujoco --corrector"),
    "denoisers": take_all(DENOISER_NAMES, "motion --denoiser"),
    "systems": {"mdm": PAPER},
}
"""Kind → name → command."""

MEASURES = {
    "motion --preset quick": {*(metric.key for metric in MEASURED), *DESCENT, *TRAINED, *EXPLAINED},
    PAPER: {metric.key for metric in FIELD},
}
"""Command → keys of the measures that it computes."""

PLUGINS = ("published_remedies", "mdm_generator")


@pytest.fixture(autouse=True, scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example packages, as if they were installed."""
    with installed_plugins(tmp_path_factory, *PLUGINS):
        yield


def test_the_catalogue_is_complete() -> None:
    tables = {
        "policies": POLICIES,
        "remedies": REMEDIES,
        "places": PLACES,
        "correctors": CORRECTORS,
        "denoisers": DENOISERS,
        "systems": GENERATORS,
    }
    for kind, table in tables.items():
        assert set(CATALOGUE[kind]) == set(table.names), kind
    assert set().union(*MEASURES.values()) == {metric.key for metric in METRICS}


@pytest.mark.parametrize("kind", CATALOGUE)
def test_catalogue_commands_run(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    for line in {*CATALOGUE[kind].values()}:
        names = {name for name, command in CATALOGUE[kind].items() if command == line}
        command = cli._parse_command(shlex.split(line))
        if isinstance(command, MotionCommand):
            assert names <= members(kind, command.complete()), line
        else:
            assert select_toys(shlex.split(line)[1:]), line


def members(kind: str, settings: MotionSettings) -> set[str]:
    """Names of a kind that a motion experiment runs."""
    arms = settings.all_arms
    return {
        "policies": {arm.policy.partition(":")[0] for arm in arms},
        "remedies": {arm.remedy for arm in arms},
        "places": {arm.place for arm in arms},
        "correctors": {arm.corrector for arm in arms},
        "denoisers": {*settings.arms},
        "systems": {*settings.generator[:1]},
    }[kind]


def test_catalogue_lists_functions() -> None:
    for table in (REMEDIES, GENERATORS, PLACES):
        assert all(callable(table.load(name)) for name in table.names)
    assert all(Path(path).is_file() for path in LOOPS.values())
