"""Weights on disk: the same bits back, or a message."""

import os

import keras
import numpy as np
import pytest

from tfmodels import MnistMlpConfig
from tfmodels import make_model
from trainers import artefacts
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.weights import Checkpoints


def make_network(seed, hidden_dims=(3, 2), dropout=0.0, num_classes=4):
    keras.utils.set_random_seed(seed)
    config = MnistMlpConfig(
        image_shape=(2, 2), hidden_dims=hidden_dims, dropout=dropout
    )
    return make_model(config, num_classes)


def bits(network):
    return {w.path: w.numpy().tobytes() for w in network.weights}


def save(directory, network, step=1):
    checkpoints = Checkpoints(directory)
    checkpoints.save(network, step=step, facts={"epoch": 2})
    return directory / f"step-{step:08d}"


def test_weights_come_back_bit_by_bit(tmp_path):
    saved = make_network(1)
    # Values that a detour over text or float16 would change.
    saved.weights[0].assign(
        np.array(
            [
                [1 / 3, -0.0, 1e-45],
                [3.4e38, np.pi, -1e-30],
                [np.nextafter(np.float32(1), np.float32(2)), 0, 1],
                [1, 2, 3],
            ],
            np.float32,
        )
    )
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(saved, step=7, facts={"metrics": {"loss": 0.25}})
    restored = make_network(2)
    assert bits(restored) != bits(saved)
    facts = checkpoints.restore_best(restored)
    assert bits(restored) == bits(saved)
    assert facts == {"step": 7, "metrics": {"loss": 0.25}}
    image = np.ones((5, 2, 2), np.float32)
    np.testing.assert_array_equal(
        restored({"image": image}), saved({"image": image})
    )


def test_dropout_has_no_weights_of_its_own(tmp_path):
    saved = make_network(1, dropout=0.5)
    save(tmp_path, saved)
    restored = make_network(2)
    Checkpoints(tmp_path).restore_best(restored)
    assert bits(restored) == bits(saved)


def test_a_new_best_replaces_the_one_before(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in (5, 10, 100_000_000 - 1):
        network = make_network(step)
        checkpoints.save(network, step=step, facts={})
        assert os.listdir(tmp_path) == [f"step-{step:08d}"]
    restored = make_network(1)
    assert checkpoints.restore_best(restored) == {"step": 99_999_999}
    assert bits(restored) == bits(network)


def test_the_highest_step_wins_where_a_removal_was_cut_off(tmp_path):
    other = tmp_path / "other"
    for step in (10, 9):
        path = save(other, make_network(step), step)
        path.rename(tmp_path / path.name)
    restored = make_network(1)
    assert Checkpoints(tmp_path).restore_best(restored)["step"] == 10
    assert bits(restored) == bits(make_network(10))


def test_a_half_written_checkpoint_is_no_checkpoint(tmp_path):
    path = save(tmp_path, make_network(1))
    path.rename(tmp_path / f"{path.name}.tmp-123")
    with pytest.raises(ConfigError):
        Checkpoints(tmp_path).restore_best(make_network(2))


@pytest.mark.parametrize("exists", [True, False])
def test_no_checkpoint_is_a_wrong_workdir(exists, tmp_path):
    directory = tmp_path / "run" / "checkpoints"
    if exists:
        directory.mkdir(parents=True)
    with pytest.raises(ConfigError) as error:
        Checkpoints(directory).restore_best(make_network(1))
    assert str(error.value) == (
        "`--workdir` must be the directory of a run with a checkpoint. "
        f"Received: {str(tmp_path / 'run')!r}."
    )


@pytest.mark.parametrize(
    "other, difference",
    [
        (
            {"hidden_dims": (3, 5)},
            "hidden_1/bias (2,), the model has (5,); "
            "hidden_1/kernel (3, 2), the model has (3, 5); "
            "logits/kernel (2, 4), the model has (5, 4)",
        ),
        (
            {"hidden_dims": (3,)},
            "hidden_1/bias (2,), the model has none; "
            "hidden_1/kernel (3, 2), the model has none; "
            "logits/kernel (2, 4), the model has (3, 4)",
        ),
        (
            {"hidden_dims": (3, 2, 2)},
            "hidden_2/bias missing, the model has (2,); "
            "hidden_2/kernel missing, the model has (2, 2)",
        ),
        (
            {"num_classes": 5},
            "logits/bias (4,), the model has (5,); "
            "logits/kernel (2, 4), the model has (2, 5)",
        ),
    ],
    ids=["size", "fewer", "more", "classes"],
)
def test_another_network_is_refused_and_left_as_it_is(
    other, difference, tmp_path
):
    path = save(tmp_path, make_network(1))
    network = make_network(2, **other)
    before = bits(network)
    with pytest.raises(RunError) as error:
        Checkpoints(tmp_path).restore_best(network)
    assert str(error.value) == (
        f"{path} does not fit the model in the configuration: {difference}."
    )
    assert bits(network) == before


def test_at_most_ten_differences_are_listed(tmp_path):
    save(tmp_path, make_network(1, hidden_dims=(2,) * 12))
    with pytest.raises(RunError) as error:
        Checkpoints(tmp_path).restore_best(make_network(1, hidden_dims=()))
    assert str(error.value).count("the model has") == 10


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_file_is_refused(share, tmp_path):
    path = save(tmp_path, make_network(1))
    file = path / "weights.npz"
    os.truncate(file, int(file.stat().st_size * share))
    network = make_network(2)
    before = bits(network)
    with pytest.raises(RunError) as error:
        Checkpoints(tmp_path).restore_best(network)
    assert str(error.value) == f"{file}: missing or damaged."
    assert bits(network) == before


def test_a_checkpoint_without_manifest_is_refused(tmp_path):
    path = save(tmp_path, make_network(1))
    (path / artefacts.MANIFEST).unlink()
    with pytest.raises(RunError) as error:
        Checkpoints(tmp_path).restore_best(make_network(1))
    assert str(error.value).startswith(f"{path}: no readable manifest: ")


def test_a_step_is_not_saved_twice(tmp_path):
    first = make_network(1)
    save(tmp_path, first)
    with pytest.raises(OSError, match="not empty"):
        save(tmp_path, make_network(2))
    restored = make_network(3)
    Checkpoints(tmp_path).restore_best(restored)
    assert bits(restored) == bits(first)
