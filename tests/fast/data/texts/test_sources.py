"""Every kind of file of labelled texts: what is read, what is refused."""

import csv
import dataclasses
import gzip
import io
import logging
import os
import pathlib
import sys
import threading

import numpy as np
import pytest
import single_labels
import tensorflow as tf
import tensorflow_datasets as tfds
from refusals import refusal
from small_files import write

from trainers.config.data import TextDataConfig
from trainers.data.texts import reading
from trainers.data.texts import streams
from trainers.data.texts import tfrecord
from trainers.errors import ConfigError
from trainers.errors import DataError

BOM = b"\xef\xbb\xbf"


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Files of a test are in its working directory: short exact messages."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(train="", **settings):
    """Settings that read `train` alone."""
    return TextDataConfig(
        **{"train": train, "validation": "none", "test": "none"} | settings
    )


def read(name, content, **settings):
    """Returns texts, labels and places of a file with this content."""
    write(name, content)
    splits = single_labels.read_splits(config(name, **settings))
    assert list(splits) == ["train"]
    return columns(splits["train"])


def columns(examples):
    texts = examples.features["text"]
    assert list(examples.features) == ["text"]
    assert texts.dtype == examples.targets.dtype == object
    assert texts.shape == examples.targets.shape == (len(examples),)
    assert {type(label) for label in examples.targets} == {str}
    places = [examples.places[row] for row in range(len(examples))]
    return texts.tolist(), examples.targets.tolist(), places


NO_HEADER = (
    "set --config.data.header=false and name the columns by their numbers, as "
    "in --config.data.text_column=0."
)


def unusable(*problems):
    return f"{len(problems)} rows that cannot be used:" + "".join(
        f"\n  {problem}" for problem in problems
    )


def cases(names, table):
    """Parametrizes by a dict of values by name."""
    return pytest.mark.parametrize(names, list(table.values()), ids=list(table))


# --- CSV and TSV -------------------------------------------------------------

CSV_CASES = {
    "plain": (
        b"text,label\nfine,good\nawful,bad\n",
        [(b"fine", "good", 2), (b"awful", "bad", 3)],
    ),
    "no newline at the end": (
        b"text,label\nfine,good",
        [(b"fine", "good", 2)],
    ),
    "other columns, other order": (
        b"id,label,text\n1,good,fine\n",
        [(b"fine", "good", 2)],
    ),
    "byte order mark and CRLF": (
        BOM + b"text,label\r\nfine,good\r\n",
        [(b"fine", "good", 2)],
    ),
    "quotes, commas, newlines": (
        b'text,label\n"a ""b"", c\r\n\nd",x\ne,y\n',
        [(b'a "b", c\r\n\nd', "x", 2), (b"e", "y", 5)],
    ),
    "blank lines": (
        b"\n\ntext,label\n\r\nfine,good\n\n\nbad,b\n\n",
        [(b"fine", "good", 5), (b"bad", "b", 8)],
    ),
    "white space stays in texts and goes from labels": (
        b"text,label\n  a \t, b c \n",
        [(b"  a \t", "b c", 2)],
    ),
    "empty text": (b"text,label\n,good\n", [(b"", "good", 2)]),
    "NUL bytes": (b"text,label\na\0b,good\n", [(b"a\0b", "good", 2)]),
    "unicode": (
        "text,label\nñ\u2028\x85z,größe\n".encode(),
        [("ñ\u2028\x85z".encode(), "größe", 2)],
    ),
    "one megabyte": (
        b"text,label\n" + b"x" * 1_000_000 + b",good\n",
        [(b"x" * 1_000_000, "good", 2)],
    ),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("case", CSV_CASES)
def test_csv_is_read_exactly(case, packed):
    content, expected = CSV_CASES[case]
    # The first bytes tell gzip, not the name.
    content = gzip.compress(content) if packed else content
    texts, labels, places = read("a.csv", content)
    assert list(zip(texts, labels, strict=True)) == [e[:2] for e in expected]
    assert places == [f"a.csv, line {line}" for *_, line in expected]


@pytest.mark.parametrize(
    "name", ["a.tsv", "a.tab", "a.TSV.GZ", "a.tsv.gz", "a"]
)
def test_tsv_is_read_exactly(name):
    source = "tsv" if name == "a" else "files"
    content = b'text\tlabel\n"a\tb",c\tx\n1,2\ty\n'
    with pytest.raises(DataError):
        read(name, content, source=source)
    got = read(name, content.replace(b'b",c', b'b"'), source=source)
    assert got == (
        [b"a\tb", b"1,2"],
        ["x", "y"],
        [f"{name}, line 2", f"{name}, line 3"],
    )


def test_without_quoting_a_quote_is_a_character():
    content = b'text\tlabel\n5" pipe\tx\n"open\ty\n"a"b"\tz\n'
    texts, labels, _ = read("a.tsv", content, quoting=False)
    assert texts == [b'5" pipe', b'"open', b'"a"b"']
    assert labels == ["x", "y", "z"]


def test_without_header_columns_are_numbers():
    got = read(
        "a.csv",
        b"good,1,fine\nbad,2,awful\n",
        header=False,
        text_column="2",
        label_column="0",
    )
    assert got == (
        [b"fine", b"awful"],
        ["good", "bad"],
        ["a.csv, line 1", "a.csv, line 2"],
    )


def test_a_field_may_have_any_length():
    long = b"x" * 300_000  # Python's limit is 131,072.
    read("a.csv", b"text,label\n" + long + b",good\n")
    rows = single_labels.read_texts("a.csv", config())
    assert next(rows)[1] == long
    assert csv.field_size_limit() == 2**26


@cases(
    ("content", "problems"),
    {
        "too few and too many cells": (
            b"text,label\na\nb,x,\nc,x\n \n",
            [
                "line 2: has 1 cells, but the first row has 2",
                "line 3: has 3 cells, but the first row has 2",
                "line 5: has 1 cells, but the first row has 2",
            ],
        ),
        "empty label": (
            b'text,label\na,\nb,x\nc,"\n "\n',
            ["line 2: the label is empty", "line 4: the label is empty"],
        ),
        "bytes that are not UTF-8": (
            b'text,label\n\xe9t\xe9,x\nb,x\n"c\nd\xff",x\ne,\xf1\n',
            [
                "line 2: is not UTF-8: byte 0xe9 at position 1",
                "line 5: is not UTF-8: byte 0xff at position 2",
                "line 6: is not UTF-8: byte 0xf1 at position 3",
            ],
        ),
        "an encoded surrogate": (
            b"text,label\n\xed\xa0\x80,x\n",
            ["line 2: is not UTF-8: byte 0xed at position 1"],
        ),
        "text after a quote": (
            b'text,label\n"a"b,x\nc,x\n',
            [
                "line 2: malformed quotes (',' expected after '\"'); if quotes "
                "are ordinary characters, set --config.data.quoting=false"
            ],
        ),
        "a quote that nothing closes": (
            b'text,label\na,x\n"b,x\nc,x\n',
            [
                "line 3: malformed quotes (unexpected end of data); if quotes "
                "are ordinary characters, set --config.data.quoting=false"
            ],
        ),
        "a carriage return": (
            b"text,label\na\rb,x\n",
            [
                "line 2: a carriage return outside of quotes; end lines with "
                "LF or CRLF"
            ],
        ),
    },
)
def test_csv_rows_that_cannot_be_used_are_named(content, problems):
    message = refusal(DataError, read, "a.csv", content)
    # `test_encodings.py` tests the advice about the encoding.
    assert message.partition("\na.csv ")[0] == unusable(
        *(f"a.csv, {problem}" for problem in problems)
    )


def test_the_first_ten_problems_of_all_files_are_shown_and_all_counted():
    write("a-1.csv", b"text,label\n" + b"a,\n" * 4)
    write("a-2.csv", b"text,label\nfine,good\n" + b"a\n" * 9)
    message = refusal(
        DataError, single_labels.read_splits, config("a-[0-9].csv")
    )
    shown = [f"a-1.csv, line {n}: the label is empty" for n in range(2, 6)]
    shown += [
        f"a-2.csv, line {n}: has 1 cells, but the first row has 2"
        for n in range(3, 9)
    ]
    assert message == (
        "13 rows that cannot be used:"
        + "".join(f"\n  {line}" for line in shown)
        + "\n  ... and 3 more"
    )


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "content",
    [b"", BOM, b"\n\r\n\n", b"text,label\n", b"text,label"],
    ids=["empty", "mark", "blank", "header", "header without newline"],
)
def test_a_csv_file_without_rows_is_refused(content, packed):
    content = gzip.compress(content) if packed else content
    assert refusal(DataError, read, "a.csv", content) == "a.csv: has no rows."


@cases(
    ("content", "settings", "kind", "message"),
    {
        "no text column": (
            b"sentence, label\na,b\n",
            {},
            ConfigError,
            "`--config.data.text_column` must be a column of a.csv. Received: "
            "'text'. Choices: 'sentence', ' label'. Set "
            "--config.data.label_column=' label'.",
        ),
        "no label column": (
            b"text,class\na,b\n",
            {},
            ConfigError,
            "`--config.data.label_column` must be a column of a.csv. Received: "
            "'label'. Choices: 'text', 'class'.",
        ),
        "long names": (
            b"x" * 41 + b",y\na,b\n",
            {},
            ConfigError,
            "`--config.data.text_column` must be a column of a.csv. Received: "
            f"'text'. Choices: '{'x' * 37}...', 'y'. If its first row is an "
            "example, " + NO_HEADER,
        ),
        "many names": (
            b"c," * 22 + b"d\n",
            {},
            ConfigError,
            "`--config.data.text_column` must be a column of a.csv. Received: "
            "'text'. Choices: " + "'c', " * 19 + "'c' and 3 more. If its first "
            "row is an example, " + NO_HEADER,
        ),
        "a name without header": (
            b"a,b\n",
            {"header": False},
            ConfigError,
            "`--config.data.text_column` must be a column of a.csv. Received: "
            "'text'. Choices: '0', '1'. Without a header, the columns are "
            "numbered from 0, as in --config.data.text_column=0.",
        ),
        "a name twice": (
            b"text,label,text\na,b,c\n",
            {},
            DataError,
            "a.csv, line 1: the column 'text' must occur once. Received: 2 "
            "times.",
        ),
        "one column for both": (
            b"text,label\na,b\n",
            {"label_column": "text"},
            ConfigError,
            "`--config.data.label_column` must be another column than "
            "--config.data.text_column. Received: 'text' for both.",
        ),
        "header not UTF-8": (
            b"text,label,\xff\n",
            {},
            DataError,
            unusable("a.csv, line 1: is not UTF-8: byte 0xff at position 12")
            + "\na.csv seems to be cp1252, which reads 'text,label,ÿ': set "
            "--config.data.encoding=cp1252. Or cp1250, which reads "
            "'text,label,˙'.",
        ),
        "semicolons": (
            b"text;label\na;b\n",
            {},
            ConfigError,
            "`--config.data.text_column` must be a column of a.csv. Received: "
            "'text'. Choices: 'text;label'. The delimiter seems to be ';': "
            "set --config.data.delimiter=';'.",
        ),
        "malformed header": (
            b'text,"label"s\na,b\n',
            {},
            DataError,
            "a.csv, line 1: malformed quotes (',' expected after '\"'); write "
            'a quote inside of quotes twice, as ""',
        ),
    },
)
def test_wrong_csv_columns_are_refused(content, settings, kind, message):
    got = refusal(kind, read, "a.csv", content, **settings)
    assert got == message


def test_an_unused_column_name_can_occur_twice():
    assert read("a.csv", b"x,text,label,x\n1,a,b,2\n")[0] == [b"a"]


# --- gzip --------------------------------------------------------------------

ROWS = b"text,label\n" + b"".join(b"text %d,x\n" % i for i in range(3000))


@pytest.mark.parametrize(
    ("name", "reader"),
    [("a.csv.gz", "csv"), ("a.jsonl", "jsonl"), ("a.txt", "text")],
)
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (
            lambda c: c[:-1],
            "Compressed file ended before the end-of-stream marker was reached",
        ),
        (
            lambda c: c[:200],
            "Compressed file ended before the end-of-stream marker was reached",
        ),
        (
            lambda c: c[:5],
            "Compressed file ended before the end-of-stream marker was reached",
        ),
        (lambda c: c + b"more", "Not a gzipped file (b'mo')"),
        (lambda c: c[:-8] + b"\0\0\0\0" + c[-4:], "CRC check failed"),
        (lambda c: c[:10] + b"\xff" + c[11:], "Error -3 while decompressing"),
    ],
    ids=["one byte", "cut", "header", "more", "sum", "content"],
)
def test_a_damaged_gzip_file_is_a_located_error(name, reader, damage, reason):
    content = ROWS
    if reader == "jsonl":
        content = b'{"text": "a", "label": "b"}\n' * 3000
    write(name, damage(gzip.compress(content)))
    if reader == "text":
        message = refusal(
            DataError, list, single_labels.read_texts(name, config())
        )
    else:
        message = refusal(DataError, single_labels.read_splits, config(name))
    place, _, rest = message.partition(": ")
    assert place.startswith(f"{name}, line ")
    assert 1 <= int(place.rpartition(" ")[2]) <= 3002
    assert rest.startswith(f"damaged or cut gzip data: {reason}")


# --- JSON lines --------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz"])
def test_json_lines_are_read_exactly(name, packed):
    content = (
        BOM
        + (
            '{"text": "a\\nb \\u00e9 \\ud83d\\ude00 é", "label": " good "}\r\n'
            "\n"
            ' {"id": null, "label": 3, "text": ""}\n'
            "   \n"
            '{"text": "\\u0000", "label": true, "more": [1.5, {}]}\n'
            '{"text": "\u2028", "label": -12345678901234567890}\n'
            '{"text": "e", "label": false}'
        ).encode()
    )
    content = gzip.compress(content) if packed else content
    texts, labels, places = read(name, content)
    assert texts == [
        "a\nb é 😀 é".encode(),
        b"",
        b"\0",
        "\u2028".encode(),
        b"e",
    ]
    assert labels == ["good", "3", "true", "-12345678901234567890", "false"]
    assert places == [f"{name}, line {n}" for n in (1, 3, 5, 6, 7)]


# The last two are equal.
MANY_KEYS = b"{%s}" % b",".join(
    b'"%080d":1' % min(n, 10**5 - 2) for n in range(10**5)
)
WANTED = "'label' must be a string, a whole number, true or false. Received: "


@cases(
    ("line", "problem"),
    {
        "cut off": (
            b'{"text": "a", "label": "b"',
            "is not JSON: Expecting ',' delimiter: line 2 column 1 (char 27)",
        ),
        "words": (b"a,b", "is not JSON: Expecting value: line 1 column 1 "),
        "text null": (
            b'{"text": null, "label": "b"}',
            "'text' must be a string. Received: null",
        ),
        "text number": (
            b'{"text": 5, "label": "b"}',
            "'text' must be a string. Received: 5",
        ),
        "text list": (
            b'{"text": ["a"], "label": "b"}',
            "'text' must be a string. Received: an array",
        ),
        "label null": (b'{"text": "a", "label": null}', f"{WANTED}null"),
        "label list": (
            b'{"text": "a", "label": [1]}',
            f"{WANTED}an array; to learn lists of labels, set "
            "--config.task.objective=multi_label",
        ),
        "label spans": (
            b'{"text": "a", "label": [[0, 1, "X"]]}',
            f"{WANTED}an array; to learn spans, begin with "
            "--config=configs/bert_tagger.py",
        ),
        "label object": (b'{"text": "a", "label": {}}', f"{WANTED}an object"),
        "label 1.5": (
            b'{"text": "a", "label": 1.5}',
            f"{WANTED}1.5; to learn numbers, set "
            "--config.task.objective=regression",
        ),
        "label 1.0": (
            b'{"text": "a", "label": 1.0}',
            f"{WANTED}1.0; write 1",
        ),
        "label NaN": (b'{"text": "a", "label": NaN}', f"{WANTED}NaN"),
        "label 1e999": (b'{"text": "a", "label": 1e999}', f"{WANTED}Infinity"),
        "label empty": (b'{"text": "a", "label": " "}', "the label is empty"),
        "no text": (
            b'{"txt": "a", "label": "b"}',
            "has no 'text' (--config.data.text_column), but 'txt', 'label'",
        ),
        "no label": (
            b'{"text": "a"}',
            "has no 'label' (--config.data.label_column), but 'text'",
        ),
        "nothing": (
            b"{}",
            "has no 'text' (--config.data.text_column), but nothing",
        ),
        "a string": (b'"text"', "must be an object. Received: a string"),
        "an array": (b'["text"]', "must be an object. Received: an array"),
        "a number": (b"1" * 50, "must be an object. Received: " + "1" * 40),
        "a key twice": (
            b'{"text": "a", "text": "b", "label": "c"}',
            "has the key 'text' more than once",
        ),
        # It is found without a comparison of each two.
        "the last of many keys twice": (
            MANY_KEYS,
            f"has the key '{'0' * 40}' more than once",
        ),
        "half a pair": (
            b'{"text": "\\ud83d", "label": "b"}',
            "'text' has half a surrogate pair, which is not Unicode",
        ),
        "half a pair in a label": (
            b'{"text": "a", "label": "\\ude00"}',
            "'label' has half a surrogate pair, which is not Unicode",
        ),
        "not UTF-8": (
            b'{"text": "\xe9", "label": "b"}',
            "is not UTF-8: byte 0xe9 at position 11",
        ),
        "deep": (b"[" * 100_000, "is nested too deeply"),
        "deep value": (b'{"a":' * 100_000, "is nested too deeply"),
        "long number": (b"9" * 5000, "is not JSON: Exceeds the limit (4300 "),
    },
)
def test_json_lines_that_cannot_be_used_are_named(line, problem):
    good = b'{"text": "a", "label": "b"}\n'
    content = good + line + b"\n" + good
    message = refusal(DataError, read, "a.jsonl", content)
    message = message.partition("\na.jsonl ")[0]
    start = f"1 rows that cannot be used:\n  a.jsonl, line 2: {problem}"
    assert message == start or problem.endswith(" ")
    assert message.startswith(start)


@pytest.mark.parametrize("content", [b"[", b"\n[]", b' [{"text": "a"}]'])
def test_one_json_array_is_told_to_be_written_in_lines(content):
    line = 1 + content.count(b"\n")
    assert refusal(DataError, read, "a.jsonl", content) == (
        f"a.jsonl, line {line}: a JSON array begins. Give the file the suffix "
        ".json, or set --config.data.source=json."
    )


@pytest.mark.parametrize("content", [b"", BOM, b"\n \n"])
def test_json_lines_without_rows_are_refused(content):
    message = refusal(DataError, read, "a.jsonl", content)
    assert message == "a.jsonl: has no rows."


# --- TFRecord ----------------------------------------------------------------


def feature(*values):
    if values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if values and isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def example(**features):
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return message.SerializeToString()


def labelled(text=b"a", label=b"x"):
    return example(text=feature(text), label=feature(label))


def records(*contents):
    """Returns the bytes of a TFRecord file."""
    with tf.io.TFRecordWriter("records") as writer:
        for content in contents:
            writer.write(content)
    return pathlib.Path("records").read_bytes()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecords.gz"])
def test_tfrecords_are_read_exactly(name, packed):
    rows = [labelled("é\0".encode(), b" good "), labelled(b"", -7)]
    rows += [labelled(b"%d" % i, "größe".encode()) for i in range(600)]
    content = records(*rows)
    content = gzip.compress(content) if packed else content
    texts, labels, places = read(name, content)
    assert texts == ["é\0".encode(), b"", *(b"%d" % i for i in range(600))]
    assert labels == ["good", "-7", *["größe"] * 600]
    assert places == [f"{name}, record {i}" for i in range(1, 603)]


@cases(
    ("record", "problem"),
    {
        "no text": (
            example(label=feature(b"x"), txt=feature(b"a")),
            "has no 'text' (--config.data.text_column), but 'label', 'txt'",
        ),
        "nothing": (
            b"",
            "has no 'text' (--config.data.text_column), but nothing",
        ),
        "no label": (
            example(text=feature(b"a")),
            "has no 'label' (--config.data.label_column), but 'text'",
        ),
        "two texts": (
            example(text=feature(b"a", b"b"), label=feature(b"x")),
            "'text' must have one value. Received: 2",
        ),
        "no label value": (
            example(text=feature(b"a"), label=feature()),
            "'label' must have one value. Received: 0; to learn lists of "
            "labels, set --config.task.objective=multi_label",
        ),
        "text int": (
            example(text=feature(1), label=feature(b"x")),
            "'text' must be a bytes_list. Received: int64_list",
        ),
        "text of no kind": (
            example(text=tf.train.Feature(), label=feature(b"x")),
            "'text' must be a bytes_list. Received: None",
        ),
        "label float": (
            example(text=feature(b"a"), label=feature(1.0)),
            "'label' must be a bytes_list or int64_list. Received: "
            "float_list; to learn numbers, set "
            "--config.task.objective=regression",
        ),
        "text not UTF-8": (
            labelled(b"a\xff"),
            "'text' is not UTF-8: byte 0xff at position 2",
        ),
        "label not UTF-8": (
            labelled(b"a", b"\xe9"),
            "'label' is not UTF-8: byte 0xe9 at position 1",
        ),
        "label empty": (labelled(b"a", b""), "the label is empty"),
        "no example": (b"\xff\xff", "is not a tf.train.Example"),
    },
)
def test_tfrecords_that_cannot_be_used_are_named(record, problem):
    content = records(labelled(), record, labelled())
    message = refusal(DataError, read, "a.tfrecord", content)
    message = message.partition("\na.tfrecord ")[0]
    assert message == unusable(f"a.tfrecord, record 2: {problem}")


RECORD_SIZE = 16 + len(labelled())


@pytest.mark.parametrize(
    ("damage", "number"),
    [
        (lambda c: c[:-1], 600),
        (lambda c: c[: 2 * RECORD_SIZE + 5], 3),
        (lambda c: c[: 2 * RECORD_SIZE + 12], 3),
        (lambda c: b"text,label\n", 1),
        (lambda c: b"text,label\na,b\n" * 9, 1),
        (lambda c: c[:20] + b"?" + c[21:], 1),
        (
            lambda c: (
                c[: 300 * RECORD_SIZE + 20] + b"?" + c[300 * RECORD_SIZE + 21 :]
            ),
            301,
        ),
        (lambda c: c[: RECORD_SIZE + 8] + b"????" + c[RECORD_SIZE + 12 :], 2),
        (lambda c: c[:RECORD_SIZE] + b"\xff" * 12, 2),
    ],
    ids=[
        "end",
        "in a length",
        "after a length",
        "short text",
        "long text",
        "first record",
        "record 301",
        "sum of a length",
        "huge length",
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_damaged_tfrecord_file_is_a_located_error(damage, number, packed):
    content = damage(records(*[labelled()] * 600))
    content = gzip.compress(content) if packed else content
    message = refusal(DataError, read, "a.tfrecord", content)
    assert message == f"a.tfrecord, record {number}: is damaged or cut off."


@pytest.mark.parametrize("cut", [1, 8, 20])
def test_a_cut_gzip_file_of_tfrecords_is_refused(cut):
    """TensorFlow itself does not notice if only the end is missing."""
    content = gzip.compress(records(*[labelled()] * 5))
    message = refusal(DataError, read, "a.tfrecord", content[:-cut])
    assert message.startswith("a.tfrecord, record ")
    assert message.endswith(
        ": damaged or cut gzip data: Compressed file ended before the "
        "end-of-stream marker was reached"
    )


def test_an_empty_tfrecord_file_is_refused():
    message = refusal(DataError, read, "a.tfrecord", b"")
    assert message == "a.tfrecord: has no rows."


# --- Folders of texts --------------------------------------------------------


def test_a_text_folder_is_read_in_a_mixed_order_that_is_always_the_same():
    write("d/bad/a.txt", BOM + b"awful\r\n")
    write("d/bad/b.TXT", b"")
    write("d/good/a.txt", "größe".encode())
    write("d/good/c.txt.gz", gzip.compress(b"fine\n"))
    write("d/.hidden/a.txt", b"hidden")
    write("d/good/.hidden", b"hidden")
    write("d/README.md", b"About it.")
    pathlib.Path("d/empty").mkdir()
    splits = single_labels.read_splits(config("d"))
    # By sha256 of bad/a.txt and so on.
    assert columns(splits["train"]) == (
        [b"", "größe".encode(), b"fine\n", b"awful\r\n"],
        ["bad", "good", "good", "bad"],
        ["d/bad/b.TXT", "d/good/a.txt", "d/good/c.txt.gz", "d/bad/a.txt"],
    )
    assert reading.list_files(config("d")) == [
        pathlib.Path(place) for place in columns(splits["train"])[2]
    ]


@cases(
    ("files", "message"),
    {
        "no class folders": (
            {"d/x.md": b""},
            "`--config.data.train` must be a folder of class folders of texts "
            "(.txt, also with .gz, .bz2, .xz, .zip). Received: 'd'.",
        ),
        "no texts": (
            {"d/bad/x.md": b"", "d/good/a/x.txt": b""},
            "`--config.data.train` must be a folder of class folders of texts "
            "(.txt, also with .gz, .bz2, .xz, .zip). Received: 'd'.",
        ),
        "others": (
            {"d/bad/a.txt": b"", "d/bad/a.md": b"", "d/good/a/x.txt": b""},
            "2 files or folders beside texts (.txt, also with .gz, .bz2, .xz, "
            ".zip):\n  d/bad/a.md\n  d/good/a",
        ),
        "outside": (
            {"d/bad/a.txt": b"", "d/a.txt": b""},
            "1 texts of d that are not in a class folder:\n  d/a.txt",
        ),
        "not UTF-8": (
            {"d/bad/a.txt": b"caf\xe9", "d/good/a.txt": b"fine"},
            unusable("d/bad/a.txt: is not UTF-8: byte 0xe9 at position 4")
            + "\nd seems to be cp1252, which reads 'café': set "
            "--config.data.encoding=cp1252. Or cp852, which reads 'cafÚ'.",
        ),
        "cut gzip": (
            {"d/bad/a.txt.gz": gzip.compress(b"fine")[:-1]},
            "d/bad/a.txt.gz: damaged or cut gzip data: Compressed file ended "
            "before the end-of-stream marker was reached",
        ),
        "class of white space": (
            {"d/ /a.txt": b""},
            unusable("d/ /a.txt: the label is empty"),
        ),
    },
)
def test_a_wrong_text_folder_is_refused(files, message):
    for name, content in files.items():
        write(name, content)
    kind = ConfigError if message.startswith("`") else DataError
    got = refusal(kind, single_labels.read_splits, config("d"))
    assert got == message


# --- Paths and kinds ---------------------------------------------------------

CSV = b"text,label\na,x\n"


def test_a_pattern_is_all_its_files_sorted():
    for number in (2, 10, 1):
        write(f"p/{number}.csv", b"text,label\n%d,x\n" % number)
    write("p/3.jsonl", b'{"text": "3", "label": "y"}')
    data = config("p/[0-9]*")
    assert columns(single_labels.read_splits(data)["train"]) == (
        [b"1", b"10", b"2", b"3"],
        ["x", "x", "x", "y"],
        [f"p/{n}, line 2" for n in ("1.csv", "10.csv", "2.csv")]
        + ["p/3.jsonl, line 1"],
    )
    names = ["p/1.csv", "p/10.csv", "p/2.csv", "p/3.jsonl"]
    assert reading.list_files(data) == [pathlib.Path(n) for n in names]


def test_a_file_whose_name_is_like_a_pattern_is_that_file():
    write("[ab].csv", b"text,label\nliteral,x\n")
    write("a.csv", CSV)
    examples = single_labels.read_splits(config("[ab].csv"))["train"]
    assert examples.features["text"].tolist() == [b"literal"]


def test_a_file_of_an_installed_package_is_found(monkeypatch):
    write("lib/[x]/some_texts/__init__.py", b"")
    write("lib/[x]/some_texts/part-1.csv", CSV)
    monkeypatch.syspath_prepend(pathlib.Path("lib/[x]").absolute())
    file = pathlib.Path("lib/[x]/some_texts/part-1.csv").absolute()
    for name in ("part-1.csv", "part-*.csv"):
        data = config(f"package://some_texts/{name}")
        examples = single_labels.read_splits(data)["train"]
        assert examples.places[0] == f"{file}, line 2"
        assert reading.list_files(data) == [file]


EXISTS = "`--config.data.train` must be a file, folder or pattern that exists."
PACKAGE = (
    "`--config.data.train` must be package://PKG/FILE with an installed "
    "package PKG."
)
KINDS = (
    "`--config.data.train` must be a folder, or end in one of .csv, .tsv, "
    ".tab, .jsonl, .ndjson, .json, .parquet, .pq, .arrow, .feather, .tfrecord, "
    ".tfrecords (and .gz, .bz2, .xz, .zip). Received: {!r}. It seems to be "
    "csv: set --config.data.source=csv, or give it that suffix."
)


@pytest.mark.parametrize(
    ("path", "settings", "message"),
    [
        ("no.csv", {}, f"{EXISTS} Received: 'no.csv'."),
        ("no-*.csv", {}, f"{EXISTS} Received: 'no-*.csv'."),
        ("a\0*.csv", {}, f"{EXISTS} Received: 'a\\x00*.csv'."),
        (
            "package://no_such/a.csv",
            {},
            f"{PACKAGE} Received: 'package://no_such/a.csv'.",
        ),
        (
            "package://json.decoder/a.csv",
            {},
            f"{PACKAGE} Received: 'package://json.decoder/a.csv'.",
        ),
        ("package://", {}, f"{PACKAGE} Received: 'package://'."),
        (
            "package://json/a.csv",
            {},
            f"{EXISTS} Received: 'package://json/a.csv'.",
        ),
        ("a.txt", {}, KINDS.format("a.txt")),
        ("a", {}, KINDS.format("a")),
        (".csv", {}, KINDS.format(".csv")),
        (
            "d",
            {"source": "csv"},
            "`--config.data.train` must be a file with "
            "--config.data.source=csv. Received: 'd', which is a folder. "
            "--config.data.source=files reads both.",
        ),
        (
            "a.csv",
            {"source": "text_folder"},
            "`--config.data.train` must be a folder with "
            "--config.data.source=text_folder. Received: 'a.csv', which is a "
            "file. --config.data.source=files reads both.",
        ),
    ],
)
@pytest.mark.parametrize("function", ["read_splits", "list_files"])
def test_a_wrong_path_is_refused(function, path, settings, message):
    for name in ("a.csv", "a.txt", "a", ".csv", "d/x.csv"):
        write(name, CSV)
    got = refusal(
        ConfigError, getattr(single_labels, function), config(path, **settings)
    )
    assert got == message


def test_a_given_kind_counts_more_than_the_name():
    content = b'{"text": "a", "label": "x"}'
    assert read("a.csv", content, source="jsonl")[0] == [b"a"]
    content = records(labelled())
    assert read("a.jsonl", content, source="tfrecord")[0] == [b"a"]
    assert read("a.txt", CSV, source="csv")[0] == [b"a"]


def test_a_file_that_cannot_be_opened_is_an_error(monkeypatch):
    write("a.csv", CSV)
    write("a.tfrecord", records(labelled()))
    write("d/x/a.txt", b"a")

    def fail(*args, **settings):
        raise PermissionError(13, "Permission denied")

    for module in (streams, tfrecord):
        monkeypatch.setattr(module, "open", fail, raising=False)
    for name, place in (
        ("a.csv", "a.csv, line 1"),
        ("a.tfrecord", "a.tfrecord, record 1"),
        ("d", "d/x/a.txt"),
    ):
        message = refusal(DataError, single_labels.read_splits, config(name))
        assert message == f"{place}: cannot be read: Permission denied"
    monkeypatch.setattr(pathlib.Path, "iterdir", fail)
    message = refusal(DataError, reading.list_files, config("d"))
    assert message == "d: cannot be read: Permission denied"


# --- Texts to predict --------------------------------------------------------


@cases(
    ("name", "content", "expected"),
    {
        "csv": (
            "a.csv",
            b'id,text\n1,a\n2,"b\nc"\n',
            [(2, b"a"), (3, b"b\nc")],
        ),
        "tsv.gz": ("a.tsv.gz", gzip.compress(b"text\na\n"), [(2, b"a")]),
        "jsonl": (
            "a.jsonl",
            b'{"text": "a", "label": null}\n\n{"text": ""}',
            [(1, b"a"), (3, b"")],
        ),
        "text": (
            "a.log",
            BOM + "été\r\n\nb\0 \r\r\nlast".encode(),
            [(1, "été".encode()), (2, b""), (3, b"b\0 \r"), (4, b"last")],
        ),
        "packed text": ("a", gzip.compress(b"a\nb\n"), [(1, b"a"), (2, b"b")]),
        "empty text": ("a", b"", []),
        "csv without rows": ("a.csv", b"text\n", []),
    },
)
def test_texts_to_predict_are_read_exactly(name, content, expected):
    write(name, content)
    assert list(single_labels.read_texts(name, config())) == [
        (f"{name}, line {line}", text) for line, text in expected
    ]


def test_tfrecords_to_predict_are_read_exactly():
    write("a.tfrecord", records(example(text=feature("é".encode()))))
    assert list(single_labels.read_texts("a.tfrecord", config())) == [
        ("a.tfrecord, record 1", "é".encode())
    ]


@pytest.mark.parametrize(
    ("name", "content", "kind", "message"),
    [
        (
            "a.csv",
            b"text\na\n\xff\nb\n",
            DataError,
            "a.csv, line 3: is not UTF-8: byte 0xff at position 1. a.csv seems "
            "to be cp1252, which reads 'ÿ': set --config.data.encoding=cp1252.",
        ),
        (
            "a.jsonl",
            b'{"text": "a"}\n{"text": 5}\n',
            DataError,
            "a.jsonl, line 2: 'text' must be a string. Received: 5.",
        ),
        (
            "a.csv",
            b"txt\na\n",
            ConfigError,
            "`--config.data.text_column` must be a column of a.csv. Received: "
            "'text'. Choices: 'txt'. If its first row is an example, set "
            "--config.data.header=false and name the columns by their numbers, "
            "as in --config.data.text_column=0.",
        ),
        (
            "d/a.txt",
            b"a",
            ConfigError,
            "`FILE` must be a file. Received: 'd', which is a folder.",
        ),
        (
            "b.csv",
            b"a",
            ConfigError,
            "`FILE` must be a file, folder or pattern that exists. Received: "
            "'a.csv'.",
        ),
    ],
)
def test_texts_that_cannot_be_predicted_are_refused(
    name, content, kind, message
):
    write(name, content)
    path = {"d/a.txt": "d", "b.csv": "a.csv"}.get(name, name)
    got = refusal(kind, list, single_labels.read_texts(path, config()))
    assert got == message


def test_what_comes_before_a_broken_row_is_predicted():
    write("a.csv", b"text\na\nb,c\n")
    texts = single_labels.read_texts("a.csv", config())
    assert next(texts) == ("a.csv, line 2", b"a")
    message = refusal(DataError, next, texts)
    assert message == ("a.csv, line 3: has 2 cells, but the first row has 1.")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_stdin_is_one_text_a_line(monkeypatch, packed):
    content = "a\né\n".encode()
    content = gzip.compress(content) if packed else content
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert list(single_labels.read_texts("-", config())) == [
        ("stdin, line 1", b"a"),
        ("stdin, line 2", "é".encode()),
    ]


def test_a_line_of_stdin_is_there_before_the_next_is_written(monkeypatch):
    source, sink = os.pipe()
    # Without this a reader that waits for more would wait for ever.
    timer = threading.Timer(20, os.close, [sink])
    timer.start()
    with os.fdopen(source) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        texts = single_labels.read_texts("-", config())
        for number, text in enumerate((b"a", b"bc", b""), 1):
            os.write(sink, text + b"\n")
            assert next(texts) == (f"stdin, line {number}", text)
        assert timer.is_alive()
        timer.cancel()
        os.close(sink)
        assert list(texts) == []


# --- TensorFlow Datasets -----------------------------------------------------

REVIEWS = {
    "train": [(f"train {i} é", i % 2) for i in range(20)],
    "test": [("test 0", 1), ("test 1", 0)],
}


def make_tfds(directory, rows, label=None, text=None, name="reviews"):
    """Writes a TFDS data set and returns the directory of its version."""
    label = label or tfds.features.ClassLabel(names=["bad", "good"])
    features = tfds.features.FeaturesDict(
        {"text": text or tfds.features.Text(), "label": label, "n": np.int64}
    )
    datasets = {
        split: tf.data.Dataset.from_tensor_slices(
            {
                "text": [text for text, _ in pairs],
                "label": [label for _, label in pairs],
                "n": np.arange(len(pairs)),
            }
        )
        for split, pairs in rows.items()
    }
    builder = tfds.dataset_builders.TfDataBuilder(
        name=name,
        version="1.0.0",
        split_datasets=datasets,
        features=features,
        data_dir=str(directory),
        disable_shuffling=True,
    )
    builder.download_and_prepare()
    return pathlib.Path(directory) / name / "1.0.0"


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    return make_tfds(tmp_path_factory.mktemp("tfds"), REVIEWS)


def tfds_config(path, **settings):
    return TextDataConfig(source="tfds_directory", path=str(path), **settings)


def test_a_tfds_directory_is_read_exactly(reviews):
    splits = single_labels.read_splits(tfds_config(reviews))
    assert list(splits) == ["train", "validation", "test"]
    for name, rows, first in (
        ("train", REVIEWS["train"][:18], 0),
        ("validation", REVIEWS["train"][18:], 18),
        ("test", REVIEWS["test"], 0),
    ):
        split = "train" if name == "validation" else name
        assert columns(splits[name]) == (
            [text.encode() for text, _ in rows],
            [("bad", "good")[label] for _, label in rows],
            [
                f"{reviews}, split {split}, item {first + i}"
                for i in range(len(rows))
            ],
        )


def test_a_tfds_data_set_is_found_by_name_in_data_dir(reviews):
    data = TextDataConfig(
        source="tfds",
        path="reviews",
        data_dir=str(reviews.parents[1]),
        train="train[:3]+test[1:]",
        validation="none",
        test="none",
    )
    splits = single_labels.read_splits(data)
    assert list(splits) == ["train"]
    assert columns(splits["train"])[1] == ["bad", "good", "bad", "bad"]
    assert splits["train"].places[3] == "reviews, split test, item 1"
    files = sorted(file for file in reviews.rglob("*") if file.is_file())
    assert len(files) == 5
    assert reading.list_files(data) == files
    assert reading.list_files(tfds_config(reviews)) == files


def test_one_tfds_split_is_what_the_configuration_or_tfds_calls_so(reviews):
    data = tfds_config(reviews, train="train[:50%]", validation="train[50%:]")
    got = single_labels.read_one(data, "validation")
    assert len(got) == 10
    assert got.places[0] == f"{reviews}, split train, item 10"
    assert len(single_labels.read_one(data, "train")) == 10
    assert len(single_labels.read_one(data, "train[:3]+test")) == 5
    # Of another data set the run's slices mean nothing.
    run = tfds_config("other", train="train[:50%]", validation="train[50%:]")
    assert len(single_labels.read_one(data, "train", run)) == 20
    assert len(single_labels.read_one(data, "train", data)) == 10


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (
            "validation",
            "`--split` must be a split that the run has, and "
            "--config.data.validation is none. Received: 'validation'. "
            "Choices: train, test.",
        ),
        (
            "extra",
            "`--split` must be a split like train, train[:90%] or "
            "train[100:200]. Received: 'extra'. Choices: train, test. Unknown "
            "split 'extra'. Should be one of ['train', 'test'].",
        ),
        (
            "train[:0]",
            "`--split` must select at least one example. Received: "
            "'train[:0]'. Choices: train (20 examples), test (2 examples).",
        ),
        (
            "test",
            "`--config.data.test` must select at least one example. Received: "
            "'test[2:]'. Choices: train (20 examples), test (2 examples), "
            "none.",
        ),
    ],
)
def test_a_wrong_tfds_split_is_refused(reviews, split, message):
    data = tfds_config(reviews, validation="none", test="test[2:]")
    assert refusal(ConfigError, single_labels.read_one, data, split) == message


def test_unused_tfds_splits_are_a_warning(reviews, caplog):
    data = tfds_config(
        reviews, train="train[:9]", validation="train[9:]", test="train[9:]"
    )
    with caplog.at_level(logging.WARNING):
        single_labels.read_splits(data)
    assert [record.getMessage() for record in caplog.records] == [
        "splits of the data that are not used: test. Name them with "
        "--config.data.train, .validation or .test."
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"text_column": "review"},
            "`--config.data.text_column` must be a feature of {}. Received: "
            "'review'. Choices: label, n, text.",
        ),
        (
            {"label_column": "class"},
            "`--config.data.label_column` must be a feature of {}. Received: "
            "'class'. Choices: label, n, text.",
        ),
        (
            {"text_column": "label"},
            "`--config.data.label_column` must be another column than "
            "--config.data.text_column. Received: 'label' for both.",
        ),
        (
            {"text_column": "n"},
            "`--config.data.text_column` must be a text feature. Received: "
            "'n', Tensor(shape=(), dtype=int64).",
        ),
    ],
)
def test_wrong_tfds_columns_are_refused(reviews, settings, message):
    data = tfds_config(reviews, **settings)
    got = refusal(ConfigError, single_labels.read_splits, data)
    assert got == message.format(reviews)


@pytest.mark.parametrize(
    ("feature", "given", "expected"),
    [
        (tfds.features.Text(), [" x ", "é"], ["x", "é"]),
        (tfds.features.Scalar(np.int32), [-1, 7], ["-1", "7"]),
        (tfds.features.ClassLabel(num_classes=2), [1, 0], ["1", "0"]),
    ],
    ids=["strings", "numbers", "classes without names"],
)
def test_tfds_labels_of_other_kinds_are_read(
    directory, feature, given, expected
):
    rows = {"train": list(zip("ab", given, strict=True))}
    path = make_tfds(directory, rows, feature)
    data = tfds_config(path, validation="none", test="none")
    splits = single_labels.read_splits(data)
    assert columns(splits["train"])[:2] == ([b"a", b"b"], expected)


def test_a_tfds_label_that_is_a_number_with_a_point_is_refused(directory):
    path = make_tfds(
        directory, {"train": [("a", 1.0)]}, tfds.features.Scalar(np.float32)
    )
    message = refusal(ConfigError, single_labels.read_splits, tfds_config(path))
    assert message == (
        "`--config.data.label_column` must be a single class label, whole "
        "number or string. Received: 'label', Scalar(shape=(), dtype=float32); "
        "to learn numbers, set --config.task.objective=regression."
    )


@pytest.mark.parametrize(
    ("feature", "pairs", "problem"),
    [
        (
            None,
            [(b"a", 0), (b"\xff", 0)],
            "is not UTF-8: byte 0xff at position 1",
        ),
        (None, [(b"a", 0), (b"b", -1)], "label -1 is none of the 2 classes"),
        (
            tfds.features.Text(),
            [(b"a", b"x"), (b"b", b" ")],
            "the label is empty",
        ),
        (
            tfds.features.Text(),
            [(b"a", b"x"), (b"b", b"\xfe")],
            "is not UTF-8: byte 0xfe at position 1",
        ),
    ],
    ids=["text", "unlabelled", "empty", "label"],
)
def test_tfds_rows_that_cannot_be_used_are_named(
    directory, feature, pairs, problem
):
    path = make_tfds(directory, {"train": pairs}, feature)
    data = tfds_config(path, validation="none", test="none")
    message = refusal(DataError, single_labels.read_splits, data)
    assert message == unusable(f"{path}, split train, item 1: {problem}")


def test_a_tfds_cut_in_order_of_class_is_refused(directory):
    rows = {"train": [(str(i), i // 200) for i in range(400)]}
    path = make_tfds(directory, rows)
    objective = single_labels.unfitted()
    data = tfds_config(path, test="none")
    splits, cut = reading.read_splits(data, objective)
    assert cut == ["validation"]
    objective, targets = objective.fitted(splits)
    splits = {
        name: dataclasses.replace(examples, targets=targets[name])
        for name, examples in splits.items()
    }
    objective.check_splits(splits)
    message = refusal(DataError, objective.check_splits, splits, cut)
    assert message.startswith(
        "split validation: was cut from the end of `train` and has no example "
        "of class 'bad', but the rest of `train` has 200."
    )


def test_a_damaged_tfds_file_is_a_data_error(directory):
    path = make_tfds(directory, REVIEWS)
    file = next(path.glob("*-train.tfrecord-*"))
    file.write_bytes(file.read_bytes()[:-3])
    message = refusal(DataError, single_labels.read_splits, tfds_config(path))
    assert message.startswith(f"{path}, split train: cannot be read: ")
    assert "{{" not in message


def test_what_is_no_tfds_data_set_is_refused(directory):
    message = refusal(
        ConfigError, single_labels.read_splits, tfds_config(directory)
    )
    assert message.startswith(
        "`--config.data.path` must be a directory that TFDS wrote, with "
        f"dataset_info.json in it: .../NAME/VERSION. Received: {directory}: "
    )
    for name, expected in (
        (
            "no_such_texts",
            "`--config.data.path` must be a data set of the TFDS catalogue "
            "(https://www.tensorflow.org/datasets). Received: "
            "'no_such_texts'.",
        ),
        ("../x", "`--config.data.path=../x`: "),
    ):
        data = TextDataConfig(source="tfds", path=name, data_dir=str(directory))
        message = refusal(ConfigError, single_labels.read_splits, data)
        assert message.startswith(expected)


def test_a_tfds_data_set_that_cannot_be_prepared_names_the_ways_out(directory):
    write("file", b"")
    data_dir = str(directory / "file" / "datasets")
    data = TextDataConfig(source="tfds", path="imdb_reviews", data_dir=data_dir)
    message = refusal(ConfigError, reading.list_files, data)
    assert message.startswith(
        "`--config.data.path=imdb_reviews` is not on this machine and could "
        "not be downloaded; it needs the network once, or "
        "--config.data.data_dir=DIR with the prepared data set. "
    )
