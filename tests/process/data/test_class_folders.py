"""Class folders, and files in them, whose names are not UTF-8."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from trainers.config.data import ImageDataConfig
from trainers.data.images import image_folder
from trainers.data.texts import cache
from trainers.data.texts import text_folder
from trainers.errors import DataError
from trainers.run.workdir import Workdir


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names):
    for name in names:
        name = os.fsencode(name)
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "wb") as file:
            file.write(b"fine")


def texts():
    """Returns the classes of the texts below `d`."""
    files = text_folder.list_texts(pathlib.Path("d"))
    return sorted(file.parent.name for file in files)


def images():
    data = ImageDataConfig(source="image_folder", path="d")
    return image_folder.open_source(data, (4, 4), None).class_names


def refusal(function):
    with pytest.raises(DataError) as caught:
        function()
    return str(caught.value)


def follow(message):
    """Does what an error says, with the shell of most people."""
    for command in re.findall(r"\bmv .*", message):
        subprocess.run(["bash", "-c", command], check=True)


KINDS = {"texts": (texts, ".txt"), "images": (images, ".png")}
HEAD = (
    "class folders whose names are not UTF-8, and the labels of an export must "
    "be:\n  "
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "encoding", "escaped"),
    [
        ("плохо", "cp1251", r"\xef\xeb\xee\xf5\xee"),
        ("café au lait", "cp1252", r"caf\xe9 au lait"),
        ("l'été", "cp1252", r"l'\xe9t\xe9"),
    ],
)
def test_the_error_renames_a_folder(kind, name, encoding, escaped):
    read, suffix = KINDS[kind]
    write(
        b"d/" + name.encode(encoding) + b"/1" + suffix.encode(),
        f"d/good/2{suffix}",
    )
    message = refusal(read)
    old = escaped.replace("'", r"\x27")
    quote = "'\"'\"'".join(name.split("'"))
    assert message == (
        f"1 {HEAD}d/{escaped} seems to be {name!r} in {encoding}: rename it "
        f"with: mv $'d/{old}' 'd/{quote}'"
    )
    follow(message)
    assert read() == sorted([name, "good"])


def test_the_folder_of_a_split_is_in_its_name():
    write(
        b"d/train/\xe9t\xe9/1.png", b"d/train/good/1.png", b"d/test/good/2.png"
    )
    message = refusal(images)
    assert f"1 {HEAD}d/train/\\xe9t\\xe9 seems to be 'été' in cp1252" in message
    follow(message)
    assert images() == ["good", "été"]


def test_two_folders_of_one_class_become_one():
    write(b"d/\xe9t\xe9/1.txt", "d/été/2.txt", "d/good/3.txt")
    message = refusal(texts)
    assert message.endswith(
        r": mv -n $'d/\xe9t\xe9'/* 'd/été' && rmdir $'d/\xe9t\xe9'"
    )
    follow(message)
    assert texts() == ["good", "été", "été"]


def test_a_name_in_no_encoding_gets_a_new_one():
    write(b"d/\xff\x81\x01/1.txt", "d/good/2.txt")
    message = refusal(texts)
    assert message == (
        f"1 {HEAD}d/\\xff\\x81\\x01: rename it, as with: mv "
        r"$'d/\xff\x81\x01' d/NEW_NAME"
    )
    follow(message)
    assert texts() == ["NEW_NAME", "good"]


# --- Files -------------------------------------------------------------------


def test_a_file_of_any_name_is_read_and_cached():
    write(b"d/good/\xe9.txt", b"d/bad/\xe9.txt")
    assert texts() == ["bad", "good"]
    files = text_folder.list_texts(pathlib.Path("d"))
    names = [cache.fingerprint(order, 0) for order in (files, files[::-1])]
    assert len(set(names)) == 2


def test_the_report_names_a_file_of_any_name():
    report = {"place": os.fsdecode(b"d/good/\xe9.txt"), "label": "été"}
    Workdir(pathlib.Path("run")).write_data_report(report)
    text = pathlib.Path("run/data_report.json").read_text(encoding="utf-8")
    assert text == (
        '{\n  "place": "d/good/\\udce9.txt",\n  "label": "été"\n}\n'
    )
    assert json.loads(text) == report
