"""Messages on changed code name what changed in the identities of a run folder."""

from pathlib import Path

import pytest

from selfcorrect.core.errors import RunFolderError
from selfcorrect.experiments.jobs.identities import IdentityFile
from selfcorrect.runtime.identity import Identity


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1", "another version of the task, the corrector: other content in shared.py;"),
        ("2", "another version of the corrector: `2` instead of `1`, .*other content in shared.py;"),
    ],
)
def test_changed_code_is_named(tmp_path: Path, line: str, message: str) -> None:
    def record(line: str, digest: str) -> None:
        identities = {
            "the task": Identity("shared:make_task", "0", {"shared.py": digest}),
            "the corrector": Identity("shared:fix", line, {"shared.py": digest}),
        }
        IdentityFile(tmp_path / "identities.json").record(identities, accept_changed=False)

    record("1", "a")
    with pytest.raises(RunFolderError, match=message):
        record(line, "b")
