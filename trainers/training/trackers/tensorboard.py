"""Writes event files for TensorBoard: curves, graph, images, matrix."""

import logging
import math
import os

import numpy as np

from trainers.config import tree
from trainers.training.trackers.tracker import Tracker

# TensorBoard's files contain curves in float32.
_LARGEST = float(np.finfo(np.float32).max)


class TensorBoard(Tracker):
    """Writes `train/` and `validation/` with training steps as global step.

    The curves of a run therefore lie over each other. A resumed run cuts the
    files to their sizes at the checkpoint, so that each step has one point.
    """

    def __init__(self, workdir):
        """Makes the tracker; writes nothing."""
        super().__init__(workdir)
        self._directory = workdir / "tensorboard"
        self._writers = {}
        self._too_large = set()  # Curves that lack a point.

    def get_state(self):
        """Returns the size of each event file in bytes."""
        return {
            file.relative_to(self._directory).as_posix(): file.stat().st_size
            for file in event_files(self._directory)
        }

    def begin(self, config, splits, state):
        """Cuts the files to their sizes in the state, and opens new ones."""
        import tensorflow as tf  # Here: the flags are checked without it.
        from tensorboard.plugins.hparams import api as hparams_api

        self._cut(state or {})  # Without a state, it removes all files.
        self._writers = {
            split: tf.summary.create_file_writer(str(self._directory / split))
            for split in splits
        }
        if state is None:
            # The HParams table shows the metrics of its own event file. Users
            # compare runs by the validation metrics, if there are any.
            with self._last.as_default(step=0):
                hparams_api.hparams(_hparams(config))

    def _cut(self, sizes):
        for file in event_files(self._directory):
            size = sizes.get(file.relative_to(self._directory).as_posix())
            if size is None:
                file.unlink()
            elif size < file.stat().st_size:
                os.truncate(file, size)

    @property
    def _last(self):
        return list(self._writers.values())[-1]

    def graph(self, graph):
        """Writes the graph."""
        import tensorflow as tf

        with self._writers["train"].as_default(step=0):
            tf.summary.graph(graph)

    def examples(self, pixels, labels):
        """Writes the images, with their labels as description."""
        import tensorflow as tf

        with self._writers["train"].as_default(step=0):
            tf.summary.image(
                "input",
                pixels,
                max_outputs=len(pixels),
                description="First batch, left to right: " + ", ".join(labels),
            )

    def numbers(self, step, split, values):
        """Writes a point of each curve."""
        import tensorflow as tf

        with self._writers[split].as_default(step=step):
            for name, value in values.items():
                if math.isfinite(value) and abs(value) > _LARGEST:
                    self._leave_out(step, f"{split}/{name}", value)
                else:
                    tf.summary.scalar(name, value)

    def _leave_out(self, step, curve, value):
        """Warns of the first point that a curve cannot have."""
        if curve not in self._too_large:
            self._too_large.add(curve)
            logging.getLogger(__name__).warning(
                "TensorBoard has no point of %s for %.4g at step %d, nor for "
                "later numbers above 3.4e38, the largest of its files",
                curve,
                value,
                step,
            )

    def picture(self, step, name, pixels):
        """Writes the picture."""
        import tensorflow as tf

        with self._last.as_default(step=step):
            tf.summary.image(name, pixels[None])

    def text(self, step, name, text):
        """Writes the text."""
        import tensorflow as tf

        with self._last.as_default(step=step):
            tf.summary.text(name, text)

    def flush(self, step):
        """Writes to the files what TensorFlow still has in memory."""
        for writer in self._writers.values():
            writer.flush()

    def end(self, step, metrics, export):
        """Marks the HParams session as finished and closes the files."""
        import tensorflow as tf
        from tensorboard.plugins.hparams import api_pb2
        from tensorboard.plugins.hparams import summary as hparams_summary

        with self._last.as_default():
            tf.summary.experimental.write_raw_pb(
                hparams_summary.session_end_pb(
                    api_pb2.STATUS_SUCCESS
                ).SerializeToString(),
                step=0,
            )
        self.stop(None)

    def stop(self, error):
        """Closes the files."""
        for writer in self._writers.values():
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
