"""Files of motions to look at."""

import pytest

from selfcorrect.experiments.motion.media import file_name


@pytest.mark.parametrize(
    ("label", "name"), [("walk", "walk"), ("climb/jump", "climb-jump"), ("martial arts", "martial-arts")]
)
def test_any_label_gives_a_file_name(label, name):
    assert file_name(label) == name
