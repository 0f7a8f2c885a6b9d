"""CoNLL-U, the format of Universal Dependencies: ten columns with tabs.

The text is that of `# text = `, or that of the words and `SpaceAfter=No`. Empty
nodes such as `3.1` are skipped. A range such as `2-3` is what the text has in
place of its words. If these words do not spell it, as in French `du` for `de`
and `le`, the range is one word, and its tag is that of its words, or all of
them with `+`. Of tags that mark entities it is the first that is not O.

References:
    https://universaldependencies.org/format.html
"""

import dataclasses
import re

from trainers.data.texts import sentences
from trainers.data.texts.sentences import LineError
from trainers.data.texts.text_format import TextFormat
from trainers.errors import ConfigError
from trainers.objectives import entity_spans
from trainers.objectives import tag_schemes

_COLUMNS = 10
_FIXED = {"upos": 3, "xpos": 4}
_MISC = 9
_TEXT = re.compile(r"#\s*text\s*=\s?(.*)")
_ID = re.compile(r"(\d+)(?:-(\d+)|\.\d+)?")


@dataclasses.dataclass
class _Word:
    """A word of the text.

    Attributes:
        number: int. Line in the file.
        form: str.
        tag: str; `None` for a range.
        space_after: bool. Whether a space follows.
    """

    number: int
    form: str
    tag: str | None
    space_after: bool


def read_rows(file, data, columns, report):
    """Yields the sentences of one file; see `rows`.

    Args:
        file: Path of the file.
        data: `TaggedTextDataConfig`.
        columns: Dict from `columns`.
        report: Function of the line and the problem of an unusable sentence.

    Yields:
        `(line, values)`.

    Raises:
        ConfigError: No word has such a tag.
    """
    key = columns.get("label")
    state = {"known": key is None or key.lower() in _FIXED}

    def row_of(block):
        return _row(block, key, state, file)

    yield from sentences.read_blocks(file, data, columns, report, row_of)


def _row(block, key, state, file):
    """Returns the values of a sentence, or `None` if it has no words."""
    said, words = None, []
    rest, inside = 0, []
    for number, line in block:
        if line.startswith("#"):
            if found := _TEXT.fullmatch(line):
                said = found[1]
            continue
        cells = line.split("\t")
        place = _ID.fullmatch(cells[0])
        if len(cells) != _COLUMNS or not place:
            raise LineError(
                number,
                f"must have {_COLUMNS} columns with tabs between them, and a "
                f"number in the first. Received: {len(cells)} columns, "
                f"{cells[0][:40]!r}",
            )
        if "." in cells[0]:
            continue
        word = _word(number, cells, key, state, file, is_range=place[2])
        if place[2]:
            if rest or int(place[2]) < int(place[1]):
                raise LineError(
                    number,
                    f"has the range {cells[0]}, which must go from a smaller "
                    "number to a larger one, and not begin in another range",
                )
            rest = int(place[2]) - int(place[1]) + 1
            words.append(word)
        elif rest:
            inside.append(word)
            rest -= 1
            if not rest:
                words[-1:] = _inside(words[-1], inside)
                inside = []
        else:
            words.append(word)
    if rest:
        raise LineError(words[-1].number, "is a range whose words are missing")
    if not words:
        return None
    text, places = _placed(words) if said is None else _found(said, words)
    return sentences.row(
        text, places, None if key is None else [word.tag for word in words]
    )


def _word(number, cells, key, state, file, is_range):
    misc = {}
    if cells[_MISC] != "_":
        for pair in cells[_MISC].split("|"):
            name, _, value = pair.partition("=")
            misc[name] = value
    if not cells[1]:
        raise LineError(number, "has no word in the column FORM")
    tag = None
    if key is not None and not is_range:
        tag = _tag(number, cells, misc, key, state, file)
    return _Word(number, cells[1], tag, misc.get("SpaceAfter") != "No")


def _tag(number, cells, misc, key, state, file):
    if key.lower() in _FIXED:
        tag = cells[_FIXED[key.lower()]]
        if tag in ("_", ""):
            raise LineError(number, f"has no tag in the column {key.upper()}")
        return tag
    if key in misc:
        state["known"] = True
        return misc[key]
    if not state["known"]:
        raise ConfigError(
            "`--config.data.label_column` must be upos, xpos, or a key of the "
            f"column MISC of {file}. Received: {key!r}. The word in line "
            f"{number} has the keys: {', '.join(misc) or 'none'}. Example: "
            "--config.data.label_column=upos"
        )
    raise LineError(number, f"has no {key!r} in the column MISC")


def _inside(whole, words):
    """Returns the words of a range, or one word."""
    if "".join(word.form for word in words) == whole.form:
        for word in words:
            word.space_after = False
        words[-1].space_after = whole.space_after
        return words
    if words[0].tag is not None:
        whole.tag = _joined([word.tag for word in words], whole.number)
    return [whole]


def _joined(tags, number):
    """Returns the tag of a range that is one word."""
    marks = [tag for tag in tags if tag != entity_spans.OUTSIDE]
    parts = [tag_schemes.split(tag) for tag in marks]
    if not marks or None in parts:
        return "+".join(dict.fromkeys(tags))
    kinds = {kind for _, kind in parts}
    starts = [n for n, (prefix, _) in enumerate(parts) if prefix in "BSU"]
    if len(kinds) > 1 or any(starts):
        raise LineError(
            number,
            f"is one word of the text with parts of several entities, "
            f"{', '.join(marks)}, but a word has one tag",
        )
    prefix, kind = parts[0]
    # A word with the begin and the end is an entity of one word.
    last = parts[-1][0]
    if last in "EL":
        prefix = {"E": "S", "L": "U"}[last] if prefix == "B" else last
    return f"{prefix}-{kind}"


def _placed(words):
    """Returns the text of words, and their places."""
    parts, places, end = [], [], 0
    for word in words:
        places.append([end, end + len(word.form)])
        parts.append(word.form + " " * word.space_after)
        end += len(parts[-1])
    return "".join(parts).rstrip(" "), places


def _found(text, words):
    """Returns a text and the places of its words."""
    places, end = [], 0
    for word in words:
        start = text.find(word.form, end)
        if start < 0 or text[end:start].strip():
            raise LineError(
                word.number,
                f"has the word {word.form[:40]!r}, but `# text` continues with "
                f"{text[end : end + 40]!r}",
            )
        end = start + len(word.form)
        places.append([start, end])
    if text[end:].strip():
        raise LineError(
            words[-1].number,
            f"is the last word, but `# text` continues with "
            f"{text[end : end + 40]!r}",
        )
    return text, places


CONLLU = TextFormat(read_rows, place=", line ")
