"""Notes on how a file was read."""

from typing import Literal, Self, TypeAlias

NoteTopic: TypeAlias = Literal["", "bones", "damage", "skeletons", "rate"]
"""Topic of a note: joints that moved because bones were made rigid ("bones"), missing or dropped data ("damage"),
people who are not read ("skeletons"), the frame rate ("rate"), or another topic ("")."""


class FileNote(str):
    """A note on how a file was read.

    A note on an assumption ends with the option that overrides it.
    """

    words: str
    """The sentence without the option."""
    answer: str
    """The sentence without its subject and the option."""
    option: str
    """Option that overrides the assumption; "" if the note is not about an assumption."""
    topic: NoteTopic

    def __new__(cls, words: str, option: str = "", topic: NoteTopic = "", about: str = "") -> Self:
        """Make a note.

        Args:
            words: Text of the note.
            option: Option that overrides the assumption; "" for other notes.
            topic: Topic of the note.
            about: Subject of the words, such as "unit" for "0.01 m inferred"; "" if they are a whole sentence.
        """
        sentence = f"{about} {words}" if about else words
        note = super().__new__(cls, f"{sentence} ({option})" if option else sentence)
        note.words = sentence
        note.answer = words
        note.option = option
        note.topic = topic
        return note
