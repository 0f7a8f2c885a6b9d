"""Feeds the trackers of a run; no failure of a tracker ends the run."""

import contextlib
import functools
import json
import logging

import keras
import numpy as np
import tensorflow as tf

from trainers.runtime import atomic
from trainers.runtime import startup
from trainers.training.trackers.tracker import Tracker

_NUM_EXAMPLES = 16


class Trackers:
    """The trackers of a run, called one after the other.

    If one raises an error, it is a warning, and the tracker is off until the
    process ends. In a `with` block, an error that ends the block stops them.
    """

    def __init__(self, classes, workdir):
        """Makes the object; makes no tracker yet.

        Args:
            classes: Dict from `loading.load`.
            workdir: pathlib.Path. The work directory of the run.
        """
        self._classes = classes
        self._workdir = workdir
        self._active = {}
        # Also of trackers that failed, or that this process does not have, so
        # that they can resume later.
        self._states = {}

    def begin(self, config, splits, states):
        """Starts or resumes all trackers.

        Args:
            config: `ExperimentConfig`.
            splits: Tuple of str.
            states: Dict by name, from `states` of an earlier process.
        """
        self._states = dict(states)
        # A process that was killed while it wrote a file left these.
        for path in atomic.temporaries(self._workdir / "tracking"):
            path.unlink()
        for name, make in self._classes.items():
            with self._guarded(name):
                self._active[name] = make(self._workdir)
        for name, tracker in list(self._active.items()):
            with self._guarded(name):
                tracker.begin(config, splits, self._states.get(name))

    def call(self, method, *args):
        """Calls a method of all trackers.

        Args:
            method: str. Name of a method of `Tracker`.
            args: Its arguments.
        """
        for name, tracker in list(self._active.items()):
            with self._guarded(name):
                getattr(tracker, method)(*args)

    def call_new(self, method, make_args):
        """Calls a method of the trackers that began without a state.

        Args:
            method: str. Name of a method of `Tracker`.
            make_args: Function without arguments. Returns the arguments as a
                tuple, or `None` if there is nothing to call with. It is not
                called if no tracker needs them. Its error is a warning.
        """
        new = {n: t for n, t in self._active.items() if n not in self._states}
        if not _defining(new.values(), method):
            return
        args = None
        with warned(method):
            args = make_args()
        for name, tracker in new.items() if args is not None else ():
            with self._guarded(name):
                getattr(tracker, method)(*args)

    def need(self, method):
        """Returns whether a tracker defines a method.

        Args:
            method: str. Name of a method of `Tracker`.
        """
        return bool(_defining(self._active.values(), method))

    def states(self):
        """Returns the states for a checkpoint, by name."""
        for name, tracker in list(self._active.items()):
            with self._guarded(name):
                # Fails here, and not in the writer of checkpoints.
                self._states[name] = json.loads(json.dumps(tracker.get_state()))
        return dict(self._states)

    def end(self, step, metrics, export):
        """Ends all trackers.

        Args:
            step, metrics, export: As for `Tracker.end`.
        """
        self.call("end", step, metrics, export)
        self._active = {}

    def __enter__(self):
        """Returns the trackers."""
        return self

    def __exit__(self, kind, error, trace):
        """Stops the trackers after an error."""
        if error is not None:
            self.call("stop", error)

    @contextlib.contextmanager
    def _guarded(self, name):
        """Turns an error into a warning, and the tracker off."""
        try:
            yield
        except Exception as error:
            self._active.pop(name, None)
            logging.getLogger(__name__).warning(
                "the tracker %s failed and is off in this process: %s",
                name,
                _reason(error),
            )


@contextlib.contextmanager
def warned(what):
    """Turns an error in a `with` block into a warning.

    Args:
        what: str. What the block makes for the trackers, such as "pictures".
    """
    try:
        yield
    except Exception as error:
        logging.getLogger(__name__).warning(
            "the trackers get no %s in this process: %s", what, _reason(error)
        )


def _reason(error):
    reason = startup.tensorflow_reason(error) or (
        f"{type(error).__name__}: {' '.join(str(error).split())}"
    )
    return reason[:500]


def _defining(trackers, method):
    default = getattr(Tracker, method)
    return [t for t in trackers if getattr(type(t), method) is not default]


class Tracking(keras.callbacks.Callback):
    """Feeds trackers from the callbacks of `model.fit`."""

    def __init__(
        self,
        trackers,
        *,
        config,
        objective,
        make_dataset_fn,
        validation,
        steps_per_epoch,
    ):
        """Makes the callback.

        Args:
            trackers: `Trackers`.
            config: `ExperimentConfig`.
            objective: Objective of the task.
            make_dataset_fn: Function from a first step to training batches
                `(features, targets, weights)`.
            validation: `Validation` callback that runs before this one, or
                `None`.
            steps_per_epoch: int.
        """
        super().__init__()
        self._trackers = trackers
        self._config = config
        self._objective = objective
        self._make_dataset_fn = make_dataset_fn
        self._validation = validation
        self._steps_per_epoch = steps_per_epoch
        self._states = {}
        # Methods of trackers whose arguments could not be made.
        self._failed = set()

    def get_state(self):
        """Returns the state of each tracker by name."""
        return self._trackers.states()

    def set_state(self, state):
        """Takes the states back; a tracker that is not there begins as new."""
        self._states = dict(state)

    def on_train_begin(self, logs=None):
        """Starts the trackers; new ones get graph and images."""
        splits = ("train",) + ("validation",) * (self._validation is not None)
        self._trackers.begin(self._config, splits, self._states)
        make_dataset = functools.cache(lambda: self._make_dataset_fn(0))
        self._trackers.call_new("graph", lambda: self._graph(make_dataset()))
        self._trackers.call_new(
            "examples", lambda: self._examples(make_dataset())
        )
        self._trackers.call_new("flush", lambda: (0,))

    def _graph(self, dataset):
        specs = tf.nest.map_structure(
            lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype),
            dataset.element_spec[0],
        )
        forward = tf.function(
            lambda x: self.model(x, training=False), autograph=False
        )
        return (forward.get_concrete_function(specs).graph,)

    def _examples(self, dataset):
        if "image" not in dataset.element_spec[0]:
            return None
        features, targets, weights = next(iter(dataset))
        rows = np.flatnonzero(weights.numpy() > 0)[:_NUM_EXAMPLES]
        images = tf.gather(features["image"], rows)
        if images.shape.rank == 3:
            images = images[..., None]
        pixels = tf.image.convert_image_dtype(
            tf.clip_by_value(images, 0.0, 1.0), tf.uint8, saturate=True
        )
        labels = [""] * len(rows)
        if targets is not None:
            # Row by row, because rows can have different lengths.
            labels = [
                self._objective.describe(targets[row].numpy()) for row in rows
            ]
        return pixels.numpy(), labels

    def on_epoch_end(self, epoch, logs=None):
        """Reports the numbers and pictures of the epoch."""
        step = (epoch + 1) * self._steps_per_epoch
        train = {
            name: float(value)
            for name, value in logs.items()
            if not name.startswith("val_") and name != "seconds"
        }
        rate = self.model.optimizer.learning_rate
        train["learning_rate"] = float(rate.numpy())
        self._trackers.call("numbers", step, "train", train)
        if self._validation is not None:
            values = {
                name.removeprefix("val_"): float(value)
                for name, value in logs.items()
                if name.startswith("val_")
            }
            self._trackers.call("numbers", step, "validation", values)
            self._show(step, "picture", self._objective.pictures)
            self._show(step, "text", self._objective.texts)
        self._trackers.call("flush", step)

    def _show(self, step, method, make):
        """Calls a method of the trackers with what the objective makes."""
        if method in self._failed or not self._trackers.need(method):
            return
        made = {}
        self._failed.add(method)
        with warned(f"{method}s"):
            made = dict(make(self._validation.result))
            self._failed.remove(method)
        for name, value in made.items():
            self._trackers.call(method, step, name, value)
