"""Files and directories that are complete or not there."""

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from trainers import artefacts
from trainers.errors import RunError


def publish(parent, files, facts=None, **kwargs):
    final = parent / "final"
    with artefacts.temporary_dir(parent, "final") as path:
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        artefacts.publish(path, final, facts or {}, **kwargs)
    return final


def test_text_is_replaced_in_one_step(tmp_path):
    file = tmp_path / "a.json"
    artefacts.write_text(file, "älter, longer\n")
    artefacts.write_text(file, "new\n")
    assert file.read_bytes() == b"new\n"
    assert os.listdir(tmp_path) == ["a.json"]


def test_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    file = tmp_path / "a.json"
    artefacts.write_text(file, "old\n")
    with pytest.raises(UnicodeEncodeError):
        artefacts.write_text(file, "new, then a lone surrogate: \udcff")
    assert file.read_text() == "old\n"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_published_directory_has_its_files_and_their_sums(tmp_path):
    files = {"a.txt": b"one", "sub/deep/b.bin": b"\0" * 1000, "empty": b""}
    final = publish(tmp_path, files, {"step": 7})
    assert os.listdir(tmp_path) == ["final"]
    assert json.loads((final / "manifest.json").read_text()) == {
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
    assert artefacts.verify(final) == {"step": 7}


def test_a_manifest_may_lie_deeper(tmp_path):
    files = {"a.txt": b"one", "extra/b.txt": b"two"}
    final = publish(tmp_path, files, {"k": 1}, manifest="extra/sums.json")
    assert artefacts.verify(final, "extra/sums.json") == {"k": 1}
    with pytest.raises(RunError, match="no readable manifest"):
        artefacts.verify(final)


def test_an_exception_removes_the_temporary_directory(tmp_path):
    with pytest.raises(KeyError, match="stop"):
        with artefacts.temporary_dir(tmp_path / "sub", "final") as path:
            assert path.name == f"final.tmp-{os.getpid()}"
            (path / "a.txt").write_text("one")
            raise KeyError("stop")
    assert list((tmp_path / "sub").iterdir()) == []


def test_what_was_not_published_is_removed(tmp_path):
    with artefacts.temporary_dir(tmp_path, "final") as path:
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
    assert artefacts.verify(final) == {"step": 1}
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
            artefacts.verify(final)
        assert str(error.value) == f"{file}: missing or damaged."
    file.write_bytes(data)
    assert artefacts.verify(final) == {}


@pytest.mark.parametrize("length", range(8))
def test_a_cut_file_is_found(length, tmp_path):
    final = publish(tmp_path, {"b.bin": bytes(range(8))})
    os.truncate(final / "b.bin", length)
    with pytest.raises(RunError, match=r"b\.bin: missing or damaged\.$"):
        artefacts.verify(final)


def test_a_missing_file_is_found(tmp_path):
    final = publish(tmp_path, {"a.txt": b"one", "b.txt": b"two"})
    (final / "b.txt").unlink()
    with pytest.raises(RunError) as error:
        artefacts.verify(final)
    assert str(error.value) == f"{final / 'b.txt'}: missing or damaged."
    (final / "b.txt").mkdir()
    with pytest.raises(RunError, match=r"b\.txt: missing or damaged\.$"):
        artefacts.verify(final)


def test_a_missing_manifest_is_found(tmp_path):
    final = publish(tmp_path, {"a.txt": b"one"})
    (final / "manifest.json").unlink()
    with pytest.raises(RunError) as error:
        artefacts.verify(final)
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
    ],
)
def test_a_manifest_of_another_form_is_refused(text, tmp_path):
    final = publish(tmp_path, {"a.txt": b"one"})
    (final / "manifest.json").write_bytes(text)
    with pytest.raises(RunError) as error:
        artefacts.verify(final)
    assert str(error.value).startswith(f"{final}: no readable manifest: ")


def test_a_killed_process_leaves_no_final_directory(tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, sys\n"
            "from trainers import artefacts\n"
            "parent = pathlib.Path(sys.argv[1])\n"
            "with artefacts.temporary_dir(parent, 'final') as path:\n"
            "    (path / 'a.txt').write_text('one')\n"
            "    print('written', flush=True)\n"
            "    sys.stdin.read()\n"
            "    artefacts.publish(path, parent / 'final', {})\n",
            str(tmp_path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == [f"final.tmp-{process.pid}"]
    # The next process is not disturbed.
    final = publish(tmp_path, {"a.txt": b"two"})
    assert (final / "a.txt").read_bytes() == b"two"
