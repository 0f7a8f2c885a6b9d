"""Rules between several settings that all experiments share.

The rules of one kind of data, objective or model are in its `problems`.
"""

import re

from trainers.errors import ConfigError
from trainers.objectives import objective as objective_lib


def problems(config):
    """Yields a line for each broken rule: flag, rule, received value.

    Args:
        config: `ExperimentConfig`.
    """
    yield from _optimizer_problems(config)
    yield from _trainer_problems(config)
    yield from _export_problems(config.export)


def mismatches(config):
    """Yields a line for each part that does not fit the data.

    Tagged texts need an objective and a model that answer for each token; for
    all other data, these answer for a whole example.

    Args:
        config: `ExperimentConfig`.
    """
    data = config.data
    words = "for each token" if data.per_token else "for each example"
    for name, part in (
        ("`--config.task.objective`", config.task),
        ("`config.model`", config.model),
    ):
        if part.per_token != data.per_token:
            yield (
                f"{name} must have answers {words}, because `config.data` is "
                f"of the class {type(data).__name__}. Received: "
                f"{type(part).__name__}. For tagged texts, begin with "
                "--config=configs/bert_tagger.py."
            )


def ignored(config):
    """Yields, in words, each setting that another part leaves without effect.

    Args:
        config: `ExperimentConfig`.
    """
    export = config.export
    is_set = export.max_entities != type(export)().max_entities
    if is_set and not config.data.per_token:
        yield (
            "`--config.export.max_entities` has no effect: it is for models "
            "that find entities, see --config=configs/bert_tagger.py. "
            f"Received: {export.max_entities!r}."
        )


def _export_problems(export):
    name, sizes = export.name, list(export.allowed_batch_sizes)
    # It is a directory, and a part of the address of a served model.
    if not re.fullmatch(r"(?!\.)[\w.-]*[A-Za-z0-9][\w.-]*", name, re.ASCII):
        yield (
            "`--config.export.name` must be letters from a to z, digits, `_`, "
            "`-` and `.`, with a letter or digit, and must not begin with `.`. "
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
            "`--config.optimizer.plateau_patience` replaces the schedule. It "
            "needs --config.optimizer.schedule=constant "
            "--config.optimizer.warmup_steps=0 "
            "--config.optimizer.warmup_fraction=0. Received: "
            f"{optimizer.schedule}, {optimizer.warmup_steps} and "
            f"{optimizer.warmup_fraction}."
        )
    reason = config.data.why_no_validation()
    if optimizer.plateau_patience and reason:
        yield (
            "`--config.optimizer.plateau_patience` needs a validation split. "
            f"Received: {reason}."
        )


def _trainer_problems(config):
    trainer = config.trainer
    if (
        trainer.jit_compile == "background"
        and trainer.deterministic_ops == "always"
    ):
        yield (
            "`--config.trainer.jit_compile` must not be background with "
            "--config.trainer.deterministic_ops=always: the bits of the result "
            "then depend on the time that XLA needs. Set "
            "--config.trainer.jit_compile=always. Received: 'background'."
        )
    reason = config.data.why_no_validation()
    if trainer.early_stopping_patience and reason:
        yield (
            "`--config.trainer.early_stopping_patience` needs a validation "
            f"split. Received: {reason}."
        )
    if len(set(trainer.trackers)) < len(trainer.trackers):
        yield (
            "`--config.trainer.trackers` must name each tracker once. "
            f"Received: {trainer.trackers!r}."
        )
    try:
        objective = objective_lib.make(config.task)
    except ConfigError as error:
        yield str(error)
        return
    if problem := objective.metric_problem(trainer.best_metric):
        yield f"`--config.trainer.best_metric` must be {problem}"
