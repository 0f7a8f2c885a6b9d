"""The parts of a configuration: each hyperparameter with its doc and rule.

No `from __future__ import annotations` here: with it, ml_collections 1.1.0
reads the types of the fields as strings and every override fails. `slots`
make a misspelt name in a config file an error at its line.
"""

import dataclasses

from tfmodels.settings import setting
from trainers.metric_names import METRICS


@dataclasses.dataclass(slots=True)
class ImageClassificationConfig:
    """What is learned: one label an image. Augmentation acts in training."""

    random_shift: float = setting(
        0.0,
        "Largest shift, as a share of height and width.",
        at_least=0,
        at_most=1,
    )
    random_rotation: float = setting(
        0.0, "Largest rotation in degrees, both ways.", at_least=0, at_most=180
    )
    random_zoom: float = setting(
        0.0,
        "Largest zoom, as a share of the size, in and out.",
        at_least=0,
        below=1,
    )


@dataclasses.dataclass(slots=True)
class TextClassificationConfig:
    """What is learned: one label a text."""

    label_smoothing: float = setting(
        0.0,
        "Share of the target that is spread over all classes, in training.",
        at_least=0,
        below=1,
    )
    class_weights: str = setting(
        "none",
        "Factors of the training loss by class: `none`, `balanced` "
        "(all classes weigh the same in sum), or NAME=FACTOR,NAME=FACTOR "
        "with 1 for classes that are left out.",
    )


@dataclasses.dataclass(slots=True)
class OptimizerConfig:
    """How weights move."""

    name: str = setting(
        "adam", "Algorithm.", choices=("sgd", "momentum", "adam", "adamw")
    )
    learning_rate: float = setting(1e-3, "Peak learning rate.", above=0)
    schedule: str = setting(
        "constant",
        "Course of the learning rate after the warm-up.",
        choices=("constant", "cosine", "linear", "exponential"),
    )
    warmup_steps: int = setting(
        0, "Steps in which the learning rate rises linearly.", at_least=0
    )
    warmup_fraction: float = setting(
        0.0,
        "The same as a share of all steps, instead of `warmup_steps`.",
        at_least=0,
        below=1,
    )
    end_fraction: float = setting(
        0.01,
        "Share of the peak that a decaying schedule ends at.",
        at_least=0,
        at_most=1,
        only_with=("schedule", ("cosine", "linear", "exponential")),
    )
    momentum: float = setting(
        0.9,
        "Momentum of `momentum`.",
        at_least=0,
        below=1,
        only_with=("name", ("momentum",)),
    )
    beta_1: float = setting(
        0.9,
        "Decay of Adam's first moment.",
        at_least=0,
        below=1,
        only_with=("name", ("adam", "adamw")),
    )
    beta_2: float = setting(
        0.999,
        "Decay of Adam's second moment.",
        at_least=0,
        below=1,
        only_with=("name", ("adam", "adamw")),
    )
    epsilon: float = setting(
        1e-7, "Adam's epsilon.", above=0, only_with=("name", ("adam", "adamw"))
    )
    weight_decay: float = setting(
        0.01,
        "Decoupled weight decay of `adamw`; biases and the parameters of "
        "normalizations are left out.",
        at_least=0,
        only_with=("name", ("adamw",)),
    )
    global_clipnorm: float = setting(
        0.0,
        "Largest norm of all gradients together, summed over all devices; "
        "longer ones are shortened to it. 0 leaves all as they are.",
        at_least=0,
    )
    accumulation_steps: int = setting(
        1,
        "Parts into which each device cuts its share of a batch, one after "
        "the other, to need less memory. Results are those of 1.",
        at_least=1,
    )
    ema_momentum: float = setting(
        0.0,
        "Share that a moving average of the weights keeps at a step, such as "
        "0.999; validation, the best epoch and exports take the average. 0 "
        "averages nothing.",
        at_least=0,
        below=1,
    )
    plateau_patience: int = setting(
        0,
        "Lower the learning rate after so many epochs without a better "
        "`best_metric`; 0 never.",
        at_least=0,
    )
    plateau_factor: float = setting(
        0.5, "What it is multiplied with then.", above=0, below=1
    )


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


@dataclasses.dataclass(slots=True)
class ExportConfig:
    """What TensorFlow Serving gets."""

    name: str = setting("model", "Name of the model and of its directory.")
    check: str = setting(
        "session",
        "Proof before a version appears: `session` lets a fresh process load "
        "it as TensorFlow Serving does; `serving_2_20` does that once more "
        "with the libraries of TensorFlow Serving 2.20, through two loaders, "
        "and installs them once (1.7 GB).",
        choices=("session", "serving_2_20"),
        may_change=True,
    )
    allowed_batch_sizes: tuple[int, ...] = setting(
        (1, 2, 4, 8, 16, 32),
        "Batch sizes that a server forms of single requests, increasing; the "
        "last is the largest. Each is warmed up when a version is loaded.",
        at_least=1,
        at_most=1024,
        may_change=True,
    )
