"""Store what very fast loops measured.

Their generations take milliseconds, so committing one would take longer than doing it again.
"""

from pathlib import Path
from typing import Any

from selfcorrect.core.errors import DamagedError
from selfcorrect.loop.store.memory import MemoryStore
from selfcorrect.loop.store.origin import BELONGS_TO, Owner
from selfcorrect.loop.store.protocol import Generation
from selfcorrect.storage.files.digests import read_with_digest, write_with_digest
from selfcorrect.storage.files.strict_json import from_json, to_json
from selfcorrect.storage.files.writing import explain_write_error

MEASURED_FILE = "measured.json"


class MeasuredStore(MemoryStore):
    """Generations in memory; once all are done, a file keeps what was measured of them."""

    def __init__(self, path: Path, generations: int, owner: Owner) -> None:
        super().__init__()
        self._path = path
        self._length = generations
        self._owner = owner
        try:
            content: dict[str, Any] = read_with_digest(path) if path.exists() else {"generations": []}
        except DamagedError:
            return  # it is done again
        if owner.describe_conflict(content.get(BELONGS_TO, {})):
            return
        if len(content["generations"]) == generations:
            for number, metrics in enumerate(from_json(content["generations"]), start=1):
                self.commit(Generation(number, {}, None, metrics, {}))

    def write(self) -> None:
        """Write what was measured to the file."""
        numbers = range(1, self._length + 1)
        metrics = [self.metrics(number) for number in numbers]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with explain_write_error(self._path.parent):
            write_with_digest(self._path, {BELONGS_TO: self._owner.to_json(), "generations": to_json(metrics)})

    def check_complete(self) -> None:
        """Do nothing: what is missing, damaged or of another arm is done again."""
