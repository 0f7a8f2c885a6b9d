"""Weights on disk: the same bits back, or a message."""

import hashlib
import os

import keras
import numpy as np
import pytest

from tfmodels import MnistMlpConfig
from tfmodels import make_network as make_any_network
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.run.best_weights import BestWeights
from trainers.run.best_weights import arrays_of
from trainers.run.best_weights import read_arrays
from trainers.runtime import atomic


def make_network(seed, hidden_dims=(3, 2), dropout=0.0, num_classes=4):
    keras.utils.set_random_seed(seed)
    config = MnistMlpConfig(
        image_shape=(2, 2), hidden_dims=hidden_dims, dropout=dropout
    )
    return make_any_network(config, num_classes)


def bits(network):
    return {w.path: w.numpy().tobytes() for w in network.weights}


def save(directory, network, step=1):
    best = BestWeights(directory)
    best.save(arrays_of(network), step=step, facts={"epoch": 2})
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
    best = BestWeights(tmp_path / "best")
    facts = {"metrics": {"loss": 0.25}, "time": "noon"}
    best.save(arrays_of(saved), step=7, facts=facts)
    restored = make_network(2)
    assert bits(restored) != bits(saved)
    found = best.restore(restored)
    assert bits(restored) == bits(saved)
    file = tmp_path / "best" / "step-00000007" / "weights.npz"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found == {"step": 7, "weights_sha256": sha256} | facts
    assert best.sha256() == sha256
    image = np.ones((5, 2, 2), np.float32)
    np.testing.assert_array_equal(
        restored({"image": image}), saved({"image": image})
    )


def test_dropout_has_no_weights_of_its_own(tmp_path):
    saved = make_network(1, dropout=0.5)
    save(tmp_path, saved)
    restored = make_network(2)
    BestWeights(tmp_path).restore(restored)
    assert bits(restored) == bits(saved)


def test_a_new_best_replaces_the_one_before(tmp_path):
    best = BestWeights(tmp_path)
    for step in (5, 10, 100_000_000 - 1):
        network = make_network(step)
        best.save(arrays_of(network), step=step, facts={})
        best.keep_only(step)
        assert os.listdir(tmp_path) == [f"step-{step:08d}"]
    restored = make_network(1)
    assert best.restore(restored)["step"] == 99_999_999
    assert bits(restored) == bits(network)


def test_the_highest_step_wins_where_a_removal_was_cut_off(tmp_path):
    other = tmp_path / "other"
    for step in (10, 9):
        path = save(other, make_network(step), step)
        path.rename(tmp_path / path.name)
    restored = make_network(1)
    assert BestWeights(tmp_path).restore(restored)["step"] == 10
    assert bits(restored) == bits(make_network(10))


def test_half_written_weights_are_none(tmp_path):
    path = save(tmp_path, make_network(1))
    path.rename(tmp_path / f"{path.name}.tmp-123")
    with pytest.raises(ConfigError):
        BestWeights(tmp_path).restore(make_network(2))


@pytest.mark.parametrize("exists", [True, False])
def test_no_weights_are_a_wrong_workdir(exists, tmp_path):
    directory = tmp_path / "run" / "best"
    if exists:
        directory.mkdir(parents=True)
    with pytest.raises(ConfigError) as error:
        BestWeights(directory).restore(make_network(1))
    assert str(error.value) == (
        "`--workdir` must be the directory of a run that finished an epoch. "
        f"Received: {str(tmp_path / 'run')!r}."
    )
    assert BestWeights(directory).sha256() is None


@pytest.mark.parametrize(
    "other, difference",
    [
        (
            {"hidden_dims": (3, 5)},
            "hidden_1/bias (2,) float32, the model has (5,) float32; "
            "hidden_1/kernel (3, 2) float32, the model has (3, 5) float32; "
            "logits/kernel (2, 4) float32, the model has (5, 4) float32",
        ),
        (
            {"hidden_dims": (3,)},
            "hidden_1/bias (2,) float32, the model has none; "
            "hidden_1/kernel (3, 2) float32, the model has none; "
            "logits/kernel (2, 4) float32, the model has (3, 4) float32",
        ),
        (
            {"hidden_dims": (3, 2, 2)},
            "hidden_2/bias missing, the model has (2,) float32; "
            "hidden_2/kernel missing, the model has (2, 2) float32",
        ),
        (
            {"num_classes": 5},
            "logits/bias (4,) float32, the model has (5,) float32; "
            "logits/kernel (2, 4) float32, the model has (2, 5) float32",
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
        BestWeights(tmp_path).restore(network)
    assert str(error.value) == (f"{path} does not fit the model: {difference}.")
    assert bits(network) == before


def test_at_most_ten_differences_are_listed(tmp_path):
    save(tmp_path, make_network(1, hidden_dims=(2,) * 12))
    with pytest.raises(RunError) as error:
        BestWeights(tmp_path).restore(make_network(1, hidden_dims=()))
    assert str(error.value).count("the model has") == 10


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_file_is_refused(share, tmp_path):
    path = save(tmp_path, make_network(1))
    file = path / "weights.npz"
    os.truncate(file, int(file.stat().st_size * share))
    network = make_network(2)
    before = bits(network)
    with pytest.raises(RunError) as error:
        BestWeights(tmp_path).restore(network)
    assert str(error.value) == f"{file}: missing or damaged."
    assert bits(network) == before


def test_a_checkpoint_without_manifest_is_refused(tmp_path):
    path = save(tmp_path, make_network(1))
    (path / atomic.MANIFEST).unlink()
    with pytest.raises(RunError) as error:
        BestWeights(tmp_path).restore(make_network(1))
    assert str(error.value).startswith(f"{path}: no readable manifest: ")


def test_weights_of_a_step_are_replaced_when_a_run_comes_there_again(tmp_path):
    save(tmp_path, make_network(1))
    save(tmp_path, make_network(2))
    assert os.listdir(tmp_path) == ["step-00000001"]
    restored = make_network(3)
    BestWeights(tmp_path).restore(restored)
    assert bits(restored) == bits(make_network(2))


def test_weights_stay_until_others_are_to_be_kept(tmp_path):
    for step in (3, 5, 10):
        save(tmp_path, make_network(step), step)
    weights = BestWeights(tmp_path)
    weights.keep_only(5)
    assert os.listdir(tmp_path) == ["step-00000005"]
    restored = make_network(1)
    assert weights.restore(restored)["step"] == 5
    assert bits(restored) == bits(make_network(5))
    weights.keep_only(None)
    assert os.listdir(tmp_path) == []


def test_the_copies_are_not_the_weights_themselves():
    network = make_network(1)
    arrays = arrays_of(network)
    assert {k: a.tobytes() for k, a in arrays.items()} == bits(network)
    network.weights[0].assign(network.weights[0] + 1)
    assert (
        arrays["hidden_0/kernel"].tobytes()
        == (bits(make_network(1))["hidden_0/kernel"])
    )


def test_weights_of_another_dtype_are_refused(tmp_path):
    path = tmp_path / "step-00000001"
    network = make_network(1)
    arrays = arrays_of(network)
    arrays["logits/bias"] = arrays["logits/bias"].astype(np.float64)
    BestWeights(tmp_path).save(arrays, step=1, facts={})
    with pytest.raises(RunError) as error:
        BestWeights(tmp_path).restore(network)
    assert str(error.value) == (
        f"{path} does not fit the model: logits/bias (4,) float64, the model "
        "has (4,) float32."
    )


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"PK\x03\x04",
        b"PK\x05\x06" + bytes(18),
        b"no archive",
        b"\x93NUMPY",
        bytes(1000),
    ],
    ids=repr,
)
def test_a_file_that_is_no_archive_is_refused_in_one_line(content, tmp_path):
    file = tmp_path / "a.npz"
    file.write_bytes(content)
    if content.startswith(b"PK\x05\x06"):
        assert read_arrays(file) == {}
        return
    with pytest.raises(RunError) as error:
        read_arrays(file)
    assert str(error.value).startswith(f"{file}: not an archive of arrays: ")


def test_no_code_in_an_archive_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.array([Bomb()], object))
    with pytest.raises(RunError, match="a.npz: not an archive of arrays: "):
        read_arrays(tmp_path / "a.npz")
    assert os.listdir(tmp_path) == ["a.npz"]


def test_an_archive_cut_anywhere_is_refused_or_whole(tmp_path):
    """No other error appears even when the hashes match."""
    file = tmp_path / "a.npz"
    np.savez(file, a=np.arange(3.0), b=np.zeros(()))
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        with pytest.raises(RunError):
            read_arrays(file)


def test_an_archive_with_any_byte_changed_is_refused_or_read(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, a=np.arange(3.0))
    content = file.read_bytes()
    refused = 0
    for index in range(len(content)):
        file.write_bytes(
            content[:index]
            + bytes([content[index] ^ 0xFF])
            + content[index + 1 :]
        )
        try:
            read_arrays(file)
        except RunError:
            refused += 1
    assert refused > len(content) // 2
