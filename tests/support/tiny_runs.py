"""Tiny runs that can be interrupted between any two steps, for tests.

A `Life` is what one process would do: restore, train, be stopped or killed.
All that takes part is the real thing, on images of 4 x 4 pixels.
"""

import dataclasses
import json

import keras
import numpy as np
import pytest

import tfmodels
from trainers import tasks
from trainers.config import experiment
from trainers.data.examples import Examples
from trainers.data.examples import Splits
from trainers.data.places import Places
from trainers.distribution import strategies
from trainers.distribution.workers import ALONE
from trainers.run import identity as identity_lib
from trainers.run.workdir import Workdir
from trainers.runtime.signals import Stopped
from trainers.runtime.signals import StopRequest
from trainers.training import checkpointing
from trainers.training import fitting
from trainers.training import state
from trainers.training import steps as steps_lib
from trainers.training import tracking
from trainers.training.trackers import loading

BATCH_SIZE = 4
NUM_EXAMPLES = 15  # 4 steps, the last with a row of padding.
PER_EPOCH = 4
EPOCHS = 3
STEPS = PER_EPOCH * EPOCHS
TIMES = ("seconds", "examples_per_second", "input_wait_share")


class Killed(BaseException):
    """Ends a life without a word, as a signal 9 would."""


def make_config(**changes):
    """Returns an `ExperimentConfig`; `part__name=value` changes a setting."""
    config = experiment.ExperimentConfig()
    config.model = tfmodels.MnistMlpConfig(
        image_shape=(4, 4), hidden_dims=(8,), dropout=0.25
    )
    config.data.random_shift = 0.25
    config.data.global_batch_size = BATCH_SIZE
    config.optimizer.learning_rate = 0.01
    config.trainer.epochs = EPOCHS
    config.trainer.num_logical_cpus = 2
    config.trainer.save_every_seconds = 0.0
    config.trainer.steps_per_execution = 1
    for name, value in changes.items():
        part, _, leaf = name.partition("__")
        setattr(getattr(config, part), leaf, value)
    return config


def make_examples(num_examples, seed=0):
    """Returns `Examples` of noise in three classes."""
    rng = np.random.default_rng(seed)
    return Examples(
        {"image": rng.integers(0, 256, (num_examples, 4, 4), np.uint8)},
        rng.integers(0, 3, num_examples).astype(np.int32),
        Places.numbered("row ", range(num_examples)),
    )


def make_model(config):
    """Returns a compiled `TrainingModel` on the strategy of a config."""
    strategy = strategies.make_strategy(config.trainer)
    task = tasks.make_task(config)
    with strategy.scope():
        return fitting.make_training_model(
            fitting.make_network(config, 3),
            config,
            task,
            steps_lib.Steps(BATCH_SIZE, PER_EPOCH, 1),
        )


class Record(keras.callbacks.Callback):
    """Remembers all variables after each step, and what others are told."""

    def __init__(self):
        super().__init__()
        self.batches = []
        self.states = {}

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append((self._epoch, batch, float(logs["loss"])))
        step = self._epoch * PER_EPOCH + batch + 1
        self.states[step] = state.read(self.model)


class Interrupt(keras.callbacks.Callback):
    """Stops or kills a run after a step, counted over all epochs."""

    def __init__(self, request, stop_at=None, kill_at=None):
        super().__init__()
        self._request = request
        self._stop_at = stop_at
        self._kill_at = kill_at

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        step = self._epoch * PER_EPOCH + batch + 1
        if step == self._stop_at:
            self._request.signal_name = "SIGTERM"
        if step == self._kill_at:
            raise Killed


class InValidation(StopRequest):
    """A request that comes before a batch of a validation."""

    def __init__(self, calls_before):
        super().__init__()
        self._left = calls_before

    def __call__(self):
        if self._left == 0:
            self.signal_name = "SIGINT"
        self._left -= 1
        super().__call__()


@dataclasses.dataclass
class Life:
    """One process of a run, after its end.

    Attributes:
        paths: `Workdir`.
        record: `Record`.
        restored: `Position` from which it went on, or `None`.
        ended: "done", "stopped" or "killed".
        message: Text of `Stopped`.
    """

    paths: Workdir
    record: Record
    restored: checkpointing.Position | None
    ended: str
    message: str = ""

    @property
    def model(self):
        """The `TrainingModel`."""
        return self.record.model

    def state(self):
        """Returns all variables, arrays by name."""
        return state.read(self.model)

    def history(self):
        """Returns `history.json` without times."""
        epochs = json.loads((self.paths.path / "history.json").read_text())
        return [
            {n: v for n, v in epoch.items() if n not in TIMES}
            for epoch in epochs
        ]

    def best(self):
        """Returns step and arrays of the best weights."""
        ((step, path),) = self.paths.best.steps.paths().items()
        with np.load(path / "weights.npz") as archive:
            return step, {name: archive[name] for name in archive.files}

    def kept(self):
        """Returns the steps that have a checkpoint, lowest first."""
        return sorted(self.paths.checkpoints.paths())


def make_loaded(config, num_validation):
    """Returns the task of a config and `Splits` of noise."""
    task = tasks.make_task(config)
    task = tasks.Task(task.inputs, task.objective.restored(["a", "b", "c"]))
    task.inputs.eval_batch_size = 2
    splits = Splits(
        make_examples(NUM_EXAMPLES),
        make_examples(num_validation, 1) if num_validation else None,
    )
    return task, splits


def shift_datasets(patch, dataset_step):
    """Lets training batches begin at another step than the one asked for."""
    make_dataset = fitting.make_dataset

    def make_shifted(*parts):
        *parts, start_step, shard = parts
        return make_dataset(*parts, dataset_step(start_step), shard)

    patch.setattr(fitting, "make_dataset", make_shifted)


def live(
    config,
    workdir,
    *,
    loaded=None,
    stop_at=None,
    kill_at=None,
    request=None,
    num_validation=6,
    trackers=False,
    further=(),
    change_fn=None,
    dataset_step=None,
):
    """Runs a process of a run to its end, and returns its `Life`.

    Args:
        config: `ExperimentConfig`.
        workdir: Directory of the run.
        loaded: `(task, splits)` of `NUM_EXAMPLES` examples; `None` makes
            images.
        stop_at, kill_at: Step after which it is stopped or killed.
        request: `StopRequest`; `None` means one that `stop_at` fills in.
        num_validation: Examples of the validation split.
        trackers: Whether the trackers of the config are called.
        further: More callbacks.
        change_fn: Changes the restored `Checkpoint`, for negative controls.
        dataset_step: From the first step to another one, likewise.
    """
    paths = Workdir(workdir)
    paths.path.mkdir(exist_ok=True)
    task, splits = loaded or make_loaded(config, num_validation)
    strategy = strategies.make_strategy(config.trainer)
    replicas = strategy.num_replicas_in_sync
    identity = identity_lib.identity(
        config, splits, task.objective.state(), {}, replicas
    )
    checkpoint = checkpointing.restore_latest(paths, identity)
    restored = checkpoint and checkpoint.position
    if checkpoint and change_fn:
        change_fn(checkpoint)
    first_batch = restored.batch if restored else 0
    steps = steps_lib.plan(config, NUM_EXAMPLES, replicas, first_batch)
    run = fitting.Run(config, task, splits, steps, strategy, ALONE, paths)
    names = config.trainer.trackers if trackers else ()
    trackers = tracking.Trackers(loading.load(names), paths.path)
    record = Record()
    life = Life(paths, record, restored, "done")
    request = request or StopRequest()
    with (
        pytest.MonkeyPatch.context() as patch,
        checkpointing.Writer(
            paths,
            identity,
            config.trainer.keep_checkpoints,
            checkpoint and checkpoint.best_step,
        ) as writer,
    ):
        if dataset_step:
            shift_datasets(patch, dataset_step)
        try:
            fitting.fit(
                run,
                *fitting.make_models(run),
                writer,
                checkpoint,
                trackers=trackers,
                observers=[
                    record,
                    *further,
                    Interrupt(request, stop_at, kill_at),
                ],
                request=request,
            )
            metrics = {"test": {"accuracy": 0.75, "num_examples": 4}}
            trackers.end(STEPS, metrics, None)
        except Stopped as stopped:
            trackers.call("stop", stopped)
            life.ended, life.message = "stopped", str(stopped)
        except Killed:
            life.ended = "killed"
    return life


def differing(a, b):
    """Returns the names of arrays whose bits are not the same."""
    return sorted(
        name
        for name in a.keys() | b.keys()
        if name not in a
        or name not in b
        or a[name].dtype != b[name].dtype
        or a[name].shape != b[name].shape
        or a[name].tobytes() != b[name].tobytes()
    )


def assert_same_end(life, whole):
    """Compares the ends of two runs, bit for bit."""
    assert life.ended == whole.ended == "done"
    assert differing(life.state(), whole.state()) == []
    assert life.history() == whole.history()
    step, arrays = life.best()
    whole_step, whole_arrays = whole.best()
    assert step == whole_step
    assert differing(arrays, whole_arrays) == []
