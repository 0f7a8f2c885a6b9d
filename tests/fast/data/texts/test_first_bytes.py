"""What a file is by its content: a text, a table or another format."""

import bz2
import gzip
import io
import os
import pathlib
import pickle
import sqlite3
import threading
import zipfile

import h5py
import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import feather
from pyarrow import orc
from pyarrow import parquet
from refusals import refusal
from single_labels import labelled
from single_labels import predicted

from trainers.data.texts import packed
from trainers.errors import ConfigError
from trainers.errors import DataError


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- Texts that begin like another format ------------------------------------

TEXTS = [
    "ORCID",
    "ORCAS are whales",
    "PAR1S",
    "PAR1",
    "ARROW1",
    "GIF89a is a format",
    "GIF87a",
    "%PDF-1.7 is a format",
    "{\\rtf1 is how RTF begins",
    "SQLite format 3 is a file",
    "Obj",
    "Rar! is no word",
    "7z is a program",
    "PK",
    "BZh91AY&SY is how bzip2 begins",
    "version https://git-lfs.github.com/spec/v1",
]


@pytest.mark.parametrize("start", TEXTS)
def test_a_text_can_begin_with_the_letters_of_another_format(start):
    pathlib.Path("a.csv").write_text(f"{start},text,label\n1,fine,good\n")
    assert labelled("a.csv") == [("fine", "good")]
    # As the only column, as a line, and as a whole text.
    pathlib.Path("b.csv").write_text(f"{start}\n{start}.\n")
    assert predicted("b.csv", text_column=start) == [f"{start}."]
    pathlib.Path("a.txt").write_text(f"{start}.\nx\n")
    assert predicted("a.txt") == [f"{start}.", "x"]
    pathlib.Path("d/good").mkdir(parents=True)
    pathlib.Path("d/good/a.txt").write_text(start)
    assert labelled("d") == [(start, "good")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("“NUMPY” is a library", "cp1252"),
        ("‰PNG\r\n is no image", "cp1252"),
        ("‰HDF\r\n is no array", "cp1252"),
        ("яШя", "cp1251"),
        ("考试很难", "utf-16-be"),
        ("րոպե", "utf-16-le"),
    ],
)
def test_so_can_a_text_in_another_encoding(text, encoding):
    pathlib.Path("d/good").mkdir(parents=True)
    pathlib.Path("d/good/a.txt").write_bytes(text.encode(encoding))
    assert labelled("d", encoding=encoding) == [(text, "good")]


# --- Other formats under the name of a text ----------------------------------

TABLE = pyarrow.table({"text": ["fine", "awful"], "label": ["good", "bad"]})


def write_database(file):
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("create table texts (text, label)")
    connection.close()


def write_h5(file):
    with h5py.File(file, "w") as stream:
        stream["a"] = [1]


def array(file):
    with open(file, "wb") as stream:
        np.save(stream, np.arange(3))


def pickled(thing, protocol):
    content = pickle.dumps(thing, protocol)
    return lambda file: pathlib.Path(file).write_bytes(content)


def image(kind, **settings):
    def write(file):
        stream = io.BytesIO()
        Image.new("RGB", (300, 300), "red").save(stream, kind, **settings)
        pathlib.Path(file).write_bytes(stream.getvalue())

    return write


def content(value):
    return lambda file: pathlib.Path(file).write_bytes(value)


FILES = {
    "parquet": (
        lambda file: parquet.write_table(TABLE, file),
        "is a file of the kind parquet. Give it the suffix .parquet, or set "
        "--config.data.source=parquet",
    ),
    "parquet without rows": (
        lambda file: parquet.write_table(TABLE.slice(0, 0), file),
        "is a file of the kind parquet. ",
    ),
    "arrow": (
        lambda file: feather.write_feather(TABLE, file),
        "is a file of the kind arrow. Give it the suffix .arrow, or set "
        "--config.data.source=arrow",
    ),
    "orc": (
        lambda file: orc.write_table(TABLE, file),
        "is a table in a format that is not read. Save it as .parquet or .csv",
    ),
    "packed orc": (
        lambda file: orc.write_table(TABLE, file, compression="zlib"),
        "is a table in a format that is not read. ",
    ),
    "npy": (
        array,
        "is a file of arrays. Write the texts to a .csv or .jsonl file",
    ),
    "h5": (write_h5, "is a file of arrays. "),
    "database": (write_database, "is a database. Export its rows to a .csv"),
    "png": (image("png"), "is an image. Images need a config file"),
    "gif": (image("gif"), "is an image. "),
    "jpeg": (image("jpeg"), "is an image. "),
    "exif": (image("jpeg", exif=Image.Exif()), "is an image. "),
    "rtf": (
        content(b"{\\rtf1\\ansi\\deff0{\\fonttbl{\\f0 Arial;}}a}"),
        "is a document. Save its text as a .txt file",
    ),
    "rtf of macOS": (
        content(b"{\\rtf1\\ansi\\ansicpg1252\\cocoartf2761\n\\cocoa"),
        "is a document. ",
    ),
    "pdf": (content(b"%PDF-1.4\r\n1 0 obj\r\n<</Type"), "is a document. "),
    "avro": (
        content(b"Obj\x01\x04\x14avro.codec"),
        "is a table in a format that is not read. ",
    ),
    "pointer": (
        content(
            b"version https://git-lfs.github.com/spec/v1\n"
            b"ext-0-foo sha256:ab\noid sha256:4d7a\nsize 12345\n"
        ),
        "is a pointer of Git LFS, and the file itself is not here. ",
    ),
    **{
        f"pickle {protocol} of {type(thing).__name__}": (
            pickled(thing, protocol),
            "is a file of objects of a program, which can run code",
        )
        for protocol in (2, 3, 4, 5)
        for thing in (["a"], {"a": 1}, (1, 2, 3, 4), np.arange(3))
    },
}


@pytest.mark.parametrize(("write", "words"), FILES.values(), ids=list(FILES))
def test_another_format_under_the_name_of_a_text_is_named(write, words):
    write("a.csv")
    assert refusal(DataError, labelled, "a.csv").startswith(
        f"a.csv, line 1: {words}"
    )
    os.rename("a.csv", "a.txt")
    assert refusal(DataError, predicted, "a.txt").startswith(
        f"a.txt, line 1: {words}"
    )


def test_one_table_says_that_a_file_is_no_text_and_which_source_reads_it():
    """The advice for `.csv` and for an unknown suffix agree."""
    rows = [("fine", "good"), ("awful", "bad")]
    for name in ("parquet", "arrow"):
        FILES[name][0]("a.dat")
        assert refusal(ConfigError, labelled, "a.dat").endswith(
            f"It seems to be {name}: set --config.data.source={name}, or give "
            "it that suffix."
        )
        assert labelled("a.dat", source=name) == rows
    for word in ("PAR1", "ARROW1"):
        pathlib.Path("a.dat").write_text(f"{word},text,label\n1,fine,good\n")
        assert "It seems to be csv: " in refusal(ConfigError, labelled, "a.dat")


# --- Names of other formats --------------------------------------------------


@pytest.mark.parametrize(
    "suffix",
    ["html", "htm", "xml", "yaml", "yml", "sql", "md", "rst", "tex"]
    # Languages.
    + ["pt", "br", "log", "en"],
)
def test_lines_to_predict_can_be_in_any_file_of_text(suffix):
    pathlib.Path(f"notes.{suffix}").write_text("# fine\nawful, too\n")
    assert predicted(f"notes.{suffix}") == ["# fine", "awful, too"]


def test_a_text_without_rows_has_no_labels():
    pathlib.Path("notes.md").write_text("text,label\nfine,good\n")
    assert refusal(ConfigError, labelled, "notes.md").endswith(
        "Received: 'notes.md'. It is no table of texts. Write its rows to a "
        ".csv or .jsonl file."
    )
    assert labelled("notes.md", source="csv") == [("fine", "good")]


@pytest.mark.parametrize("suffix", ["xlsx", "rtf", "pkl", "tar", "db", "png"])
def test_lines_to_predict_are_not_in_other_formats(suffix):
    pathlib.Path(f"a.{suffix}").write_bytes(b"\0" * 512)
    message = refusal(ConfigError, predicted, f"a.{suffix}")
    assert message.startswith(f"`FILE`: 'a.{suffix}' is a")


def test_a_model_of_pytorch_is_no_text():
    with zipfile.ZipFile("a.txt", "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02}q\0.")
        archive.writestr("model/version", "3")
    assert refusal(DataError, predicted, "a.txt").startswith(
        "a.txt, line 1: is a file of objects of a program, which can run code"
    )


# --- Advice for an unknown suffix --------------------------------------------

NONE = (
    "Its content is none of these kinds. A table needs a first line with the "
    "column 'text', which --config.data.text_column names. Or put each text "
    "into a .txt file in the folder of its class, and name the folder above."
)


@pytest.mark.parametrize(
    "prose",
    [
        "Good film, I liked it.",
        "Fine; really | yes",
        "good\tbad",
        "[Music] Good film",
        "{smiles} Good film}",
        "the text is fine, the label too",
        "text",
    ],
)
def test_prose_is_no_table(prose):
    pathlib.Path("reviews.dat").write_text(f"{prose}\nAwful, too.\n")
    message = refusal(ConfigError, labelled, "reviews.dat")
    assert message.endswith(f"Received: 'reviews.dat'. {NONE}")


@pytest.mark.parametrize(
    ("first", "source", "settings"),
    [
        ("text,label", "csv", {}),
        ('"Text" ; "label"', "csv", {}),
        ("id|text|label", "csv", {}),
        ("label\ttext", "tsv", {}),
        ("body,label", "csv", {"text_column": "body"}),
        ("fine,good", "csv", {"header": False, "text_column": "0"}),
        ('{"text": "a"}', "jsonl", {}),
        ('[{"text": "a"}]', "json", {}),
        ('[\n  {\n    "text": "a"', "json", {}),
    ],
)
def test_a_table_has_the_column_of_texts(first, source, settings):
    pathlib.Path("reviews.dat").write_text(f"{first}\nfine,good\n")
    message = refusal(ConfigError, labelled, "reviews.dat", **settings)
    assert message.endswith(
        f"It seems to be {source}: set --config.data.source={source}, or give "
        "it that suffix."
    )


# --- Packed data in a pipe ---------------------------------------------------


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_packed_data_in_a_pipe_has_no_limit(compress, monkeypatch):
    """A pipe does not say how much is in it."""
    monkeypatch.setattr(packed, "_FREE", 1000)
    monkeypatch.setattr(packed, "_LARGEST_FACTOR", 2)
    os.mkfifo("a.txt")
    content = compress(b"fine\n" * 10_000)
    writer = threading.Thread(
        target=pathlib.Path("a.txt").write_bytes, args=(content,)
    )
    writer.start()
    assert predicted("a.txt") == ["fine"] * 10_000
    writer.join()
    pathlib.Path("b.txt").write_bytes(content)
    assert "more than 2 times as large" in refusal(
        DataError, predicted, "b.txt"
    )
