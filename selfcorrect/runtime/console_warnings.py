"""Warnings as users of a command read them, in this process and in its workers."""

import re
import warnings
from typing import Any

_format_in_full = warnings.formatwarning
_NUMERICAL = re.compile(r"encountered in|empty slice|All-NaN|Degrees of freedom")
"""NumPy warnings that are not shown. They tell users of a command nothing, because results are checked to be finite."""


def format_for_console(message: Warning | str, category: type[Warning], *place: Any) -> str:
    """Format a warning as a line.

    Warnings of this package are shown without their location. Numerical warnings such as overflows are not shown.
    """
    if issubclass(category, RuntimeWarning) and _NUMERICAL.search(str(message)):
        return ""
    return f"selfcorrect: {message}\n" if category is UserWarning else _format_in_full(message, category, *place)
