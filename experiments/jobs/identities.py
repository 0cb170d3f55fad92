"""What code and data of users were when a run began: a run is not resumed with others unless you ask."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.samples import Samples, fingerprint
from selfcorrect.correctors.identity import Identity
from selfcorrect.storage.files.digests import encode_sealed, read_sealed
from selfcorrect.storage.files.writing import write_atomically

IDENTITIES = "identities.json"
"""What code and data of users were, in a run folder and in that of each of its seeds."""


def identity_of_data(samples: Samples) -> Identity:
    """What some data are."""
    shape = "×".join(map(str, samples.event_shape)) or "1"
    name = f"{len(samples)} samples of shape {shape}, {samples.values.dtype}"
    return Identity(name, "", values=fingerprint(samples), holds="values or labels")


@dataclass(frozen=True)
class IdentityFile:
    """A file of a run folder that keeps what each thing is, all that were accepted one after the other."""

    path: Path
    accept: str
    """The option that accepts the change, for messages."""

    def record(self, identities: Mapping[str, Identity], *, accept_changed: bool) -> None:
        """Keep identities; RunFolderError, which names what changed, if one is not the last and none is accepted."""
        history = self._history()
        changes = {}
        for name, now in identities.items():
            if name in history and (change := now.changed_since(history[name][-1])):
                changes[name] = change
        if changes and not accept_changed:
            edited = [name for name in changes if identities[name].is_edited_since(history[name][-1])]
            raise RunFolderError(self._describe_change({name: changes[name] for name in edited or changes}))
        for name, now in identities.items():
            if name in changes:
                print(f"selfcorrect: {name} was changed, and the run resumes with it: {changes[name]}", file=sys.stderr)
            if name in changes or name not in history:
                history.setdefault(name, []).append(now)
        if identities:
            kept = {name: [each.to_json() for each in every] for name, every in history.items()}
            write_atomically(self.path, encode_sealed(kept))

    def _describe_change(self, changes: Mapping[str, str]) -> str:
        """Return the message about the first change, with the names of all code that it changes."""
        change = next(iter(changes.values()))
        names = [name for name, other in changes.items() if other == change]
        is_not = "is not the one" if len(names) == 1 else "are not those"
        return (
            f"{', '.join(names)} {is_not} that {self.path.parent} was begun with: {change}; "
            f"{self.accept} resumes with the change from here, another folder begins anew"
        )

    def list_unrecorded(self, identities: Mapping[str, Identity]) -> list[str]:
        """The names of what the file, if there is one, does not know as it is."""
        history = self._history()
        return [name for name, now in identities.items() if name not in history or now.changed_since(history[name][-1])]

    def _history(self) -> dict[str, list[Identity]]:
        kept = read_sealed(self.path) if self.path.exists() else {}
        return {name: [Identity.from_json(each) for each in every] for name, every in kept.items()}
