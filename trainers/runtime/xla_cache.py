"""Keeps on disk what XLA compiles for a GPU, so that later runs load it.

    <cache home>/xla/<versions and GPU>/xla_compile_cache__*.pb  compiled steps
    <cache home>/xla/<versions and GPU>/autotune/                fastest kernels

TensorFlow's cache does not check which TensorFlow, driver or GPU a file is for,
so each combination has its own directory. A file that is not whole would end
the run ("Can't parse"). Such files are deleted before TensorFlow starts.

What XLA compiles for a CPU is not kept: it takes seconds, and another CPU can
load it and fail.
"""

import contextlib
import hashlib
import importlib.metadata
import itertools
import os
import pathlib
import re
import tempfile
import threading

from trainers.runtime.cache_home import cache_home

_GPUS = pathlib.Path("/proc/driver/nvidia")
# A step of a BERT takes a few MB for each length.
_MOST_BYTES = 4 * 2**30
# Free space that a run needs: TensorFlow ends it if it cannot write a file.
_LEAST_BYTES = 2**26
# Numbers in the names of functions, see `stable_names`, without and with
# deterministic kernels, which need other programs. TensorFlow's own counter
# does not reach them.
_numbers = {
    False: itertools.count(10**9),
    True: itertools.count(2 * 10**9),
}
_naming = threading.Lock()


def use():
    """Makes TensorFlow use the cache; call it before TensorFlow is imported.

    It does nothing if there is no GPU of NVIDIA, if the directory has a space
    in its path or cannot take 64 MB, or if the variable `TF_XLA_FLAGS` names a
    directory.
    """
    found = _gpus_and_driver()
    if found and "tf_xla_persistent_cache" not in _flags("TF_XLA_FLAGS"):
        keep_in(cache_home() / "xla" / _key(found))


def keep_in(directory, device_types="GPU"):
    """Sets the variables that TensorFlow reads.

    Args:
        directory: `pathlib.Path`. It is made if it does not exist.
        device_types: str. For which devices, in TensorFlow's words.
    """
    # A variable separates flags at spaces.
    if re.search(r"\s", str(directory)):
        return
    autotune = directory / "autotune"
    try:
        autotune.mkdir(parents=True, exist_ok=True)
        _tidy(directory)
        with tempfile.TemporaryFile(dir=directory) as file:
            os.posix_fallocate(file.fileno(), 0, _LEAST_BYTES)
    except OSError:
        return
    _add(
        "TF_XLA_FLAGS",
        f"--tf_xla_persistent_cache_directory={directory}",
        f"--tf_xla_persistent_cache_device_types={device_types}",
    )
    if "autotune_cache_dir" not in _flags("XLA_FLAGS"):
        _add("XLA_FLAGS", f"--xla_gpu_per_fusion_autotune_cache_dir={autotune}")


def _flags(name):
    return os.environ.get(name, "")


def _add(name, *flags):
    os.environ[name] = " ".join(filter(None, [_flags(name), *flags]))


def _gpus_and_driver():
    """Returns lines that name the GPUs and the driver; empty without a GPU."""
    try:
        models = {
            line.partition(":")[2].strip()
            for file in _GPUS.glob("gpus/*/information")
            for line in file.read_text().splitlines()
            if line.startswith("Model:")
        }
        return models and [*sorted(models), (_GPUS / "version").read_text()]
    except OSError:
        return []


def _key(gpus_and_driver):
    """Returns the name of the directory for this machine and environment."""
    versions = sorted(
        f"{d.name} {d.version}"
        for d in importlib.metadata.distributions()
        # Kernels of cuBLAS and cuDNN are chosen by their speed.
        if re.match("(tensorflow|tf.nightly|nvidia-)", d.name or "")
    )
    facts = [*gpus_and_driver, *versions, _flags("XLA_FLAGS")]
    if len(gpus_and_driver) > 2:
        # Several models: this says which of them a process uses.
        facts.append(_flags("CUDA_VISIBLE_DEVICES"))
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    model = re.sub(r"\W+", "-", gpus_and_driver[0])
    return f"{_version()}-{model}-{digest}"


def _version():
    try:
        return importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        return "tensorflow"  # Under another name, such as tensorflow-cpu.


def _tidy(directory):
    """Deletes files that are not whole, and the oldest of too many."""
    found = []
    # Not `.pb*.tmp`, which another process is writing.
    for file in directory.parent.glob("*/xla_compile_cache__*.pb"):
        # Another process can delete it at any time.
        with contextlib.suppress(FileNotFoundError):
            if file.parent == directory and not _is_whole(file):
                file.unlink()
            else:
                facts = file.stat()
                found.append((facts.st_mtime, facts.st_size, file))
    total = 0
    for _, size, file in sorted(found, reverse=True):
        total += size
        if total > _MOST_BYTES:
            file.unlink(missing_ok=True)


def _is_whole(file):
    """Returns whether the fields of a serialized message end with the file.

    The message has text and bytes alone at its first level.
    """
    size, position = file.stat().st_size, 0
    with file.open("rb") as stream:
        while position < size:
            stream.seek(position)
            header = stream.read(20)
            try:
                tag, used = _varint(header)
                length, more = _varint(header[used:])
            except IndexError:
                return False
            if not tag >> 3 or tag & 7 not in (0, 2):
                return False
            # A number (0) has its value in the place of the length.
            position += used + more + (length if tag & 7 == 2 else 0)
    return size > 0 and position == size


def _varint(data):
    """Returns the number at the start of some bytes, and its size."""
    value = 0
    for index in range(10):
        value |= (data[index] & 127) << (7 * index)
        if data[index] < 128:
            return value, index + 1
    raise IndexError


@contextlib.contextmanager
def stable_names():
    """Gives functions that this thread traces the same names in each process.

    TensorFlow's cache finds a compiled function by its name. The name ends with
    a number from a counter of the process, which depends on what else the
    process did: a run that tokenizes its texts counts further than one that
    finds them in the cache of tokens.
    """
    from tensorflow.python.framework import config
    from tensorflow.python.framework import ops

    is_deterministic = config.is_op_determinism_enabled()
    numbers, thread = _numbers[is_deterministic], threading.get_ident()
    with _naming:
        uid = ops.uid

        def stable():
            return next(numbers) if threading.get_ident() == thread else uid()

        ops.uid = stable
        try:
            yield
        finally:
            ops.uid = uid
