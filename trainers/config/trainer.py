"""How long and on what a run trains, and which epoch is the best."""

import dataclasses

from tfmodels.settings import setting
from trainers.metrics.names import METRICS


@dataclasses.dataclass(slots=True)
class TrainerConfig:
    """How long, on what, and what counts as best."""

    epochs: int = setting(10, "Passes over the training split.", at_least=1)
    strategy: str = setting(
        "auto",
        "Devices. `auto` takes all workers that TF_CONFIG names, see "
        "trainers.launch, and all GPUs if there are any, else the CPU; "
        "`multi_worker` does so too, and fails without TF_CONFIG.",
        choices=("auto", "one_device", "mirrored", "multi_worker", "tpu"),
        refused={
            name: "Keras 3 cannot train under ParameterServerStrategy"
            for name in ("parameter_server", "ParameterServer", "ps")
        },
    )
    tpu_address: str = setting(
        "",
        "TPU to connect to; empty means local.",
        only_with=("strategy", ("tpu",)),
    )
    num_logical_cpus: int = setting(
        0,
        "Split the CPU in so many devices, to try `mirrored` without GPUs; "
        "0 leaves it whole.",
        at_least=0,
        at_most=64,
        only_with=("strategy", ("mirrored",)),
    )
    start_timeout_seconds: float = setting(
        300.0,
        "Longest time that the workers of TF_CONFIG wait for each other at "
        "the start.",
        above=0,
        may_change=True,
    )
    dtype_policy: str = setting(
        "float32",
        "Keras dtype policy in training; exports are float32. `auto` takes "
        "mixed_bfloat16 where the CPU multiplies it natively, else, and with "
        "accelerators, float32; a run keeps what it began with.",
        choices=("float32", "mixed_bfloat16", "mixed_float16", "auto"),
    )
    jit_compile: bool = setting(False, "Compile the training step with XLA.")
    steps_per_execution: int = setting(
        0,
        "Training steps in one call of the graph; 0 chooses from the number "
        "of steps in an epoch, of which it has to be a divisor, and "
        "`save_every_steps`.",
        at_least=0,
    )
    deterministic_ops: str = setting(
        "auto",
        "Kernels that give equal bits each time, which exact resume needs. "
        "CPUs have them at almost no cost. `auto` uses them there alone, "
        "and not with `jit_compile`: on GPUs they cost time.",
        choices=("auto", "always", "never"),
    )
    resume: str = setting(
        "auto",
        "What to do with a work directory that holds a run: `auto` goes on "
        "with it, if there is one; `must` fails if there is none; `never` "
        "refuses it.",
        choices=("auto", "must", "never"),
        may_change=True,
    )
    save_every_steps: int = setting(
        0,
        "Training steps between checkpoints, beside those at the ends of "
        "epochs; 0 goes by `save_every_seconds` alone. With "
        "`steps_per_execution`, at the end of a call of the graph.",
        at_least=0,
        may_change=True,
    )
    save_every_seconds: float = setting(
        300.0,
        "Seconds between checkpoints; 0 goes by `save_every_steps` alone.",
        at_least=0,
        may_change=True,
    )
    keep_checkpoints: int = setting(
        2,
        "How many of the newest checkpoints stay; with one alone there is "
        "none to fall back on.",
        at_least=1,
        may_change=True,
    )
    best_metric: str = setting(
        "loss",
        "Metric on the validation split that chooses the epoch to keep: "
        f"{', '.join(METRICS)}, or per_class/NAME/METRIC for one class.",
    )
    early_stopping_patience: int = setting(
        0,
        "Stop after so many epochs without a better one; 0 never.",
        at_least=0,
    )
    early_stopping_min_delta: float = setting(
        0.0, "Smallest difference that counts as better.", at_least=0
    )
