#!/usr/bin/env bash
# VTK's interpolators of transforms and quaternions, as they come, hardly turn between three or more keys and then jump.
#
# Guess: the default interpolation (spline) reaches every key, and a steady turn stays a steady turn, as translations do.
# Seen:  for keys of 0, 30, 60 and 90 degrees at 0, 1, 2 and 3 s, the turn is 0.5 degrees at 1 s, 1.2 at 2 s and 90 at 3 s.
#        The translation of the same transforms reaches its keys. With two keys, or with SetInterpolationTypeToLinear,
#        all angles are right. vtkQuaternionInterpolator does the same.
# Why it matters: paths of cameras and of tracked bodies are interpolated so.
# Tried with vtk 9.7.2, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check vtk==9.7.2 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import numpy as np
from vtkmodules.vtkCommonTransforms import vtkTransform
from vtkmodules.vtkCommonMath import vtkQuaternionInterpolator
from vtkmodules.vtkRenderingCore import vtkTransformInterpolator

AT_S = (0, 1, 1.5, 2, 3)


def turn_transforms(keys_deg, at_s, *, linear=False):
    """Return the angles about x in degrees and the places along x of keys at each second, one metre apart."""
    path = vtkTransformInterpolator()
    if linear:
        path.SetInterpolationTypeToLinear()
    for time_s, angle_deg in enumerate(keys_deg):
        key = vtkTransform()
        key.Translate(time_s, 0, 0)
        key.RotateX(angle_deg)
        path.AddTransform(time_s, key)
    between = vtkTransform()
    for time_s in at_s:
        path.InterpolateTransform(time_s, between)
        matrix = between.GetMatrix()
        angle_deg = np.degrees(np.arctan2(matrix.GetElement(2, 1), matrix.GetElement(1, 1)))
        yield round(float(angle_deg), 2), round(matrix.GetElement(0, 3), 3)


def turn_quaternions(keys_deg, at_s):
    path = vtkQuaternionInterpolator()
    for time_s, angle_deg in enumerate(keys_deg):
        path.AddQuaternion(time_s, [np.cos(np.radians(angle_deg) / 2), np.sin(np.radians(angle_deg) / 2), 0, 0])
    for time_s in at_s:
        between = [0.0] * 4
        path.InterpolateQuaternion(time_s, between)
        yield round(float(np.degrees(2 * np.arctan2(between[1], between[0]))), 2)


keys_deg = (0, 30, 60, 90)
angles_deg, places_m = zip(*turn_transforms(keys_deg, AT_S))
linear_deg, _ = zip(*turn_transforms(keys_deg, AT_S, linear=True))
pair_deg, _ = zip(*turn_transforms((0, 30), (0, 0.5, 1)))
quaternions_deg = tuple(turn_quaternions(keys_deg, AT_S))
print("at", AT_S, "s: transforms", angles_deg, "quaternions", quaternions_deg, "linear", linear_deg, "degrees; places", places_m, "m")
print("two keys:", pair_deg)
assert np.allclose(angles_deg, (0, 0.54, 0.83, 1.15, 90), atol=0.02)
assert np.allclose(quaternions_deg, angles_deg, atol=0.02)
assert np.allclose(linear_deg, (0, 30, 45, 60, 90), atol=0.02)
assert np.allclose(pair_deg, (0, 15, 30), atol=0.02)
assert np.allclose(places_m, AT_S)
PYTHON
