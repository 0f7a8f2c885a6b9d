"""The points that the tracker of TensorBoard writes."""

import math

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from trainers.config.experiment import ExperimentConfig
from trainers.training.trackers.tensorboard import TensorBoard


def read(workdir):
    """Returns the values of each curve of `train`, by step."""
    events = event_accumulator.EventAccumulator(
        str(workdir / "tensorboard" / "train"), {"tensors": 0}
    )
    events.Reload()
    return {
        tag: {
            event.step: float(tf.make_ndarray(event.tensor_proto))
            for event in events.Tensors(tag)
        }
        for tag in ("mse", "mae")
    }


@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_above_float32_are_left_out_with_one_warning(
    sign, tmp_path, caplog
):
    tracker = TensorBoard(tmp_path)
    tracker.begin(ExperimentConfig(), ("train",), None)
    largest = float(np.finfo(np.float32).max)
    tracker.numbers(1, "train", {"mse": sign * 7e76, "mae": sign * largest})
    tracker.numbers(2, "train", {"mse": sign * 7e75, "mae": math.inf})
    tracker.numbers(3, "train", {"mse": 0.5, "mae": 0.25})
    tracker.stop(None)
    assert read(tmp_path) == {
        "mse": {3: 0.5},
        "mae": {1: sign * largest, 2: math.inf, 3: 0.25},
    }
    assert [record.getMessage() for record in caplog.records] == [
        f"TensorBoard has no point of train/mse for {sign * 7e76:.4g} at step "
        "1, nor for later numbers above 3.4e38, the largest of its files"
    ]
