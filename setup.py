"""List the packages, and build the compiled kernels where there is a compiler. All else is in pyproject.toml.

Each folder below those of `FOLDERS` that has an `__init__.py` is a package.

Without a compiler, or with SELFCORRECT_PURE=1, the package has no kernels and computes the same with NumPy. A wheel
that is built with SELFCORRECT_PURE=1 suits every system.
"""

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

FOLDERS = {
    "selfcorrect": "selfcorrect",
    "selfcorrect.simulators": "simulators",
    "selfcorrect.datasets": "datasets",
    "selfcorrect.experiments": "experiments",
    "selfcorrect.commands": "commands",
}
"""Folder of each package whose name says more than its path."""

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


def list_packages() -> list[str]:
    """List the import names of all packages."""
    root = Path(__file__).resolve().parent
    files = [
        (name, root / folder, file) for name, folder in FOLDERS.items() for file in (root / folder).rglob("__init__.py")
    ]
    return sorted(".".join((name, *file.parent.relative_to(top).parts)) for name, top, file in files)


is_pure = os.environ.get("SELFCORRECT_PURE", "") not in ("", "0")
setup(
    packages=list_packages(),
    package_dir=FOLDERS,
    ext_modules=[] if is_pure else [kernels],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if IS_STABLE and not is_pure else {},
)
