"""The cache of tokenized data: what names it, and what it survives."""

import os
import pathlib
import re

import numpy as np
import pytest

from trainers.data.texts import cache as cache_lib
from trainers.errors import DataError

FACTS = {"classes": ["ham", "späm"], "report": {"share": 0.25, "none": None}}


NAME = "0123456789abcdef"


def make_arrays():
    return {
        "train/token_ids": np.arange(1000, dtype=np.int32),
        "train/row_splits": np.array([0, 400, 400, 1000]),
        "train/targets": np.array([0, 1, 1], np.int32),
    }


@pytest.fixture
def cache(tmp_path):
    """A cache directory with one entry."""
    directory = tmp_path / "deep" / "cache"
    cache_lib.write(directory, NAME, make_arrays(), FACTS)
    return directory


def check_entry(found):
    arrays, facts = found
    assert facts == FACTS
    expected = make_arrays()
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_a_name_is_a_hash_of_files_facts_and_format(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2"), ("d", b"")):
        pathlib.Path(name).write_bytes(content)
    facts = {"x": 1, "y": [2, "3"]}
    names = [
        cache_lib.fingerprint(["a"], facts),
        cache_lib.fingerprint(["b"], facts),  # Another name.
        cache_lib.fingerprint(["c"], facts),
        cache_lib.fingerprint(["d"], facts),
        cache_lib.fingerprint([], facts),
        cache_lib.fingerprint(["a", "b"], facts),
        cache_lib.fingerprint(["b", "a"], facts),
        cache_lib.fingerprint(["a"], {"x": 1}),
        cache_lib.fingerprint(["a"], {"x": 1, "y": ["3", 2]}),
        cache_lib.fingerprint(["a"], {"x": 1, "y": [2, 3]}),
        cache_lib.fingerprint(["a"], {"x": True, "y": [2, "3"]}),
    ]
    pathlib.Path("a").write_bytes(b"3")  # Other content, equal size.
    names.append(cache_lib.fingerprint(["a"], facts))
    pathlib.Path("a").write_bytes(b"1")
    assert cache_lib.fingerprint(["a"], facts) == names[0]
    monkeypatch.setattr(cache_lib, "FORMAT_VERSION", 1000)
    names.append(cache_lib.fingerprint(["a"], facts))
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)


def test_a_name_does_not_depend_on_the_order_of_keys_or_the_time(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"1")
    facts = [{"x": 1, "y": {"a": 2, "b": 3}}]
    name = cache_lib.fingerprint([file], facts)
    os.utime(file, (0, 0))
    other = [{"y": {"b": 3, "a": 2}, "x": 1}]
    assert cache_lib.fingerprint([str(file)], other) == name


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for file, reason in (
        (tmp_path / "no.csv", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(DataError) as caught:
            cache_lib.fingerprint([file], {})
        assert str(caught.value) == f"{file}: {reason}"


def test_the_directory_is_that_of_the_user_unless_named(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    for xdg, expected in (
        (None, "/somewhere/.cache/tfmodels-trainers"),
        ("", "/somewhere/.cache/tfmodels-trainers"),
        ("/var/xdg", "/var/xdg/tfmodels-trainers"),
        ("~/xdg", "/somewhere/xdg/tfmodels-trainers"),
    ):
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        if xdg is not None:
            monkeypatch.setenv("XDG_CACHE_HOME", xdg)
        assert cache_lib.cache_dir("") == pathlib.Path(expected)
    assert cache_lib.cache_dir("none") is None
    assert cache_lib.cache_dir("~/x") == pathlib.Path("/somewhere/x")
    assert cache_lib.cache_dir("x/y") == pathlib.Path("x/y")


def test_what_was_written_is_read(cache):
    check_entry(cache_lib.read(cache, NAME))
    assert [path.name for path in cache.iterdir()] == [NAME]
    assert sorted(path.name for path in (cache / NAME).iterdir()) == [
        *("arrays.npz", "facts.json", "manifest.json")
    ]


def test_what_was_not_written_is_not_read(cache, caplog):
    assert cache_lib.read(cache, "another") is None
    assert cache_lib.read(cache / "missing", NAME) is None
    assert caplog.messages == []


def test_no_directory_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache_lib.write(None, NAME, make_arrays(), FACTS)
    assert cache_lib.read(None, NAME) is None
    assert list(tmp_path.iterdir()) == []


def flip(file, position=-300):
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


def cut(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def empty(path):
    for file in path.iterdir():
        file.unlink()


def no_object(file):
    file.write_text("[]")


NO_MANIFEST = "{path}: no readable manifest: "


MISSING = "[Errno 2] No such file or directory: '{path}/manifest.json'"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda p: flip(p / "arrays.npz"), "{path}/arrays.npz: missing or"),
        (lambda p: flip(p / "facts.json", 20), "{path}/facts.json: missing or"),
        (lambda p: cut(p / "arrays.npz"), "{path}/arrays.npz: missing or"),
        (lambda p: (p / "arrays.npz").unlink(), "{path}/arrays.npz: missing"),
        (lambda p: (p / "manifest.json").unlink(), NO_MANIFEST + MISSING),
        (lambda p: cut(p / "manifest.json"), NO_MANIFEST),
        (lambda p: no_object(p / "manifest.json"), NO_MANIFEST),
        (empty, NO_MANIFEST + MISSING),
    ],
    ids=[
        *("flipped bit in arrays", "flipped bit in facts", "cut", "no arrays"),
        *("no manifest", "cut manifest", "other manifest", "empty directory"),
    ],
)
def test_a_damaged_entry_is_made_again(cache, caplog, damage, reason):
    damage(cache / NAME)
    assert cache_lib.read(cache, NAME) is None
    (message,) = caplog.messages
    assert message.startswith(
        "the cache of tokenized data is damaged and is written again: "
        + reason.format(path=cache / NAME)
    )
    assert not (cache / NAME).exists()
    cache_lib.write(cache, NAME, make_arrays(), FACTS)
    check_entry(cache_lib.read(cache, NAME))
    assert len(caplog.messages) == 1


def test_any_flipped_bit_is_noticed(cache):
    contents = {file: file.read_bytes() for file in (cache / NAME).iterdir()}
    rng = np.random.default_rng(0)
    for _ in range(60):
        (cache / NAME).mkdir(exist_ok=True)
        for file, content in contents.items():
            file.write_bytes(content)
        file = list(contents)[rng.integers(3)]
        damaged = bytearray(file.read_bytes())
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        found = cache_lib.read(cache, NAME)
        # White space and sizes in the manifest may change without harm.
        if found is not None:
            assert file.name == "manifest.json"
            check_entry(found)


def test_a_half_written_directory_is_neither_read_nor_in_the_way(cache, caplog):
    (cache / NAME).rename(cache / f"{NAME}.tmp-1")
    assert cache_lib.read(cache, NAME) is None
    cache_lib.write(cache, NAME, make_arrays(), FACTS)
    check_entry(cache_lib.read(cache, NAME))
    assert caplog.messages == []


def test_a_failure_while_writing_leaves_nothing(tmp_path, caplog, monkeypatch):
    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    cache_lib.write(tmp_path / "cache", NAME, make_arrays(), FACTS)
    assert list((tmp_path / "cache").iterdir()) == []
    assert caplog.messages == [
        "tokenized data could not be written to the cache: "
        f"{tmp_path / 'cache'}: No space left on device. Name another "
        "directory with --config.data.cache_dir."
    ]


def test_a_place_that_cannot_be_written_is_only_a_warning(tmp_path, caplog):
    file = tmp_path / "cache"
    file.write_bytes(b"a file, no directory")
    for directory, reason in (
        (file, "File exists"),
        (file / "below", "Not a directory"),
    ):
        assert cache_lib.read(directory, NAME) is None
        caplog.clear()
        cache_lib.write(directory, NAME, make_arrays(), FACTS)
        assert caplog.messages == [
            "tokenized data could not be written to the cache: "
            f"{directory}: {reason}. Name another directory with "
            "--config.data.cache_dir."
        ]
    assert file.read_bytes() == b"a file, no directory"


def test_who_comes_second_is_silent(cache, caplog):
    cache_lib.write(cache, NAME, make_arrays(), FACTS)
    check_entry(cache_lib.read(cache, NAME))
    assert [path.name for path in cache.iterdir()] == [NAME]
    assert caplog.messages == []
