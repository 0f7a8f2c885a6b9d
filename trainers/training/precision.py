"""In which precision a model is trained where the configuration leaves it."""

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
        workdir: Directory of the run. One that was begun keeps its policy,
            also on another machine.
        workers: `Workers` who all call it; bfloat16 is for all or none.
            `None` means this process alone.
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

    # TensorFlow's own products of bfloat16 are slower than of float32.
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return False
    # With accelerators it was not measured.
    kinds = {d.device_type for d in tf.config.list_physical_devices()}
    return kinds == {"CPU"} and bool(_NATIVE & _cpu_flags())


def _cpu_flags():
    """Returns the flags of this machine's CPU, none where nobody says them."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return set()
    flags = (line.partition(":")[2] for line in lines if line[:5] == "flags")
    return set(next(flags, "").split())
