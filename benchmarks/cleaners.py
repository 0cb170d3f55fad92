"""Compare cleaners on damaged captures and on generated clips, and keep the figures.

    python -m benchmarks.cleaners path/to/cmu-bvh --generated runs/motion-short

Each cleaner of `CLEANERS` gets the same files as in `benchmarks.truth`, whose measures are kept as means over clips, a
row for each cleaner and damage, with the commit. Generated clips have no truth: they are compared with themselves
before, so `pose mm` is what a cleaner changes, contacts are those of the clip before, and knees count what they gain.
"""

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.experiments.studies.arms import BASELINE
from selfcorrect.experiments.studies.motion.settings import settings_from_config
from selfcorrect.experiments.studies.motion.study import motion_runs
from selfcorrect.experiments.studies.motion.task import make_motion_task, trained_model
from selfcorrect.loop.store.run_folder import CONFIG
from selfcorrect.runtime.software import describe_environment
from selfcorrect.storage.files.digests import read_with_digest

from .truth import Clip, evaluate_damage, find_contacts, load_clips

CLEANERS = {
    "selfcorrect": "selfcorrect correct IN -o OUT -q",
    "selfcorrect --kinematic": "selfcorrect correct IN -o OUT -q --kinematic",
    "mean-place": f"{sys.executable} -m benchmarks.rivals mean-place IN OUT",
    "least-squares": f"{sys.executable} -m benchmarks.rivals least-squares IN OUT",
}
"""Commands by name, in the form that `benchmarks.truth --command` takes."""
ALWAYS = ("damaged", "low-pass", "foot lock")
"""Methods that `benchmarks.truth` itself measures."""
DAMAGES = ("clean", "noise", "sunk", "slide", "knees", "drift", "25fps")
GENERATED = "generated"
SAMPLES = 64
"""Number of generated clips that are drawn."""


def load_generated(run: Path, out: Path) -> list[Clip]:
    """Draw samples of generation 0 from a run folder, and return those in which feet are in contact."""
    settings = settings_from_config(read_with_digest(run / CONFIG))
    kept = motion_runs(settings, run)[0]
    task = make_motion_task(settings, kept.task, kept.stream)
    model = trained_model(task, BASELINE, kept.first(), 0)
    labels = torch.arange(SAMPLES) % (1 + int(task.data_labels.max()))
    drawn = task.codec.decode(model.sample(labels, kept.stream.child("cleaners")))
    for index in range(SAMPLES):
        write_bvh(out / f"sample-{index:02}.bvh", clip_of(drawn[index]))
    clips = [Clip(path) for path in sorted(out.glob("*.bvh"))]
    return [clip for clip in clips if find_contacts(clip.compute_world(clip.rows)[0], clip).any()]


def compare_cleaners(clips: list[Clip], damage: str, kind: str, out: Path) -> list[dict[str, object]]:
    """Return a row for each cleaner: its name, the kind of clips, their number and its mean figures."""
    means: dict[str, dict[str, float]] = {}
    for cleaner, command in CLEANERS.items():
        shutil.rmtree(out, ignore_errors=True)
        figures = evaluate_damage(clips, damage, out, shlex.split(command))
        for method in (*ALWAYS, "corrected"):
            name = cleaner if method == "corrected" else method
            means[name] = {key: round(float(np.nanmean(values)), 2) for key, values in figures[method].items()}
        print(kind, cleaner, means[cleaner], flush=True)
    return [{"cleaner": name, "clips": kind, "count": len(clips), **row} for name, row in means.items()]


def main() -> int:
    """Run all cleaners, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, metavar="CLIPS", help="Folder or tar file of captured BVH clips.")
    parser.add_argument("--generated", type=Path, help="Run folder of selfcorrect motion.")
    parser.add_argument("--clips", type=int, default=12, help="Number of captures (default: 12).")
    parser.add_argument("--damages", default=",".join(DAMAGES), help="Damages (default: %(default)s).")
    parser.add_argument("--out", type=Path, default=Path("docs/results/cleaners.jsonl"), help="Default: %(default)s.")
    options = parser.parse_args()
    made = describe_environment()
    origin = {"commit": made["git_commit"], "version": made["packages"]["selfcorrect"]}
    scratch = options.out.with_suffix(".files")
    captures = load_clips(options.path, "test", options.clips)
    sets = [(captures, damage, damage) for damage in options.damages.split(",")]
    if options.generated:
        with tempfile.TemporaryDirectory() as folder:
            sets.append((load_generated(options.generated, Path(folder)), "clean", GENERATED))
    lines = []
    for clips, damage, kind in sets:
        lines += [json.dumps({**row, **origin}) for row in compare_cleaners(clips, damage, kind, scratch)]
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
