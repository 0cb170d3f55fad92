"""Make a HumanML3D folder of invented motions, and a tiny CLIP."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_motions import KINDS, made_motion

from selfcorrect.motion.body.smpl import body_joints
from selfcorrect.motion.encodings.humanml3d import TARGET_OFFSETS_M, columns, encode
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22

KIT_PARTS = (
    "pelvis", "spine1", "spine3", "neck", "head",
    "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
    "left_hip", "left_knee", "left_ankle", "left_foot", "left_tiptoe",
    "right_hip", "right_knee", "right_ankle", "right_foot", "right_tiptoe",
)  # fmt: skip
"""KIT-ML's joints."""


def kit_joints_mm(motion: Motion, *, is_mirrored: bool = False) -> np.ndarray:
    """Return KIT-ML's joints (T, 21, 3) in millimetres, mirrored left to right on request."""
    places_m: dict[str, np.ndarray] = dict(zip(SMPL_22, np.moveaxis(body_joints(motion), 1, 0), strict=True))
    for side in ("left", "right"):
        foot_m = places_m[f"{side}_foot"] - places_m[f"{side}_ankle"]
        places_m[f"{side}_tiptoe"] = places_m[f"{side}_foot"] + 0.3 * foot_m * [1, 0, 1]
    joints_mm = 1000 * np.stack([places_m[part] for part in KIT_PARTS], axis=1)
    return joints_mm * [-1, 1, 1] if is_mirrored else joints_mm


def kit_rows(joints: np.ndarray) -> np.ndarray:
    """Return KIT-ML's feature rows (T − 1, 251) for joints (T, 21, 3) whose root never turns."""
    steps = np.diff(joints, axis=0)
    below_root = joints[:, :1] * [1, 0, 1]
    groups = columns(21)
    rows = np.zeros((len(steps), 251))
    rows[:, groups["velocity"]] = steps[:, 0, [0, 2]]
    rows[:, groups["height"]] = joints[:-1, 0, 1:2]
    rows[:, groups["positions"]] = (joints - below_root)[:-1, 1:].reshape(len(steps), -1)
    rows[:, groups["rotations"]] = np.tile([1, 0, 0, 0, 1, 0], 20)
    rows[:, groups["velocities"]] = steps.reshape(len(steps), -1)
    return rows


SAID = {
    "walk": "a/DET person/NOUN walks/VERB slowly/ADV",
    "run": "the/DET person/NOUN runs/VERB",
    "turn": "a/DET person/NOUN turns/VERB left/ADJ",
    "hop": "a/DET person/NOUN jumps/VERB",
    "idle": "the/DET person/NOUN sits/VERB",
}


def write_humanml3d(folder: Path, counts: dict[str, int]) -> None:
    """Write motions of 41 to 60 rows, `counts` of them per split.

    Two thirds have two captions, the others one.
    """
    for part in ("new_joint_vecs", "texts"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    all_rows = []
    number = 0
    for split, count in counts.items():
        names = []
        for _ in range(count):
            kind = KINDS[number % len(KINDS)]
            name = f"{number:06d}"
            motion = made_motion(kind, rng.uniform(0.7, 1.2), 20.0, int(rng.integers(42, 62)))
            rows = encode(body_joints(motion), TARGET_OFFSETS_M).astype(np.float32)
            np.save(folder / "new_joint_vecs" / f"{name}.npy", rows)
            tokens = SAID[kind]
            text = " ".join(token.partition("/")[0] for token in tokens.split())
            lines = [f"{text}#{tokens}#0.0#0.0", f"{text} again#{tokens} again/ADV#0.0#0.0"][: 1 + number % 3]
            (folder / "texts" / f"{name}.txt").write_text("\n".join(lines) + "\n")
            all_rows.append(rows)
            names.append(name)
            number += 1
        (folder / f"{split}.txt").write_text("\n".join([*names, "999999"]) + "\n")
    joined = np.concatenate(all_rows)
    np.save(folder / "Mean.npy", joined.mean(0))
    np.save(folder / "Std.npy", joined.std(0) + 0.05)


def write_clip(folder: Path, width: int = 8) -> Path:
    """Write a one-layer CLIP with random weights whose tokens are letters."""
    transformers = pytest.importorskip("transformers", reason="needs the extra `text`")
    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(97, 123)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "wa", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\nw a\n")
    transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    config = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, projection_dim=width, num_hidden_layers=1,
        num_attention_heads=2, bos_token_id=53, eos_token_id=54, pad_token_id=54,
    )  # fmt: skip
    transformers.CLIPTextModelWithProjection(config).save_pretrained(folder)
    return folder
