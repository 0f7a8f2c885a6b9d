"""Writes event files for TensorBoard: curves, graph, images, matrix."""

import os

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams_summary

from trainers.config import tree

_NUM_IMAGES = 16


class TensorBoard(keras.callbacks.Callback):
    """Writes `train/` and `validation/` with training steps as global step.

    The curves of a run therefore lie over each other. A resumed run cuts the
    files to their sizes at the checkpoint, so that each step has one point.
    """

    def __init__(
        self,
        directory,
        *,
        config,
        objective,
        make_dataset_fn,
        validation,
        steps_per_epoch,
    ):
        """Makes the callback.

        Args:
            directory: pathlib.Path. `tensorboard/` of a work directory.
            config: `ExperimentConfig`, for HParams.
            objective: Objective of the task.
            make_dataset_fn: Function from a first step to training batches
                `(features, labels, weights)`.
            validation: `Validation` callback that runs before this one, or
                `None`.
            steps_per_epoch: int.
        """
        super().__init__()
        self._directory = directory
        self._config = config
        self._objective = objective
        self._make_dataset_fn = make_dataset_fn
        self._validation = validation
        self._steps_per_epoch = steps_per_epoch
        self._is_new = True
        self._writers = []

    def get_state(self):
        """Returns the size of each event file in bytes."""
        return {
            file.relative_to(self._directory).as_posix(): file.stat().st_size
            for file in event_files(self._directory)
        }

    def set_state(self, state):
        """Cuts the files to these sizes and removes other files."""
        self._is_new = not state
        for file in event_files(self._directory):
            size = state.get(file.relative_to(self._directory).as_posix())
            if size is None:
                file.unlink()
            elif size < file.stat().st_size:
                os.truncate(file, size)

    def on_train_begin(self, logs=None):
        """Opens the files; in a new run, writes settings, graph and images."""
        if self._is_new:
            self.set_state({})  # Files of a process without a checkpoint.
        names = ["train"] + ["validation"] * (self._validation is not None)
        self._writers = [
            tf.summary.create_file_writer(str(self._directory / name))
            for name in names
        ]
        self._train = self._writers[0]
        if not self._is_new:
            return
        # The HParams table shows the metrics of its own event file. Users
        # compare runs by the validation metrics, if there are any.
        with self._writers[-1].as_default(step=0):
            hparams_api.hparams(_hparams(self._config))
        with self._train.as_default(step=0):
            dataset = self._make_dataset_fn(0)
            self._write_graph(dataset)
            self._write_images(dataset)
        self._flush()

    def _write_graph(self, dataset):
        specs = tf.nest.map_structure(
            lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype),
            dataset.element_spec[0],
        )
        forward = tf.function(
            lambda x: self.model(x, training=False), autograph=False
        )
        tf.summary.graph(forward.get_concrete_function(specs).graph)

    def _write_images(self, dataset):
        if "image" not in dataset.element_spec[0]:
            return
        features, labels, weights = next(iter(dataset))
        images = tf.boolean_mask(features["image"], weights > 0)
        labels = tf.boolean_mask(labels, weights > 0)
        if images.shape.rank == 3:
            images = images[..., None]
        tf.summary.image(
            "input",
            tf.clip_by_value(images, 0.0, 1.0),
            max_outputs=_NUM_IMAGES,
            description="First batch, left to right: "
            + ", ".join(
                self._objective.describe(label)
                for label in labels[:_NUM_IMAGES]
            ),
        )

    def on_epoch_end(self, epoch, logs=None):
        """Writes the curves of an epoch and the confusion matrix."""
        step = (epoch + 1) * self._steps_per_epoch
        with self._train.as_default(step=step):
            for name, value in logs.items():
                if not name.startswith("val_") and name != "seconds":
                    tf.summary.scalar(name, value)
            tf.summary.scalar(
                "learning_rate",
                self.model.optimizer.learning_rate.numpy(),
            )
        if self._validation is not None:
            with self._writers[-1].as_default(step=step):
                for name, value in logs.items():
                    if name.startswith("val_"):
                        tf.summary.scalar(name.removeprefix("val_"), value)
                metrics = self._validation.result
                for name, picture in self._objective.pictures(metrics).items():
                    tf.summary.image(name, picture[np.newaxis])
        self._flush()

    def _flush(self):
        for writer in self._writers:
            writer.flush()

    def on_train_end(self, logs=None):
        """Marks the HParams session as finished and closes the files."""
        with self._writers[-1].as_default():
            tf.summary.experimental.write_raw_pb(
                hparams_summary.session_end_pb(
                    api_pb2.STATUS_SUCCESS
                ).SerializeToString(),
                step=0,
            )
        for writer in self._writers:
            writer.close()


def event_files(directory):
    """Returns the paths of the event files, sorted.

    Args:
        directory: pathlib.Path. `tensorboard/` of a work directory.
    """
    return sorted(directory.glob("*/events.out.tfevents.*"))


def _hparams(config):
    """Returns the settings in the types of HParams: number, bool, text."""
    return {
        name.removeprefix("config."): value
        if isinstance(value, (bool, int, float, str))
        else ",".join(map(str, value))
        for name, _, value in tree.leaves(config)
        if value != ""
    }
