"""What a motion file format is: a row of the table of formats, which refers to a reader and a writer.

Readers and writers are imported only when they are used.
"""

import importlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from selfcorrect.core.extras import requires_extra
from selfcorrect.runtime.identity import Identity, identity_of
from selfcorrect.runtime.supervision import fence


@dataclass(frozen=True)
class ArrayLayout:
    """How the arrays of a file show which program wrote it.

    It applies to .npz, .npy, .pkl, .pt and .json files, whose suffix says nothing about their content.
    """

    program: str
    """Program that writes such files, for messages."""
    reader: str
    """Reader, "package.module:function", which maps (`Results`, `Reading`) to a `MotionFile`."""
    keys: tuple[str, ...] = ()
    """Arrays at the top level of all files of the program."""
    columns: int = 0
    """Number of columns of the only array (T, columns) of a file; 0 for files with named arrays."""
    recognises: str = ""
    """Function that maps the shapes of all arrays, by name, to whether the program wrote the file; "" if keys or
    columns are enough."""
    suffixes: tuple[str, ...] = ()
    """Suffixes of such files; () for any."""


@dataclass(frozen=True)
class Format:
    """A motion file format.

    Its reader maps (path, Reading) to a `MotionFile`, and its writer takes (path, motion).
    """

    name: str
    suffixes: tuple[str, ...]
    """Suffixes in lower case, the usual one first."""
    holds: str
    """Description of the content, for help and docs."""
    reader: str | None
    """Reader as "package.module:function", or as ".module:function" within this package. None if the format is only
    written. `READ_ARRAYS` for a format with a layout."""
    writer: str | None
    """Writer of any motion, in the same form. None if such files are written only by changing a file that was read."""
    written_as: str = ""
    """Suffix of the files that are written instead, for a format that is only read; "" for the same suffix."""
    recognises: str | None = None
    """Function that recognises the format among files with the same suffix, or None if the suffix is enough."""
    extra: str = ""
    """Optional extra that the format needs; "" for none."""
    layout: ArrayLayout | None = None
    """How the arrays of a file are recognised and read; None for a format that its suffix shows."""

    origin: str = ""
    """Name of the format and its package, for messages; "" for a format of this package."""

    def fence(self) -> AbstractContextManager[None]:
        """Return a context that reports failures of another package's code as that package's."""
        return fence(self.origin) if self.origin else nullcontext()

    def call(self, reference: str | None, *arguments: Any) -> Any:
        """Call a function of this format, fenced if it is another package's."""
        assert reference, f"{self.name} has no such function"
        with self.fence():
            return import_part(reference)(*arguments)

    def identify(self) -> list[Identity]:
        """Return the identities of the functions of another package's format; none for this package's formats."""
        layout = self.layout
        parts = [self.reader, self.writer, self.recognises, *((layout.reader, layout.recognises) if layout else ())]
        references = [reference for reference in parts if reference and self.origin]
        with self.fence():
            return [identity_of(import_part(reference)) for reference in references]


READ_ARRAYS = ".people.dictionaries:open_dictionary"
"""Reader of files of named arrays from any known program."""
READ_NPY = ".people.humanml3d:open_npy"
"""Reader of .npy files of joint positions or rows of numbers."""


def import_part(reference: str) -> Any:
    """Import a function of a format, "package.module:function" or ".module:function" within `datasets.files`."""
    module, _, function = reference.partition(":")
    with requires_extra(f"the format of {module.lstrip('.')}"):
        return getattr(importlib.import_module(module, __package__), function)
