"""Optional packages, and which extra brings each.

Code that imports such a package where it may be missing does so within `requires_extra`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import MissingExtraError

EXTRA_OF = {
    **dict.fromkeys(("torch", "pyarrow", "safetensors", "sklearn", "jinja2", "matplotlib", "wandb"), "loops"),
    **dict.fromkeys(("cloudpickle", "yaml"), "loops"),
    "smplx": "smpl",
    "pybullet": "pybullet",
    "imageio": "video",
    "ufbx": "fbx",
    "pxr": "usd",
    "transformers": "text",
    "ray": "ray",
    "submitit": "slurm",
}
"""Package → extra of pyproject.toml that brings it. Packages have their import names."""


@contextmanager
def requires_extra(what: str, extra: str = "", hint: str = "") -> Iterator[None]:
    """Name the missing extra if an import fails.

    Only for packages of extras; other errors pass unchanged.

    Args:
        what: Subject of the message: the feature that needs the package.
        extra: Extra to name if several bring the package, or if it is called like the package, "" for the extra in
            `EXTRA_OF`.
        hint: Advice if the extra cannot be installed.

    Raises:
        MissingExtraError: A package of an extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package not in (*EXTRA_OF, extra):
            raise
        raise MissingExtraError(what, extra or EXTRA_OF[package], error, hint) from error
