"""Training: from a configuration to weights and numbers."""

import logging
import time

import keras

import tfmodels
from trainers import config as config_lib
from trainers import evaluation
from trainers import metric_names
from trainers import tasks
from trainers.data import pipeline
from trainers.errors import ConfigError
from trainers.evaluation import metrics as metrics_lib
from trainers.training import callbacks
from trainers.training import optimizers
from trainers.training import steps as steps_lib
from trainers.training import strategies
from trainers.training.model import TrainingModel
from trainers.training.progress import Progress
from trainers.training.tensorboard import TensorBoard
from trainers.workdir import Workdir


def train_and_evaluate(config, workdir):
    """Trains, keeps the best epoch, and measures it on validation and test.

    Args:
        config: `ExperimentConfig`; read, not changed.
        workdir: Directory of the run, new or empty.

    Returns:
        The dict in `metrics.json`: `validation`, `test` and `train`, for texts
        with `tokens_per_second` (without padding) and `padding_share`.

    Raises:
        ConfigError: A setting, a path or the work directory is wrong; the
            data has no class of the name in `best_metric`.
        DataError: The examples break a rule.
        RunError: The loss became NaN or infinite.
    """
    config_lib.validate(config)
    strategy = strategies.make_strategy(config.trainer)
    parts = (config.model, getattr(config.model, "encoder", None))
    dropout = any(getattr(part, "dropout", 0) for part in parts)
    if strategy.num_replicas_in_sync > 1 and dropout:
        logging.getLogger(__name__).warning(
            "dropout draws the same masks on all replicas in this version."
        )
    paths = Workdir(workdir)
    paths.check_new()
    task = tasks.make_task(config)
    splits = tasks.load_splits(task, config, paths)
    for line in splits.report["warnings"]:
        logging.getLogger(__name__).warning(line)
    _check_best_metric(config.trainer.best_metric, splits.class_names)
    steps = steps_lib.plan(
        config, len(splits.train), strategy.num_replicas_in_sync
    )
    paths.create(config, splits.class_names, task.assets())
    padding_share = _padding_share(config, task, splits.train, steps)
    train = fit(config, task, splits, steps, strategy, paths)
    if padding_share is not None:
        mean_length = task.lengths(splits.train).mean()
        train["tokens_per_second"] = mean_length * train["examples_per_second"]
        train["padding_share"] = padding_share
    metrics = {"train": train}
    network, _ = evaluation.load_best(task, paths)
    for name in ("validation", "test"):
        if examples := getattr(splits, name):
            metrics[name] = evaluation.evaluate_examples(
                network, task, examples, splits.class_names, name=name
            )
    paths.write_metrics(metrics)
    return metrics


def _check_best_metric(name, class_names):
    """Refuses a class that the data does not have, before any training."""
    of_class = dict.fromkeys(metric_names.PER_CLASS_METRICS)
    metrics = dict.fromkeys(metric_names.METRICS)
    metrics["per_class"] = dict.fromkeys(class_names, of_class)
    metrics_lib.scalar(metrics, name)


def _padding_share(config, task, examples, steps):
    """Logs and returns the share of padding in an epoch; `None` for images."""
    share = task.padding_share(
        examples, batch_size=steps.batch_size, seed=config.seed
    )
    if share is not None:
        logging.getLogger(__name__).info(
            "padding: %.1f %% of the ids of an epoch", 100 * share
        )
    return share


def fit(config, task, splits, steps, strategy, paths):
    """Runs `model.fit` and leaves the best weights in the work directory.

    Args:
        config: `ExperimentConfig`.
        task: From `tasks.make_task`.
        splits: `Splits` of checked examples.
        steps: `Steps`.
        strategy: `tf.distribute.Strategy`.
        paths: `Workdir`.

    Returns:
        Dict of `steps`, `epochs`, `best_epoch` (from 1), `seconds` (all of
        fit), `epoch_seconds` (training alone, a number an epoch) and
        `examples_per_second` (over all epochs, training alone).
    """
    dataset = make_dataset(config, task, splits.train, steps.batch_size)
    with strategy.scope():
        network = make_network(
            config, len(splits.class_names), task.model_config
        )
        model = make_training_model(network, config, task, steps)
    validation = make_validation(model, task, splits, strategy, config)
    timer = callbacks.EpochTimer(len(splits.train))
    best = make_best_checkpoint(network, config.trainer, paths, validation)
    progress = Progress(
        config.trainer.epochs, steps.per_epoch, config.trainer.best_metric
    )
    tensorboard = TensorBoard(
        paths.tensorboard,
        config=config,
        class_names=splits.class_names,
        dataset=dataset,
        validation=validation,
    )
    stop = callbacks.StopOnNonFiniteLoss()
    # In this order: later ones read what earlier ones put in the logs.
    used = [timer, validation, stop, best, tensorboard, progress]
    start = time.perf_counter()
    try:
        model.fit(
            dataset,
            epochs=config.trainer.epochs,
            steps_per_epoch=steps.per_epoch,
            callbacks=[callback for callback in used if callback],
            shuffle=False,
            verbose=0,
        )
    finally:
        progress.close()
    return {
        "steps": steps.per_epoch * len(timer.epoch_seconds),
        "epochs": len(timer.epoch_seconds),
        "best_epoch": best.best_epoch + 1,
        "seconds": time.perf_counter() - start,
        "epoch_seconds": timer.epoch_seconds,
        "examples_per_second": timer.examples_per_second,
    }


def make_best_checkpoint(network, config, paths, validation):
    """Returns the callback that keeps the best weights of a network.

    Args:
        network: Keras model.
        config: `TrainerConfig`.
        paths: `Workdir`.
        validation: From `make_validation`.
    """
    return callbacks.BestCheckpoint(
        network,
        paths.checkpoints,
        config.best_metric,
        validation,
        patience=config.early_stopping_patience,
        min_delta=config.early_stopping_min_delta,
    )


def make_dataset(config, task, examples, batch_size):
    """Returns the endless training batches of `Examples`."""
    return pipeline.make_train_dataset(
        examples,
        global_batch_size=batch_size,
        seed=config.seed,
        preprocess_fn=task.preprocess,
        augment_fn=task.augment if task.num_draws else None,
        num_draws=task.num_draws,
        lengths=task.lengths(examples),
    )


def make_validation(model, task, splits, strategy, config):
    """Returns the callback that evaluates each epoch, or `None`."""
    if not splits.validation:
        return None
    dataset = evaluation.make_dataset(
        task, splits.validation, strategy.num_replicas_in_sync
    )
    evaluator = evaluation.Evaluator(model, dataset, strategy)
    return callbacks.Validation(
        lambda: evaluator.evaluate(splits.class_names),
        config.trainer.best_metric,
    )


def make_network(config, num_classes, model_config=None):
    """Builds the network with weights that the seed, or a preset, decides.

    Args:
        config: `ExperimentConfig`.
        num_classes: int.
        model_config: As the task has resolved it; `None` means the one in
            `config`.
    """
    model_config = model_config or config.model
    keras.utils.set_random_seed(config.seed)
    with tfmodels.dtype_policy(config.trainer.dtype_policy):
        network = tfmodels.make_model(model_config, num_classes)
    try:
        tfmodels.load_pretrained(network, model_config)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return network


def make_training_model(network, config, task, steps):
    """Returns the compiled model; call it inside `strategy.scope()`."""
    # `compile` looks at the model's own policy: it adds loss scaling to the
    # optimizer under mixed_float16.
    with tfmodels.dtype_policy(config.trainer.dtype_policy):
        model = TrainingModel.from_network(
            network,
            task,
            global_clipnorm=float(config.optimizer.global_clipnorm),
            accumulation_steps=config.optimizer.accumulation_steps,
        )
    model.compile(
        optimizer=optimizers.make_optimizer(
            config.optimizer,
            steps.per_epoch * config.trainer.epochs,
            model.trainable_variables,
        ),
        jit_compile=config.trainer.jit_compile,
        steps_per_execution=steps.per_execution,
    )
    model.optimizer.build(model.trainable_variables)
    return model
