"""A multi-layer perceptron on MNIST digits.

    python -m trainers.train --config=configs/mnist_mlp.py --workdir=/tmp/mnist

Variants, as in `--config=configs/mnist_mlp.py:wide`:

    ""     784-64-64-10, Adam 1e-3, on the 10,000 digits in this package
    wide   784-256-128-10, SGD 0.01 with momentum 0.9, same digits
    full   the default on all of TFDS `mnist`; downloads it (11 MB)
    smoke  one epoch on 500 digits, to see that everything works

Measured with seed 42 on 2 CPU cores, test split of 1,000 digits:

    ""     94.2 % after 10 epochs (best on validation: 8th), 4 s of training
    wide   94.9 % after 10 epochs (best on validation: 8th), 5 s of training
    full   not measured: it needs a network
    ""     on Fashion-MNIST (idx, 54,000 images): 87.8 %, 11 s of training

The sizes of the default are those of a first lesson on MNIST, with Keras's
default learning rate for Adam; `wide` is plain SGD with momentum. Neither was
tuned on the test split.

One's own images, in any of these:

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
    """Returns the experiment in one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(
            f"variant must be one of {', '.join(map(repr, VARIANTS))}. "
            f"Received: {variant!r}."
        )
    config = c.ExperimentConfig(
        seed=42,
        data=c.ImageDataConfig(
            # The first 10,000 digits of MNIST's training set, cut in
            # 8,000 / 1,000 / 1,000; see its README.md.
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
