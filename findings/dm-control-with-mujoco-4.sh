#!/usr/bin/env bash
# The newest dm_control installs beside MuJoCo 4.0.0, which it asks for by >= only, and loads no model.
#
# Guess: pip resolves a pair of versions that work together; dm_control 1.0.50 was made for MuJoCo 3.17.
# Seen:  every Physics ends in AttributeError: MjModel has no attribute flex_vertedge, which MuJoCo 4 renamed; with
#        mujoco<4 it works.
# Tried with dm_control 1.0.50, mujoco 4.0.0 and 3.17.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check dm-control==1.0.50 mujoco==4.0.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import importlib.metadata

from dm_control import mujoco

print([line for line in importlib.metadata.requires("dm_control") if line.startswith("mujoco")])
MODEL = "<mujoco><worldbody><geom type='sphere' size='0.1'/></worldbody></mujoco>"
try:
    mujoco.Physics.from_xml_string(MODEL)
except AttributeError as error:
    print("refused:", error)
    assert "flex_vertedge" in str(error)
else:
    raise SystemExit("dm_control works with MuJoCo 4 now")
PYTHON
