#!/usr/bin/env bash
# numpy-quaternion's squad turns once more where a sample has the other sign; its slerp does not.
#
# Guess: squad treats q and -q as the same rotation, as slerp of the same package does.
# Seen:  one flipped sample of a steady turn of 1 rad/s makes squad pass 6.05 rad at 0.625 s, where 0.625 is right.
# Tried with numpy-quaternion 2024.0.13, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check numpy-quaternion==2024.0.13 numpy==2.3.5 scipy==1.17.1
environment/bin/python - <<'PYTHON'
import numpy as np
import quaternion

times = np.linspace(0, 1, 5)
turn = quaternion.from_rotation_vector(np.stack([times * 0, times, times * 0], axis=1))
at = np.array([0.125, 0.375, 0.625])

def angles(rotors):
    return np.linalg.norm(quaternion.as_rotation_vector(rotors), axis=-1)

assert np.allclose(angles(quaternion.squad(turn, times, at)), at)
flipped = turn.copy()
flipped[2] = -flipped[2]
seen = angles(quaternion.squad(flipped, times, at))
print("squad at", at, "with one sample of the other sign:", seen.round(3))
assert np.allclose(seen, [0.518, 0.768, 6.051], atol=2e-3)
short = quaternion.slerp(flipped[1], flipped[2], 0.25, 0.5, np.array([0.375]))
assert np.allclose(angles(short), 0.375)
unflipped = quaternion.unflip_rotors(flipped)
assert np.allclose(angles(quaternion.squad(unflipped, times, at)), at)
PYTHON
