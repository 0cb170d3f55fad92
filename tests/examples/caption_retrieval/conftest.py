"""The package caption-retrieval, as if it were installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import REPOSITORY, install_plugin


@pytest.fixture(autouse=True, scope="module")
def installed_generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        package = REPOSITORY / "examples" / "plugins" / "caption_retrieval"
        install_plugin(package, tmp_path_factory.mktemp("site"), patch)
        yield
