"""Small files that the tests of datasets share."""

import pytest

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 1.0 2.0 3.0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftUpLeg
  {
    OFFSET 10.0 -5.0 0.0
    CHANNELS 3 Yrotation Zrotation Xrotation
    JOINT LeftLeg
    {
      OFFSET 0.0 -40.0 0.0
      CHANNELS 1 Xrotation
      JOINT LeftFoot
      {
        OFFSET 0.0 -41.5 -2.5e-1
        CHANNELS 3 Xrotation Yrotation Zrotation
        End Site
        {
          OFFSET 0.0 -6.0 14.0
        }
      }
    }
  }
  JOINT Spine
  {
    OFFSET 0.0 12.0 0.0
    CHANNELS 6 Zrotation Xposition Yrotation Yposition Xrotation Zposition
    JOINT Head
    {
      OFFSET 0.0 60.0 0.0
      CHANNELS 3 Zrotation Yrotation Xrotation
      End Site
      {
        OFFSET 0.0 20.0 0.0
      }
      End Site
      {
        OFFSET 0.0 0.0 10.0
      }
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0333333
1 95 -3 10 20 30 5 15 25 40 1 2 3 4 0.5 5 12 6 -0.25 7 8 9
2 96 -2 20 30 40 6 16 26 50 2 3 4 5 0.5 6 12 7 -0.25 8 9 10
3 97 -1 -170 80 179 7 17 27 60 3 4 5 6 0.5 7 12 8 -0.25 9 10 -178.5
"""


@pytest.fixture
def bvh_text() -> str:
    """Return a BVH file with eight joints, most of which differ in the kind and order of their channels."""
    return BVH
