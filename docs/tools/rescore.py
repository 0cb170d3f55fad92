"""Score each generation that a motion experiment's run folder kept with today's metrics, as JSON lines.

python docs/tools/rescore.py runs/motion-short rows.jsonl
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import tyro

from selfcorrect.experiments.studies.motion.rescore import rescore_folder


def main(folder: Annotated[Path, tyro.conf.Positional], rows: Annotated[Path, tyro.conf.Positional]) -> None:
    """Write the scores of a run folder."""
    torch.set_num_threads(1)
    with rows.open("w", encoding="utf-8") as file:
        for kept in rescore_folder(folder):
            file.write(json.dumps(asdict(kept)) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
