"""Rules between several settings of an experiment.

Each function yields a line for each broken rule: flag, rule, received value.
"""

from trainers.config.data import TFDS
from trainers.metrics import names


def image_problems(config):
    """Yields the broken rules of an experiment on images.

    Args:
        config: `ExperimentConfig`.
    """
    shape = config.model.image_shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3):
        yield (
            "`--config.model.image_shape` must be height,width for grey or "
            f"height,width,3 for colour images. Received: {shape!r}."
        )
    if not config.data.path:
        yield (
            "`--config.data.path` must name the data. Received: ''. Set it to "
            "a file, a directory or a TFDS dataset, as --config.data.source "
            "says."
        )


def text_problems(config):
    """Yields the broken rules of an experiment on texts.

    Args:
        config: `ExperimentConfig`.
    """
    data, encoder = config.data, config.model.encoder
    is_tfds = data.source in TFDS
    if is_tfds and not data.path:
        yield (
            "`--config.data.path` must name the data set for "
            f"--config.data.source={data.source}. Received: ''."
        )
    if not is_tfds and data.train in ("", "none"):
        yield (
            "`--config.data.train` must name a file or folder to learn from. "
            f"Received: {data.train!r}. Example: --config.data.train=mails.csv"
        )
    if len(data.delimiter) > 1 or data.delimiter in ('"', "\r", "\n"):
        yield (
            "`--config.data.delimiter` must be one character. "
            f"Received: {data.delimiter!r}."
        )
    if data.validation_fraction + data.test_fraction >= 1:
        yield (
            "`--config.data.validation_fraction` and .test_fraction must leave "
            "examples for train: their sum must be below 1. Received: "
            f"{data.validation_fraction} and {data.test_fraction}."
        )
    if encoder.preset:
        return  # It has its own sizes. The task checks them.
    if encoder.hidden_dim % encoder.num_heads:
        yield (
            "`--config.model.encoder.hidden_dim` must be a multiple of "
            f".num_heads. Received: {encoder.hidden_dim} and "
            f"{encoder.num_heads}."
        )
    if data.sequence_length > encoder.max_sequence_length:
        yield (
            "`--config.data.sequence_length` must be at most "
            "--config.model.encoder.max_sequence_length. Received: "
            f"{data.sequence_length} and {encoder.max_sequence_length}."
        )
    if encoder.frozen_layers > encoder.num_layers:
        yield (
            "`--config.model.encoder.frozen_layers` must be at most "
            f".num_layers. Received: {encoder.frozen_layers} and "
            f"{encoder.num_layers}."
        )


def problems(config):
    """Yields the broken rules that all experiments share.

    Args:
        config: `ExperimentConfig`.
    """
    yield from _optimizer_problems(config)
    yield from _trainer_problems(config)
    yield from _export_problems(config.export)


def _export_problems(export):
    name, sizes = export.name, list(export.allowed_batch_sizes)
    if not name or not name.replace("_", "").replace("-", "").isalnum():
        yield (
            "`--config.export.name` must be letters, digits, `_` and `-`. "
            f"Received: {name!r}."
        )
    # A server accepts 1,000 warm-up requests, a few per signature and size.
    if not sizes or sizes != sorted(set(sizes)) or len(sizes) > 100:
        yield (
            "`--config.export.allowed_batch_sizes` must be increasing numbers, "
            "like 1,2,4,8, at most 100 of them. "
            f"Received: {export.allowed_batch_sizes!r}."
        )


def _optimizer_problems(config):
    optimizer = config.optimizer
    if optimizer.schedule == "exponential" and optimizer.end_fraction == 0:
        yield (
            "`--config.optimizer.end_fraction` must be above 0 for the "
            "schedule `exponential`. Received: 0."
        )
    if optimizer.warmup_steps and optimizer.warmup_fraction:
        yield (
            "`--config.optimizer.warmup_steps` needs "
            "--config.optimizer.warmup_fraction=0, as both set the warm-up. "
            f"Received: {optimizer.warmup_steps} and "
            f"{optimizer.warmup_fraction}."
        )
    if optimizer.plateau_patience and (
        optimizer.schedule != "constant"
        or optimizer.warmup_steps
        or optimizer.warmup_fraction
    ):
        yield (
            "`--config.optimizer.plateau_patience` needs the schedule "
            "`constant` without warm-up, as it replaces the schedule. "
            f"Received: {optimizer.schedule}, "
            f"warmup_steps={optimizer.warmup_steps}, "
            f"warmup_fraction={optimizer.warmup_fraction}."
        )
    if optimizer.plateau_patience and config.data.validation == "none":
        yield (
            "`--config.optimizer.plateau_patience` needs a validation split. "
            "Received: --config.data.validation=none."
        )


def _trainer_problems(config):
    trainer = config.trainer
    if trainer.jit_compile and trainer.deterministic_ops == "always":
        yield (
            "`--config.trainer.jit_compile` must be false with "
            "--config.trainer.deterministic_ops=always: Keras does not use "
            "XLA with it. Received: True."
        )
    if trainer.early_stopping_patience and config.data.validation == "none":
        yield (
            "`--config.trainer.early_stopping_patience` needs a validation "
            "split. Received: --config.data.validation=none."
        )
    if not names.is_metric(trainer.best_metric):
        yield (
            "`--config.trainer.best_metric` must be one of "
            f"{', '.join(names.METRICS)}, or per_class/NAME/METRIC with "
            f"one of {', '.join(names.PER_CLASS_METRICS)}. "
            f"Received: {trainer.best_metric!r}."
        )
