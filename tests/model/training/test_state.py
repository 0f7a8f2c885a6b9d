"""All variables of a run, out of one model and into another, bit for bit."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_runs

import tfmodels
from trainers import tasks
from trainers.config import experiment
from trainers.config.data import TextDataConfig
from trainers.errors import RunError
from trainers.training import fitting
from trainers.training import state
from trainers.training import steps

SETTINGS = {
    "adam": {"optimizer__name": "adam"},
    "adamw": {"optimizer__name": "adamw"},
    "sgd": {"optimizer__name": "sgd"},
    "momentum": {"optimizer__name": "momentum"},
    "averages": {"optimizer__ema_momentum": 0.9},
    "float16": {"trainer__dtype_policy": "mixed_float16"},
    "float16_averages": {
        "trainer__dtype_policy": "mixed_float16",
        "optimizer__ema_momentum": 0.9,
        "optimizer__schedule": "cosine",
    },
}


def make_dataset(config):
    return fitting.make_dataset(
        config,
        tasks.make_task(config),
        tiny_runs.make_examples(tiny_runs.NUM_EXAMPLES),
        tiny_runs.BATCH_SIZE,
    )


def train(model, config, num_steps=3):
    model.fit(
        make_dataset(config),
        steps_per_epoch=num_steps,
        shuffle=False,
        verbose=0,
    )


def noise_like(arrays, seed=0):
    """Returns random arrays of the same kinds and shapes."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=array.shape).astype(array.dtype)
        if array.dtype.kind == "f"
        else rng.integers(0, 2**31, array.shape).astype(array.dtype)
        for name, array in arrays.items()
    }


@pytest.mark.parametrize("strategy", ["one_device", "mirrored"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_what_is_read_and_written_has_the_same_bits(settings, strategy):
    config = tiny_runs.make_config(trainer__strategy=strategy, **settings)
    first, second = tiny_runs.make_model(config), tiny_runs.make_model(config)
    before = state.read(second)
    arrays = noise_like(state.read(first))
    state.write(first, arrays)
    assert tiny_runs.differing(state.read(first), arrays) == []
    assert tiny_runs.differing(state.read(second), before) == []
    # Keras numbers optimizers and seeds of a process; the names have none.
    assert list(before) == list(arrays)
    state.write(second, state.read(first))
    assert tiny_runs.differing(state.read(second), arrays) == []


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_variable_of_a_model_has_a_name(settings):
    config = tiny_runs.make_config(**settings)
    model = tiny_runs.make_model(config)
    arrays = state.read(model)
    assert len(arrays) == (
        len(model.variables)
        + len(model.optimizer.variables)
        + len(model.metrics_variables)
    )
    names = "\n".join(arrays)
    words = [
        "seed_generator/seed_generator_state",
        "/iteration",
        "loss/total@0",
    ]
    if config.optimizer.ema_momentum:
        words.append("hidden_0_kernel_average")
    if config.trainer.dtype_policy == "mixed_float16":
        words += ["/dynamic_scale", "/step_counter"]
    slots = {
        "adam": ["hidden_0_kernel_momentum", "hidden_0_kernel_velocity"],
        "adamw": ["hidden_0_kernel_momentum", "hidden_0_kernel_velocity"],
        "momentum": ["hidden_0_kernel_momentum"],
        "sgd": [],
    }
    for word in words + slots[config.optimizer.name]:
        assert word in names, word


def test_names_do_not_count_what_a_process_made_before():
    config = tiny_runs.make_config(
        trainer__dtype_policy="mixed_float16", optimizer__ema_momentum=0.5
    )
    names = [list(state.read(tiny_runs.make_model(config))) for _ in range(3)]
    assert names[0] == names[1] == names[2]
    assert [n for n in names[0] if n.startswith(("model/", "metrics/"))] == [
        "model/000/hidden_0/kernel",
        "model/001/hidden_0/bias",
        "model/002/seed_generator/seed_generator_state",
        "model/003/logits/kernel",
        "model/004/logits/bias",
        "metrics/000/loss/total@0",
        "metrics/001/loss/count@0",
        "metrics/002/loss/total@0",
        "metrics/003/loss/count@0",
        "metrics/004/accuracy/total@0",
        "metrics/005/accuracy/count@0",
    ]


def test_names_of_an_encoder_do_not_count_what_a_process_made_before():
    config = experiment.ExperimentConfig(
        data=TextDataConfig(),
        model=tfmodels.BertClassifierConfig(
            encoder=tfmodels.EncoderConfig(
                vocabulary_size=20,
                num_layers=2,
                hidden_dim=8,
                intermediate_dim=8,
                max_sequence_length=8,
                dropout=0.1,
            ),
            dropout=0.1,
        ),
    )
    task = tasks.make_task(config)
    names = [
        list(
            state.read(
                fitting.make_training_model(
                    fitting.make_network(config, 3),
                    config,
                    task,
                    steps.Steps(4, 4, 1),
                )
            )
        )
        for _ in range(2)
    ]
    assert names[0] == names[1]
    # Each dropout layer has its own seed.
    seeds = [n for n in names[0] if n.endswith("seed_generator_state")]
    assert len(set(seeds)) == len(seeds) > 3


def test_arrays_are_copies():
    config = tiny_runs.make_config()
    model = tiny_runs.make_model(config)
    arrays = state.read(model)
    kept = {name: array.copy() for name, array in arrays.items()}
    train(model, config)
    assert tiny_runs.differing(arrays, kept) == []
    changed = tiny_runs.differing(state.read(model), kept)
    for word in ("hidden_0/kernel", "seed_generator", "iteration", "count@0"):
        assert any(word in name for name in changed), word


def test_parts_of_metrics_stay_with_their_replicas():
    config = tiny_runs.make_config(trainer__strategy="mirrored")
    first, second = tiny_runs.make_model(config), tiny_runs.make_model(config)
    train(first, config)
    arrays = state.read(first)
    # 1 + 2**-24 is no float32: neither the sum nor a half of it would do.
    arrays["metrics/002/loss/total@0"] = np.float32(1.0)
    arrays["metrics/002/loss/total@1"] = np.float32(2**-24)
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    state.write(second, arrays)
    again = state.read(second)
    assert tiny_runs.differing(again, arrays) == []
    assert again["metrics/002/loss/total@1"] == np.float32(2**-24)
    parts = [
        again[f"metrics/005/accuracy/count@{replica}"].item()
        for replica in range(2)
    ]
    assert parts == [6.0, 6.0]


def test_every_replica_has_the_values_that_were_written():
    config = tiny_runs.make_config(trainer__strategy="mirrored")
    model = tiny_runs.make_model(config)
    arrays = noise_like(state.read(model))
    state.write(model, arrays)
    for group, variables in (
        ("model", model.variables),
        ("optimizer", model.optimizer.variables),
    ):
        wanted = [a for name, a in arrays.items() if name.startswith(group)]
        for variable, array in zip(variables, wanted, strict=True):
            parts = model.distribute_strategy.experimental_local_results(
                variable.value
            )
            assert [p.numpy().tobytes() for p in parts] == [
                array.tobytes()
            ] * 2, variable.path


def remove(arrays):
    del arrays["model/000/hidden_0/kernel"]


def add(arrays):
    arrays["../x"] = np.zeros((2, 3), np.int8)


def reshape(arrays):
    arrays["model/000/hidden_0/kernel"] = np.zeros((8, 16), np.float32)


def retype(arrays):
    arrays["optimizer/000/iteration"] = np.zeros((), np.float32)


def rename(arrays):
    arrays["model/000/hidden_1/kernel"] = arrays.pop(
        "model/000/hidden_0/kernel"
    )


@pytest.mark.parametrize(
    "change, words",
    [
        (
            remove,
            "model/000/hidden_0/kernel missing, the model has (16, 8) float32",
        ),
        (add, "../x (2, 3) int8, the model has none"),
        (
            reshape,
            "model/000/hidden_0/kernel (8, 16) float32, the model has "
            "(16, 8) float32",
        ),
        (
            retype,
            "optimizer/000/iteration () float32, the model has () {integer}",
        ),
        (
            rename,
            "model/000/hidden_0/kernel missing, the model has (16, 8) "
            "float32; model/000/hidden_1/kernel (16, 8) float32, the model "
            "has none",
        ),
    ],
    ids=["missing", "extra", "shape", "dtype", "name"],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(change, words):
    config = tiny_runs.make_config()
    model = tiny_runs.make_model(config)
    before = state.read(model)
    arrays = noise_like(before)
    change(arrays)
    with pytest.raises(RunError) as error:
        state.write(model, arrays)
    integer = before["optimizer/000/iteration"].dtype.name
    assert str(error.value) == (
        "the checkpoint does not fit the model: "
        f"{words.format(integer=integer)}."
    )
    assert tiny_runs.differing(state.read(model), before) == []


def test_replicas_cannot_take_what_one_device_has_written():
    arrays = state.read(tiny_runs.make_model(tiny_runs.make_config()))
    model = tiny_runs.make_model(
        tiny_runs.make_config(trainer__strategy="mirrored")
    )
    with pytest.raises(RunError) as error:
        state.write(model, arrays)
    assert "metrics/000/loss/total@1 missing, the model has () float32" in str(
        error.value
    )


def test_metrics_alone_can_be_written():
    config = tiny_runs.make_config()
    model = tiny_runs.make_model(config)
    train(model, config)
    arrays = state.read(model)
    metrics = state.metrics_of(arrays)
    assert metrics == {n: a for n, a in arrays.items() if "metrics/" in n}
    assert len(metrics) == 6
    model.reset_metrics()
    assert state.read(model)["metrics/002/loss/total@0"] == 0.0
    state.write_metrics(model, metrics)
    assert tiny_runs.differing(state.read(model), arrays) == []


@pytest.mark.parametrize(
    "value, name",
    [(np.nan, "b"), (np.inf, "b"), (-np.inf, "b"), (3e38, None), (0.0, None)],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_array_that_is_not_finite_is_named(value, name, dtype):
    arrays = {
        "a": np.array([2**31, -1]),
        "b": np.array([[0.0, value]], dtype),
        "c": np.array(value, dtype),
    }
    assert state.not_finite(arrays) == name


def test_an_empty_array_and_no_array_are_finite():
    assert state.not_finite({}) is None
    assert state.not_finite({"a": np.zeros((0, 3), np.float32)}) is None


def test_a_bit_of_nothing_stays():
    # -0.0, the smallest number and NaN with a special payload.
    bits = np.array([1 << 31, 1, 0x7FC12345, 0x3F800001], np.uint32)
    config = tiny_runs.make_config()
    model = tiny_runs.make_model(config)
    arrays = state.read(model)
    array = np.zeros((16, 8), np.uint32)
    array[0, :4] = bits
    arrays["model/000/hidden_0/kernel"] = array.view(np.float32)
    state.write(model, arrays)
    again = state.read(model)["model/000/hidden_0/kernel"]
    assert again.view(np.uint32).tolist() == array.tolist()
    assert tf.math.is_nan(model.get_layer("hidden_0").kernel)[0, 2]
