"""Batches are on the device before their step; a second CPU is the GPU."""

import numpy as np
import tensorflow as tf
import tiny_runs

from trainers.data import pipeline


def test_batches_on_a_device_train_to_the_same_bits(tmp_path, monkeypatch):
    config = tiny_runs.make_config(trainer__steps_per_execution=2)
    expected = tiny_runs.live(config, tmp_path / "one").state()
    monkeypatch.setattr(pipeline, "_gpu", lambda: "CPU:1")
    places = []
    original = pipeline._prefetched

    def prefetched(dataset):
        dataset = original(dataset)
        (_, labels, _) = next(iter(dataset))
        places.append(labels.device)
        return dataset

    monkeypatch.setattr(pipeline, "_prefetched", prefetched)
    state = tiny_runs.live(config, tmp_path / "two").state()
    # Of training and of validation.
    assert [place[-5:] for place in places] == ["CPU:1"] * 2
    for name, array in expected.items():
        np.testing.assert_array_equal(state[name], array)


def test_what_a_device_cannot_take_stays_on_the_host(monkeypatch):
    monkeypatch.setattr(pipeline, "_gpu", lambda: "CPU:0")
    dense = tf.ones([2])
    ragged, texts = tf.ragged.constant([[1], []]), tf.constant(["a", "b"])
    for targets in (None, ragged, texts):
        dataset = tf.data.Dataset.from_tensors((dense, targets))
        assert pipeline._prefetched(dataset) is dataset
    dataset = tf.data.Dataset.from_tensors((dense, dense))
    assert pipeline._prefetched(dataset) is not dataset
