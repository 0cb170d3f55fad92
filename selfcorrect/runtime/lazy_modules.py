"""Modules that libraries load for nothing, deferred until something uses them."""

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec

_NUMPY_TOOLS = ("f2py", "testing")
"""NumPy's compiler of Fortran and its helpers for tests."""


def defer_numpy_tools() -> None:
    """Load NumPy, but its tools for developers only when they are used.

    SciPy looks up every attribute of NumPy when it is imported, which would load these tools: 0.06 s.
    """
    import numpy

    for tool in _NUMPY_TOOLS:
        name = f"numpy.{tool}"
        spec = None if name in sys.modules else find_spec(name)
        if spec is None or spec.loader is None:
            continue
        spec.loader = LazyLoader(spec.loader)
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        setattr(numpy, tool, module)
