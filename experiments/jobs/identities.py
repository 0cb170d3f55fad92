"""Record the identities of user code and data, so that a run resumes with changed ones only on request."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.samples import Samples, digest_tensors
from selfcorrect.runtime.identity import Identity
from selfcorrect.storage.files.digests import read_with_digest, write_with_digest

ACCEPT = "accept_changed=True (--accept-changed)"
"""Option that accepts a change, for messages."""


def identity_of_data(samples: Samples) -> Identity:
    """Return the identity of samples, by a digest of values and labels."""
    shape = "×".join(map(str, samples.event_shape)) or "1"
    name = f"{len(samples)} samples of shape {shape}, {samples.values.dtype}"
    return Identity(name, "", values=digest_tensors(samples.values, samples.labels), holds="values or labels")


@dataclass(frozen=True)
class IdentityFile:
    """The file in a run folder with the identities of code and data, in all accepted versions."""

    path: Path

    def record(self, identities: Mapping[str, Identity], *, accept_changed: bool) -> None:
        """Record identities.

        Args:
            identities: Current identities, by name.
            accept_changed: Whether to accept identities that differ from the latest recorded ones.

        Raises:
            RunFolderError: An identity changed without being accepted. The message names the change.
        """
        history = self._history()
        changes = {}
        for name, current in identities.items():
            if name in history and (change := current.changed_since(history[name][-1])):
                changes[name] = change
        if changes and not accept_changed:
            edited = [name for name in changes if identities[name].is_edited_since(history[name][-1])]
            change = changes[edited[0] if edited else next(iter(changes))]
            names = [name for name in edited or changes if changes[name] == change]
            raise RunFolderError(
                f"{self.path.parent} began with another version of {', '.join(names)}: {change}; "
                f"{ACCEPT} resumes with the change, another folder starts from the beginning"
            )
        for name, current in identities.items():
            if name in changes:
                print(f"selfcorrect: the run resumes with a change of {name}: {changes[name]}", file=sys.stderr)
            if name in changes or name not in history:
                history.setdefault(name, []).append(current)
        if identities:
            content = {name: [asdict(identity) for identity in versions] for name, versions in history.items()}
            write_with_digest(self.path, content)

    def list_unrecorded(self, identities: Mapping[str, Identity]) -> list[str]:
        """Return the names of identities that are new or changed."""
        history = self._history()
        return [
            name
            for name, current in identities.items()
            if name not in history or current.changed_since(history[name][-1])
        ]

    def _history(self) -> dict[str, list[Identity]]:
        content = read_with_digest(self.path) if self.path.exists() else {}
        return {name: [Identity(**identity) for identity in versions] for name, versions in content.items()}
