"""Trains a multi-layer perceptron on MNIST digits.

    python -m trainers.train --config=configs/mnist_mlp.py --workdir=/tmp/mnist

Variants, for example `--config=configs/mnist_mlp.py:wide`:

    ""     784-64-64-10 units, Adam with learning rate 1e-3, on the 10,000
           digits in this package
    wide   784-256-128-10 units, SGD with learning rate 0.01 and momentum 0.9,
           on the same digits
    full   the network of "" on all of TFDS `mnist`; downloads it (11 MB)
    smoke  one epoch on 500 digits; only checks that everything works

Accuracy on the test split of 1,000 digits, measured with seed 42 on 2 CPU
cores:

    ""     94.2 %, best epoch 8 of 10, 4 s of training
    wide   94.9 %, best epoch 8 of 10, 5 s of training
    full   not measured: needs the network
    ""     on Fashion-MNIST (idx, 54,000 images): 87.8 %, 11 s of training

The sizes of "" are common in introductions to MNIST, and its learning rate is
Keras's default for Adam. `wide` is plain SGD with momentum. Neither was tuned
on the test split.

Your own images can have any of these formats:

    --config.data.source=image_folder --config.data.path=DIR
        DIR/train/<class>/*.png, DIR/test/<class>/*.jpg, or DIR/<class>/*.png
    --config.data.source=idx --config.data.path=DIR
        DIR/train-images-idx3-ubyte.gz, DIR/train-labels-idx1-ubyte.gz, t10k-...
    --config.data.source=npz --config.data.path=FILE
        arrays x_train, y_train, x_test, y_test
    --config.data.source=tfds --config.data.path=NAME
        a data set of the TFDS catalogue, downloaded once
"""

from tfmodels import MnistMlpConfig
from trainers import config as c

VARIANTS = ("", "wide", "full", "smoke")


def get_config(variant: str = "") -> c.ExperimentConfig:
    """Returns the experiment.

    Args:
        variant: str. One of `VARIANTS`.

    Raises:
        ValueError: There is no such variant.
    """
    if variant not in VARIANTS:
        raise ValueError(
            f"variant must be one of {', '.join(map(repr, VARIANTS))}. "
            f"Received: {variant!r}."
        )
    config = c.ExperimentConfig(
        seed=42,
        data=c.ImageDataConfig(
            # The first 10,000 digits of MNIST's training set, cut into 8,000 /
            # 1,000 / 1,000. trainers/data/mnist_subset/README.md has details.
            source="tfds_directory",
            path="package://trainers.data.mnist_subset/1.0.0",
            global_batch_size=32,  # 8,000 / 32 = 250 steps an epoch
        ),
        model=MnistMlpConfig(hidden_dims=(64, 64), activation="relu"),
        optimizer=c.OptimizerConfig(name="adam", learning_rate=1e-3),
        trainer=c.TrainerConfig(epochs=10),
        export=c.ExportConfig(name="mnist_mlp"),
    )
    if variant == "wide":
        config.model.hidden_dims = (256, 128)
        config.optimizer.name = "momentum"
        config.optimizer.learning_rate = 0.01
        config.optimizer.momentum = 0.9
    elif variant == "full":
        config.data.source = "tfds"
        config.data.path = "mnist"
        config.data.train = "train[:55000]"
        config.data.validation = "train[55000:]"
        config.data.test = "test"
    elif variant == "smoke":
        config.data.train = "train[:500]"
        config.data.validation = "validation[:100]"
        config.data.test = "test[:100]"
        config.trainer.epochs = 1
    return config
