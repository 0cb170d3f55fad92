#!/usr/bin/env bash
# pymotion writes a joint with six channels, other than the root, under another order of rotations than its numbers have.
#
# Guess: a BVH file that pymotion loads and saves unchanged holds the same pose, as orders of rotations are loaded per
#        joint.
# Seen:  the numbers stay in the joint's own order, XYZ, and the saved header says ZXY. A joint with three channels keeps
#        its order. The joint of six turns by another rotation, here 21.6 degrees away.
# Tried with upc-pymotion 0.3.4 and SciPy 1.17.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check upc-pymotion==0.3.4 scipy==1.17.1
cat > given.bvh <<'BVH'
HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Chest
  {
    OFFSET 0 10 0
    CHANNELS 3 Yrotation Zrotation Xrotation
    JOINT Head
    {
      OFFSET 0 10 0
      CHANNELS 6 Xposition Yposition Zposition Xrotation Yrotation Zrotation
      End Site
      {
        OFFSET 0 5 0
      }
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.01
0 90 0 10 20 30 40 50 60 0 10 0 30 20 10
0 90 0 10 20 30 40 50 60 0 10 0 30 20 10
BVH
environment/bin/python - <<'PYTHON'
import numpy as np
from pymotion.io.bvh import BVH
from scipy.spatial.transform import Rotation

file = BVH()
file.load("given.bvh")
file.save("saved.bvh")


def read_orders_and_numbers(path):
    lines = open(path).read().splitlines()
    orders = ["".join(word[0] for word in line.split() if "rotation" in word) for line in lines if "CHANNELS" in line]
    return orders, np.array(lines[-1].split(), float)


(orders, numbers), (saved_orders, saved_numbers) = map(read_orders_and_numbers, ("given.bvh", "saved.bvh"))
head, saved_head = (Rotation.from_euler(order[2], values[-3:], degrees=True)
                    for order, values in ((orders, numbers), (saved_orders, saved_numbers)))
apart_deg = np.degrees((head.inv() * saved_head).magnitude())
print("orders", orders, "saved as", saved_orders, "with equal numbers:", np.array_equal(numbers, saved_numbers))
print(f"the head is {apart_deg:.1f} degrees away")
assert file.data["rot_order"][2].tolist() == ["x", "y", "z"]
assert orders == ["ZXY", "YZX", "XYZ"]
assert saved_orders == ["ZXY", "YZX", "ZXY"]
assert np.array_equal(numbers, saved_numbers)
assert abs(apart_deg - 21.6) < 0.1
PYTHON
