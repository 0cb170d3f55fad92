"""Optional packages, and the extras that install them.

Code that imports such a package does so within `requires_extra`.
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
"""Extra of pyproject.toml that installs each package, by import name."""


@contextmanager
def requires_extra(what: str, extra: str = "", hint: str = "") -> Iterator[None]:
    """Name the missing extra if an import fails.

    Only missing packages of extras are handled. Other errors pass unchanged.

    Args:
        what: Feature that needs the package, the subject of the message.
        extra: Extra to name, if several install the package or if it is not in `EXTRA_OF`; "" for the one in
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
