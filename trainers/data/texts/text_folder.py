"""Texts in class folders: DIR/<class>/*.txt, also packed, as *.txt.gz.

Each file is one text. Hidden files are skipped.
"""

import hashlib

from trainers.data import class_folders
from trainers.data.texts import decoding
from trainers.data.texts import packed
from trainers.data.texts import streams
from trainers.data.texts.text_format import TextFormat
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.errors import raise_problems

_SUFFIXES = (".txt", *(f".txt{suffix}" for suffix in packed.SUFFIXES))
_WORDS = f".txt, also with {', '.join(packed.SUFFIXES)}"


def read_rows(folder, data, columns, report):
    """Yields the texts of one folder with their class; see `rows`.

    The order is by a hash of the path below the folder. It mixes the classes
    and is the same on every machine.

    Args:
        folder: `pathlib.Path`.
        data: `TextDataConfig`.
        columns: Dict from `columns`.
        report: Function of the file and the problem of an unusable text.

    Yields:
        `(file, values)`.
    """
    if missing := columns.keys() - {"text", "label"}:
        raise ConfigError(
            f"`--config.data.source=text_folder` has a text and a label for "
            f"each file, and no {', '.join(sorted(missing))}. "
            f"Received: {str(folder)!r}. Files with columns, such as .csv, can "
            "have them."
        )
    for file in list_texts(folder):
        text = streams.read_text(file, data.encoding)
        if problem := decoding.problem(text, data.encoding):
            report(file, problem)
        else:
            yield file, {"text": text.encode(), "label": file.parent.name}


def list_texts(folder, flag="--config.data.train"):
    """Returns the text files of all class folders, in the order of reading.

    Args:
        folder: `pathlib.Path`.
        flag: str. Name of the folder in error messages.

    Returns:
        List of `pathlib.Path`.

    Raises:
        ConfigError: There are no class folders with texts.
        DataError: A text is outside of a class folder, or a class folder
            contains other files.
    """
    listed = _visible(folder)
    classes = [path for path in listed if path.is_dir()]
    inside = [file for directory in classes for file in _visible(directory)]
    texts = [file for file in inside if _is_text(file)]
    if not texts:
        raise ConfigError(
            f"`{flag}` must be a folder of class folders of texts "
            f"({_WORDS}). Received: {str(folder)!r}."
        )
    raise_problems(
        f"texts of {folder} that are not in a class folder",
        [file for file in listed if _is_text(file)],
    )
    raise_problems(
        f"files or folders beside texts ({_WORDS})",
        [file for file in inside if not _is_text(file)],
    )
    class_folders.check_names(classes)
    return sorted(texts, key=lambda file: _hash(file.relative_to(folder)))


def _visible(directory):
    try:
        found = sorted(directory.iterdir())
    except OSError as error:
        raise DataError(
            f"{directory}: cannot be read: {error.strerror}"
        ) from None
    return [path for path in found if not path.name.startswith(".")]


def _is_text(file):
    return file.name.lower().endswith(_SUFFIXES) and file.is_file()


def _hash(path):
    name = path.as_posix().encode("utf-8", "surrogateescape")
    return hashlib.sha256(name).digest()


# The file itself is the place of its text.
TEXT_FOLDER = TextFormat(read_rows, place=None)
