"""Parse the text of BVH files: encoding, hierarchy, frame rate and rows of numbers.

Programs write the format loosely. Files are also read, with a note, if the frame count is wrong, the last row is cut
off, rows are wrapped, numbers have decimal commas or no blanks between them, or the frame time is missing or in
milliseconds.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.compiled import find_kernel
from selfcorrect.motion.motion import FPS_READ
from selfcorrect.motion.skeleton import MAX_JOINTS, MAX_LEVELS
from selfcorrect.storage.files.limits import check_unpacked, read_bytes

from ..sampling import FPS_ROUNDING, SAMPLED_FPS, USUAL_FPS, find_whole_rate, rate_of_period
from ..skeletons.file_note import FileNote
from .rig import LARGEST

_CHANNELS = {f"{axis}{kind}".lower(): f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}
_FRAME_TIME_S = (1 / FPS_READ[1], 1 / FPS_READ[0])
_LONGEST_FRAME_S = 4.0
"""Frame time above which the number must be in milliseconds or a frame rate, in s."""
_USUAL_ROUNDING = 2e-3
"""Tolerated relative rounding of frame times in milliseconds, which often have one decimal, such as 33.3."""

BLANKS = " \t\n\r\v\f"
"""Blanks to strip from names. Other blanks, such as the Japanese one, belong to the name."""
_WORD = re.compile(r"(?:\s+|(?://|[#;])[^\n]*)*([{}]|[^\s{}]+|)")
"""Pattern of the next word after blanks and comments; the word is empty at the end of the text."""
_NAME = re.compile(r"[^\n{]*")
_COMMENT = re.compile(r"(?:^|\s)(?://|[#;]).*$", re.MULTILINE)
_COMMENT_AFTER_NAME = re.compile(r"(?<=\S)\s+(?://|[#;])\s.*$")
_DECIMAL_COMMA = re.compile(r"(?<!\S)([-+]?\d*),(\d+(?:[eE][-+]?\d+)?)(?!\S)")
_DECIMAL_POINT = re.compile(r"\d\.\d")
_COMMA_NOTE = "decimal commas are read as decimal points"
_TOUCHING = re.compile(r"(?<=[\d.])(?=[-+])")
"""Pattern of the border between two numbers without a blank, where the second one's sign fills the column."""
_TOUCHING_NOTE = "numbers without a blank between them are split"
ROWS_AT_END = 4
"""Number of last rows that show the program's number format."""
_ONE_SECOND = "1.0000000"
"""Frame time of a real second. Written by this library with seven decimals, it is not a placeholder."""
_PADDING = "\0\x1a"
"""Characters with which programs pad files."""
_JAPANESE = re.compile("[\u3040-\u30ff]|[\u3400-\u9fff\uff61-\uff9f]{2}")


@dataclass
class BvhJoint:
    """A joint of the hierarchy during reading."""

    name: str
    parent: int
    line: int
    is_end: bool
    offset: list[float] | None = None
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class BvhText:
    """The content of a BVH file."""

    joints: list[BvhJoint]
    names: tuple[str, ...]
    """Unique names of the joints."""
    values: np.ndarray
    """Channel values (T, C), with joints in the file's order."""
    fps: float
    notes: tuple[str, ...]
    """Notes on assumptions made in reading."""
    size: int
    """Number of characters of the text."""
    damaged_rows: tuple[int, ...] = ()
    """Rows without valid numbers, which have those of the row before and are to be filled."""
    placeholder_rate: FileNote | None = None
    """Note on a frame time of 1 s, which is usually a placeholder; None for other frame times."""

    @property
    def channels(self) -> tuple[tuple[str, ...], ...]:
        """The channels of each joint."""
        return tuple(joint.channels or () for joint in self.joints)


def read_bvh_text(path: Path) -> tuple[str, str]:
    """Read a BVH file as text, and detect its encoding.

    Returns the text and Python's name of the encoding. Raises InputError if the file is not text or is larger than the
    limit.
    """
    check_unpacked(path, path.stat().st_size)
    return decode(read_bytes(path), str(path))


def decode(content: bytes, source: str) -> tuple[str, str]:
    """Decode text and detect its encoding, which BVH does not state.

    Encoding the names again gives the same bytes. Latin-1 decodes any bytes and is therefore tried last.

    Returns:
        The text, and Python's name of the encoding.

    Raises:
        InputError: The content is not text.
    """
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if content.startswith(mark) and not content.startswith(codecs.BOM_UTF32_LE):
            return content[len(mark) :].decode(encoding, errors="replace"), encoding
    head = content[: max(content.find(b"MOTION"), 0) or len(content)]
    if b"\0" in head[:1000]:
        for encoding in ("utf-16-le", "utf-16-be"):
            if content[:40].decode(encoding, errors="replace").lstrip().upper().startswith("HIERARCHY"):
                return content.decode(encoding, errors="replace"), encoding
        raise InputError(f"{source}: expected a text file in UTF-8 or UTF-16, got bytes that are neither")
    if content.isascii():
        return content.decode("ascii"), "utf-8"
    for encoding in ("utf-8-sig", "cp932", "cp1252"):
        try:
            text = head.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "cp932" and not (_JAPANESE.search(text) and text.encode(encoding) == head):
            continue
        rest = content[len(head) :].decode("ascii", errors="replace")
        return text + rest, encoding.removesuffix("-sig")
    return content.decode("latin-1"), "latin-1"


def byte_order_mark(encoding: str) -> bytes:
    """Return the byte-order mark of UTF-16, or no bytes for other encodings."""
    return "\ufeff".encode(encoding) if encoding.startswith("utf-16") else b""


def parse_text(text: str, source: str, fps: float | None = None) -> BvhText:
    """Parse the text of a BVH file.

    Args:
        fps: Frame rate, which overrides the file's frame time.

    Returns:
        The hierarchy, the frame rate and the values of all channels.

    Raises:
        InputError: The text is malformed. The message names the line and what was expected there.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        after_hierarchy, joints = _scan_hierarchy(text[: max(text.find("\nMOTION"), 0)])
        notes = dict(after_hierarchy.notes)
        scanner = replace(after_hierarchy, text=text, source=source, notes=notes, damaged_rows=[])
    except InputError:  # a keyword may be spelled differently: parse the whole text
        scanner = _Scanner(text, source)
        joints = _parse_hierarchy(scanner)
    names = _number_ends(joints, source)
    frames, fps = _parse_motion_head(scanner, fps)
    channels = sum(len(joint.channels or ()) for joint in joints)
    values = _parse_rows(scanner, frames, channels)
    return BvhText(
        joints=joints,
        names=names,
        values=values,
        fps=fps,
        notes=tuple(scanner.notes),
        size=len(text),
        damaged_rows=tuple(scanner.damaged_rows),
        placeholder_rate=scanner.placeholder_rate,
    )


@dataclass
class _Scanner:
    """A cursor that reads a text word by word."""

    text: str
    source: str
    at: int = 0
    word_at: int = 0
    """Start of the last word."""
    notes: dict[str, None] = field(default_factory=dict)
    """Unique notes, in order."""
    damaged_rows: list[int] = field(default_factory=list)
    """As in `BvhText`."""
    placeholder_rate: FileNote | None = None
    """As in `BvhText`."""

    @property
    def line(self) -> int:
        """Line of the last word."""
        return 1 + self.text.count("\n", 0, self.word_at)

    def peek(self) -> str:
        """Return the next word without consuming it; "" at the end of the text."""
        return self._find_word()[1]

    def next(self, expected: str) -> str:
        """Consume and return the next word. Raises InputError at the end of the text."""
        word = self._find_word()
        self.word_at, self.at = word.span(1)
        if not word[1]:
            if not self.text.strip():
                raise InputError(f"{self.source}: the file is empty; export it again")
            raise InputError(f"{self.source}, line {self.line}: the file ends where {expected} was expected")
        return word[1]

    def expect(self, word: str) -> None:
        """Consume this word. Raises InputError if another word follows."""
        if self.next(f'"{word}"').upper() != word:
            raise self.fail(f'"{word}"')

    def read_name(self) -> str:
        """Read the rest of the line, up to a brace."""
        match = _NAME.match(self.text, self.at)
        assert match is not None, "the pattern also matches the empty string"
        self.at = match.end()
        return _COMMENT_AFTER_NAME.sub("", match.group().strip(BLANKS))

    def read_numbers(self, count: int, keyword: str) -> list[float]:
        """Read `count` finite numbers. Raises InputError if there are fewer or more."""
        start = self.word_at
        values = []
        while len(values) <= count and (numbers := self.split_numbers(self.peek())):
            self.next(keyword)
            values += numbers
        self.word_at = start
        if len(values) != count:
            raise self.fail(f"{count} finite numbers between ±{LARGEST:g} after {keyword}")
        return values

    def split_numbers(self, word: str) -> list[float]:
        """Split a word into numbers, which may lack blanks between them.

        Returns [] if anything is not a finite number.
        """
        parts = [word] if np.isfinite(self.number(word)) else _TOUCHING.split(word)
        numbers = [self.number(part) for part in parts]
        if not all(abs(number) <= LARGEST for number in numbers):
            return []
        if len(parts) > 1:
            self.notes[_TOUCHING_NOTE] = None
        return numbers

    def number(self, word: str) -> float:
        """Parse a word as a number, or return NaN."""
        return _parse_number(self.replace_decimal_commas(word))

    def replace_decimal_commas(self, text: str) -> str:
        """Replace decimal commas by points.

        The text changes only if no number in it has a decimal point.
        """
        if "," not in text or _DECIMAL_POINT.search(text):
            return text
        replaced = _DECIMAL_COMMA.sub(r"\1.\2", text)
        if replaced != text:
            self.notes[_COMMA_NOTE] = None
        return replaced

    def fail(self, expected: str) -> InputError:
        """Make an error that shows the last word and the rest of its line."""
        line = self.text[self.word_at : self.word_at + 200].partition("\n")[0]
        got = " ".join(line.split())[:60]
        return InputError(f"{self.source}, line {self.line}: expected {expected}, got {got!r}")

    def note_damage(self, damage: str) -> None:
        """Add a note on missing or dropped data."""
        self.notes[FileNote(f"damaged file: {damage}", topic="damage")] = None

    def _find_word(self) -> re.Match[str]:
        """Match the next word. The match is empty at the end of the text."""
        match = _WORD.match(self.text, self.at)
        assert match is not None, "the pattern also matches the empty string"
        return match


_MAX_DAMAGED = 0.1
"""Maximum share of damaged rows that are filled."""
_LISTED_ROWS = 5
"""Maximum number of damaged rows whose lines are named."""


def _parse_number(word: str) -> float:
    """Parse a word as a number, or return NaN."""
    try:
        return float(word)
    except ValueError:
        return np.nan


@lru_cache(maxsize=16)
def _scan_hierarchy(beginning: str) -> tuple[_Scanner, list[BvhJoint]]:
    """Parse a hierarchy, with a cache because many files share the same one.

    Returns the scanner after the hierarchy and the joints; do not change either.
    """
    scanner = _Scanner(beginning, "")
    joints = _parse_hierarchy(scanner)
    return scanner, joints


def _parse_hierarchy(scanner: _Scanner) -> list[BvhJoint]:
    """Parse the joints, in the file's order, which has parents first."""
    scanner.expect("HIERARCHY")
    joints: list[BvhJoint] = []
    open_joints: list[int] = []
    while open_joints or not joints:
        expected = "JOINT, End Site, OFFSET, CHANNELS or }" if open_joints else "ROOT"
        keyword = scanner.next(expected).upper()
        if keyword in (("JOINT", "END") if open_joints else ("ROOT",)):
            if len(joints) >= MAX_JOINTS or len(open_joints) >= MAX_LEVELS:
                raise scanner.fail(f"a skeleton of at most {MAX_JOINTS} joints on at most {MAX_LEVELS} levels")
            joints.append(_open_joint(scanner, keyword, open_joints, joints))
            open_joints.append(len(joints) - 1)
            scanner.expect("{")
        elif keyword == "OFFSET" and open_joints:
            joints[open_joints[-1]].offset = scanner.read_numbers(3, "OFFSET")
        elif keyword == "CHANNELS" and open_joints and not joints[open_joints[-1]].is_end:
            joints[open_joints[-1]].channels = _parse_channels(scanner)
        elif keyword == "}" and open_joints:
            joint = joints[open_joints.pop()]
            missing = "OFFSET" if joint.offset is None else "CHANNELS"
            if joint.offset is None or (joint.channels is None and not joint.is_end):
                where = f"{scanner.source}, line {joint.line}"
                raise InputError(f"{where}: expected {missing} in joint {joint.name!r}, got none")
        else:
            raise scanner.fail(expected)
    return joints


def _open_joint(scanner: _Scanner, keyword: str, open_joints: Sequence[int], joints: Sequence[BvhJoint]) -> BvhJoint:
    parent = open_joints[-1] if open_joints else -1
    name = scanner.read_name()
    if keyword == "END":
        return BvhJoint(f"{joints[parent].name}_end", parent, scanner.line, is_end=True)
    if not name:
        raise scanner.fail(f"a name after {keyword}")
    return BvhJoint(name, parent, scanner.line, is_end=False)


def _parse_channels(scanner: _Scanner) -> tuple[str, ...]:
    start = scanner.word_at
    count = scanner.next("the number of channels")
    names: list[str] = []
    while len(names) < len(_CHANNELS) and (name := _CHANNELS.get(scanner.peek().lower())):
        scanner.next("a channel")
        names.append(name)
    if count != str(len(names)) or len(set(names)) != len(names):
        scanner.word_at = start
        raise scanner.fail("CHANNELS, their number, and as many different channels from Xposition to Zrotation")
    return tuple(names)


def _number_ends(joints: Sequence[BvhJoint], source: str) -> tuple[str, ...]:
    """Number end sites of the same name, and return the names of all joints.

    Raises InputError if two other joints have the same name.
    """
    lines: dict[str, int] = {}
    for joint in joints:
        if joint.is_end:
            continue
        if joint.name in lines:
            raise InputError(
                f"{source}, line {joint.line}: expected a new joint name, got {joint.name!r}, which is already in line "
                f"{lines[joint.name]}"
            )
        lines[joint.name] = joint.line
    taken = set(lines)
    copies: dict[str, int] = {}
    names = []
    for joint in joints:
        name = joint.name
        while joint.is_end and name in taken:
            copies[joint.name] = copies.get(joint.name, 1) + 1
            name = f"{joint.name}{copies[joint.name]}"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _parse_motion_head(scanner: _Scanner, fps: float | None) -> tuple[int, float]:
    """Parse the frame count and the frame rate, which `fps` overrides."""
    keyword = scanner.next("MOTION").upper()
    if keyword == "ROOT":
        raise scanner.fail("MOTION after the first skeleton (a file with several roots holds several people)")
    if keyword != "MOTION":
        raise scanner.fail("MOTION")
    frames = _read_field(scanner, r"frames", '"Frames: <number>"')
    if not re.fullmatch(r"\d{1,12}(\.0*)?", frames):
        raise scanner.fail('"Frames: <number>"')
    count = int(frames.partition(".")[0])
    if fps is not None and np.isfinite(scanner.number(scanner.peek())):
        scanner.notes[FileNote(f"the file states no frame time: {fps:g} frames per second", "--fps")] = None
        return count, fps
    time = _read_field(scanner, r"frame\s*time", '"Frame Time: <seconds>" (or --fps)')
    return count, _resolve_fps(scanner, time, fps)


def _read_field(scanner: _Scanner, label: str, expected: str) -> str:
    """Return the word after a label and a colon."""
    scanner.next(expected)
    match = re.compile(rf"{label}[^\S\n]*:?[^\S\n]*(\S+)", re.IGNORECASE).match(scanner.text, scanner.word_at)
    if match is None:
        raise scanner.fail(expected)
    scanner.at = match.end()
    return match[1]


def _resolve_fps(scanner: _Scanner, time: str, fps: float | None) -> float:
    """Resolve the frame rate from `time`, the frame time as written, unless `fps` overrides it."""
    frame_time_s = scanner.number(time)
    own_fps, assumption = 1.0, ""
    if time != _ONE_SECOND:
        own_fps, assumption = _infer_fps(frame_time_s, scanner.replace_decimal_commas(time))
    if fps is not None:
        if own_fps is None or abs(own_fps - fps) > FPS_ROUNDING * fps:
            words = f"{fps:g} frames per second instead of the file's frame time {time[:20]}"
            scanner.notes[FileNote(words, "--fps")] = None
        return fps
    if own_fps is None:
        least, most = _FRAME_TIME_S
        raise scanner.fail(f'"Frame Time: <seconds>", a positive number from {least:g} to {most:g}, or --fps')
    if assumption:
        words = f"frame time {time[:20]}{assumption}: {own_fps:g} frames per second assumed"
        note = FileNote(words, "--fps")
        if frame_time_s == 1:
            scanner.placeholder_rate = note
        else:
            scanner.notes[note] = None
    return own_fps


def _infer_fps(frame_time_s: float, digits: str) -> tuple[float | None, str]:
    """Infer the frame rate from a frame time.

    Programs that do not know the frame time write 0 or 1. A large number is in milliseconds or is itself the frame
    rate, whichever gives a usual frame rate.

    Args:
        frame_time_s: The frame time.
        digits: The frame time as written, with a decimal point.

    Returns:
        The frame rate, or None if the number is not a frame time, and the assumption made, or "".
    """
    if frame_time_s in (0, 1):
        return SAMPLED_FPS, " is a placeholder"
    if frame_time_s > _LONGEST_FRAME_S:
        in_milliseconds = find_whole_rate(Decimal(digits), 1000) or 1000 / frame_time_s
        for fps, assumption in ((in_milliseconds, " in milliseconds"), (frame_time_s, " is the frame rate")):
            usual_fps = min(USUAL_FPS, key=lambda usual: abs(usual - fps))
            if abs(fps - usual_fps) < _USUAL_ROUNDING * usual_fps:
                return float(usual_fps), assumption
    if not _FRAME_TIME_S[0] <= frame_time_s <= _FRAME_TIME_S[1]:
        return None, ""
    return rate_of_period(digits), ""


def _parse_rows(scanner: _Scanner, frames: int, channels: int) -> np.ndarray:
    """Parse the complete rows (T, channels) of a motion whose file states `frames` rows."""
    values = _read_plain_rows(scanner, frames, channels)
    if values is not None:
        return values
    first_line = 1 + scanner.text.count("\n", 0, scanner.at)
    rest = scanner.text[scanner.at :].rstrip("\0")
    text = rest.rstrip(_PADDING + " \t\n")
    has_end = text != rest or _COMMENT.search(text, text.rfind("\n") + 1) is not None
    if any(mark in text for mark in ("#", "//", ";")):
        text = _COMMENT.sub("", text)
    numbered = enumerate(scanner.replace_decimal_commas(text).split("\n"), first_line)
    lines = [(number, line) for number, line in numbered if line and not line.isspace()]
    if not channels:
        return np.zeros((frames, 0))
    if not lines:
        raise InputError(f"{scanner.source}, line {scanner.line}: expected frames after the frame time, got none")
    values = _load_even_rows(lines, channels)
    if values is None and any(_TOUCHING.search(line) for _, line in lines):
        lines = [(number, _TOUCHING.sub(" ", line)) for number, line in lines]
        values = _load_even_rows(lines, channels)
        scanner.notes[_TOUCHING_NOTE] = None
    if values is None:
        values = _load_damaged_rows(scanner, lines, frames, channels)
    if values is None:
        values = _load_uneven_rows(scanner, lines, frames, channels)
    if not has_end and len(values) > 1 and not is_end_sound([line for _, line in lines], channels):
        values = values[:-1]
        scanner.note_damage(f"the last row, in line {lines[-1][0]}, was dropped because its last number may be cut off")
    if len(values) != frames:
        scanner.note_damage(f"the header states {frames} frames, but the file has {len(values)}")
    return values


def _read_plain_rows(scanner: _Scanner, frames: int, channels: int) -> np.ndarray | None:
    """Read rows with a compiled kernel, if each is on a line of its own.

    Returns None for other rows or if there is no kernel.
    """
    kernel = find_kernel("read_rows")
    if kernel is None or 2 * frames * channels > len(scanner.text):
        return None
    text, start = scanner.text, scanner.at
    if not text.isascii():
        text, start = text[start:], 0
    values = np.empty((frames, channels))
    is_plain = kernel(text, start, values)
    return values if is_plain and values.size and max(values.max(), -values.min()) <= LARGEST else None


def is_end_sound(lines: Sequence[str], channels: int) -> bool:
    """Return whether the last number of a file without a final line break is complete.

    It is complete if all numbers in the last rows have as many decimals, if none of them has more digits, or if all
    rows end with this number. An incomplete row, or one that ends with a word that is not a number, counts as sound,
    because such a row is dropped anyway.
    """
    *words, end = " ".join(lines[-ROWS_AT_END:]).split()
    if sum(len(line.split()) for line in lines) % channels or np.isnan(_parse_number(end)):
        return True
    if {line.split()[-1] for line in lines} == {end}:
        return True
    if re.search("[eE]", "".join((*words, end))):
        return False
    decimals = {len(word.partition(".")[2]) for word in words}
    if len(decimals) == 1 and decimals != {0}:
        return len(end.partition(".")[2]) in decimals
    return "." in end and _count_digits(end) >= max(map(_count_digits, words))


def _count_digits(word: str) -> int:
    """Return the number of significant digits of a number."""
    return len(re.sub(r"\D", "", word).lstrip("0"))


def _load_even_rows(lines: Sequence[tuple[int, str]], channels: int) -> np.ndarray | None:
    """Load lines that hold one row each, or return None if a line has another count of numbers."""
    try:
        values = np.loadtxt([line for _, line in lines], comments=None, ndmin=2)  # noqa: TID251 - of lines
    except ValueError:
        return None
    is_sound = values.shape[1] == channels and bool(np.all(np.abs(values) <= LARGEST))
    return values if is_sound else None


def _load_damaged_rows(
    scanner: _Scanner, lines: Sequence[tuple[int, str]], frames: int, channels: int
) -> np.ndarray | None:
    """Load lines that hold one row each, of which few are damaged; None for other lines.

    A damaged row between sound rows gets the numbers of the row before, and is named.
    """
    if len(lines) != frames or frames < 3:
        return None
    rows: list[list[float]] = []
    damaged: list[int] = []
    for index, (number, line) in enumerate(lines):
        _check_size_of_line(scanner, number, line)
        words = line.split()
        values = [_parse_number(word) for word in words] if len(words) == channels else []
        if not values or not all(abs(value) <= LARGEST for value in values):
            damaged.append(index)
            if index in (0, frames - 1) or len(damaged) > _MAX_DAMAGED * frames:
                return None
            values = rows[-1]
        rows.append(values)
    scanner.damaged_rows += damaged
    numbers = ", ".join(str(lines[index][0]) for index in damaged[:_LISTED_ROWS])
    more = f" and {len(damaged) - _LISTED_ROWS} more" if len(damaged) > _LISTED_ROWS else ""
    rows_in = "row in line" if len(damaged) == 1 else "rows in lines"
    scanner.note_damage(
        f"the {rows_in} {numbers}{more} were filled from the rows around, without {channels} numbers each"
    )
    return np.array(rows)


_BYTES_PER_WORD = 100
"""Memory of a word of a line and its number, in bytes."""


def _check_size_of_line(scanner: _Scanner, number: int, line: str) -> None:
    """Raise InputError for a line whose numbers would take more memory than the limit."""
    size = _BYTES_PER_WORD * (line.count(" ") + line.count("\t") + 1)
    check_unpacked(f"{scanner.source}, line {number}", size, stored=len(line))


def _load_uneven_rows(scanner: _Scanner, lines: Sequence[tuple[int, str]], frames: int, channels: int) -> np.ndarray:
    """Load all complete rows from lines that hold parts of rows or several rows.

    Text after the last frame is dropped with a note.
    """
    rows: list[list[float]] = []
    pending: list[float] = []
    first_line = first_count = 0
    is_wrapped = False

    def complain(line: int, got: str) -> InputError:
        where = f"{scanner.source}, line {line}"
        return InputError(f"{where}: expected {channels} finite numbers in frame {len(rows)}, got {got}")

    for number, line in lines:
        _check_size_of_line(scanner, number, line)
        words = line.split()
        values = [_parse_number(word) for word in words]
        bad = next((index for index, value in enumerate(values) if not abs(value) <= LARGEST), None)
        if not pending:
            first_line = number
            first_count = len(words)
        pending += values[:bad]
        if bad is not None:
            is_at_end = len(rows) + len(pending) // channels >= frames - 1
            if not is_at_end or not np.isnan(values[bad]) or words[bad].lower().strip("+-") == "nan":
                raise complain(number, repr(words[bad][:30]))
            scanner.note_damage(f"the text after the numbers in line {number} was dropped")
        elif len(pending) > channels and (number != first_line or len(pending) % channels):
            raise complain(first_line, f"{first_count} numbers")
        is_wrapped |= number != first_line or len(pending) > channels
        whole = len(pending) - len(pending) % channels
        rows += [pending[start : start + channels] for start in range(0, whole, channels)]
        pending = pending[whole:]
        if bad is not None:
            break
    if not rows:
        raise complain(first_line, f"{first_count} numbers" if pending else repr(lines[0][1].split()[0][:30]))
    if pending:
        scanner.note_damage(
            f"the last row, in line {first_line}, was dropped because it has {len(pending)} of {channels} numbers"
        )
    if is_wrapped:
        scanner.notes["lines and frames do not match: rows are wrapped"] = None
    return np.array(rows, dtype=float).reshape(-1, channels)
