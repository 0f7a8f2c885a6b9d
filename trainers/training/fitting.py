"""From loaded data to the best weights: model, callbacks, `model.fit`."""

import contextlib
import dataclasses
import functools
import typing

import keras
import tensorflow as tf

import tfmodels
from trainers.config.experiment import ExperimentConfig
from trainers.data import pipeline
from trainers.data.examples import Splits
from trainers.distribution.workers import Workers
from trainers.errors import ConfigError
from trainers.evaluation import evaluator as evaluator_lib
from trainers.run.workdir import Workdir
from trainers.runtime import signals
from trainers.training import callbacks
from trainers.training import history
from trainers.training import optimizers
from trainers.training import resumable
from trainers.training.model import TrainingModel
from trainers.training.progress import Progress
from trainers.training.steps import Steps
from trainers.training.tensorboard import TensorBoard


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run is made of, once its data is loaded.

    Attributes:
        config: `ExperimentConfig`.
        task: From `tasks.make_task`.
        splits: `Splits` of checked examples.
        steps: `Steps`.
        strategy: `tf.distribute.Strategy`.
        workers: `Workers`.
        paths: `Workdir`.
    """

    config: ExperimentConfig
    task: typing.Any
    splits: Splits
    steps: Steps
    strategy: tf.distribute.Strategy
    workers: Workers
    paths: Workdir


def fit(run, writer, checkpoint=None):
    """Runs `model.fit` and leaves the best weights in the work directory.

    Args:
        run: `Run`.
        writer: `checkpoints.Writer`, or `NoWriter` where the chief is another.
        checkpoint: `Checkpoint` to go on from, or `None`.

    Returns:
        Dict of `steps`, `epochs`, `best_epoch` (from 1), `seconds` (all of
        fit), `epoch_seconds` (training alone, a number an epoch) and
        `examples_per_second` (over all epochs, training alone). Times are
        those of all processes of the run, as far as checkpoints kept them.

    Raises:
        Stopped: On request, with a checkpoint.
    """
    with run.strategy.scope():
        network = make_network(
            run.config, len(run.splits.class_names), run.task.model_config
        )
        model = make_training_model(network, run.config, run.task, run.steps)
    make_dataset_fn = functools.partial(
        make_dataset,
        run.config,
        run.task,
        run.splits.train,
        run.steps.batch_size,
    )
    timer = history.EpochTimer(len(run.splits.train))
    requests = signals.requests(run.workers.any)
    with requests as request, make_progress(run) as progress:
        validation = make_validation(model, run, request)
        best = make_best_checkpoint(network, run, validation, writer.save_best)
        # In this order: later ones read what earlier ones put in the logs.
        used = [
            timer,
            validation,
            callbacks.StopOnNonFiniteLoss(),
            best,
            make_tensorboard(run, make_dataset_fn, validation),
            progress,
            make_history(run),
            make_learning_rate_reduction(run.config, validation),
        ]
        kept = resumable.ResumableCallbacks(
            [callback for callback in used if callback],
            model=model,
            steps=run.steps,
            config=run.config.trainer,
            writer=writer,
            request=request,
            workers=run.workers,
        )
        batches_fn = make_batches_fn(run.strategy, make_dataset_fn)
        resumable.fit(model, kept, batches_fn, checkpoint)
    return {
        "steps": run.steps.per_epoch * len(timer.epoch_seconds),
        "best_epoch": best.best_epoch + 1,
    } | timer.summary()


def make_best_checkpoint(network, run, validation, save_fn):
    """Returns the callback that keeps the best weights of a network.

    Args:
        network: Keras model.
        run: `Run`.
        validation: From `make_validation`.
        save_fn: As for `BestCheckpoint`.
    """
    config = run.config.trainer
    return callbacks.BestCheckpoint(
        network,
        save_fn,
        config.best_metric,
        validation,
        steps_per_epoch=run.steps.per_epoch,
        patience=config.early_stopping_patience,
        min_delta=config.early_stopping_min_delta,
    )


def make_progress(run):
    """Returns the callback that shows progress, to be used in a `with`.

    It is `None` where another worker shows it.
    """
    if not run.workers.is_chief:
        return contextlib.nullcontext()
    return contextlib.closing(
        Progress(
            run.config.trainer.epochs,
            run.steps.per_epoch,
            run.config.trainer.best_metric,
        )
    )


def make_tensorboard(run, make_dataset_fn, validation):
    """Returns the callback that writes event files; on the chief alone."""
    if not run.workers.is_chief:
        return None
    return TensorBoard(
        run.paths.tensorboard,
        config=run.config,
        class_names=run.splits.class_names,
        make_dataset_fn=make_dataset_fn,
        validation=validation,
        steps_per_epoch=run.steps.per_epoch,
    )


def make_history(run):
    """Returns the callback that keeps the numbers of the epochs."""
    write_fn = run.paths.write_history
    if not run.workers.is_chief:
        write_fn = _write_nothing
    return history.History(write_fn, run.steps.per_epoch)


def _write_nothing(epochs):
    """Takes what another worker writes."""


def make_learning_rate_reduction(config, validation):
    """Returns the callback, or `None` where nothing is to be lowered."""
    if not config.optimizer.plateau_patience:
        return None
    return callbacks.ReduceLearningRate(
        config.trainer.best_metric,
        validation,
        patience=config.optimizer.plateau_patience,
        factor=config.optimizer.plateau_factor,
    )


def make_dataset(
    config,
    task,
    examples,
    batch_size,
    start_step=0,
    shard=pipeline.WHOLE,
):
    """Returns the endless training batches of `Examples` from a step on."""
    return pipeline.make_train_dataset(
        examples,
        global_batch_size=batch_size,
        seed=config.seed,
        preprocess_fn=task.preprocess,
        augment_fn=task.augment if task.num_draws else None,
        num_draws=task.num_draws,
        lengths=task.lengths(examples),
        start_step=start_step,
        shard=shard,
    )


def make_batches_fn(strategy, make_dataset_fn):
    """Returns a function from a first step to batches for all replicas.

    Args:
        strategy: `tf.distribute.Strategy`.
        make_dataset_fn: From a first step and a `Shard` to batches.
    """

    def make_batches(start_step):
        return pipeline.distribute(
            strategy, lambda shard: make_dataset_fn(start_step, shard)
        )

    return make_batches


def make_validation(model, run, request):
    """Returns the callback that evaluates each epoch, or `None`.

    Args:
        model: `TrainingModel`.
        run: `Run`.
        request: `signals.StopRequest`, asked before each batch.
    """
    if not run.splits.validation:
        return None
    evaluator = evaluator_lib.Evaluator(
        model, run.task, run.splits.validation, run.strategy
    )
    return callbacks.Validation(
        lambda: evaluator.evaluate(run.splits.class_names, on_batch=request),
        run.config.trainer.best_metric,
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
