"""Files and directories that are complete or not there."""

import contextlib
import fcntl
import hashlib
import json
import os

import pytest
from small_files import publish

from trainers.errors import RunError
from trainers.runtime import atomic


def test_text_is_replaced_in_one_step(tmp_path):
    file = tmp_path / "a.json"
    atomic.write_text(file, "älter, longer\n")
    atomic.write_text(file, "new\n")
    assert file.read_bytes() == b"new\n"
    assert os.listdir(tmp_path) == ["a.json"]


def test_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    file = tmp_path / "a.json"
    atomic.write_text(file, "old\n")
    with pytest.raises(UnicodeEncodeError):
        atomic.write_text(file, "new, then a lone surrogate: \udcff")
    assert file.read_text() == "old\n"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_published_directory_has_its_files_and_their_sums(tmp_path):
    files = {"a.txt": b"one", "sub/deep/b.bin": b"\0" * 1000, "empty": b""}
    final = publish(tmp_path, files, {"step": 7})
    assert os.listdir(tmp_path) == ["final"]
    manifest = json.loads((final / "manifest.json").read_text())
    own_sum = manifest.pop("sha256_of_the_rest")
    text = json.dumps(manifest, sort_keys=True)
    assert own_sum == hashlib.sha256(text.encode()).hexdigest()
    assert manifest == {
        "step": 7,
        "files": {
            name: {
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            for name, data in files.items()
        },
    }
    for name, data in files.items():
        assert (final / name).read_bytes() == data
    assert atomic.verify(final) == {"step": 7}


def test_a_manifest_protects_itself(tmp_path):
    final = publish(tmp_path, {"a.txt": b"one"}, {"step": 7})
    text = (final / "manifest.json").read_text()
    (final / "manifest.json").write_text(text.replace('"step": 7', '"step": 6'))
    with pytest.raises(RunError) as error:
        atomic.verify(final)
    assert str(error.value) == (
        f"{final}: no readable manifest: it does not match its own sum"
    )


def test_a_manifest_may_lie_deeper(tmp_path):
    files = {"a.txt": b"one", "extra/b.txt": b"two"}
    final = publish(tmp_path, files, {"k": 1}, manifest="extra/sums.json")
    assert atomic.verify(final, "extra/sums.json") == {"k": 1}
    with pytest.raises(RunError, match="no readable manifest"):
        atomic.verify(final)


def test_an_exception_removes_the_temporary_directory(tmp_path):
    with pytest.raises(KeyError, match="stop"):
        with atomic.temporary_dir(tmp_path / "sub", "final") as path:
            assert path.name == f"final.tmp-{os.getpid()}"
            (path / "a.txt").write_text("one")
            raise KeyError("stop")
    assert list((tmp_path / "sub").iterdir()) == []


def test_what_was_not_published_is_removed(tmp_path):
    with atomic.temporary_dir(tmp_path, "final") as path:
        (path / "a.txt").write_text("one")
    assert list(tmp_path.iterdir()) == []


def test_left_overs_under_the_temporary_name_do_not_get_in(tmp_path):
    old = tmp_path / f"final.tmp-{os.getpid()}"
    old.mkdir()
    (old / "old.txt").write_text("of a process with this number")
    final = publish(tmp_path, {"a.txt": b"one"})
    assert sorted(os.listdir(final)) == ["a.txt", "manifest.json"]


def test_what_is_published_already_stays(tmp_path):
    final = publish(tmp_path, {"a.txt": b"one"}, {"step": 1})
    with pytest.raises(OSError, match="not empty"):
        publish(tmp_path, {"a.txt": b"two"}, {"step": 2})
    assert atomic.verify(final) == {"step": 1}
    assert (final / "a.txt").read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["final"]


def test_any_flipped_bit_is_found(tmp_path):
    data = bytes(range(8))
    final = publish(tmp_path, {"sub/b.bin": data})
    file = final / "sub" / "b.bin"
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        with pytest.raises(RunError) as error:
            atomic.verify(final)
        assert str(error.value) == f"{file}: missing or damaged."
    file.write_bytes(data)
    assert atomic.verify(final) == {}


@pytest.mark.parametrize("length", range(8))
def test_a_cut_file_is_found(length, tmp_path):
    final = publish(tmp_path, {"b.bin": bytes(range(8))})
    os.truncate(final / "b.bin", length)
    with pytest.raises(RunError, match=r"b\.bin: missing or damaged\.$"):
        atomic.verify(final)


def test_a_missing_file_is_found(tmp_path):
    final = publish(tmp_path, {"a.txt": b"one", "b.txt": b"two"})
    (final / "b.txt").unlink()
    with pytest.raises(RunError) as error:
        atomic.verify(final)
    assert str(error.value) == f"{final / 'b.txt'}: missing or damaged."
    (final / "b.txt").mkdir()
    with pytest.raises(RunError, match=r"b\.txt: missing or damaged\.$"):
        atomic.verify(final)


def test_a_missing_manifest_is_found(tmp_path):
    final = publish(tmp_path, {"a.txt": b"one"})
    (final / "manifest.json").unlink()
    with pytest.raises(RunError) as error:
        atomic.verify(final)
    assert str(error.value) == (
        f"{final}: no readable manifest: [Errno 2] No such file or "
        f"directory: '{final}/manifest.json'"
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'{"files": {',
        b"{}",
        b"[]",
        b"null",
        b'"files"',
        b'{"files": []}',
        b'{"files": {"a.txt": {}}}',
        b'{"files": {"a.txt": "x"}}',
        b'{"files": "\xff"}',
        b"3",
        b"true",
        b'{"files": null}',
        b'{"files": {"a.txt": null}}',
        b'{"files": {"a.txt": {"bytes": 3}}}',
        b'{"files": {"a.txt": {"sha256": ""}}}',
        b'{"files": {"a.txt": {"bytes": null, "sha256": ""}}}',
        b'{"files": {"a.txt": {"bytes": NaN, "sha256": ""}}}',
        b'{"files": {"a.txt": {"bytes": 1e999, "sha256": ""}}}',
        b'{"files": {"a.txt": {"bytes": 1' + b"0" * 5000 + b', "sha256": ""}}}',
        b"[" * 100_000,
        b'{"files": ' * 100_000,
        bytes(range(256)),
        b"\xff\xfe{\x00}\x00",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_a_manifest_of_another_form_is_refused(text, tmp_path):
    final = publish(tmp_path, {"a.txt": b"one"})
    (final / "manifest.json").write_bytes(text)
    with pytest.raises(RunError) as error:
        atomic.verify(final)
    assert str(error.value).startswith(f"{final}: no readable manifest: ")


def test_only_temporary_directories_are_removed(tmp_path):
    for name in ("final", "tmp-1", "a.tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "file.tmp-1").write_text("of `write_text`")
    (tmp_path / "final.tmp-1" / "deep").mkdir(parents=True)
    (tmp_path / "final.old.tmp-1").mkdir()
    atomic.remove_abandoned(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [
        "a.tmp",
        "file.tmp-1",
        "final",
        "tmp-1",
    ]


def test_where_a_link_leads_nothing_is_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / "final.tmp-1").symlink_to(tmp_path / "mine")
    (parent / "final.tmp-2").symlink_to(tmp_path / "nowhere")
    atomic.remove_abandoned(parent)
    assert (tmp_path / "mine" / "a.txt").read_text() == "mine"


def test_no_descriptor_stays_open(tmp_path):
    publish(tmp_path, {"a.txt": b"one"})
    before = os.listdir("/proc/self/fd")
    for _ in range(20):
        with contextlib.suppress(OSError):
            publish(tmp_path, {"a.txt": b"one"})
        with contextlib.suppress(KeyError):
            with atomic.temporary_dir(tmp_path, "other"):
                raise KeyError
        (tmp_path / "final.tmp-1").mkdir()
        atomic.remove_abandoned(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_is_published_already_is_replaced_on_request(tmp_path):
    publish(tmp_path, {"a.txt": b"one", "old.txt": b""}, {"step": 1})
    final = publish(tmp_path, {"a.txt": b"two"}, {"step": 2}, replace=True)
    assert atomic.verify(final) == {"step": 2}
    assert sorted(os.listdir(final)) == ["a.txt", "manifest.json"]
    assert (final / "a.txt").read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["final"]


def test_replacing_a_missing_directory_publishes_it(tmp_path):
    final = publish(tmp_path, {"a.txt": b"one"}, {"step": 1}, replace=True)
    assert atomic.verify(final) == {"step": 1}
    assert os.listdir(tmp_path) == ["final"]


def test_a_directory_is_removed_with_all_that_is_in_it(tmp_path):
    final = publish(tmp_path, {"a.txt": b"one", "sub/deep/b.txt": b"two"})
    atomic.remove(final)
    assert os.listdir(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        atomic.remove(final)


def test_a_removal_that_was_cut_off_is_finished_by_the_next(tmp_path):
    # As a process leaves it that is killed between the two.
    final = publish(tmp_path, {"a.txt": b"one"})
    final.rename(tmp_path / f"final.old.tmp-{os.getpid()}")
    publish(tmp_path, {"a.txt": b"two"})
    assert os.listdir(tmp_path) == ["final"]
    final = publish(tmp_path, {"a.txt": b"three"}, replace=True)
    assert (final / "a.txt").read_bytes() == b"three"
    atomic.remove(final)
    assert os.listdir(tmp_path) == []


def write_manifest(final, names, sha256):
    facts = {"files": {n: {"bytes": 6, "sha256": sha256} for n in names}}
    text = json.dumps(facts, sort_keys=True).encode()
    facts["sha256_of_the_rest"] = hashlib.sha256(text).hexdigest()
    (final / "manifest.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "sub/../../secret",
        "./../secret",
        "{absolute}",
        "link",
        "../final2/secret",
    ],
)
def test_a_file_outside_is_refused_though_its_sum_is_right(name, tmp_path):
    final = publish(tmp_path, {"sub/a.txt": b"one"})
    (tmp_path / "final2").mkdir()
    for file in (tmp_path / "secret", tmp_path / "final2" / "secret"):
        file.write_bytes(b"secret")
    (final / "link").symlink_to(tmp_path / "secret")
    name = name.format(absolute=tmp_path / "secret")
    write_manifest(final, [name], hashlib.sha256(b"secret").hexdigest())
    with pytest.raises(RunError) as error:
        atomic.verify(final)
    assert str(error.value) == f"{final / name}: missing or damaged."


@pytest.mark.parametrize(
    "name",
    ["", ".", "sub", "a\0b", "\ud800", "n" * 300, "loop", "a.txt/", "a.txt/b"],
    ids=repr,
)
def test_a_name_that_is_no_file_is_refused(name, tmp_path):
    final = publish(tmp_path, {"a.txt": b"one", "sub/b.txt": b"two"})
    (final / "loop").symlink_to("loop")
    write_manifest(final, [name], "")
    with pytest.raises(RunError) as error:
        atomic.verify(final)
    assert str(error.value) == f"{final / name}: missing or damaged."


def test_a_manifest_can_be_read_without_its_files(tmp_path):
    data = b"one"
    final = publish(tmp_path, {"sub/a.txt": data}, {"step": 1})
    (final / "sub" / "a.txt").unlink()
    sha256 = hashlib.sha256(data).hexdigest()
    assert atomic.read_manifest(final) == (
        {"step": 1},
        {"sub/a.txt": (3, sha256)},
    )


@pytest.mark.parametrize("name", ["000", "1", "12", "0010"])
def test_a_version_is_a_directory_with_a_decimal_name(name, tmp_path):
    assert atomic.numbered(tmp_path / "gone") == {}
    for other in ("x1", "1.tmp-2", "-1", "1.5", "٣", " 1"):
        (tmp_path / other).mkdir()
    (tmp_path / "7").write_text("")
    path = tmp_path / name
    path.mkdir()
    assert atomic.numbered(tmp_path) == {int(name): path}


def test_a_locked_directory_keeps_others_waiting(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with atomic.lock(tmp_path), pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
