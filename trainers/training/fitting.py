"""Fits a model to loaded data: network, callbacks, `model.fit`."""

import contextlib
import dataclasses
import functools
import logging
import math

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
from trainers.tasks import Task
from trainers.training import callbacks
from trainers.training import compiling
from trainers.training import history
from trainers.training import optimizers
from trainers.training import resumable
from trainers.training.model import TrainingModel
from trainers.training.progress import Progress
from trainers.training.steps import Steps
from trainers.training.tracking import Trackers
from trainers.training.tracking import Tracking


@dataclasses.dataclass(frozen=True)
class Run:
    """The parts of a run after its data is loaded.

    Attributes:
        config: `ExperimentConfig`.
        task: `Task` of the data.
        splits: `Splits` of checked examples.
        steps: `Steps`.
        strategy: `tf.distribute.Strategy`.
        workers: `Workers`.
        paths: `Workdir`.
    """

    config: ExperimentConfig
    task: Task
    splits: Splits
    steps: Steps
    strategy: tf.distribute.Strategy
    workers: Workers
    paths: Workdir


def make_models(run):
    """Returns the network and the model that trains it.

    Args:
        run: `Run`.

    Returns:
        `(network, model)`: `keras.Model` from preprocessed features to logits,
        with pretrained weights if the model has some, and `TrainingModel`.

    Raises:
        ConfigError: See `make_network`.
    """
    compiler = compiling.make(
        run.config.trainer,
        run.strategy,
        run.task.inputs.training_lengths(run.splits.train),
    )
    with run.strategy.scope():
        network = make_network(
            run.config,
            run.task.objective.num_outputs,
            run.task.inputs.model_config,
        )
        _set_bias(network, run.task.objective.initial_logits())
        return network, make_training_model(
            network, run.config, run.task, run.steps, compiler
        )


def fit(
    run,
    network,
    model,
    writer,
    checkpoint=None,
    *,
    trackers=None,
    observers=(),
    request=None,
):
    """Runs `model.fit` and saves the best weights in the work directory.

    Args:
        run: `Run`.
        network, model: From `make_models`.
        writer: `checkpointing.Writer`, or `NoWriter` on workers other than the
            chief.
        checkpoint: `Checkpoint` from which to resume; `None` for a new run.
        trackers: `Trackers`. They begin; the caller ends them. `None` means
            none.
        observers: Sequence of `keras.callbacks.Callback`. They are called
            after those of the run; see `resumable` for their state.
        request: `signals.StopRequest`; `None` makes one of the signals that
            this process gets.

    Returns:
        dict of `steps`, `epochs`, `best_epoch` (from 1), `seconds` (of the
        whole fit), `epoch_seconds` (training alone, a float for each epoch) and
        `examples_per_second` (training alone, over all epochs). Times are
        summed over all processes of the run, up to their last checkpoint.

    Raises:
        Stopped: A signal stopped the run, after a checkpoint.
    """
    make_dataset_fn = functools.partial(
        make_dataset,
        run.config,
        run.task,
        run.splits.train,
        run.steps.batch_size,
    )
    timer = history.EpochTimer(len(run.splits.train), model.input_wait)
    requests = contextlib.nullcontext(request)
    if request is None:
        requests = signals.requests(run.workers.any)
    with requests as request, make_progress(run) as progress:
        validation = make_validation(model, run, request)
        best = make_best_checkpoint(network, run, validation, writer.save_best)
        # The order matters: a callback reads the logs of the ones before it.
        ordered = [
            timer,
            validation,
            callbacks.StopOnNonFiniteLoss(),
            best,
            make_tracking(run, trackers, make_dataset_fn, validation),
            progress,
            make_history(run),
            make_learning_rate_reduction(run, validation),
            *observers,
        ]
        callback_list = resumable.ResumableCallbacks(
            [callback for callback in ordered if callback],
            model=model,
            steps=run.steps,
            config=run.config.trainer,
            writer=writer,
            request=request,
            workers=run.workers,
        )
        batches_fn = make_batches_fn(run.strategy, make_dataset_fn)
        try:
            resumable.fit(model, callback_list, batches_fn, checkpoint)
        finally:
            compiling.close(model.compiler)
    if run.workers.is_chief and (problem := best.problem()):
        logging.getLogger(__name__).warning(problem)
    return {
        "steps": run.steps.per_epoch * len(timer.epoch_seconds),
        "best_epoch": best.best_epoch + 1,
    } | timer.summary()


def make_best_checkpoint(network, run, validation, save_fn):
    """Returns the callback that saves the best weights of a network.

    Args:
        network: `keras.Model`.
        run: `Run`.
        validation: `Validation` from `make_validation`.
        save_fn: Function. Saves the weights, see `BestCheckpoint`.

    Returns:
        `BestCheckpoint`.
    """
    config = run.config.trainer
    return callbacks.BestCheckpoint(
        network,
        save_fn,
        make_score_fn(run, validation),
        steps_per_epoch=run.steps.per_epoch,
        metric=config.best_metric,
        patience=config.early_stopping_patience,
        min_delta=config.early_stopping_min_delta,
        first_epoch=run.steps.first_epoch,
    )


def make_score_fn(run, validation):
    """Returns a function to a number that is higher for a better epoch.

    Args:
        run: `Run`.
        validation: `Validation` from `make_validation`.

    Returns:
        Function without arguments; `None` without a validation split.
    """
    if validation is None:
        return None
    objective, name = run.task.objective, run.config.trainer.best_metric

    def score():
        value = objective.scalar(validation.result, name)
        # Such as the ROC-AUC of a class without examples. NaN would be
        # neither better nor worse than any other value.
        if value is None or math.isnan(value):
            return -math.inf
        return -value if objective.is_better_low(name) else value

    return score


def make_progress(run):
    """Returns a context manager of the callback that shows progress.

    On workers other than the chief, the callback is `None`.

    Args:
        run: `Run`.
    """
    if not run.workers.is_chief:
        return contextlib.nullcontext()
    return contextlib.closing(
        Progress(
            run.config.trainer.epochs,
            run.steps.per_epoch,
            {*run.task.objective.shown_metrics, run.config.trainer.best_metric},
        )
    )


def make_tracking(run, trackers, make_dataset_fn, validation):
    """Returns the callback that feeds the trackers.

    Args:
        run: `Run`.
        trackers: `Trackers`, or `None`.
        make_dataset_fn: Function. Returns batches, see `Tracking`.
        validation: `Validation` from `make_validation`.

    Returns:
        `Tracking`. Without trackers, it keeps their states in a checkpoint.
    """
    return Tracking(
        trackers or Trackers({}, run.paths.path),
        config=run.config,
        objective=run.task.objective,
        make_dataset_fn=make_dataset_fn,
        validation=validation,
        steps_per_epoch=run.steps.per_epoch,
    )


def make_history(run):
    """Returns the callback that stores the numbers of the epochs.

    Args:
        run: `Run`.

    Returns:
        `History`.
    """
    write_fn = run.paths.write_history
    if not run.workers.is_chief:
        write_fn = _write_nothing
    return history.History(write_fn, run.steps.per_epoch)


def _write_nothing(epochs):
    """Replaces `write_history` on workers other than the chief."""


def make_learning_rate_reduction(run, validation):
    """Returns the callback that lowers the learning rate, or `None`.

    Args:
        run: `Run`.
        validation: `Validation` from `make_validation`.
    """
    optimizer = run.config.optimizer
    if not optimizer.plateau_patience:
        return None
    return callbacks.ReduceLearningRate(
        make_score_fn(run, validation),
        patience=optimizer.plateau_patience,
        factor=optimizer.plateau_factor,
    )


def make_dataset(
    config,
    task,
    examples,
    batch_size,
    start_step=0,
    shard=pipeline.WHOLE,
):
    """Returns endless training batches of `Examples`.

    Args:
        config: `ExperimentConfig`.
        task: `Task` of the data.
        examples: `Examples`.
        batch_size: int. Rows of a batch over all replicas.
        start_step: int. Step of the first batch.
        shard: `Shard`. The part of each batch to return.
    """
    inputs = task.inputs
    return pipeline.make_train_dataset(
        examples,
        global_batch_size=batch_size,
        seed=config.seed,
        preprocess_fn=inputs.preprocess_for_training,
        pad_targets_fn=inputs.pad_targets,
        augment_fn=inputs.augment if inputs.num_draws else None,
        num_draws=inputs.num_draws,
        lengths=inputs.lengths(examples),
        start_step=start_step,
        shard=shard,
    )


def make_batches_fn(strategy, make_dataset_fn):
    """Returns a function from a first step to batches for all replicas.

    Args:
        strategy: `tf.distribute.Strategy`.
        make_dataset_fn: Function from a first step and a `Shard` to batches.
    """

    def make_batches(start_step):
        return pipeline.distribute(
            strategy, lambda shard: make_dataset_fn(start_step, shard)
        )

    return make_batches


def make_validation(model, run, request):
    """Returns the callback that evaluates each epoch.

    Args:
        model: `TrainingModel`.
        run: `Run`.
        request: `signals.StopRequest`. Called before each batch.

    Returns:
        `Validation`, or `None` without a validation split.
    """
    if not run.splits.validation:
        return None
    evaluator = evaluator_lib.Evaluator(
        model, run.task, run.splits.validation, run.strategy
    )
    return callbacks.Validation(
        lambda: evaluator.evaluate(on_batch=request),
        run.task.objective,
        run.config.trainer.best_metric,
        run.config.trainer.log_reports and run.workers.is_chief,
    )


def make_network(config, num_outputs, model_config=None):
    """Builds the network with random weights of the seed or with a preset.

    Args:
        config: `ExperimentConfig`.
        num_outputs: int. Number of logits.
        model_config: Config of the model as the inputs resolved it; `None`
            means the one in `config`.

    Returns:
        `keras.Model`.

    Raises:
        ConfigError: The preset does not fit the model, or a layer mixes the
            rows of a batch.
    """
    model_config = model_config or config.model
    keras.utils.set_random_seed(config.seed)
    network = tfmodels.make_network(
        model_config, num_outputs, dtype_policy=config.trainer.dtype_policy
    )
    _check_rows_are_independent(network)
    try:
        model_config.load_pretrained(network)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return network


def _set_bias(network, logits):
    """Sets the bias of the last layer, so that it adds to these logits."""
    bias = getattr(network.layers[-1], "bias", None)
    if logits is not None and bias is not None and bias.shape == logits.shape:
        bias.assign(logits)


def _check_rows_are_independent(network):
    """Refuses layers that mix the rows of a batch in training.

    A run computes what one device would compute, and rows that fill a batch
    count as nothing. Statistics of a batch break both: they contain those rows,
    and each replica and each part of an accumulated batch has its own. So does
    a loss of activations, a sum over the rows that has no weights.

    It cannot find a layer of the user that does so, see CONTRIBUTING.md.
    """
    for layer in network._flatten_layers():
        # Frozen or not: it also changes the layers before it. A layer
        # `ActivityRegularization` has this attribute, too.
        if getattr(layer, "activity_regularizer", None) is not None:
            name = layer.path or layer.name
            raise ConfigError(
                f"`config.model`: the layer {name!r} must not have an "
                "`activity_regularizer`: its loss counts the rows that fill "
                "the last batch, so the result depends on the number of "
                "replicas and on --config.optimizer.accumulation_steps. "
                "Remove it, or use a `kernel_regularizer`."
            )
        # A frozen layer uses its stored statistics.
        if (
            isinstance(layer, keras.layers.BatchNormalization)
            and layer.trainable
        ):
            raise ConfigError(
                f"`config.model`: the layer {layer.path!r} must not be a "
                f"{type(layer).__name__}: in training, its result for a row "
                "depends on the other rows of the batch, so also on the rows "
                "that fill the last batch, on the number of replicas and on "
                "--config.optimizer.accumulation_steps. Use "
                "GroupNormalization or LayerNormalization, or freeze the "
                "layer with `trainable=False`."
            )


def make_training_model(network, config, task, steps, compiler=compiling.plain):
    """Returns the compiled model; call it inside `strategy.scope()`.

    Args:
        network: `keras.Model` from preprocessed features to logits.
        config: `ExperimentConfig`.
        task: `Task` of the data.
        steps: `Steps`.
        compiler: As for `TrainingModel.from_network`.

    Returns:
        `TrainingModel`.
    """
    # `compile` reads the model's own policy: under mixed_float16 it adds loss
    # scaling to the optimizer.
    with tfmodels.set_dtype_policy(config.trainer.dtype_policy):
        model = TrainingModel.from_network(
            network,
            task,
            global_clipnorm=float(config.optimizer.global_clipnorm),
            accumulation_steps=config.optimizer.accumulation_steps,
            compiler=compiler,
        )
    model.compile(
        optimizer=optimizers.make_optimizer(
            config.optimizer,
            steps.per_epoch * (config.trainer.epochs - steps.first_epoch),
            model.trainable_variables,
            first_step=steps.per_epoch * steps.first_epoch,
        ),
        # `compiler` does it.
        jit_compile=False,
        steps_per_execution=steps.per_execution,
    )
    model.optimizer.build(model.trainable_variables)
    return model
