"""Where TensorFlow keeps what XLA compiles, and which files it may read."""

import importlib.metadata
import os

import pytest
import tensorflow as tf
from tensorflow.python.framework import config
from tensorflow.python.framework import ops

from trainers.runtime import startup
from trainers.runtime import xla_cache

# Key, program and result, as TensorFlow writes them: fields of bytes.
WHOLE = b"\x0a\x02ab\x12\x80\x01" + b"x" * 128 + b"\x1a\x00"


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """Returns the directory of the driver, with a GPU."""
    driver = tmp_path / "nvidia"
    (driver / "gpus/0000:01:00.0").mkdir(parents=True)
    information = driver / "gpus/0000:01:00.0/information"
    information.write_text("Model: \t\t NVIDIA H100 80GB\nIRQ:   1\n")
    (driver / "version").write_text("NVRM version: 570.1\n")
    monkeypatch.setattr(xla_cache, "_GPUS", driver)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("TF_XLA_FLAGS", "XLA_FLAGS"):
        # The old value comes back after the test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return driver


def used():
    xla_cache.use()
    flags = os.environ.get("TF_XLA_FLAGS", "").split()
    return dict(flag.removeprefix("--").split("=") for flag in flags)


def test_a_gpu_has_a_cache_of_its_own(gpu, tmp_path):
    flags = used()
    directory = flags["tf_xla_persistent_cache_directory"]
    assert flags["tf_xla_persistent_cache_device_types"] == "GPU"
    start = f"{tmp_path}/cache/tfmodels-trainers/xla/{tf.__version__}-NVIDIA-"
    assert directory.startswith(start + "H100-80GB-")
    assert os.environ["XLA_FLAGS"] == (
        f"--xla_gpu_per_fusion_autotune_cache_dir={directory}/autotune"
    )
    assert os.path.isdir(f"{directory}/autotune")


def test_another_driver_or_flag_has_another_directory(gpu, monkeypatch):
    directories = set()
    for change in (
        lambda: None,
        lambda: (gpu / "version").write_text("NVRM version: 580.2\n"),
        lambda: monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0"),
    ):
        for name in ("TF_XLA_FLAGS", "XLA_FLAGS"):
            monkeypatch.delenv(name, raising=False)
        change()
        directories.add(used()["tf_xla_persistent_cache_directory"])
    assert len(directories) == 3


def test_the_choice_among_several_models_counts(gpu, monkeypatch):
    other = gpu / "gpus/0000:02:00.0"
    other.mkdir()
    (other / "information").write_text("Model: NVIDIA A10\n")
    directories = set()
    for visible in ("0", "1"):
        monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
        monkeypatch.delenv("XLA_FLAGS", raising=False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        directories.add(used()["tf_xla_persistent_cache_directory"])
    assert len(directories) == 2


def test_tensorflow_can_have_another_name(gpu, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    directory = used()["tf_xla_persistent_cache_directory"]
    assert "/xla/tensorflow-NVIDIA-H100-80GB-" in directory


def test_a_path_with_a_space_is_not_used(gpu, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "my cache"))
    assert used() == {}
    assert not (tmp_path / "my cache").exists()


def test_a_full_disk_is_not_used(gpu, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert used() == {}


def test_names_are_other_ones_with_deterministic_kernels(monkeypatch):
    """A program for other kernels must not be found."""
    names = set()
    for answer in (False, True):
        monkeypatch.setattr(
            config, "is_op_determinism_enabled", lambda answer=answer: answer
        )
        with xla_cache.stable_names():
            names.add(ops.uid() // 10**9)
    assert names == {1, 2}
    assert ops.uid() < 10**9


def test_flags_of_the_user_stay(gpu, monkeypatch):
    mine = "--tf_xla_persistent_cache_directory=/mine"
    monkeypatch.setenv("TF_XLA_FLAGS", mine)
    xla_cache.use()
    assert os.environ["TF_XLA_FLAGS"] == mine
    assert "XLA_FLAGS" not in os.environ
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_max_cluster_size=9")
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0")
    flags = used()
    assert flags["tf_xla_max_cluster_size"] == "9"
    assert "tf_xla_persistent_cache_directory" in flags
    assert os.environ["XLA_FLAGS"].split()[0] == "--xla_gpu_autotune_level=0"


def test_without_a_gpu_there_is_no_cache(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(xla_cache, "_GPUS", tmp_path / "nothing")
    assert used() == {}
    assert not (tmp_path / "cache").exists()


def test_a_directory_that_cannot_be_written_is_not_used(gpu, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert used() == {}


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_a_file_that_is_cut_is_not_whole(size, tmp_path):
    # Each field that is complete could be the last.
    ends = (0, 4, 4 + 3 + 128, len(WHOLE))
    file = tmp_path / "file"
    file.write_bytes(WHOLE[:size])
    assert xla_cache._is_whole(file) == (size in ends[1:])


def test_damaged_files_are_deleted_before_tensorflow_reads_them(tmp_path):
    (tmp_path / "now").mkdir()
    names = ("whole", "empty", "cut", "zeros", "text")
    contents = (WHOLE, b"", WHOLE[:50], b"\0" * 100, b"hello, world")
    for name, content in zip(names, contents, strict=True):
        file = tmp_path / "now" / f"xla_compile_cache__{name}.pb"
        file.write_bytes(content)
    # Another process is writing it.
    (tmp_path / "now" / "xla_compile_cache__1.pbhost-7.tmp").write_bytes(b"")
    xla_cache._tidy(tmp_path / "now")
    assert sorted(os.listdir(tmp_path / "now")) == [
        "xla_compile_cache__1.pbhost-7.tmp",
        "xla_compile_cache__whole.pb",
    ]


def test_the_oldest_of_too_many_files_are_deleted(tmp_path, monkeypatch):
    """Also those of other versions."""
    monkeypatch.setattr(xla_cache, "_MOST_BYTES", 3 * len(WHOLE))
    for age, directory in enumerate(("now", "now", "old", "now", "old")):
        (tmp_path / directory).mkdir(exist_ok=True)
        file = tmp_path / directory / f"xla_compile_cache__{age}.pb"
        file.write_bytes(WHOLE)
        os.utime(file, (1e9 - age, 1e9 - age))
    xla_cache._tidy(tmp_path / "now")
    left = sorted(file.name[-4] for file in tmp_path.glob("*/*"))
    assert left == ["0", "1", "2"]


@pytest.mark.parametrize(
    "message, directory",
    [
        ("Can't parse /c/xla/v/xla_compile_cache__1__2.pb as", "/c/xla/v"),
        ("Serialized cache key does not match.", "{home}"),
    ],
)
def test_the_error_of_a_damaged_file_names_the_directory(message, directory):
    error = tf.errors.DataLossError(None, None, message)
    home = xla_cache.cache_home() / "xla"
    assert startup.tensorflow_reason(error) == (
        "a file of XLA's cache is damaged. Delete the directory "
        f"{directory.format(home=home)}; runs fill it again"
    )
