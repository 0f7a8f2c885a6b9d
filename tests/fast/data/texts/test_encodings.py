"""Texts in other encodings: read with the setting, else refused with it."""

import functools
import gzip
import io
import json
import os
import re
import sys
import threading

import pyarrow
import pytest
import refusals
import single_labels
import tensorflow as tf
from pyarrow import parquet
from single_labels import labelled
from small_files import write

from trainers.config.data import TextDataConfig
from trainers.data.texts import streams
from trainers.errors import DataError

ROWS = [("плохой ужасный товар", "плохо"), ("отличный товар", "хорошо")] * 3
CHINESE = [("这个产品非常好，我很喜欢。", "好"), ("很差的商品", "差")] * 3


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def csv_of(rows, delimiter=","):
    lines = [("text", "label"), *rows]
    return "".join(f"{delimiter.join(row)}\n" for row in lines)


def jsonl_of(rows):
    return "".join(
        json.dumps({"text": t, "label": x}, ensure_ascii=False) + "\n"
        for t, x in rows
    )


def json_of(rows):
    items = [{"text": t, "label": x} for t, x in rows]
    return json.dumps(items, ensure_ascii=False)


WRITERS = {
    "a.csv": csv_of,
    "a.tsv": lambda rows: csv_of(rows, "\t"),
    "a.jsonl": jsonl_of,
    "a.json": json_of,
    "a.txt": lambda rows: "".join(f"{text}\n" for text, _ in rows),
}
LABELLED = list(WRITERS)[:-1]
CONTENTS = {name: write(ROWS) for name, write in WRITERS.items()}
ENCODINGS = ["cp1251", "koi8-r", "utf-16", "utf-16-le", "utf-32", "gb18030"]


def rows_in(encoding):
    """Returns rows that people have in an encoding."""
    return CHINESE if encoding == "gb18030" else ROWS


# The message of the `DataError` that a call must raise.
refusal = functools.partial(refusals.refusal, DataError)


def setting_of(message, flag="--config.data.encoding"):
    """Returns the value of the first setting that a message advises."""
    start = f"set {flag}="
    return message.partition(start)[2].partition(" ")[0].rstrip(".")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", *ENCODINGS])
@pytest.mark.parametrize("name", LABELLED)
def test_a_file_in_the_encoding_of_the_setting_is_read(name, encoding, packed):
    rows = rows_in(encoding)
    content = WRITERS[name](rows).encode(encoding)
    write(name, gzip.compress(content) if packed else content)
    assert labelled(name, encoding=encoding) == rows


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", LABELLED)
def test_the_setting_that_an_error_advises_reads_the_file(name, encoding):
    rows = rows_in(encoding)
    write(name, WRITERS[name](rows).encode(encoding))
    message = refusal(labelled, name)
    assert f"{name}, " in message
    assert "is not UTF-8: byte 0x" in message
    assert labelled(name, encoding=setting_of(message)) == rows


def test_an_error_names_line_byte_encoding_and_what_it_reads():
    write("a.csv", CONTENTS["a.csv"].encode("cp1251"))
    lines = refusal(labelled, "a.csv").splitlines()
    assert lines[0] == "6 rows that cannot be used:"
    assert lines[1] == "  a.csv, line 2: is not UTF-8: byte 0xef at position 1"
    assert lines[-1].startswith(
        "a.csv seems to be cp1251, which reads 'плохой ужасный товар,плохо': "
        "set --config.data.encoding=cp1251. Or "
    )


def test_utf16_without_a_mark_is_no_utf8_although_its_bytes_are():
    content = "text,label\nplain words,good\n".encode("utf-16-le")
    content.decode("utf-8")
    write("a.csv", content)
    assert refusal(labelled, "a.csv") == (
        "1 rows that cannot be used:\n"
        "  a.csv, line 1: is not UTF-8: byte 0x00 at position 2\n"
        "a.csv seems to be utf-16-le, which reads 'text,label': set "
        "--config.data.encoding=utf-16-le."
    )
    assert labelled("a.csv", encoding="utf-16-le") == [("plain words", "good")]


def test_a_nul_byte_alone_is_a_character_of_a_text():
    write("a.csv", b"text,label\na\0b,good\n")
    assert labelled("a.csv") == [("a\0b", "good")]


@pytest.mark.parametrize(
    ("content", "encoding", "advised"),
    [
        (CONTENTS["a.csv"].encode(), "cp1251", "utf-8"),
        (CONTENTS["a.csv"].encode(), "latin-1", "utf-8"),
        (CONTENTS["a.csv"].encode("utf-8-sig"), "cp1251", "utf-8"),
        (CONTENTS["a.csv"].encode("utf-16"), "cp1251", "utf-16"),
        (CONTENTS["a.csv"].encode("utf-16"), "utf-16-be", "utf-16"),
        (CONTENTS["a.csv"].encode("utf-16-be"), "utf-16", "utf-16-be"),
        (CONTENTS["a.csv"].encode(), "utf-16", "utf-8"),
        (CONTENTS["a.csv"].encode("utf-32"), "utf-16-le", "utf-32"),
        (CONTENTS["a.csv"].encode("cp1251"), "ascii", "cp1251"),
    ],
)
def test_a_wrong_encoding_is_refused_and_the_right_one_advised(
    content, encoding, advised
):
    write("a.csv", content)
    message = refusal(labelled, "a.csv", encoding=encoding)
    assert f"a.csv, line 1: is not {encoding}: byte " in message or (
        f"a.csv, line 2: is not {encoding}: byte " in message
    )
    assert setting_of(message) == advised
    assert labelled("a.csv", encoding=advised) == ROWS


@pytest.mark.parametrize("encoding", ["cp1251", "latin-1", "gb18030", "big5"])
@pytest.mark.parametrize("mark", [False, True], ids=["no mark", "mark"])
@pytest.mark.parametrize("name", LABELLED)
def test_an_error_about_utf8_names_no_byte_that_is_right(name, mark, encoding):
    write(name, CONTENTS[name].encode("utf-8-sig" if mark else "utf-8"))
    message = refusal(labelled, name, encoding=encoding)
    places = message.splitlines()[1:-1]
    assert places
    for place in places:
        found = re.search(r": is not \S+: byte 0x(..) ", place)
        assert int(found[1], 16) > 127
    assert setting_of(message) == "utf-8"


def test_the_first_letter_beyond_ascii_is_named():
    write("a.csv", CONTENTS["a.csv"].encode())
    assert refusal(labelled, "a.csv", encoding="cp1251").splitlines()[1] == (
        "  a.csv, line 2: is not cp1251: byte 0xd0 at position 1"
    )
    # In EBCDIC, the letters of ASCII are wrong as well.
    message = refusal(labelled, "a.csv", encoding="cp037")
    assert message.splitlines()[1] == (
        "  a.csv, line 1: is not cp037: byte 0x74 at position 1"
    )
    assert setting_of(message) == "utf-8"


def test_ascii_is_read_with_any_encoding_that_contains_it():
    write("a.csv", b"text,label\nfine,good\n")
    for encoding in ("utf-8", "cp1251", "gb18030", "shift_jis"):
        assert labelled("a.csv", encoding=encoding) == [("fine", "good")]


def test_a_file_of_two_encodings_has_no_setting_that_reads_it():
    write("a.csv", "text,label\né,a\nñ,b\n".encode() + b"caf\xe9,a\n")
    assert refusal(labelled, "a.csv") == (
        "1 rows that cannot be used:\n"
        "  a.csv, line 4: is not UTF-8: byte 0xe9 at position 4\n"
        "a.csv mixes encodings: other rows are utf-8, and these seem to be "
        "cp1252, 'café,a'. Write it again in one encoding."
    )


def test_damage_is_no_encoding():
    write("a.csv", b"text,label\n\xed\xa0\x80,x\n")
    assert refusal(labelled, "a.csv").splitlines()[-1] == (
        "a.csv is in no encoding that is known: it is damaged, or it is not a "
        "text. Write it again in UTF-8."
    )


def test_each_file_of_several_has_its_advice():
    write("a-1.csv", CONTENTS["a.csv"].encode("cp1251"))
    write("a-2.csv", CONTENTS["a.csv"].encode("utf-16"))
    lines = refusal(labelled, "a-*.csv").splitlines()
    assert lines[-2].startswith("a-1.csv seems to be cp1251, which reads ")
    assert lines[-1].startswith("a-2.csv seems to be utf-16, which reads ")


def test_reading_ends_where_too_many_rows_are_wrong(monkeypatch):
    monkeypatch.setattr("trainers.data.texts.rows._MOST_PROBLEMS", 1000)
    line = '{"text": "плохой товар", "label": "x"}\n'.encode("cp1251")
    write("a.jsonl", line * 1005)
    lines = refusal(labelled, "a.jsonl").splitlines()
    assert lines[0] == "1000 rows that cannot be used:"
    assert setting_of(lines[-2]) == "cp1251"
    assert lines[-1] == "The rows after these were not read."


def test_a_folder_of_texts_has_one_encoding():
    for number, (text, _) in enumerate(ROWS[:2]):
        write(f"d/{number}/a.txt", text.encode("cp1251"))
    expected = [(ROWS[0][0], "0"), (ROWS[1][0], "1")]
    assert sorted(labelled("d", encoding="cp1251")) == sorted(expected)
    message = refusal(labelled, "d")
    assert "d/0/a.txt: is not UTF-8: byte 0xef at position 1" in message
    assert labelled("d", encoding=setting_of(message)) == labelled(
        "d", encoding="cp1251"
    )


def record(text, label):
    def value(content):
        content = tf.train.BytesList(value=[content])
        return tf.train.Feature(bytes_list=content)

    features = {"text": value(text), "label": value(label)}
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()


def test_values_that_are_bytes_are_in_the_encoding():
    text, label = (value.encode("cp1251") for value in ROWS[0])
    with tf.io.TFRecordWriter("a.tfrecord") as writer:
        writer.write(record(text, label))
    table = pyarrow.table({"text": [text], "label": [label]})
    parquet.write_table(table, "a.parquet")
    for name, place in (("a.tfrecord", "record"), ("a.parquet", "row")):
        message = refusal(labelled, name)
        assert message.splitlines()[1] == (
            f"  {name}, {place} 1: 'text' is not UTF-8: byte 0xef at position 1"
        )
        assert setting_of(message) == "cp1251"
        assert labelled(name, encoding="cp1251") == ROWS[:1]


# --- Texts to predict --------------------------------------------------------


def predicted(path, **settings):
    texts = single_labels.read_texts(
        path, TextDataConfig(**settings), encoding_flag="--encoding"
    )
    return [text.decode() for _, text in texts]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", *ENCODINGS])
@pytest.mark.parametrize("name", WRITERS)
def test_texts_to_predict_have_the_same_encodings(name, encoding):
    rows = rows_in(encoding)
    texts = [text for text, _ in rows]
    write(name, WRITERS[name](rows).encode(encoding))
    assert predicted(name, encoding=encoding) == texts
    if not encoding.startswith("utf-8"):
        message = refusal(predicted, name)
        assert "is not UTF-8: byte 0x" in message
        advised = setting_of(message, "--encoding")
        assert predicted(name, encoding=advised) == texts


def test_a_line_of_stdin_in_another_encoding_is_refused(monkeypatch):
    content = "fine\nплохой ужасный товар\n".encode("cp1251")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    texts = single_labels.read_texts(
        "-", TextDataConfig(), encoding_flag="--encoding"
    )
    # What comes before is answered.
    assert next(texts) == ("stdin, line 1", b"fine")
    assert refusal(next, texts).startswith(
        "stdin, line 2: is not UTF-8: byte 0xef at position 1. stdin seems to "
        "be cp1251, which reads 'плохой ужасный товар': set --encoding=cp1251."
    )
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert predicted("-", encoding="cp1251") == ["fine", ROWS[0][0]]


def test_a_line_in_another_encoding_is_answered_before_the_next(monkeypatch):
    source, sink = os.pipe()
    # Without this a reader that waits for more would wait for ever.
    timer = threading.Timer(20, os.close, [sink])
    timer.start()
    with os.fdopen(source) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        texts = single_labels.read_texts(
            "-", TextDataConfig(encoding="gb18030")
        )
        for text in ("很差的商品", "好"):
            os.write(sink, f"{text}\n".encode("gb18030"))
            assert next(texts)[1] == text.encode()
        assert timer.is_alive()
        timer.cancel()
        os.close(sink)
        assert list(texts) == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["很差的商品", "映画は面白かった", "영화가재미있다"]
)
def test_one_line_of_utf16_without_a_mark_is_read_as_advised(text, encoding):
    write("a.txt", text.encode(encoding))
    message = refusal(predicted, "a.txt")
    assert setting_of(message, "--encoding") == encoding
    assert predicted("a.txt", encoding=encoding) == [text]


# --- Sizes -------------------------------------------------------------------


def test_a_line_without_an_end_is_refused(monkeypatch):
    monkeypatch.setattr(streams, "LONGEST_LINE", 1000)
    write("a.csv", b"text,label\nfine,good\n" + b"x" * 1001 + b",good\n")
    assert refusal(labelled, "a.csv") == (
        "a.csv, line 3: a line must have at most 1,000 characters"
    )
    write("d/a/a.txt", b"x" * 1001)
    assert refusal(labelled, "d") == (
        "d/a/a.txt: a text must have at most 1,000 characters."
    )
