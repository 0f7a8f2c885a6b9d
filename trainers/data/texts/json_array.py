"""JSON: an array of objects, or objects one after the other, see `objects`.

The file is read object by object: it can be one line of any length.
"""

import json
import re

from trainers.data.texts import decoding
from trainers.data.texts import file_kinds
from trainers.data.texts import objects
from trainers.data.texts import streams
from trainers.data.texts.json_lines import STRICT
from trainers.data.texts.objects import ProblemError
from trainers.data.texts.text_format import TextFormat
from trainers.errors import DataError

_SPACE = re.compile(r"[ \t\r\n]*")
# An error so near to the end of what was read can be that of a part.
_NEAR = 16


def read_rows(file, data, columns, report):
    """Yields the rows of one file; see `rows`.

    Args:
        file: Path of the file.
        data: `TextDataConfig`.
        columns: Dict from `columns`.
        report: Function of the number and the problem of an unusable object.

    Yields:
        `(number, values)`.

    Raises:
        DataError: The file is not JSON, or has another structure.
    """
    number, text = 0, _Text(file, data.encoding)
    try:
        for number, (row, wrong) in enumerate(text.values(), 1):
            try:
                if wrong:
                    raise ProblemError(wrong)
                found = objects.read_values(
                    row, columns, data.encoding, in_array=text.is_array
                )
                yield number, found
            except ProblemError as problem:
                if number == 1:
                    _refuse_other(file, columns)
                if number == 1 and text.is_one_object():
                    raise DataError(
                        f"{file}: must be an array of objects, [{{...}}, "
                        "{...}], or an object on each line, as pandas writes "
                        "them with `frame.to_json(FILE, orient='records')`. "
                        f"Received: one value, and it {problem}."
                    ) from None
                report(number, problem.args[0])
    except _SyntaxError as problem:
        if not number:
            _refuse_other(file, columns)
        # After it, nothing says where the next object begins.
        report(number + 1, problem.args[0])


def _refuse_other(file, columns):
    if words := file_kinds.not_rows_words(file, columns):
        raise DataError(f"{file}: {words}") from None


class _SyntaxError(Exception):
    """The file is not JSON from here on."""


class _Text:
    """The text of a file. Only a part of it is in memory.

    Attributes:
        is_array: bool. Whether the values are those of an array. It is known
            when `values` has begun.
    """

    def __init__(self, file, encoding):
        self._chunks = streams.read_chunks(file, encoding)
        self._encoding = encoding
        self._decoder = json.JSONDecoder(**STRICT)
        # The part in memory, the next position in it, and its first line.
        self._part, self._start, self._line = "", 0, 1
        self.is_array = False
        self._chunk = ""  # The last part that was read.

    def is_one_object(self):
        """Returns whether nothing follows, after the first value."""
        return not self.is_array and not self._next_character()

    def values(self):
        """Yields each value of an array, or of a sequence of values.

        Yields:
            `(value, problem)`: the problem of a wrong byte in it, or `None`.
        """
        self.is_array = self._next_character() == "["
        end = "]" if self.is_array else ""
        if self.is_array:
            self._start += 1
        is_first = True
        while (character := self._next_character()) != end:
            if self.is_array and not is_first:
                self._expect(character, ",")
                self._next_character()
            is_first = False
            yield self._value()
        if self.is_array:
            self._start += 1
            self._expect(self._next_character(), "")

    def _expect(self, found, wanted):
        if found != wanted:
            words = {",": "expected `,` or `]`", "": "text after the array"}
            raise self._error(
                words[wanted] if found else "it ends too early", self._start
            )
        self._start += len(wanted)

    def _next_character(self):
        """Returns the next character that is no white space; "" at the end."""
        while True:
            self._start = _SPACE.match(self._part, self._start).end()
            if self._start < len(self._part):
                return self._part[self._start]
            if not self._read(1):
                return ""

    def _value(self):
        """Reads a value; returns it and its problem."""
        while True:
            start = self._start
            try:
                row, self._start = self._decoder.raw_decode(self._part, start)
                return row, self._wrong_byte(start, self._start)
            except json.JSONDecodeError as error:
                is_part = error.msg.startswith("Unterminated string")
                is_part |= error.pos > len(self._part) - _NEAR
                # Twice as much, so that an object is parsed about twice.
                if is_part and self._read(len(self._part) - start):
                    continue
                raise self._error(error.msg, error.pos) from None
            except RecursionError:
                words = "it is nested too deeply"
            except ProblemError as error:
                words = f"an object {error}"
            except ValueError as error:  # A number of more than 4300 digits.
                words = str(error)
            raise self._error(words, start)

    def _error(self, words, position):
        if wrong := self._wrong_byte(self._start, len(self._part)):
            # Only an even number of bytes shows whether it is UTF-16.
            chunk = decoding.problem(self._chunk, self._encoding) or wrong
            return _SyntaxError(decoding.WrongBytes.of(wrong, chunk.sample))
        line = self._line + self._part.count("\n", 0, position)
        return _SyntaxError(f"is not JSON: {words}, in line {line}")

    def _wrong_byte(self, start, stop):
        """Returns the problem of the first wrong byte, or `None`."""
        text = self._part[start:stop]
        problem = decoding.problem(text, self._encoding)
        if problem is None:
            return None
        before = start + decoding.first_mark(text)
        line = self._line + self._part.count("\n", 0, before)
        # A position in a line of megabytes does not help.
        words = f"{problem.partition(' at position')[0]} in line {line}"
        return decoding.WrongBytes.of(words, problem.sample)

    def _read(self, size):
        """Reads `size` more characters; returns whether there are any."""
        self._line += self._part.count("\n", 0, self._start)
        parts, found = [self._part[self._start :]], 0
        self._start = 0
        while found < size and (chunk := next(self._chunks, "")):
            self._chunk = chunk
            parts.append(chunk)
            found += len(chunk)
        self._part = "".join(parts)
        if len(self._part) > 2 * streams.LONGEST_LINE:
            raise self._error("an object is too long", 0)
        return found > 0


JSON = TextFormat(read_rows, place=", item ")
