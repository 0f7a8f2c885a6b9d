"""Rows that are objects: from the values of JSON and Arrow to texts and labels.

Texts are strings; for tags, they can also be lists of words. A label is a
string, a whole number, true or false; its JSON form is the name of the class.
An objective that takes JSON gets any value.
"""

import json
import re
import shlex

from trainers.data.texts import columns as columns_lib
from trainers.data.texts import decoding
from trainers.data.texts import word_lists
from trainers.objectives import other_objectives

# Keys that only Prodigy writes.
_PRODIGY = ("_task_hash", "_input_hash", "_session_id", "spans")
# Its answers that say that the labels of a row do not hold.
_REFUSED = ("reject", "ignore")
# Keys that Label Studio's JSON-MIN has in each row.
_JSON_MIN = ("annotation_id", "lead_time")


class ProblemError(Exception):
    """A problem of a row. Its argument is a str, or a `WrongBytes`."""


def read_values(row, columns, encoding, *, in_array=False):
    """Returns texts as bytes in UTF-8 and the other columns as str.

    The column `data.text` is the key `text` of the object `data` of a row, as
    Label Studio writes it. If the columns take JSON, targets are what the row
    contains, with bytes as str: also numbers, bools, `None`, lists and dicts.

    Args:
        row: Any object. A usable row is a dict.
        columns: `Columns`.
        encoding: str. The encoding of values that are bytes.
        in_array: bool. Whether the row is in a JSON array, for advice.

    Raises:
        ProblemError: The row has no such columns, or a value of another kind.
    """
    if not isinstance(row, dict):
        raise ProblemError(f"must be an object. Received: {_word(row)}")
    if columns.keys() - columns_lib.TEXTS:
        _check_answer(row, columns)
    found = {}
    for field, name in columns.items():
        is_there, found[field] = _find(row, name)
        if not is_there:
            raise ProblemError(
                f"has no {name!r} ({columns.flag(field)}), but "
                f"{columns_lib.quoted(row) or 'nothing'}"
                f"{_left_out(row, field, columns, in_array)}"
            )
    if columns.takes_words and isinstance(found["text"], list | tuple):
        try:
            found = word_lists.to_text(found, columns)
        except ValueError as problem:
            raise ProblemError(problem.args[0]) from None
    values = {}
    for field, value in found.items():
        name = columns[field]
        try:
            values[field] = _checked(
                value, name, field, encoding, columns.takes_json
            )
        except UnicodeEncodeError:
            raise ProblemError(
                f"{name!r} has half a surrogate pair, which is not Unicode"
            ) from None
    return values


def _check_answer(row, columns):
    """Refuses a row whose labels an annotator of Prodigy did not accept."""
    answer = row.get("answer")
    if (
        answer in _REFUSED
        and "answer" not in columns.values()
        and any(key in row for key in _PRODIGY)
    ):
        raise ProblemError(
            f"has the answer {answer!r} of Prodigy, so its labels do not hold. "
            "Remove such rows: jq -c 'select(.answer == \"accept\")'"
        )


def _left_out(row, field, columns, in_array):
    """Returns what to do if Label Studio left out a key, or nothing."""
    if (
        field != "label"
        or not columns.takes_json
        or not any(key in row for key in _JSON_MIN)
    ):
        return ""
    name = columns[field]
    fill = f"{_jq_path(name)} //= []"
    command = f"map({fill})" if in_array else fill
    cure = (
        f"{json.dumps(name, ensure_ascii=False)}: [] there: "
        f"jq {'' if in_array else '-c '}{shlex.quote(command)}"
    )
    used = columns.values()
    lists = [k for k, x in row.items() if isinstance(x, list) and k not in used]
    if not lists:
        return (
            ". Label Studio leaves out the key of a text without labels. Write "
            f"{cure}"
        )
    other = max(lists, key=lambda key: bool(row[key]))  # The first of the best.
    return (
        f". If {other!r} has the labels, set {columns.flag(field)}="
        f"{shlex.quote(other)}. If {name!r} has them, Label Studio leaves out "
        f"the key of a text without labels: write {cure}"
    )


def _jq_path(name):
    """Returns the path of a key for jq.

    >>> _jq_path("label"), _jq_path("ner-tags")
    ('.label', '."ner-tags"')
    """
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        return f".{name}"
    return f".{json.dumps(name, ensure_ascii=False)}"


def _find(row, name):
    """Returns whether a row has a value, and the value.

    `data.text` is `text` inside of the object `data`, unless the row has a key
    with this name.
    """
    if name in row or "." not in name:
        return name in row, row.get(name)
    for part in name.split("."):
        if not isinstance(row, dict) or part not in row:
            return False, None
        row = row[part]
    return True, row


def text_of(content, name, encoding):
    """Returns a value that is bytes as a str.

    Args:
        content: bytes.
        name: str. Name of the column.
        encoding: str.

    Raises:
        ProblemError: The bytes are not in the encoding.
    """
    text = decoding.decode(content, encoding)
    if problem := decoding.problem(text, encoding):
        words = f"{name!r} {problem}"
        raise ProblemError(decoding.WrongBytes.of(words, problem.sample))
    return text


def _checked(value, name, field, encoding, takes_json):
    """Returns one value, checked.

    Raises:
        ProblemError: The value has a wrong type.
        UnicodeEncodeError: The value is not Unicode.
    """
    if isinstance(value, bytes):
        value = text_of(value, name, encoding)
    if isinstance(value, str):
        content = value.encode()
        return content if field in columns_lib.TEXTS else value
    if field in (*columns_lib.TEXTS, "split"):
        raise ProblemError(
            f"{name!r} must be a string. Received: {_word(value)}"
        )
    if takes_json:
        return _plain(value, name, encoding)
    if isinstance(value, int):  # Or bool, a subclass of int.
        return json.dumps(value)
    hint = other_objectives.hint(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        hint = f"; write {int(value)}"
    raise ProblemError(
        f"{name!r} must be a string, a whole number, true or false. Received: "
        f"{_word(value)}{hint}"
    )


def _plain(value, name, encoding):
    """Returns a value with bytes as str; checks that text is Unicode."""
    if isinstance(value, bytes):
        value = text_of(value, name, encoding)
    if isinstance(value, str):
        value.encode()
    if isinstance(value, (list, tuple)):
        return [_plain(item, name, encoding) for item in value]
    if isinstance(value, dict):
        return {
            _plain(key, name, encoding): _plain(item, name, encoding)
            for key, item in value.items()
        }
    return value


def _word(value):
    """Returns a value as JSON, or its kind if it can be long."""
    for kind, words in (
        (str, "a string"),
        (list, "an array"),
        (dict, "an object"),
    ):
        if isinstance(value, kind):
            return words
    return json.dumps(value, default=str)[:40]
