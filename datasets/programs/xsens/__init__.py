"""MVNX, the exports of Xsens' suits."""

from ...files.contract import Format

MVNX = Format(
    "mvnx", (".mvnx",), "segments of Xsens' suits, z up", f"{__name__}.reader:open_mvnx", None, written_as=".bvh"
)
