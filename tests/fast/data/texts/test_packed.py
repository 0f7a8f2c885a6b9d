"""Packed files: read as a stream, of one file, and of a plausible size."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile

import pytest
import single_labels
from refusals import refusal
from small_files import write

from trainers.config.data import TextDataConfig
from trainers.data.texts import packed
from trainers.errors import ConfigError
from trainers.errors import DataError

CSV = b"text,label\nfine,good\nawful,bad\n"
ROWS = [(b"fine", "good"), (b"awful", "bad")]
JSONL = (
    b'{"text": "fine", "label": "good"}\n{"text": "awful", "label": "bad"}\n'
)


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def zipped(members, **settings):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


PACKERS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": lambda content: zipped({"member": content}),
}


def read(name, **settings):
    data = TextDataConfig(
        train=name, validation="none", test="none", **settings
    )
    examples = single_labels.read_splits(data)["train"]
    return list(zip(examples.features["text"], examples.targets, strict=True))


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.TSV", CSV.replace(b",", b"\t")),
        ("a.jsonl", JSONL),
        ("a.json", b"[" + JSONL.replace(b"}\n{", b"},\n{") + b"]"),
    ],
)
def test_a_packed_file_is_read(name, content, suffix):
    write(name + suffix, PACKERS[suffix](content))
    assert read(name + suffix) == ROWS
    # The content tells how it is packed, and the name what is in it.
    write(name, PACKERS[suffix](content))
    assert read(name) == ROWS


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_texts_are_read(suffix):
    write("a.txt" + suffix, PACKERS[suffix](b"a\nb\n"))
    texts = single_labels.read_texts("a.txt" + suffix, TextDataConfig())
    assert [text for _, text in texts] == [b"a", b"b"]
    write("d/x/a.txt" + suffix, PACKERS[suffix](b"fine"))
    assert read("d") == [(b"fine", "x")]


def test_the_member_of_a_zip_file_says_its_kind():
    members = {
        "x/": b"",
        "x/mails.jsonl": JSONL,
        "__MACOSX/x/._mails.jsonl": b"\0\5\x16\7",
        "x/.DS_Store": b"\0",
    }
    write("mails.zip", zipped(members))
    assert read("mails.zip") == ROWS
    write("mails.zip", zipped({"a.csv.gz": gzip.compress(CSV)}))
    assert read("mails.zip") == ROWS


ONE = "is a zip file and must contain one file. Received: "
UNPACK = (
    "Unpack it with `unzip`, and name the files, a pattern like 'part-*.csv', "
    "or the folder."
)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, "0 files: nothing"),
        ({"a.csv": CSV, "b/c.csv": CSV}, "2 files: a.csv, b/c.csv"),
        (
            {f"{n}.csv": CSV for n in range(11)},
            "11 files: " + ", ".join(f"{n}.csv" for n in range(10)) + ", ...",
        ),
    ],
)
def test_a_zip_file_of_other_than_one_file_is_refused(members, found):
    write("mails.zip", zipped(members))
    message = refusal(ConfigError, read, "mails.zip")
    assert message.endswith(f"Received: 'mails.zip'. It {ONE}{found}. {UNPACK}")
    write("mails.csv.zip", zipped(members))
    assert refusal(DataError, read, "mails.csv.zip") == (
        f"mails.csv.zip, line 1: {ONE}{found}. {UNPACK[:-1]}"
    )


def test_a_zip_file_with_a_password_is_refused():
    content = bytearray(zipped({"a.csv": CSV}))
    # Bit 0 of the flags, in the header of the member and in the list.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    write("a.csv.zip", bytes(content))
    message = refusal(DataError, read, "a.csv.zip")
    assert message.startswith("a.csv.zip, line 1: zip data that cannot be read")
    assert "password required" in message


def test_a_zip_file_in_a_pipe_is_refused(monkeypatch):
    class Pipe(io.BufferedReader):
        def seekable(self):
            return False

    class Stdin:
        buffer = Pipe(io.BytesIO(zipped({"a.txt": b"a"})))

    monkeypatch.setattr(sys, "stdin", Stdin)
    texts = single_labels.read_texts("-", TextDataConfig())
    assert refusal(DataError, list, texts) == (
        "stdin, line 1: is a zip file in a pipe or in a packed file, where it "
        "cannot be read. Unpack it before with `unzip -p FILE.zip`"
    )


def test_a_zip_file_in_a_zip_file_is_refused():
    write("a.zip", zipped({"b.zip": zipped({"c.csv": CSV})}))
    message = refusal(ConfigError, read, "a.zip")
    assert message.endswith(
        "Received: 'a.zip'. It is a zip file in a pipe or in a packed file, "
        "where it cannot be read. Unpack it before with `unzip -p FILE.zip`."
    )
    # As it says: `unzip -p a.zip` writes this.
    write("b.zip", zipped({"c.csv": CSV}))
    assert read("b.zip") == ROWS


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".bz2", "bzip2"), (".xz", "xz"), (".zip", "zip")]
)
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-30],
        lambda content: content[:999] + b"????" + content[1003:],
    ],
    ids=["half", "end", "bytes"],
)
def test_a_damaged_file_is_a_located_error(suffix, kind, damage):
    content = PACKERS[suffix](
        CSV + b"".join(b"text %d,good\n" % i for i in range(9000))
    )
    write("a.csv" + suffix, damage(content))
    message = refusal(DataError, read, "a.csv" + suffix)
    assert message.startswith(f"a.csv{suffix}, line ")
    assert f": damaged or cut {kind} data: " in message


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_small_file_does_not_become_a_huge_one(suffix, monkeypatch):
    monkeypatch.setattr(packed, "_FREE", 100_000)
    monkeypatch.setattr(packed, "_LARGEST_FACTOR", 20)
    content = CSV + b"a,good\n" * 100_000
    write("a.csv" + suffix, PACKERS[suffix](content))
    message = refusal(DataError, read, "a.csv" + suffix)
    kind = {".gz": "gzip", ".bz2": "bzip2"}.get(suffix, suffix[1:])
    assert message.startswith(f"a.csv{suffix}, line ")
    assert message.endswith(
        f": {kind} data that becomes more than 20 times as large. If it is no "
        "mistake, unpack the file before"
    )
    # As it says, the unpacked file is read.
    write("a.csv", content)
    assert len(read("a.csv")) == 100_002


def test_tfrecords_have_gzip_alone():
    write("a.tfrecord.xz", lzma.compress(b"\0" * 16))
    assert refusal(DataError, read, "a.tfrecord.xz") == (
        "a.tfrecord.xz, record 1: TFRecord must be plain or with gzip. Unpack "
        "it before"
    )
