"""Files of choices as rating pages save them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from selfcorrect.experiments.curation.choices_file import RatedItem, RatingStudy
from selfcorrect.preferences.choices import Choice


def write_choices(path: Path, study: RatingStudy, items: Iterable[RatedItem], choices: Iterable[Choice]) -> Path:
    """Write choices about common pairs, each made in 2 s."""
    lines: list[dict] = [{"study": asdict(study)}, *({"item": asdict(item)} for item in items)]
    lines += [{"choice": {**asdict(choice), "seconds": 2.0, "common": True}} for choice in choices]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path
