"""NumPy's tools for developers are loaded when they are used, and then they are whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from selfcorrect.runtime.lazy_modules import defer_numpy_tools
{defer}
import scipy.spatial.transform
print("unittest" in sys.modules, "numpy.f2py.crackfortran" in sys.modules)
import numpy.f2py
from numpy.testing import assert_array_equal
assert_array_equal([1, 2], [1, 2])
try:
    numpy.testing.assert_array_equal([1, 2], [1, 3])
except AssertionError:
    print(numpy.f2py.get_include() != "", numpy.f2py is sys.modules["numpy.f2py"])
"""


@pytest.mark.parametrize(("defer", "is_loaded"), [("", True), ("defer_numpy_tools()", False)])
def test_tools_are_loaded_when_they_are_used(defer: str, is_loaded: bool) -> None:
    program = PROGRAM.format(defer=defer)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [str(is_loaded), str(is_loaded), "True", "True"]
