"""Notes on how a file was read."""

from typing import Literal, Self, TypeAlias

NoteTopic: TypeAlias = Literal["", "bones", "damage", "skeletons", "rate"]
"""Topic of a note. It is joints moved to make bones constant, data that a file lacks or that were left out, people in
the file who are not read, or its frame rate."""


class FileNote(str):
    """A note on how a file was read.

    An assumption ends with the option that overrules it.
    """

    words: str
    """The sentence without the option."""
    answer: str
    """The sentence without its subject and without the option."""
    option: str
    """Option that overrules the assumption; "" if the note is not on an assumption."""
    topic: NoteTopic

    def __new__(cls, words: str, option: str = "", topic: NoteTopic = "", about: str = "") -> Self:
        """Make a note.

        Args:
            about: What the words answer, such as "unit" before "0.01 m inferred"; "" for whole sentences.
        """
        sentence = f"{about} {words}" if about else words
        note = super().__new__(cls, f"{sentence} ({option})" if option else sentence)
        note.words = sentence
        note.answer = words
        note.option = option
        note.topic = topic
        return note
