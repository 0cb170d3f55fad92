"""Files of motions to look at."""

import pytest

from selfcorrect.experiments.studies.motion.media import Media, file_name
from selfcorrect.experiments.studies.page import PageClip


@pytest.mark.parametrize(
    ("label", "name"), [("walk", "walk"), ("climb/jump", "climb-jump"), ("martial arts", "martial-arts")]
)
def test_labels_give_file_names(label, name):
    assert file_name(label) == name


def test_motions_have_heading():
    assert not Media().clips_section.title
    assert Media(corrections=[PageClip("walk", "{}")]).clips_section.title
