"""Files of motions to look at."""

import pytest

from selfcorrect.experiments.motion.media import Media, file_name
from selfcorrect.experiments.studies.report import PageClip


@pytest.mark.parametrize(
    ("label", "name"), [("walk", "walk"), ("climb/jump", "climb-jump"), ("martial arts", "martial-arts")]
)
def test_any_label_gives_a_file_name(label, name):
    assert file_name(label) == name


def test_motions_have_a_heading_where_there_are_some():
    assert not Media().clips_section.title
    assert Media(corrections=[PageClip("walk", "{}")]).clips_section.title
