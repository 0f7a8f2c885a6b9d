"""The names of class folders, which become the labels of an export."""

import os
import shlex

from trainers.errors import raise_problems
from trainers.objectives import labels
from trainers.runtime import text_encoding


def check_names(folders):
    """Checks that the names of class folders are UTF-8.

    Args:
        folders: List of `pathlib.Path`.

    Raises:
        DataError: Another encoding. The message has a command for each folder
            that renames it, if its encoding can be guessed.
    """
    wrong = [folder for folder in folders if not labels.is_utf8(folder.name)]
    if not wrong:
        return
    # They are most likely in one encoding, and one name is short for a guess.
    guesses = text_encoding.guesses(
        b"\n".join(os.fsencode(folder.name) for folder in wrong)
    )
    encoding = guesses[0].encoding if guesses else None
    taken = {folder.name for folder in folders}
    problems = []
    for folder in wrong:
        name = _decoded(os.fsencode(folder.name), encoding)
        problems.append(_problem(folder, name, encoding, name in taken))
        taken.add(name)
    raise_problems(
        "class folders whose names are not UTF-8, and the labels of an export "
        "must be",
        problems,
    )


def _decoded(name, encoding):
    """Returns a name in an encoding, or `None` if it cannot be a name."""
    if encoding is None:
        return None
    try:
        text = name.decode(encoding)
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and "/" not in text else None


def _problem(folder, name, encoding, is_taken):
    """Returns a folder, what it seems to be, and the command to rename it."""
    old = _quoted(str(folder))
    if name is None:
        new = _quoted(str(folder.with_name("NEW_NAME")))
        return f"{_escaped(str(folder))}: rename it, as with: mv {old} {new}"
    words = f"{_escaped(str(folder))} seems to be {name!r} in {encoding}: "
    new = _quoted(str(folder.with_name(name)))
    if is_taken:
        return words + f"mv -n {old}/* {new} && rmdir {old}"
    return words + f"rename it with: mv {old} {new}"


def _escaped(path):
    """Returns a path with the bytes that no terminal shows in hexadecimal."""
    return "".join(
        char
        if char.isprintable()
        else "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
        for char in path
    )


def _quoted(path):
    """Returns a path as a word of Bash, in ASCII if it is not UTF-8."""
    if labels.is_utf8(path):
        return shlex.quote(path)
    quoted = "".join(
        chr(byte)
        if 32 <= byte < 127 and chr(byte) not in "'\\"
        else f"\\x{byte:02x}"
        for byte in os.fsencode(path)
    )
    return f"$'{quoted}'"
