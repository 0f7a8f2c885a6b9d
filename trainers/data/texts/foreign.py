"""Files that are no texts and no tables of texts, and what to do with them."""

import re

_TABLE = "Save it as CSV: in Excel, with File > Save As > CSV UTF-8"
_DOCUMENT = (
    "Save its text as a .txt file in the folder of its class, or as a row of "
    "a .csv file"
)
_ARRAYS = "Write the texts to a .csv or .jsonl file"
_UNPACK = "Unpack it and name the file in it"
# Kind and advice, by suffix.
_KINDS = {
    ".xlsx .xlsm .xlsb .xls .ods .numbers": ("a spreadsheet", _TABLE),
    ".doc .docx .odt .rtf .pdf .ppt .pptx .epub": ("a document", _DOCUMENT),
    ".npy .npz .h5 .hdf5 .mat": ("a file of arrays", _ARRAYS),
    ".pkl .pickle .joblib .rds .rdata": (
        "a file of objects of a program, which can run code when it is read",
        "In its program, write the rows to a .csv file, with pandas "
        "`frame.to_csv('a.csv', index=False)`",
    ),
    ".db .sqlite .sqlite3 .duckdb .mdb .accdb": (
        "a database",
        "Export its rows to a .csv file",
    ),
    ".orc .avro .sas7bdat .sav .dta": (
        "a table in a format that is not read",
        "Save it as .parquet or .csv",
    ),
    ".tar .tgz .tbz2 .txz .7z .rar .zst .lz4 .lzma .z": (
        "a packed file of a kind that is not read",
        _UNPACK,
    ),
    ".png .jpg .jpeg .gif .bmp .webp .tif .tiff": (
        "an image",
        "Images need a config file for images, such as configs/mnist_mlp.py",
    ),
}
_BY_SUFFIX = {
    suffix: f"is {words}. {advice}"
    for suffixes, (words, advice) in _KINDS.items()
    for suffix in suffixes.split()
}
# Files of lines, but of no rows with a label.
_TEXTS = ".html .htm .xml .yaml .yml .sql .md .rst .tex"
_NO_TABLE = dict.fromkeys(
    _TEXTS.split(),
    "is no table of texts. Write its rows to a .csv or .jsonl file",
)
# A byte that texts do not have.
_CONTROL = rb"[\0-\x08\x0e-\x1a\x1c-\x1f]"
# By the first bytes. The mark of a format can begin a text as well: that of ORC
# is three letters, and that of NumPy begins with a quote of cp1252. So each
# pattern continues to a byte of the header that is in no text. A PDF, an RTF
# document and a pointer of Git LFS can have none. They have their first lines.
_BY_START = (
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
    (rb"%PDF-\d\.\d\s+(%[^\r\n]*[\x80-\xff]|\d+ \d+ obj)", ".pdf"),
    (rb"\{\\rtf1?\s*(\{\\|\\(ansi|mac|pca?)\b|\\[a-z]+\d*\s*[\\{])", ".rtf"),
    (rb"\x93NUMPY[\x01-\x03]\0", ".npy"),
    (rb"\x89HDF\r\n\x1a\n", ".h5"),
    # The first operation of a list, dict, tuple, object or model of PyTorch.
    # The mark alone is also a letter of UTF-16, of Chinese or Armenian.
    (rb"\x80[\x02\x03]([]})]q\0|\(|c[\w.]+\n|\x8a\n)", ".pkl"),
    # A frame with its length, in eight bytes.
    (rb"\x80[\x04\x05]\x95.{4}\0{4}", ".pkl"),
    (rb"SQLite format 3\0", ".db"),
    (rb"ORC.{0,12}" + _CONTROL, ".orc"),
    (rb"Obj\x01", ".avro"),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18", ".7z"),
    # After the mark of a GIF: sizes in 16 bits, and flags.
    (rb"\x89PNG\r\n\x1a\n|GIF8[79]a.{0,6}" + _CONTROL, ".png"),
    # The length of the first part, or a name that ends with NUL.
    (rb"\xff\xd8\xff[\xc0-\xfe](\0|..[ -~]{4,28}\0)", ".png"),
)
# Formats that are read, but not as texts: the value of the source.
_SOURCES = (
    (rb"PAR1.{0,7}" + _CONTROL, "parquet"),
    (rb"ARROW1\0\0", "arrow"),
)
_LFS = rb"version https://git-lfs\.github\.com/spec/\S+\n(.*\n){0,9}oid sha256:"


def by_suffix(suffix):
    """Returns what a file that is no text is and what to do, or `None`.

    Args:
        suffix: str. In lower case, with its dot.

    >>> by_suffix(".xlsx")[:19]
    'is a spreadsheet. S'
    """
    return _BY_SUFFIX.get(suffix)


def no_table(suffix):
    """Returns what a text without rows is and what to do, or `None`.

    Args:
        suffix: str. In lower case, with its dot.
    """
    return _NO_TABLE.get(suffix)


def source_of(start):
    """Returns the value of the source for a file that is no text, or `None`.

    Args:
        start: bytes. The first bytes of the file.
    """
    for pattern, source in _SOURCES:
        if re.match(pattern, start, re.DOTALL):
            return source
    return None


def pointer(start):
    """Returns what to do about a pointer of Git LFS; `None` for other files.

    Args:
        start: bytes. The first bytes of the file.
    """
    if re.match(_LFS, start):
        return (
            "is a pointer of Git LFS, and the file itself is not here. Run "
            "`git lfs pull`"
        )
    return None


def by_start(start):
    """Returns what a file that is no text is and what to do, or `None`.

    Args:
        start: bytes. The first bytes of the file.
    """
    if words := pointer(start):
        return words
    if source := source_of(start):
        return (
            f"is a file of the kind {source}. Give it the suffix .{source}, or "
            f"set --config.data.source={source}"
        )
    for pattern, suffix in _BY_START:
        if re.match(pattern, start, re.DOTALL):
            return _BY_SUFFIX[suffix]
    return None


def in_zip(names):
    """Returns what a zip file that is a document is, or `None`.

    Args:
        names: List of str. Names of its members.
    """
    if any(name.startswith("xl/") for name in names):
        return _BY_SUFFIX[".xlsx"]
    if "[Content_Types].xml" in names:
        return _BY_SUFFIX[".docx"]
    if "mimetype" in names:
        return "is a document or a spreadsheet. " + _TABLE
    if any(name.endswith("/data.pkl") for name in names):  # From PyTorch.
        return _BY_SUFFIX[".pkl"]
    if names and all(name.endswith(".npy") for name in names):
        return _BY_SUFFIX[".npz"]
    return None
