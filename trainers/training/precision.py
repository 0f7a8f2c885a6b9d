"""Selects the dtype policy for `--config.trainer.dtype_policy=auto`."""

import logging
import os
import pathlib

from trainers.run.workdir import Workdir
from trainers.runtime import signals

_CPUINFO = pathlib.Path("/proc/cpuinfo")
# Flags of CPUs that multiply bfloat16 at least twice as fast as float32.
_NATIVE = {"avx512_bf16", "amx_bf16"}
# The best first.
_MIXED = ("mixed_bfloat16", "mixed_float16")
# Compute capability of the first GPUs of NVIDIA that multiply these types on
# their matrix units: Ampere and Volta.
_CAPABILITIES = {"mixed_bfloat16": (8, 0), "mixed_float16": (7, 0)}


def resolve(config, workdir, workers=None):
    """Returns the configuration with a Keras dtype policy in place of `auto`.

    Args:
        config: `ExperimentConfig`; read, not changed.
        workdir: Path of the work directory. A run in it keeps its policy, also
            on another machine.
        workers: `Workers`. All must call this; all use the same policy.
            `None` means this process alone.

    Raises:
        Stopped: A signal arrived while the workers wait for each other.
    """
    if config.trainer.dtype_policy != "auto":
        return config
    fast = _fast_policies(config.trainer.strategy)
    if workers is not None:
        with signals.deferred() as request:
            # Each worker takes part in each question.
            slow = [p for p in _MIXED if workers.any(p not in fast)]
        request()
        fast = set(_MIXED) - set(slow)
    config = Workdir(workdir).with_saved_policy(config)
    if config.trainer.dtype_policy != "auto":
        return config
    policy = next((p for p in _MIXED if p in fast), "float32")
    logging.getLogger(__name__).info(
        "computing in %s, chosen by --config.trainer.dtype_policy=auto", policy
    )
    return config.with_overrides({"trainer.dtype_policy": policy})


def _fast_policies(strategy):
    """Returns the policies with which this machine beats float32."""
    import tensorflow as tf

    if strategy == "tpu":
        return {"mixed_bfloat16"}
    if gpus := tf.config.list_physical_devices("GPU"):
        details = map(tf.config.experimental.get_device_details, gpus)
        lowest = min(d.get("compute_capability", (0, 0)) for d in details)
        return {p for p, needed in _CAPABILITIES.items() if lowest >= needed}
    return {"mixed_bfloat16"} if _multiplies_bfloat16() else set()


def _multiplies_bfloat16():
    # Without oneDNN, TensorFlow multiplies bfloat16 slower than float32.
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return False
    return bool(_NATIVE & _cpu_flags())


def _cpu_flags():
    """Returns the flags of the CPU, or an empty set if they are unknown."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return set()
    flags = (line.partition(":")[2] for line in lines if line[:5] == "flags")
    return set(next(flags, "").split())
