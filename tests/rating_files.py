"""Files of choices as rating pages save them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from selfcorrect.experiments.curation.choices import Choice, RatingStudy


def write_choices(path: Path, study: RatingStudy, choices: Iterable[Choice]) -> Path:
    lines = [{"study": asdict(study)}, *({"choice": asdict(choice)} for choice in choices)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path
