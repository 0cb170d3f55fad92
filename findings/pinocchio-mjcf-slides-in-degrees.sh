#!/usr/bin/env bash
# Pinocchio reads the range of an MJCF slide as degrees.
#
# Guess: compiler angle="degree", MJCF's default, concerns hinges and balls; the range of a slide stays in metres.
# Seen:  a slide of -1 to 2 m may move from -0.0175 to 0.0349 in Pinocchio: the range is multiplied by pi / 180, so
#        clipping, random and inverse-kinematics configurations stay within 5 cm. With angle="radian" the limits are
#        right. MuJoCo and Drake read metres in both cases.
# Tried with pin 4.1.0, drake 1.51.1, mujoco 4.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pin==4.1.0 drake==1.51.1 mujoco==4.0.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
from pathlib import Path

import mujoco
import numpy as np
import pinocchio
from pydrake.multibody.parsing import Parser
from pydrake.multibody.plant import MultibodyPlant

MODEL = """
<mujoco model="rail"><compiler angle="{unit}" autolimits="true"/><worldbody><body name="cart">
  <joint name="rail" type="slide" axis="1 0 0" range="-1 2"/>
  <geom type="sphere" size="0.1" mass="1"/>
</body></worldbody></mujoco>"""


def find_limits(unit):
    Path("rail.xml").write_text(MODEL.format(unit=unit))
    plant = MultibodyPlant(0.0)
    Parser(plant).AddModels("rail.xml")
    plant.Finalize()
    model = pinocchio.buildModelFromMJCF("rail.xml")
    return {
        "MuJoCo": mujoco.MjModel.from_xml_path("rail.xml").jnt_range[0],
        "Drake": np.r_[plant.GetPositionLowerLimits(), plant.GetPositionUpperLimits()],
        "Pinocchio": np.r_[model.lowerPositionLimit, model.upperPositionLimit],
    }


for unit, factor in (("degree", np.pi / 180), ("radian", 1.0)):
    limits = find_limits(unit)
    print(unit, {name: values.round(4).tolist() for name, values in limits.items()})
    assert np.allclose([limits["MuJoCo"], limits["Drake"]], [-1, 2])
    assert np.allclose(limits["Pinocchio"], np.array([-1, 2]) * factor)
PYTHON
