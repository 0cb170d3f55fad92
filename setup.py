"""Build the compiled kernels where there is a compiler; everything else about the package is in pyproject.toml.

Without a compiler, or with SELFCORRECT_PURE=1, the package has no kernels and computes the same with NumPy. A wheel
that is built with SELFCORRECT_PURE=1 suits every system.
"""

import os
import sys
import sysconfig

from setuptools import Extension, setup

FLAGS = ["/O2", "/fp:precise"] if sys.platform == "win32" else ["-O3", "-ffp-contract=off", "-fno-math-errno"]
"""Without fused multiply-add, which NumPy's products do not use, the bits are NumPy's."""
IS_STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")
"""Whether one build serves all later versions of Python (the stable ABI)."""

kernels = Extension(
    "selfcorrect.motion.geometry._kernels",
    ["selfcorrect/motion/geometry/_kernels.c"],
    extra_compile_args=FLAGS,
    define_macros=[("Py_LIMITED_API", "0x030B0000")] if IS_STABLE else [],
    py_limited_api=IS_STABLE,
    optional=True,
)
is_pure = os.environ.get("SELFCORRECT_PURE", "") not in ("", "0")
setup(
    ext_modules=[] if is_pure else [kernels],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if IS_STABLE and not is_pure else {},
)
