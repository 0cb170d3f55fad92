#!/usr/bin/env bash
# pyrr turns the second of three Euler angles about y as a quaternion and about z as a matrix.
#
# Guess: Quaternion.from_eulers(angles) and Matrix33.from_eulers(angles), which the package documents alike, are one rotation,
#        up to the transpose of matrices for row vectors.
# Seen:  the angles (0, 0.5, 0) turn the quaternion about y and the matrix about z, and (0, 0, 0.5) the other way round.
#        The matrix of the quaternion (matrix33) turns about y again; both call the angles roll, pitch and yaw. The first angle
#        turns both about x. Applied to a vector (matrix * vector, quaternion * vector), the two turn it opposite ways: the
#        matrix of a turn by 0.5 rad about x takes y towards -z, and the quaternion takes it towards z.
# Tried with pyrr 0.10.3, NumPy 2.3.5, SciPy 1.17.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pyrr==0.10.3 numpy==2.3.5 scipy==1.17.1
environment/bin/python -W ignore - <<'PYTHON'
import numpy as np
from pyrr import Matrix33, Quaternion, Vector3
from scipy.spatial.transform import Rotation

np.set_printoptions(suppress=True)
for angles_rad, axis_of_matrix in (((0.5, 0, 0), 0), ((0, 0.5, 0), 2), ((0, 0, 0.5), 1)):
    angles_rad = np.array(angles_rad)
    quaternion = Quaternion.from_eulers(angles_rad)
    matrix = Matrix33.from_eulers(angles_rad)
    turns_rad = [
        Rotation.from_quat(np.array(quaternion)).as_rotvec(),
        Rotation.from_matrix(np.array(quaternion.matrix33)).as_rotvec(),
        Rotation.from_matrix(np.array(matrix)).as_rotvec(),
    ]
    print(angles_rad, "as quaternion, its matrix, matrix:", *[turn.round(6) for turn in turns_rad])
    assert np.allclose(turns_rad[0], angles_rad)
    assert np.allclose(turns_rad[1], angles_rad)
    assert np.allclose(turns_rad[2], 0.5 * np.eye(3)[axis_of_matrix])

quaternion = Quaternion.from_eulers(np.array([0.5, 0, 0]))
y = Vector3([0.0, 1, 0])
by_quaternion, by_matrix = quaternion * y, quaternion.matrix33 * y
print("y, turned by a quaternion and by its matrix:", by_quaternion, by_matrix)
assert np.allclose(np.array(by_quaternion), [0, np.cos(0.5), np.sin(0.5)])
assert np.allclose(np.array(by_matrix), [0, np.cos(0.5), -np.sin(0.5)])
assert np.allclose(np.array(Matrix33.from_eulers(np.array([0.5, 0, 0])) * y), np.array(by_matrix))
PYTHON
