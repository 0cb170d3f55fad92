"""OMOMO's rows, as simulators store them."""

from ...files.contract import READ_ARRAYS, ArrayLayout, Format

OMOMO = Format(
    "omomo",
    (".pt",),
    "OMOMO's rows (T, 591) as in InterMimic, z up, 30 fps",
    READ_ARRAYS,
    None,
    layout=ArrayLayout("OMOMO", f"{__name__}.reader:open_omomo", columns=591),
)
