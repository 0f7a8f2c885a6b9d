"""Unpacks gzip, bzip2, xz and zip. The first bytes of a file tell which it is.

What is packed can be much larger than its file, so it is read as a stream, and
its size is limited.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import zipfile
import zlib

from trainers.data.texts import foreign

# By the end of a name.
SUFFIXES = (".gz", ".bz2", ".xz", ".zip")
# After its mark, which is all letters, comes a sum of four bytes. The next byte
# begins a number below 900,000 of 25 bits.
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY.{4}[\0-\x06]", re.DOTALL)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # The second has no members.
_BUFFER = 1 << 16
# Texts pack to a tenth of their size, logs to a hundredth.
_LARGEST_FACTOR = 200
# Anything up to 1 GiB is unpacked.
_FREE = 1 << 30
# Such as a zip file with a gzip file in it.
_MOST_LAYERS = 3
_ERRORS = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    # The compression of a member is unknown to this Python.
    NotImplementedError,
)


class PackedError(Exception):
    """A packed file cannot be read. The message is its problem in words."""


def unpacked(stream):
    """Returns the stream of what is packed in a stream, or the stream itself.

    Args:
        stream: Buffered stream of bytes, at its start.

    Returns:
        Buffered stream of bytes.

    Raises:
        PackedError: The data is damaged, or is not one file. Reading raises it,
            too.
    """
    size = _size(stream)
    for _ in range(_MOST_LAYERS):
        start = stream.peek(16)
        if start.startswith(b"\x1f\x8b\x08"):
            kind, opened = "gzip", gzip.GzipFile(fileobj=stream)
        elif _BZIP2.match(start):
            kind, opened = "bzip2", bz2.BZ2File(stream)
        elif start.startswith(b"\xfd7zXZ\0"):
            kind, opened = "xz", lzma.LZMAFile(stream)
        elif start.startswith(_ZIP):
            kind, opened = "zip", _open_member(stream)
        else:
            break
        stream = io.BufferedReader(_Unpacked(opened, kind, size), _BUFFER)
    return stream


def is_gzip(stream):
    """Returns whether the next bytes of a stream are the start of a gzip file.

    Args:
        stream: Buffered stream of bytes. Its position does not change.
    """
    return stream.peek(3)[:3] == b"\x1f\x8b\x08"


def name_inside(file):
    """Returns the name of a file without what says that it is packed.

    That of a zip file is the name of the one file in it, if the name of the zip
    file has no other suffix. A zip file in a zip file is not opened.

    Args:
        file: `pathlib.Path`.

    >>> import pathlib
    >>> name_inside(pathlib.Path("mails.csv.gz"))
    'mails.csv'
    """
    name, is_opened = file.name, False
    while True:
        root, suffix = os.path.splitext(name)
        if suffix.lower() not in SUFFIXES:
            return name
        is_bare = suffix.lower() == ".zip" and not os.path.splitext(root)[1]
        if is_bare and not is_opened:
            is_opened = True
            try:
                with open(file, "rb") as stream:
                    root = os.path.basename(_member(stream)[1].filename)
            except (OSError, PackedError):
                # Reading the file says what is wrong.
                return root
        name = root


def _size(stream):
    """Returns the number of bytes of a file, or `None` if it is unknown."""
    try:
        found = os.fstat(stream.fileno())
    except OSError:  # No file of the system, such as bytes in memory.
        return None
    # That of a pipe is 0.
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _open_member(stream):
    archive, member = _member(stream)
    try:
        return archive.open(member)
    except RuntimeError as error:  # It needs a password.
        raise PackedError(f"zip data that cannot be read: {error}") from None
    except _ERRORS as error:
        raise _damaged("zip", error) from None


def _member(stream):
    """Returns the archive and its one member that is a file."""
    if not stream.seekable():
        raise PackedError(
            "is a zip file in a pipe or in a packed file, where it cannot be "
            "read. Unpack it before with `unzip -p FILE.zip`"
        )
    try:
        archive = zipfile.ZipFile(stream)
    except _ERRORS as error:
        raise _damaged("zip", error) from None
    names = archive.namelist()
    if words := foreign.in_zip(names):
        raise PackedError(words)
    members = [info for info in archive.infolist() if not _is_extra(info)]
    if len(members) != 1:
        found = "nothing"
        if members:
            found = ", ".join(info.filename for info in members[:10])
            found += ", ..." if len(members) > 10 else ""
        raise PackedError(
            "is a zip file and must contain one file. Received: "
            f"{len(members)} files: {found}. Unpack it with `unzip`, and name "
            "the files, a pattern like 'part-*.csv', or the folder"
        )
    return archive, members[0]


def _is_extra(info):
    """Returns whether a member is a folder, or what macOS adds."""
    is_hidden = os.path.basename(info.filename).startswith(".")
    return info.is_dir() or is_hidden or info.filename.startswith("__MACOSX/")


def _damaged(kind, error):
    return PackedError(f"damaged or cut {kind} data: {error}")


class _Unpacked(io.RawIOBase):
    """Reads what is packed, up to a size that is plausible."""

    def __init__(self, stream, kind, size):
        super().__init__()
        self._stream, self._kind = stream, kind
        self._left = None
        if size is not None:
            self._left = max(_FREE, _LARGEST_FACTOR * size)

    def readable(self):
        return True

    def readinto(self, buffer):
        try:
            # All that is there, without waiting for more.
            content = self._stream.read1(len(buffer))
        except _ERRORS as error:
            if isinstance(error, OSError) and error.strerror:
                raise
            raise _damaged(self._kind, error) from None
        if self._left is not None:
            self._left -= len(content)
            if self._left < 0:
                raise PackedError(
                    f"{self._kind} data that becomes more than "
                    f"{_LARGEST_FACTOR} times as large. If it is no mistake, "
                    "unpack the file before"
                )
        buffer[: len(content)] = content
        return len(content)
