"""Selects the dtype policy for `--config.trainer.dtype_policy=auto`."""

import os
import pathlib

from trainers.run.workdir import Workdir
from trainers.runtime import signals

_CPUINFO = pathlib.Path("/proc/cpuinfo")
# Flags of CPUs that multiply bfloat16 at least twice as fast as float32.
_NATIVE = {"avx512_bf16", "amx_bf16"}


def resolve(config, workdir, workers=None):
    """Returns the configuration with a Keras dtype policy in place of `auto`.

    Args:
        config: `ExperimentConfig`; read, not changed.
        workdir: Path of the work directory. A run in it keeps its policy, also
            on another machine.
        workers: `Workers`. All must call this; all use bfloat16 or none does.
            `None` means this process alone.

    Raises:
        Stopped: A signal arrived while the workers wait for each other.
    """
    if config.trainer.dtype_policy != "auto":
        return config
    is_slow = not _multiplies_bfloat16()
    if workers is not None:
        with signals.deferred() as request:
            is_slow = workers.any(is_slow)
        request()
    config = Workdir(workdir).with_saved_policy(config)
    if config.trainer.dtype_policy != "auto":
        return config
    policy = "float32" if is_slow else "mixed_bfloat16"
    return config.with_overrides({"trainer.dtype_policy": policy})


def _multiplies_bfloat16():
    import tensorflow as tf

    # Without oneDNN, TensorFlow multiplies bfloat16 slower than float32.
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return False
    # bfloat16 with accelerators was not measured.
    kinds = {d.device_type for d in tf.config.list_physical_devices()}
    return kinds == {"CPU"} and bool(_NATIVE & _cpu_flags())


def _cpu_flags():
    """Returns the flags of the CPU, or an empty set if they are unknown."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return set()
    flags = (line.partition(":")[2] for line in lines if line[:5] == "flags")
    return set(next(flags, "").split())
