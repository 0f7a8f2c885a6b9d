"""Any bytes of a text file give rows or one of two errors."""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import zipfile

import hypothesis
import pyarrow
import pytest
import single_labels
import tensorflow as tf
from hypothesis import strategies as st
from pyarrow import feather
from pyarrow import parquet

from trainers.config.data import TextDataConfig
from trainers.data.texts import hash_split
from trainers.errors import ConfigError
from trainers.errors import DataError

# The same examples each time: CI fails for a change, not by chance.
EXAMPLES = hypothesis.settings(
    max_examples=100, deadline=None, derandomize=True, database=None
)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LABELS = ANY_TEXT.map(str.strip).filter(bool)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def read_rows(file, **settings):
    """Returns `(text, label)` pairs, or `None` where they are refused."""
    data = TextDataConfig(
        train=str(file), validation="none", test="none", **settings
    )
    try:
        examples = single_labels.read_splits(data)["train"]
    except (ConfigError, DataError) as error:
        assert str(error)
        str(error).encode()  # It can be printed.
        return None
    assert len(examples) > 0
    places = [examples.places[row] for row in range(len(examples))]
    assert len(set(places)) == len(places)
    texts = [text.decode() for text in examples.features["text"]]
    assert all(label and label == label.strip() for label in examples.targets)
    return list(zip(texts, examples.targets, strict=True))


def files_of(header, *tokens):
    """Strategy for bytes that are often almost such a file."""
    parts = st.one_of(
        st.sampled_from([token.encode() for token in tokens]),
        st.sampled_from(
            [b"\n", b"\r\n", b"\r", b"\0", b" ", b"\xef\xbb\xbf", b"\xff"]
        ),
        st.binary(max_size=4),
        ANY_TEXT.map(str.encode),
    )
    bodies = st.lists(parts, max_size=20).map(b"".join)
    return st.one_of(
        st.binary(max_size=100),
        bodies,
        bodies.map(lambda body: header.encode() + body),
    )


def zip_file(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
    return stream.getvalue()


@EXAMPLES
@hypothesis.given(
    content=files_of("text,label\n", '"', ",", "a,b\n", '""', "'"),
    quoting=st.booleans(),
    header=st.booleans(),
)
def test_any_bytes_as_csv_are_rows_or_an_error(
    directory, content, quoting, header
):
    file = directory / "a.csv"
    file.write_bytes(content)
    names = {} if header else {"text_column": "0", "label_column": "1"}
    read_rows(file, quoting=quoting, header=header, **names)


@EXAMPLES
@hypothesis.given(content=files_of("text\tlabel\n", '"', "\t", "a\tb\n"))
def test_any_bytes_as_tsv_are_rows_or_an_error(directory, content):
    file = directory / "a.tsv"
    file.write_bytes(content)
    read_rows(file)


@EXAMPLES
@hypothesis.given(
    content=files_of(
        '{"text": "a", "label": "b"}\n',
        *('{"text": ', '"a"', ', "label": ', "}", '{"text": "a", "label": 1}'),
        *("[", "]", "1.0", "null", "\\ud800", '"', "\\", "-", "1e9", "true"),
    )
)
def test_any_bytes_as_json_lines_are_rows_or_an_error(directory, content):
    file = directory / "a.jsonl"
    file.write_bytes(content)
    read_rows(file)


@EXAMPLES
@hypothesis.given(
    content=files_of(
        '[{"text": "a", "label": "b"},\n',
        *('{"text": ', '"a"', ', "label": ', "}", '{"text": "a", "label": 1}'),
        *("[", "]", ",", "null", "\\ud800", '"', "\\", "-", "1e9", "true"),
    )
)
def test_any_bytes_as_json_are_rows_or_an_error(directory, content):
    file = directory / "a.json"
    file.write_bytes(content)
    read_rows(file)


@EXAMPLES
@hypothesis.given(
    content=files_of("text,label\n", '"', ",", "a,b\n", "\\", "sep=;"),
    encoding=st.sampled_from(
        [
            *("cp1252", "cp1251", "gb18030", "shift_jis", "iso2022_jp"),
            *("utf-16", "utf-16-be", "utf-32", "utf-7", "ascii", "cp037"),
        ]
    ),
    escapes=st.booleans(),
)
def test_any_bytes_in_any_encoding_are_rows_or_an_error(
    directory, content, encoding, escapes
):
    file = directory / "a.csv"
    file.write_bytes(content)
    read_rows(file, encoding=encoding, backslash_escapes=escapes)


@pytest.fixture(scope="module")
def tables(directory):
    """The bytes of files of columns by suffix."""
    rows = {"text": [f"row {n}" for n in range(9)], "label": ["a"] * 9}
    parquet.write_table(pyarrow.table(rows), directory / "a.parquet")
    feather.write_feather(pyarrow.table(rows), str(directory / "a.arrow"))
    names = ("a.parquet", "a.arrow")
    return {name: (directory / name).read_bytes() for name in names}


@EXAMPLES
@hypothesis.given(
    name=st.sampled_from(["a.parquet", "a.arrow"]),
    where=st.integers(0, 10**6),
    new=st.binary(max_size=4),
)
def test_any_damage_of_a_table_is_rows_or_an_error(
    directory, tables, name, where, new
):
    content = tables[name]
    where %= len(content)
    file = directory / name
    file.write_bytes(content[:where] + new + content[where + len(new) :])
    read_rows(file)


@EXAMPLES
@hypothesis.given(
    content=st.binary(max_size=60),
    packer=st.sampled_from([bz2.compress, lzma.compress, zip_file]),
    where=st.integers(0, 10**6),
    new=st.binary(max_size=3),
)
def test_any_damage_of_a_packed_file_is_rows_or_an_error(
    directory, content, packer, where, new
):
    packed = packer(b"text,label\na,b\n" + content)
    where %= len(packed)
    for name in ("a.csv", "a.zip"):
        file = directory / name
        file.write_bytes(packed[:where] + new + packed[where + 2 :])
        read_rows(file)


@EXAMPLES
@hypothesis.given(
    content=st.binary(max_size=60),
    where=st.integers(0, 10**6),
    new=st.binary(max_size=3),
)
def test_any_damage_of_a_gzip_file_is_rows_or_an_error(
    directory, content, where, new
):
    packed = gzip.compress(b"text,label\na,b\n" + content, mtime=0)
    where %= len(packed)
    file = directory / "a.csv"
    file.write_bytes(packed[:where] + new + packed[where + 2 :])
    read_rows(file)


@pytest.fixture(scope="module")
def record():
    """The bytes of a `tf.train.Example`."""
    message = tf.train.Example()
    features = message.features.feature
    features["text"].bytes_list.value.append("größe".encode())
    features["label"].int64_list.value.append(7)
    return message.SerializeToString()


@EXAMPLES
@hypothesis.given(
    where=st.integers(0, 10**6),
    new=st.binary(max_size=4),
    inside=st.booleans(),
    packed=st.booleans(),
)
def test_any_damage_of_a_tfrecord_file_is_rows_or_an_error(
    directory, record, where, new, inside, packed
):
    def damaged(content):
        start = where % len(content)
        return content[:start] + new + content[start + len(new) :]

    file = directory / "a.tfrecord"
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(record)
        # With a sum that is right for what is wrong.
        writer.write(damaged(record) if inside else record)
    content = file.read_bytes()
    content = content if inside else damaged(content)
    file.write_bytes(gzip.compress(content) if packed else content)
    read_rows(file)


@EXAMPLES
@hypothesis.given(
    rows=st.lists(st.tuples(ANY_TEXT, LABELS), min_size=1, max_size=8),
    # With "\n" alone, `csv.writer` leaves a carriage return without quotes.
    style=st.sampled_from(
        [
            ("\r\n", csv.QUOTE_MINIMAL),
            ("\r\n", csv.QUOTE_ALL),
            ("\n", csv.QUOTE_ALL),
        ]
    ),
    delimiter=st.sampled_from([",", "\t"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_csv_is_read_as_python_writes_it(
    directory, rows, style, delimiter, mark
):
    stream = io.StringIO(newline="")
    writer = csv.writer(
        stream,
        delimiter=delimiter,
        lineterminator=style[0],
        quoting=style[1],
    )
    writer.writerows([("text", "label"), *rows])
    file = directory / ("a.csv" if delimiter == "," else "a.tsv")
    file.write_bytes(mark + stream.getvalue().encode())
    assert read_rows(file) == rows


@EXAMPLES
@hypothesis.given(
    rows=st.lists(
        st.tuples(
            ANY_TEXT, LABELS | st.integers(-(2**70), 2**70) | st.booleans()
        ),
        min_size=1,
        max_size=8,
    ),
    ensure_ascii=st.booleans(),
)
def test_json_lines_are_read_as_python_writes_them(
    directory, rows, ensure_ascii
):
    lines = [
        json.dumps({"text": text, "label": label}, ensure_ascii=ensure_ascii)
        for text, label in rows
    ]
    expected = [
        (text, label if isinstance(label, str) else json.dumps(label))
        for text, label in rows
    ]
    file = directory / "a.jsonl"
    file.write_bytes("\n".join(lines).encode())
    assert read_rows(file) == expected
    array = directory / "a.json"
    array.write_bytes(f"[{', '.join(lines)}]".encode())
    assert read_rows(array) == expected
    array.write_bytes(file.read_bytes())
    assert read_rows(array) == expected


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "A ", "b", "b\n", "c"]) | ANY_TEXT,
        st.sampled_from("xyz"),
    ),
    min_size=1,
    max_size=60,
)
SHARES = st.floats(0.01, 0.49)
FRACTIONS = st.tuples(SHARES, SHARES).map(
    lambda shares: dict(zip(("test", "validation"), shares, strict=True))
)


def split_of_rows(rows, fractions):
    """Returns the split of each row."""
    texts = [text.encode() for text, _ in rows]
    found = hash_split.cut(texts, [label for _, label in rows], fractions)
    assert list(found) == ["train", "test", "validation"]
    splits = {}
    for name, numbers in found.items():
        assert numbers == sorted(numbers)
        splits |= {number: name for number in numbers}
    assert sum(map(len, found.values())) == len(rows) == len(splits)
    return [splits[row] for row in range(len(rows))]


@EXAMPLES
@hypothesis.given(rows=ROWS, fractions=FRACTIONS, seed=st.integers(0, 99))
def test_a_cut_keeps_equal_texts_together_in_any_order(rows, fractions, seed):
    splits = split_of_rows(rows, fractions)
    keys = [hash_split.text_key(text.encode()) for text, _ in rows]
    split_of = dict(zip(keys, splits, strict=True))
    assert [split_of[key] for key in keys] == splits
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    mixed = split_of_rows([rows[i] for i in order], fractions)
    assert mixed == [splits[i] for i in order]


@EXAMPLES
@hypothesis.given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    fractions=FRACTIONS,
)
def test_a_cut_of_different_texts_has_the_rounded_share_of_each_class(
    sizes, fractions
):
    rows = [
        (f"{label} {i}", label)
        for label, size in zip("abcde", sizes, strict=False)
        for i in range(size)
    ]
    splits = split_of_rows(rows, fractions)
    for label, size in zip("abcde", sizes, strict=False):
        of_class = [
            split
            for split, (_, other) in zip(splits, rows, strict=True)
            if other == label
        ]
        # One at least where each split can have one.
        least = 1 if size > 2 else 0
        test = max(round(fractions["test"] * size), least)
        test = min(test, size - 1 - least)
        validation = max(round(fractions["validation"] * size), least)
        validation = min(validation, size - 1 - test)
        assert of_class.count("test") == test
        assert of_class.count("validation") == validation
        assert of_class.count("train") == size - test - validation > 0
