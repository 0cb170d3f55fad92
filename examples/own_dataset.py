"""A dataset of your own.

A package of yours adds it by an entry point; `selfcorrect data`, `--data` and `load_motions` then know such folders:

    [project.entry-points."selfcorrect.datasets"]
    studio = "my_package.studio:STUDIO"
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import selfcorrect as sc


def clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[sc.Clip]:
    """List the clips without reading them.

    Nothing is opened before it is used.
    """
    labels = json.loads((folder / "labels.json").read_text())
    return [sc.Clip(name, folder / name, partial(read, folder / name, label)) for name, label in labels.items()]


def read(path: Path, label: str) -> list[sc.Motion]:
    return [replace(sc.load_motion(path), label=label)]


STUDIO = sc.Dataset("studio", "Our studio", "takes", "ask us", "ours", "labels.json, *.bvh",
                 recognises=lambda path: (path / "labels.json").is_file(), clips=clips)  # fmt: skip

if __name__ == "__main__":
    folder, motions = Path("studio"), sc.load_motions("deepmimic")[:3]
    folder.mkdir(exist_ok=True)
    for index, motion in enumerate(motions):
        sc.save_motion(folder / f"take{index}.bvh", motion, overwrite=True)
    labels = {f"take{index}.bvh": motion.label for index, motion in enumerate(motions)}
    (folder / "labels.json").write_text(json.dumps(labels))
    print([(motion.label, len(motion)) for clip in STUDIO.clips(folder) for motion in clip.read()])
