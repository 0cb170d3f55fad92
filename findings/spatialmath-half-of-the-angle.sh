#!/usr/bin/env bash
# spatialmath gives two angles between the same rotations: UnitQuaternion.angdist is half of SO3.angdist.
#
# Guess: both are documented as the geodesic distance, "angle in radians", so they are one number: the angle of the
#        rotation that leads from one to the other.
# Seen:  rotations of 0.3 and 1.3 rad about x are 1.0 rad apart as SO3 and SE3 and 0.5 rad as UnitQuaternion. The farthest
#        pair of quaternions is pi / 2 apart.
# Why it matters: a threshold or an error in degrees halves when matrices become quaternions.
# Tried with spatialmath-python 1.1.18, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check spatialmath-python==1.1.18 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
import numpy as np
from spatialmath import SE3, SO3, UnitQuaternion


def find_distances(angle_rad):
    return {kind.__name__: float(kind.Rx(0.3).angdist(kind.Rx(0.3 + angle_rad))) for kind in (SO3, SE3, UnitQuaternion)}


one, half_turn = find_distances(1.0), find_distances(np.pi)
print("1 rad apart:", one, "half a turn apart:", half_turn)
assert np.allclose([one["SO3"], one["SE3"], one["UnitQuaternion"]], [1, 1, 0.5])
assert np.isclose(half_turn["SO3"], np.pi)
assert np.isclose(half_turn["UnitQuaternion"], np.pi / 2)
assert np.isclose(UnitQuaternion(SO3.Rx(1.3)).angvec()[0], 1.3)
PYTHON
