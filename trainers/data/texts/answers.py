"""What is in a file in place of its data, often after a download.

A page to log in, a page for a wrong address, an error message in XML or JSON, a
pointer of Git LFS, or nothing.
"""

import html
import json
import re

from trainers.data.texts import foreign
from trainers.runtime import text_encoding

_FLAGS = re.IGNORECASE | re.DOTALL
_AGAIN = (
    "A server answers so if the address is wrong, or if the file needs a "
    "login. Download the file again"
)
# Without backtracking: n comments can be read in 2 ** n ways.
_SKIPPED = r"(?>\s|<!--.*?-->)*+"
_XML = r"<\?xml\b[^>]*\?>"
# A page: two of its outer tags, with nothing between them.
_PAGE = re.compile(
    rf"{_SKIPPED}(?:{_XML})?{_SKIPPED}"
    rf"(?:<!doctype\s+html\b[^>]*>{_SKIPPED}<html|<(?:!doctype\s+)?html)"
    rf"\b[^>]*>{_SKIPPED}"
    r"<(?:head|body|meta|title|link|script|style|center|div|h[1-6]|p)\b",
    _FLAGS,
)
_END = re.compile("</html>", re.IGNORECASE)
_NOTHING = re.compile(_SKIPPED, _FLAGS)
# An error of S3, and of what has its interface.
_XML_ERROR = re.compile(
    rf"\s*(?:{_XML})?\s*<Error\b[^>]*>\s*<Code>(.*?)</Code>"
    r"(?:\s*<Message>(.*?)</Message>)?",
    _FLAGS,
)
_XML_LINES = re.compile(rf"\s*{_XML}[ \t\r]*\n\s*<", _FLAGS)
# The first cell of a table can be `<html>` as well, as the only tag in it.
_TAG = re.compile(
    rf"{_SKIPPED}(?:<!doctype\s|{_XML}|"
    r"<(?:html|head|body|script)(?:\s[^>]*)?>(?! *[,;|\t]))",
    _FLAGS,
)
_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title>", _FLAGS)
_PLAIN = re.compile(
    r"(?:error:? )?[45]\d\d\b[: ].*|.*\bnot found\.?|"
    r"(?:access |permission )?(?:denied|forbidden|unauthorized)\b.*|"
    r"invalid (?:username|credentials)\b.*",
    re.IGNORECASE,
)
# Keys of an object that say that it is an error; others can be columns, too.
_SURE_KEYS = ("error_description", "error", "errors", "detail")
_KEYS = ("message", "title")
_BESIDE = {"status", "code", "statusCode", "status_code", "documentation_url"}
# In characters.
_HEAD = 2000
_SHOWN = 80


def document(start):
    """Returns what a file is that is a page or an error, and what to do.

    A page can be a text as well, where a file has a text on each line. So it is
    no document if anything follows its end in the first line, or if the first
    line is a page that nothing in the file continues.

    Args:
        start: bytes. The first bytes of the file.

    Returns:
        str, or `None` if the file is no such document.
    """
    text = _decoded(start)
    if text[:1] != "<":
        return None
    if found := _XML_ERROR.match(text):
        return _error(": ".join(filter(None, found.groups())))
    if _PAGE.match(text):
        return None if _is_in_lines(text) else _page(text)
    return _xml() if _XML_LINES.match(text) else None


def _is_in_lines(text):
    """Returns whether a text that begins as a page can be one of many lines."""
    line, is_whole, rest = text.partition("\n")
    if end := _END.search(line):
        return not _NOTHING.fullmatch(text, end.end())
    if not is_whole:
        return True  # The end of the line is not known.
    if not _PAGE.match(line):
        return False
    if _PAGE.match(rest):
        return True
    # A page that is cut, unless the next lines continue it.
    return not (rest.lstrip().startswith("<") or _END.search(rest))


def in_place_of(start, columns):
    """Returns what is in place of the wanted data and what to do, or `None`.

    Args:
        start: bytes. The first bytes of a file that cannot be used.
        columns: Dict from `columns`. A JSON object with one of them is no
            error message.
    """
    if words := foreign.pointer(start) or document(start):
        return words
    text = _decoded(start)
    if start and not text:
        return "is empty. Write it or download it again"
    if _TAG.match(text[:_HEAD]):
        return _xml() if text.startswith("<?xml") else _page(text)
    if text[:1] == "{":
        return _object_error(text, columns)
    line, _, rest = text.partition("\n")
    if not rest.strip() and _PLAIN.fullmatch(line.strip()):
        return _error(line)
    return None


def _decoded(start):
    return text_encoding.decoded_start(start).lstrip("\ufeff \t\r\n")


def _object_error(text, columns):
    """Returns what a file of one JSON object is if it is an error."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # Or more follows.
        return None
    if found.keys() & set(columns.values()):
        return None
    keys = _SURE_KEYS
    if found.keys() & _BESIDE:
        keys += _KEYS
    elif len(found) == 1:
        keys += _KEYS[:1]  # A title alone is a text.
    words = next((found[key] for key in keys if found.get(key)), None)
    if words is None:
        return None
    if isinstance(words, list):
        words = words[0]
    if isinstance(words, dict):
        words = words.get("message")
    return _error(words if isinstance(words, str) else json.dumps(found))


def _error(words):
    return f"is an error message of a server, {_short(words)!r}. {_AGAIN}"


def _page(text):
    title = _TITLE.search(text)
    words = f" with the title {_short(title[1])!r}" if title else ""
    return f"is an HTML page{words}, and no file of texts. {_AGAIN}"


def _xml():
    return (
        "is an XML document, and no file of texts. Write its texts to a .csv "
        "or .jsonl file"
    )


def _short(words):
    words = " ".join(html.unescape(words).split())
    return words if len(words) <= _SHOWN else words[: _SHOWN - 3] + "..."
