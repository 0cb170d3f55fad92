"""AMC and ASF, the files of CMU's database."""

from ...files.contract import Format

AMC = Format(
    "amc",
    (".amc",),
    "a motion of CMU and Acclaim; its skeleton is the .asf file in the same folder",
    f"{__name__}.reader:open_acclaim",
    None,
    written_as=".bvh",
)
