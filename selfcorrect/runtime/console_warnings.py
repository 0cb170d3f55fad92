"""Warnings as users of a command read them.

They are shown in this process and in its workers.
"""

import re
import warnings
from typing import Any

_format_in_full = warnings.formatwarning
_NUMERICAL = re.compile(r"encountered in|empty slice|All-NaN|Degrees of freedom")
"""Warnings of NumPy's that are not shown. They say nothing to somebody who runs a command: results are checked to be
finite."""


def format_for_console(message: Warning | str, category: type[Warning], *place: Any) -> str:
    """Return the line of a warning.

    Warnings of this package have no place; overflows and the like have no line.
    """
    if issubclass(category, RuntimeWarning) and _NUMERICAL.search(str(message)):
        return ""
    return f"selfcorrect: {message}\n" if category is UserWarning else _format_in_full(message, category, *place)
