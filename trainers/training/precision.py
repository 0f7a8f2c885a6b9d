"""In which precision a model is trained where the configuration leaves it."""

import dataclasses
import pathlib

import tensorflow as tf

from trainers.errors import ConfigError
from trainers.workdir import Workdir

_CPUINFO = pathlib.Path("/proc/cpuinfo")
# Flags of CPUs that multiply bfloat16 at least twice as fast as float32.
_NATIVE = {"avx512_bf16", "amx_bf16"}


def resolve(config, workdir):
    """Returns the configuration with a Keras dtype policy in place of `auto`.

    Args:
        config: `ExperimentConfig`; read, not changed.
        workdir: Directory of the run. One that was begun keeps its policy,
            also on another machine.
    """
    if config.trainer.dtype_policy != "auto":
        return config
    policy = _of_run(workdir) or _of_machine()
    trainer = dataclasses.replace(config.trainer, dtype_policy=policy)
    return dataclasses.replace(config, trainer=trainer)


def _of_run(workdir):
    try:
        return Workdir(workdir).read_config().trainer.dtype_policy
    except ConfigError:
        return None  # There is none; or what is wrong is said later.


def _of_machine():
    # With accelerators it was not measured.
    kinds = {d.device_type for d in tf.config.list_physical_devices()}
    if kinds == {"CPU"} and _NATIVE & _cpu_flags():
        return "mixed_bfloat16"
    return "float32"


def _cpu_flags():
    """Returns the flags of this machine's CPU, none where nobody says them."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return set()
    flags = (line.partition(":")[2] for line in lines if line[:5] == "flags")
    return set(next(flags, "").split())
