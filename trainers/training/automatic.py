"""Selects the settings that `auto` leaves to the machine.

These are the dtype policy, whether XLA compiles the training step, and the
lengths to which texts are padded. All three change the bits of the result, so
a run keeps what it began with.
"""

import logging
import os
import pathlib

from trainers.config import tree
from trainers.run.workdir import CHOSEN
from trainers.run.workdir import Workdir
from trainers.runtime import signals

_CPUINFO = pathlib.Path("/proc/cpuinfo")
# CPUs with this flag multiply bfloat16 several times as fast as float32, and
# CPUs of AMD with the other one twice as fast. On an Intel with the other one
# alone, products in bfloat16 take 1.8 times as long (benchmarks/RESULTS.md,
# "Evaluation in bfloat16").
_NATIVE = "amx_bf16"
_NATIVE_ON_AMD = "avx512_bf16"
# The best first.
_MIXED = ("mixed_bfloat16", "mixed_float16")
# Compute capability of the first GPUs of NVIDIA that multiply these types on
# their matrix units: Ampere and Volta.
_CAPABILITIES = {"mixed_bfloat16": (8, 0), "mixed_float16": (7, 0)}
# What a choice means, for the log. Other choices are the old behaviour, and
# not worth a line.
_WORDS = {
    **{
        policy: f"computing in {policy}"
        for policy in ("float32", "mixed_bfloat16", "mixed_float16")
    },
    "background": "compiling the training step with XLA in the background",
    "always": "compiling the training step with XLA",
    "few": "padding texts to few lengths",
    "one": "padding all texts to one length",
}


def resolve(config, workdir, workers=None):
    """Returns the configuration with choices in place of `auto`.

    Args:
        config: `ExperimentConfig`; read, not changed.
        workdir: Path of the work directory. A run in it keeps its choices, also
            on another machine.
        workers: `Workers`. All must call this; all make the same choices.
            `None` means this process alone.

    Raises:
        Stopped: A signal arrived while the workers wait for each other.
    """
    if not _open(config):
        return config
    fast, has_gpu = _fast_policies(config.trainer.strategy), _has_gpu()
    if workers is not None:
        with signals.deferred() as request:
            # Each worker takes part in each question.
            slow = [p for p in _MIXED if workers.any(p not in fast)]
            has_gpu = not workers.any(not has_gpu)
        request()
        fast = set(_MIXED) - set(slow)
    config = Workdir(workdir).with_saved_choices(config)
    if not (names := _open(config)):
        return config
    choices = {"trainer.dtype_policy": _best(fast)}
    jit_compile = config.trainer.jit_compile
    if jit_compile == "auto":
        jit_compile = _jit_compile(config.trainer, has_gpu)
    choices["trainer.jit_compile"] = jit_compile
    choices["data.padded_lengths"] = (
        "one"
        if config.trainer.strategy == "tpu"
        else "many"
        if jit_compile == "never"
        else "few"
    )
    choices = {name: choices[name] for name in names}
    logged = [
        f"{_WORDS[value]}, chosen by --config.{name}=auto"
        for name, value in choices.items()
        if value in _WORDS
    ]
    if logged:
        logging.getLogger(__name__).info("; ".join(logged))
    return config.with_overrides(choices)


def choose_policy():
    """Returns the policy with which this machine evaluates fastest.

    It is for `--dtype_policy=auto`. Evaluation uses one GPU, or the CPU.

    Returns:
        str. `float32`, `mixed_bfloat16` or `mixed_float16`.
    """
    policy = _best(_fast_policies("one_device"))
    logging.getLogger(__name__).info(
        "computing in %s, chosen by --dtype_policy=auto", policy
    )
    return policy


def _best(fast):
    return next((p for p in _MIXED if p in fast), "float32")


def _open(config):
    """Returns the names of the settings that are still `auto`."""
    values = {name: value for name, _, value in tree.leaves(config)}
    return [n for n in CHOSEN if values.get(f"config.{n}") == "auto"]


def _jit_compile(config, has_gpu):
    """Returns when to compile on this machine.

    On CPUs, the parts of a layer that gain are compiled in any case, see
    `tfmodels/bert/fused_ops.py`. XLA's matrix products are slower there.
    """
    # A TPU compiles without being told.
    if config.strategy == "tpu" or not has_gpu:
        return "never"
    # When a shape is ready depends on time, and so do the bits.
    return "always" if config.deterministic_ops == "always" else "background"


def _has_gpu():
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


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
    flags = _cpu_words("flags")
    is_amd = _cpu_words("vendor_id") == ["AuthenticAMD"]
    return _NATIVE in flags or (is_amd and _NATIVE_ON_AMD in flags)


def _cpu_words(name):
    """Returns a field of the first core, in words; empty if it is unknown."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return []
    fields = (line.partition(":") for line in lines)
    values = (text.split() for key, _, text in fields if key.strip() == name)
    return next(values, [])
