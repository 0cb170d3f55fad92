#!/usr/bin/env bash
# orbax takes a checkpoint whose loss is NaN for the best one and deletes the best.
#
# Guess: with best_fn and best_mode="min", a step of loss NaN counts as the worst: best_step() does not name it, and
#        max_to_keep=2 keeps the two steps of the lowest losses.
# Seen:  after losses 0.2, 0.3, 0.1 and NaN, best_step() is the step of NaN, and the steps of NaN and 0.1 are left. After
#        0.1, NaN and 0.3, the step of 0.1 is deleted. With 9.0 in place of NaN, the lowest losses are kept.
# Why it matters: a loop that collapses ends with NaN, and what it was before is then gone.
# Tried with orbax-checkpoint 0.12.8, jax 0.10.2, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.3.5
environment/bin/python -W ignore - 2> errors.txt <<'PYTHON' || { cat errors.txt; exit 1; }
from pathlib import Path

import numpy as np
import orbax.checkpoint


def find_best_and_kept_losses(*losses):
    options = orbax.checkpoint.CheckpointManagerOptions(
        max_to_keep=2, best_fn=lambda metrics: metrics["loss"], best_mode="min"
    )
    with orbax.checkpoint.CheckpointManager(Path.cwd() / "_".join(map(str, losses)), options=options) as manager:
        for step, loss in enumerate(losses):
            state = orbax.checkpoint.args.StandardSave({"weights": np.full(2, float(step))})
            manager.save(step, args=state, metrics={"loss": loss})
            manager.wait_until_finished()
        return losses[manager.best_step()], [losses[step] for step in manager.all_steps()]


nan = float("nan")
for losses, seen in (
    ((0.2, 0.3, 0.1, nan), "(nan, [0.1, nan])"),
    ((0.1, nan, 0.3), "(0.3, [nan, 0.3])"),
    ((0.2, 0.3, 0.1, 9.0), "(0.1, [0.2, 0.1])"),
    ((0.1, 9.0, 0.3), "(0.1, [0.1, 0.3])"),
):
    best_and_kept = find_best_and_kept_losses(*losses)
    print("losses", losses, "best and kept:", best_and_kept)
    assert str(best_and_kept) == seen
PYTHON
