"""What to do about rows that are not in the encoding of the settings."""

import os

from trainers.data.texts import decoding
from trainers.data.texts import streams
from trainers.errors import DataError
from trainers.runtime import text_encoding

# In bytes. More does not change what is guessed.
_SAMPLE = 1 << 16


def advice(name, problems, encoding, flag, is_mixed):
    """Returns the setting that reads a file, or why there is none.

    Args:
        name: str or path. Name of the file in the message.
        problems: List of `decoding.WrongBytes`, in the order of the rows.
        encoding: str. The encoding of the settings.
        flag: str. The flag that sets it.
        is_mixed: bool. Whether other rows have letters beyond ASCII.

    Returns:
        str. One or two sentences.
    """
    sample = b"\n".join(problem.sample for problem in problems)
    is_cut = len(sample) > _SAMPLE
    found = text_encoding.guesses(sample[:_SAMPLE], is_cut)
    if not found:
        return (
            f"{name} is in no encoding that is known: it is damaged, or it is "
            "not a text. Write it again in UTF-8."
        )
    first, *others = found
    if is_mixed:
        return (
            f"{name} mixes encodings: other rows are {encoding}, and these "
            f"seem to be {first.encoding}, {first.text!r}. Write it again in "
            "one encoding."
        )
    words = (
        f"{name} seems to be {first.encoding}, which reads {first.text!r}: set "
        f"{flag}={first.encoding}."
    )
    for other in others:
        words += f" Or {other.encoding}, which reads {other.text!r}."
    return words


def advice_for_lines(file, problem, encoding, flag):
    """Returns `advice` after a look at the rest of a file.

    Args:
        file: Path of a file of lines, or `-` for stdin.
        problem: `decoding.WrongBytes` of one row.
        encoding, flag: As for `advice`.

    Returns:
        str.
    """
    found, is_mixed = [problem], False
    # A pipe can be read only once.
    if file != streams.STDIN and os.path.isfile(file):
        found, is_mixed = _survey(file, encoding)
    return advice(
        streams.name_of(file), found or [problem], encoding, flag, is_mixed
    )


def _survey(file, encoding):
    """Returns the problems of lines, and whether others have letters."""
    found, is_mixed, size = [], False, 0
    try:
        for line in streams.read_lines(file, encoding):
            problem = decoding.problem(line, encoding)
            if problem is None:
                is_mixed |= not line.isascii()
                continue
            found.append(problem)
            size += len(problem.sample)
            if size > _SAMPLE:
                break
    except DataError:
        pass  # What was read is enough.
    return found, is_mixed
