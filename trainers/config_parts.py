"""The parts of a configuration: each hyperparameter with its doc and rule.

No `from __future__ import annotations` here: with it, ml_collections 1.1.0
reads the types of the fields as strings and every override fails. `slots`
make a misspelt name in a config file an error at its line.
"""

import dataclasses

from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class DataConfig:
    """Where labelled examples come from and how they are grouped."""

    source: str = setting(
        "tfds_directory",
        "Kind of `path`.",
        choices=("tfds", "tfds_directory", "idx", "npz", "image_folder"),
    )
    path: str = setting(
        "",
        "Name of a TFDS dataset, or a file or directory; `package://PKG/DIR` "
        "is inside an installed Python package.",
    )
    data_dir: str = setting(
        "",
        "Where `tfds` keeps its datasets; empty means ~/tensorflow_datasets.",
        only_with=("source", ("tfds",)),
    )
    train: str = setting(
        "",
        "Examples to learn from, as TFDS writes splits: `train[:90%]`. Empty "
        "means the split `train`, less what validation and test take of it.",
    )
    validation: str = setting(
        "",
        "Examples that choose the best epoch, or `none`. Empty means the "
        "split `validation`, else a tenth of `train`.",
    )
    test: str = setting(
        "",
        "Examples that measure the result, or `none`. Empty means the split "
        "`test`, else a tenth of `train`.",
    )
    image_column: str = setting(
        "image",
        "Feature of a TFDS dataset to read.",
        only_with=("source", ("tfds", "tfds_directory")),
    )
    label_column: str = setting(
        "label",
        "Feature that holds the label.",
        only_with=("source", ("tfds", "tfds_directory")),
    )
    global_batch_size: int = setting(
        32, "Examples in a training step, over all devices.", at_least=1
    )


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
        "Decoupled weight decay of `adamw`.",
        at_least=0,
        only_with=("name", ("adamw",)),
    )


@dataclasses.dataclass(slots=True)
class TrainerConfig:
    """How long, on what, and what counts as best."""

    epochs: int = setting(10, "Passes over the training split.", at_least=1)
    strategy: str = setting(
        "auto",
        "Devices. `auto` takes all GPUs if there are any, else the CPU.",
        choices=("auto", "one_device", "mirrored", "multi_worker", "tpu"),
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
    dtype_policy: str = setting(
        "float32",
        "Keras dtype policy in training; exports are float32.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    jit_compile: bool = setting(False, "Compile the training step with XLA.")
    steps_per_execution: int = setting(
        0,
        "Training steps in one call of the graph; 0 chooses from the number "
        "of steps in an epoch, of which it has to be a divisor.",
        at_least=0,
    )
    best_metric: str = setting(
        "loss",
        "Metric on the validation split that chooses the epoch to keep.",
        choices=("loss", "accuracy", "macro_f1"),
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
