"""Finds settings that do not fit the length of a run."""

import math

from trainers.config.trainer import TrainerConfig


def warnings(config, steps, has_validation):
    """Yields a line for each setting that cannot do what it says.

    Args:
        config: `ExperimentConfig`.
        steps: `Steps` of the run.
        has_validation: bool. Whether the run has a validation split.

    Yields:
        str: the flag, what happens, and the value that helps.
    """
    # Those that an extension adds. The schedule and the patience begin there.
    epochs = config.trainer.epochs - steps.first_epoch
    yield from _of_steps(config, steps, epochs)
    yield from _of_averages(config, steps)
    yield from _of_epochs(config, epochs, steps.first_epoch > 0)
    metric = config.trainer.best_metric
    if not has_validation and metric != TrainerConfig().best_metric:
        yield (
            f"`--config.trainer.best_metric={metric}` has no effect without a "
            "validation split: the weights of the last epoch are kept. Name a "
            "split with --config.data.validation."
        )


def _of_steps(config, steps, epochs):
    optimizer, trainer = config.optimizer, config.trainer
    total = steps.per_epoch * epochs
    length = f"{total:,} steps of the run"
    if config.data.global_batch_size > steps.batch_size:
        yield (
            f"`--config.data.global_batch_size={config.data.global_batch_size}`"
            f" is more than the split train has: a batch is {steps.batch_size} "
            "rows, with all examples, and an epoch is one step. Set it to "
            f"{steps.batch_size} or less."
        )
    if optimizer.warmup_steps >= total:
        highest = optimizer.learning_rate * total / optimizer.warmup_steps
        yield (
            f"`--config.optimizer.warmup_steps={optimizer.warmup_steps}` is "
            f"not below the {length}: the learning rate rises until the end, "
            f"to {highest:.3g} of {optimizer.learning_rate:.3g}. Set it to a "
            f"tenth of the steps, {total // 10}, or train for more epochs."
        )
    fraction = optimizer.warmup_fraction
    if fraction and total > 1 and not round(fraction * total):
        yield (
            f"`--config.optimizer.warmup_fraction={fraction}` of the {length} "
            "is less than one step: there is no warm-up. Set it to "
            f"{_rounded_up(1 / total)} or more."
        )
    every = trainer.save_every_steps
    if every and (every >= total or every % steps.per_epoch == 0):
        yield (
            f"`--config.trainer.save_every_steps={every}` has no effect: the "
            f"run saves after each epoch of {steps.per_epoch:,} steps. Set it "
            "to less than that, or to 0."
        )


def _of_averages(config, steps):
    momentum = config.optimizer.ema_momentum
    total = steps.per_epoch * config.trainer.epochs
    share = momentum ** (total - 1)
    # The average is over about 1 / (1 - momentum) steps. In fewer steps, the
    # share is more than exp(-1).
    highest = _rounded_down(1 - 1 / total)
    # Rounding can lift it above 1 - 1 / total. What is advised must not warn.
    if momentum > max(highest, 1 - 1 / total):
        yield (
            f"`--config.optimizer.ema_momentum={momentum}` is too high for "
            f"{total:,} steps: the weights after the first step are "
            f"{100 * share:.0f} % of the average that is validated and "
            f"exported. Set it to {highest} or less."
        )


def _of_epochs(config, epochs, is_extension):
    trainer, optimizer = config.trainer, config.optimizer
    stop, lower = trainer.early_stopping_patience, optimizer.plateau_patience
    # A run waits after its first epoch at the earliest. An extension knows the
    # best epoch before it begins, but counts plateaus from its start.
    skipped = 0 if is_extension else 1
    most_stop, most = max(epochs - 1 - skipped, 0), max(epochs - 2, 0)
    # Also if the patience of early stopping is lowered as advised.
    most_lower = most
    if stop:
        most_lower = max(min(stop, most_stop) + skipped - 2, 0)
    for name, patience, most_of_it, before, advised in (
        (
            "trainer.early_stopping_patience",
            stop,
            most_stop,
            skipped,
            most_stop,
        ),
        ("optimizer.plateau_patience", lower, most, 1, most_lower),
    ):
        if patience > most_of_it:
            yield (
                f"`--config.{name}={patience}` has no effect: it acts after "
                f"{patience + before} epochs at the earliest, and the run has "
                f"{epochs}. Set it to {_or_less(advised)}, or train for more "
                "epochs."
            )
    if stop and lower and stop + skipped <= lower + 1 and lower <= most:
        longer = lower + 2 - skipped
        other = f", or that one to {longer} or more" if lower < most else ""
        yield (
            f"`--config.optimizer.plateau_patience={lower}` has no effect: "
            f"--config.trainer.early_stopping_patience={stop} ends the run "
            f"before. Set it to {_or_less(most_lower)}{other}."
        )


def _or_less(number):
    return f"{number} or less" if number else "0"


def _rounded_up(value):
    return math.ceil(value * 10_000) / 10_000


def _rounded_down(value):
    return math.floor(value * 10_000) / 10_000
