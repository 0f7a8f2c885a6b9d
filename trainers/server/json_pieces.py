"""Parses and frees large JSON documents beside other threads.

Python's `json` parses a document in one call, and no other thread of Python
runs meanwhile: 16 MB of small lists take seconds. Here, each call gets a piece
of the document. A piece ends behind a comma. A dummy member and the brackets
that are open there complete it; the next piece begins with the same brackets
and a dummy. The values of both are then joined:

    {"x": [[1, 2], [3,
    {"x": [[1, 2], [3, 0]]}
          4]]}
    {"": [[0, 4]]}
"""

import contextlib
import gc
import json
import re
import threading

# Characters of a piece. To parse it takes at most a few milliseconds.
PIECE = 2**15
# Most levels of lists and objects. Python's parser can parse about a thousand.
MOST_LEVELS = 500
# Elements that are freed, and parts of a text that are read, in one call.
_ELEMENTS = 2**12
_STRING = r'"(?:[^"\\]|\\.)*+"'
_MEMBER = rf'[^",]*+(?:{_STRING}[^",]*+)*+,'
# Parts of a member that is longer than a piece, and of a long string.
_SOME = f"{{0,{_ELEMENTS}}}+"
_IN_STRING = re.compile(rf'(?:[^"\\]|\\.){_SOME}', re.DOTALL)
_IN_MEMBER = re.compile(
    rf'(?:[^",]|"(?:[^"\\]|\\.){{0,99}}+"){_SOME}', re.DOTALL
)
_MEMBERS = re.compile(f"(?:{_MEMBER})++", re.DOTALL)
_NO_BRACKETS = re.compile(rf'{_STRING}|[^\[\]{{}}"]++', re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*")
_CLOSING = {"[": "]", "{": "}"}
_DUMMY = {"[": "0", "{": '"":0'}


class Repeated(dict):
    """An object that repeats a key. As a dict, it has the first value.

    Attributes:
        pairs: list of tuples of key and value, in the order of the document.
    """

    def __init__(self, pairs):
        """Creates the object.

        Args:
            pairs: list of tuples of key and value.
        """
        super().__init__()
        for key, value in pairs:
            self.setdefault(key, value)
        self.pairs = pairs


def pairs_of(value):
    """Returns all keys and values of an object, without a copy of them.

    Args:
        value: dict or `Repeated`.
    """
    return value.pairs if type(value) is Repeated else value.items()


def parse(text, piece=PIECE, **hooks):
    """Returns the first JSON value in a text. What follows it is ignored.

    Args:
        text: str.
        piece: int. Characters of a piece.
        **hooks: Of `json.JSONDecoder`, for example `parse_float`.

    Returns:
        JSON value. An object with a repeated key is a `Repeated`.

    Raises:
        json.JSONDecodeError: The text is not JSON.
        RecursionError: The text has too many levels.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_object, **hooks)
    begin = _SPACE.match(text).end()
    if len(text) - begin <= piece or text[begin] not in _CLOSING:
        return decoder.raw_decode(text, begin)[0]
    joint = _Joint()
    while True:
        found = _MEMBERS.match(text, begin, begin + piece)
        end = found.end() if found else _end_of_member(text, begin)
        part, prefix = text[begin:end], joint.prefix()
        try:
            is_last = part[-1:] != ","
            suffix = joint.read_end() if is_last else joint.read(part)
            value, _ = decoder.raw_decode(prefix + part + suffix)
        except (ValueError, RecursionError) as error:
            joint.dismantle()
            if not isinstance(error, json.JSONDecodeError):
                raise
            offset = begin + max(error.pos - len(prefix), 0)
            raise json.JSONDecodeError(error.msg, text, offset) from None
        joint.add(value)
        if not joint.brackets:
            return joint.value
        begin = end


def _end_of_member(text, begin):
    """Returns the end of one member with its comma, or of the text."""
    end, is_string = begin, False
    while end < len(text):
        step = _IN_STRING if is_string else _IN_MEMBER
        end = step.match(text, end).end()
        following = text[end : end + 1]
        if following == "," and not is_string:
            return end + 1
        if following == '"':
            end += 1
            is_string = not is_string
        elif following == "\\" and end + 1 == len(text):
            break  # The string has no end.
    return len(text)


def _object(pairs):
    found = _dict(pairs)
    return found if len(found) == len(pairs) else Repeated(pairs)


def _dict(pairs):
    """Returns a dict of the last values, in calls of bounded time."""
    if len(pairs) <= _ELEMENTS:
        return dict(pairs)
    found = {}
    for begin in range(0, len(pairs), _ELEMENTS):
        found.update(pairs[begin : begin + _ELEMENTS])
    return found


class _Joint:
    """The part of a document that has been parsed.

    Attributes:
        brackets: list of str. The open ones, the outermost first.
        value: JSON value. The document, when all brackets are closed.
    """

    def __init__(self):
        self.brackets = []
        self.value = None
        # For each open bracket, itself and its elements or pairs.
        self._open = []
        # The fewest open brackets at any place of the last piece.
        self._fewest = 0

    def prefix(self):
        """Returns the text before the next piece."""
        if not self.brackets:
            return ""
        *outer, inner = self.brackets
        text = "".join('{"":' if each == "{" else "[" for each in outer)
        return f"{text}{inner}{_DUMMY[inner]},"

    def read(self, piece):
        """Reads the brackets of a piece and returns the text behind it."""
        self._fewest = len(self.brackets)
        for bracket in _NO_BRACKETS.sub("", piece):
            if bracket in _CLOSING:
                self.brackets.append(bracket)
                if len(self.brackets) > MOST_LEVELS:
                    raise RecursionError
            elif not self.brackets or _CLOSING[self.brackets.pop()] != bracket:
                return self.read_end()  # The parser will refuse the piece.
            else:
                self._fewest = min(self._fewest, len(self.brackets))
                if not self.brackets:
                    break
        if not self.brackets:
            return self.read_end()
        closing = "".join(_CLOSING[each] for each in reversed(self.brackets))
        return _DUMMY[self.brackets[-1]] + closing

    def read_end(self):
        """Prepares for the last piece, which has no text behind it."""
        self.brackets.clear()
        self._fewest = 0
        return ""

    def add(self, value):
        """Joins the value of a piece."""
        rests, node = [], value
        for bracket, _ in self._open:
            first, *rest = _members(node)
            rests.append(rest)
            node = first if bracket == "[" else first[1]
        for level in reversed(range(len(rests))):
            bracket, members = self._open[level]
            members += rests[level]
            if level >= self._fewest:
                self._close(level)
        if not rests:
            self.value = value
        for bracket in self.brackets[len(self._open) :]:
            node = _last(*self._open[-1]) if self._open else value
            self._open.append((bracket, _members(node)))
        if self._open:
            self._open[-1][1].pop()  # The dummy.

    def _close(self, level):
        bracket, members = self._open.pop()
        closed = members if bracket == "[" else _object(members)
        if not level:
            self.value = closed
            return
        bracket, members = self._open[-1]
        members[-1] = closed if bracket == "[" else (members[-1][0], closed)

    def dismantle(self):
        """Frees the part that has been parsed, after an error."""
        for _, members in self._open:
            dismantle(members)


def _last(bracket, members):
    return members[-1] if bracket == "[" else members[-1][1]


def _members(node):
    return node if type(node) is list else list(pairs_of(node))


def dismantle(value):
    """Frees a document. To drop a large one at once takes long.

    Args:
        value: JSON value. Its lists and objects are empty afterwards.
    """
    waiting = [value] if type(value) in _CONTAINERS else []
    while waiting:
        node = waiting.pop()
        if type(node) is list:
            while node:
                part = node[-_ELEMENTS:]
                del node[-_ELEMENTS:]
                waiting += [each for each in part if type(each) in _CONTAINERS]
        elif type(node) is tuple:  # A key and its value.
            waiting += [each for each in node if type(each) in _CONTAINERS]
        else:
            is_dict = type(node) is dict
            waiting.append(list(node.values()) if is_dict else node.pairs)
            node.clear()


_CONTAINERS = (list, tuple, dict, Repeated)


_LOCK = threading.Lock()
_num_documents = 0


@contextlib.contextmanager
def no_collection():
    """Switches the collection of garbage off while a document exists.

    A collection looks at each list of a document, which can take a second.
    Documents contain no cycles. Several threads can be inside. The garbage
    of everything else grows until none is inside, see `rounds.Rounds`.
    """
    _count_documents(1)
    try:
        yield
    finally:
        _count_documents(-1)


def _count_documents(change):
    global _num_documents
    with _LOCK:
        _num_documents += change
        if _num_documents:
            gc.disable()
        else:
            gc.enable()
