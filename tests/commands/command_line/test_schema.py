"""JSON schemas of experiments in YAML agree with what commands read."""

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from helpers import REPOSITORY, Says

from selfcorrect.commands.cli import load_command
from selfcorrect.commands.command_line.from_file import from_file
from selfcorrect.core.errors import InputError

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")


def read_schema(command: str, says: Says) -> Any:
    schema = json.loads(says(command, "--schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_guide_file_is_valid(says: Says) -> None:
    page = (REPOSITORY / "docs" / "own-model.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        read_schema("compare", says).validate(yaml.safe_load(block))


@pytest.mark.parametrize(
    ("command", "text", "is_valid"),
    [
        ("motion", "{preset: quick, synthetic_ratio: [0.5, inf], generations: 2, seeds: 1}", True),
        ("motion", "{preset: quick, synthetic-ratio: 1, wandb: 'off'}", True),
        ("motion", "{generatoins: 2}", False),
        ("motion", "{keep: some}", False),
        ("compare", "{generations: many}", False),
        ("compare", "{arms: {a: {polcy: real}}}", False),
    ],
)
def test_schema_matches_command(command: str, text: str, is_valid: bool, says: Says, tmp_path: Path) -> None:
    assert read_schema(command, says).is_valid(yaml.safe_load(text)) == is_valid
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    with nullcontext() if is_valid else pytest.raises(InputError):
        from_file(load_command(command), [str(path)])
