"""Make the plug-in that a folder tests look installed."""

from collections.abc import Iterator

import pytest
from helpers import REPOSITORY, installed_plugins


@pytest.fixture(autouse=True, scope="module")
def plugin_of_the_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    name = request.path.parent.name
    has_plugin = (REPOSITORY / "examples" / "plugins" / name).is_dir()
    with installed_plugins(tmp_path_factory, *[name] * has_plugin):
        yield
