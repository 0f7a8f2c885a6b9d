"""Event files for TensorBoard: curves, graph, images, confusion matrix."""

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams_summary

from trainers import config as config_lib
from trainers.evaluation import plots

_NUM_IMAGES = 16


class TensorBoard(keras.callbacks.Callback):
    """Writes `train/` and `validation/` with one common global step.

    The step is the optimizer's count of training steps, so that the curves
    of a run lie over each other whatever is logged when.
    """

    def __init__(self, directory, *, config, class_names, dataset, validation):
        """Makes the callback.

        Args:
            directory: The `tensorboard` directory of a work directory.
            config: `ExperimentConfig`, for HParams.
            class_names: Names in label order.
            dataset: Training batches `(features, labels, weights)`.
            validation: `Validation` callback that ran before, or `None`.
        """
        super().__init__()
        self._config = config
        self._class_names = class_names
        self._dataset = dataset
        self._validation = validation
        self._train = tf.summary.create_file_writer(str(directory / "train"))
        self._writers = [self._train]
        if validation is not None:
            self._validation_writer = tf.summary.create_file_writer(
                str(directory / "validation")
            )
            self._writers.append(self._validation_writer)

    def on_train_begin(self, logs=None):
        """Writes settings, graph and input images."""
        # The HParams table shows the metrics of the run that it stands in:
        # those of validation, by which one chooses, where there are any.
        with self._writers[-1].as_default(step=0):
            hparams_api.hparams(_hparams(self._config))
        with self._train.as_default(step=0):
            self._write_graph()
            self._write_images()

    def _write_graph(self):
        specs = tf.nest.map_structure(
            lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype),
            self._dataset.element_spec[0],
        )
        forward = tf.function(lambda x: self.model(x, training=False))
        tf.summary.graph(forward.get_concrete_function(specs).graph)

    def _write_images(self):
        if "image" not in self._dataset.element_spec[0]:
            return
        features, labels, weights = next(iter(self._dataset))
        images = tf.boolean_mask(features["image"], weights > 0)
        labels = tf.boolean_mask(labels, weights > 0)
        if images.shape.rank == 3:
            images = images[..., None]
        tf.summary.image(
            "input",
            tf.clip_by_value(images, 0.0, 1.0),
            max_outputs=_NUM_IMAGES,
            description="First batch, left to right: "
            + ", ".join(self._class_names[i] for i in labels[:_NUM_IMAGES]),
        )

    def on_epoch_end(self, epoch, logs=None):
        """Writes the curves of an epoch and the confusion matrix."""
        step = self.model.steps_done
        with self._train.as_default(step=step):
            for name, value in logs.items():
                if not name.startswith("val_") and name != "seconds":
                    tf.summary.scalar(name, value)
            tf.summary.scalar(
                "learning_rate",
                self.model.optimizer.learning_rate.numpy(),
            )
        if self._validation is not None:
            with self._validation_writer.as_default(step=step):
                for name, value in logs.items():
                    if name.startswith("val_"):
                        tf.summary.scalar(name.removeprefix("val_"), value)
                matrix = self._validation.result["confusion_matrix"]
                picture = plots.confusion_matrix(matrix, self._class_names)
                tf.summary.image("confusion_matrix", picture[np.newaxis])
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


def _hparams(config):
    """Returns the settings as HParams takes them: numbers, bools, text."""
    return {
        name.removeprefix("config."): value
        if isinstance(value, (bool, int, float, str))
        else ",".join(map(str, value))
        for name, _, value in config_lib.leaves(config)
        if value != ""
    }
