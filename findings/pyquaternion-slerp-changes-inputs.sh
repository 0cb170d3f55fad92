#!/usr/bin/env bash
# pyquaternion's slerp changes the quaternions that it is given.
#
# Guess: slerp returns a new quaternion and leaves its arguments alone.
# Seen:  both arguments are normalised in place, and the first changes its sign if that is the shorter way.
# Tried with pyquaternion 0.9.9, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pyquaternion==0.9.9 numpy==2.3.5
environment/bin/python - <<'PYTHON'
from pyquaternion import Quaternion

first, second = Quaternion(2, 0, 0, 0), Quaternion(-3, -3, 0, 0)
Quaternion.slerp(first, second, 0.5)
print("after slerp:", first, second)
assert first.elements.tolist() == [-1, 0, 0, 0], "it was 2"
assert abs(second.norm - 1) < 1e-12, "its norm was 4.2"
PYTHON
