"""Stand in for the `selfcorrect` program in tests of the Blender extension.

The environment variable FAKE says what happens to the motion, so the result is known exactly.
"""

import json
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from loading import finish, load

LIFT_M = 0.1
TURNED = os.environ.get("FAKE_KNEE", "left_knee")


def main(words: list[str]) -> int:
    """Act like `selfcorrect correct` or `selfcorrect --version`."""
    acts = os.environ.get("FAKE", "identity")
    if words == ["--version"]:
        print("another 1.0" if acts == "another" else "selfcorrect 9.9.9")
        return 0
    if acts == "old":
        print(
            "╭─ Unrecognized options ─╮\n│ Unrecognized options: --contacts-out, shown │\n╰────────────╯",
            file=sys.stderr,
        )
        return 2
    if words[0] == "check":
        findings = json.dumps([{"error": "", "motions": [[]]}])
        Path(words[words.index("--out") + 1]).write_text(findings)
        return 0
    source = Path(words[1])
    out = Path(words[words.index("--out") + 1])
    if acts == "crash":
        print("correct:  10%|#         | 1/10\nselfcorrect: motion.bvh: the disk is full", file=sys.stderr)
        return 2
    if acts == "sleep":
        Path(os.environ["FAKE_PID"]).write_text(str(os.getpid()))
        print("correct:  40%|####      | 4/10", file=sys.stderr, flush=True)
        time.sleep(600)
    out.mkdir()
    report = {"verdict": "accepted", "reason": "", "before": {}, "after": {}, "moved_m": 0.0}
    report["parts"] = dict(enumerate(finish(load("exchange").read_bvh(source)).names))
    if acts == "reject":
        report |= {"verdict": "rejected", "reason": "fell", "frame": 7}
    (out / "report.json").write_text(json.dumps({"motions": [report]}))
    shutil.copy(source, out / source.name)
    if acts == "contacts":
        stands = {"part": "left foot", "first_frame": 4, "last_frame": 10, "position_m": [0, 0, 0], "kind": "stands"}
        Path(words[words.index("--contacts-out") + 1]).write_text(json.dumps({"frames": 39, "contacts": [stands]}))
        if "--contacts" in words:
            shutil.copy(words[words.index("--contacts") + 1], "given.json")
    if acts in ("lift", "contacts"):
        exchange = load("exchange")
        finish(exchange.write_bvh(out / source.name, lift(finish(exchange.read_bvh(source)))))
    if acts == "cut":
        (out / "report.json").write_text((out / "report.json").read_text()[:40])
    if acts == "half":
        text = (out / source.name).read_text()
        (out / source.name).write_text(text[: len(text) // 2])
    return 1 if acts == "reject" else 0


def lift(clip):
    """Lift a clip by 10 cm, and turn a knee.

    The knee and all joints below it turn by 0.2 rad about the vertical axis.
    """
    places = clip.positions_m + np.array([0, LIFT_M, 0])
    turns = clip.rotations.copy()
    knees = [joint for joint, name in enumerate(clip.names) if name.endswith(TURNED)]
    about = np.array([[np.cos(0.2), 0, np.sin(0.2)], [0, 1, 0], [-np.sin(0.2), 0, np.cos(0.2)]])
    for knee in knees:
        below = [knee]
        for joint, parent in enumerate(clip.parents):
            if parent in below:
                below.append(joint)
        center = places[:, [knee]]
        turns[:, below] = about @ turns[:, below]
        places[:, below] = (about @ (places[:, below] - center)[..., None])[..., 0] + center
    return replace(clip, positions_m=places, rotations=turns)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
