#!/usr/bin/env bash
# pytransform3d and quaternionic interpolate over the long way round unless they are asked not to.
#
# Guess: slerp between a rotation and one 1 rad away passes 0.5 rad, whatever the signs of the quaternions.
# Seen:  with opposite signs the middle is 2.64 rad away: pytransform3d needs shortest_path=True, quaternionic
#        unflip_rotors first; roma takes the short way by default.
# Tried with pytransform3d 3.17.0, quaternionic 1.0.18, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pytransform3d==3.17.0 quaternionic==1.0.18 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import numpy as np
import pytransform3d.rotations as rotations
import quaternionic

first = np.array([1.0, 0.0, 0.0, 0.0])
second = -np.array([np.cos(0.5), np.sin(0.5), 0.0, 0.0])  # 1 rad about x, with the other sign

def angle(quaternion):
    return 2 * np.arccos(np.clip(abs(quaternion[0]), 0, 1))

default = angle(rotations.quaternion_slerp(first, second, 0.5))
asked = angle(rotations.quaternion_slerp(first, second, 0.5, shortest_path=True))
pair = quaternionic.array([first, second])
other = angle(quaternionic.slerp(pair[0], pair[1], 0.5).ndarray)
print(f"half-way: pytransform3d {default:.3f}, with shortest_path {asked:.3f}, quaternionic {other:.3f} rad")
assert abs(default - (np.pi - 0.5)) < 1e-6
assert abs(other - (np.pi - 0.5)) < 1e-6
assert abs(asked - 0.5) < 1e-6
unflipped = quaternionic.unflip_rotors(pair)
assert abs(angle(quaternionic.slerp(unflipped[0], unflipped[1], 0.5).ndarray) - 0.5) < 1e-6
PYTHON
