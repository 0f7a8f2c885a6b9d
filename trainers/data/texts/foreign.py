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
    ".pkl .pickle .joblib .pt .rds .rdata": (
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
    ".html .htm .xml .yaml .yml .sql .md .rst .tex": (
        "no table of texts",
        "Write its rows to a .csv or .jsonl file",
    ),
    ".tar .tgz .tbz2 .txz .7z .rar .zst .lz4 .lzma .z .br": (
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
# By the first bytes. None of them begins a text.
_BY_START = (
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
    (rb"%PDF-", ".pdf"),
    (rb"\{\\rtf", ".rtf"),
    (rb"\x93NUMPY", ".npy"),
    (rb"\x89HDF\r\n", ".h5"),
    (rb"\x80[\x02-\x05][^\x00-\x08]", ".pkl"),
    (rb"SQLite format 3\0", ".db"),
    (rb"ORC", ".orc"),
    (rb"Obj\x01", ".avro"),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18", ".7z"),
    (rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a", ".png"),
)
# Formats that are read, but not as texts: the value of the source.
_SOURCES = ((b"PAR1", "parquet"), (b"ARROW1\0\0", "arrow"))
_LFS = b"version https://git-lfs.github.com/spec/"


def by_suffix(suffix):
    """Returns what a file with this suffix is and what to do, or `None`.

    Args:
        suffix: str. In lower case, with its dot.

    >>> by_suffix(".xlsx")[:19]
    'is a spreadsheet. S'
    """
    return _BY_SUFFIX.get(suffix)


def by_start(start):
    """Returns what a file that is no text is and what to do, or `None`.

    Args:
        start: bytes. The first bytes of the file.
    """
    if start.startswith(_LFS):
        return (
            "is a pointer of Git LFS, and the file itself is not here. Run "
            "`git lfs pull`"
        )
    for mark, source in _SOURCES:
        if start.startswith(mark):
            return (
                f"is a file of the kind {source}. Give it the suffix "
                f".{source}, or set --config.data.source={source}"
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
    if names and all(name.endswith(".npy") for name in names):
        return _BY_SUFFIX[".npz"]
    return None
