"""Settings of the run: length, devices, checkpoints, best epoch."""

import dataclasses

from tfmodels.settings import setting
from trainers.config.kinds import KINDS


@dataclasses.dataclass(slots=True)
class TrainerConfig:
    """How long and on which devices a run trains, and which epoch is best.

    >>> TrainerConfig(epochs=3, best_metric="macro_f1").keep_checkpoints
    2
    """

    epochs: int = setting(10, "Passes over the training split.", at_least=1)
    extend_from: str = setting(
        "",
        "Work directory of a finished run that this run extends, in a work "
        "directory of its own. `epochs` then counts the finished ones, too. "
        "The learning rate restarts for the added ones. Empty means a run "
        "from its start.",
        is_path=True,
    )
    strategy: str = setting(
        "auto",
        "Devices. `auto` uses all workers that TF_CONFIG names (see "
        "trainers.launch), and all GPUs, or the CPU if there is none. "
        "`multi_worker` is the same, but fails without TF_CONFIG.",
        choices=("auto", "one_device", "mirrored", "multi_worker", "tpu"),
        refused={
            name: "Keras 3 cannot train under ParameterServerStrategy"
            for name in ("parameter_server", "ParameterServer", "ps")
        },
    )
    tpu_address: str = setting(
        "",
        "Address of the TPU; empty means the local TPU.",
        only_with=("strategy", ("tpu",)),
    )
    num_logical_cpus: int = setting(
        0,
        "Number of devices into which to split the CPU, to try `mirrored` "
        "without GPUs. 0 means no split.",
        at_least=0,
        at_most=64,
        only_with=("strategy", ("mirrored",)),
    )
    start_timeout_seconds: float = setting(
        300.0,
        "Seconds that the workers of TF_CONFIG wait for each other at the "
        "start.",
        above=0,
        # Timers of the system cannot wait for 300 years.
        at_most=1_000_000,
        may_change=True,
    )
    dtype_policy: str = setting(
        "float32",
        "Keras dtype policy in training; exports are float32. `auto` means "
        "mixed_bfloat16 where it is faster (CPUs with `amx_bf16`, CPUs of AMD "
        "with `avx512_bf16`, GPUs of NVIDIA since Ampere, TPUs), mixed_float16 "
        "on older GPUs with matrix units (Volta, Turing), otherwise float32. A "
        "run keeps the policy it began with.",
        choices=("float32", "mixed_bfloat16", "mixed_float16", "auto"),
    )
    jit_compile: str = setting(
        "auto",
        "When XLA compiles the training step, for each shape of a batch. "
        "`always`: before the first step of a shape. `background`: while steps "
        "of this shape run uncompiled; results then differ a little between "
        "runs. `auto` means `background` on GPUs (`always` with "
        "`deterministic_ops=always`) and `never` on CPUs; TPUs compile in any "
        "case. A run keeps what it began with.",
        choices=("auto", "always", "background", "never"),
    )
    steps_per_execution: int = setting(
        0,
        "Training steps in one call of the graph, a divisor of the steps of an "
        "epoch. 0 selects the largest divisor up to 64 that also divides "
        "`save_every_steps`.",
        at_least=0,
    )
    deterministic_ops: str = setting(
        "auto",
        "When to use kernels with bit-identical results, which a "
        "bit-identical resume needs. They cost almost nothing on CPUs and time "
        "on GPUs. `auto` uses them on CPUs without `jit_compile`.",
        choices=("auto", "always", "never"),
    )
    resume: str = setting(
        "auto",
        "What to do with a run in the work directory. `auto` resumes it, or "
        "starts a new run if there is none. `must` fails if there is none. "
        "`never` fails if there is one.",
        choices=("auto", "must", "never"),
        may_change=True,
    )
    save_every_steps: int = setting(
        0,
        "Training steps between checkpoints, in addition to the checkpoint at "
        "the end of each epoch. 0 means only `save_every_seconds` counts. With "
        "`steps_per_execution`, the run saves after a call of the graph.",
        at_least=0,
        may_change=True,
    )
    save_every_seconds: float = setting(
        300.0,
        "Seconds between checkpoints. 0 means only `save_every_steps` counts.",
        at_least=0,
        may_change=True,
    )
    keep_checkpoints: int = setting(
        2,
        "How many of the newest checkpoints are kept. With 1, a damaged "
        "checkpoint has no replacement.",
        at_least=1,
        may_change=True,
    )
    best_metric: str = setting(
        "loss",
        "Metric on the validation split that selects the best epoch, one of "
        "those of the objective.",
    )
    early_stopping_patience: int = setting(
        0,
        "Stop after this number of epochs without a better one. 0 means never.",
        at_least=0,
    )
    early_stopping_min_delta: float = setting(
        0.0, "Smallest difference that counts as better.", at_least=0
    )
    log_reports: bool = setting(
        False,
        "Whether the log has the table of the metrics of validation after "
        "each epoch. That of the best epoch is in the log in any case.",
        may_change=True,
    )
    trackers: tuple[str, ...] = setting(
        ("tensorboard",),
        "Where the numbers and pictures of the run go, besides `history.json` "
        "and `metrics.json`. Empty means nowhere. `mlflow` and `wandb` need "
        "the extra of the same name.",
        choices=tuple(KINDS["tracker"]),
        or_own=True,
        may_change=True,
    )
