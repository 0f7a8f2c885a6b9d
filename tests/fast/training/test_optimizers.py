"""Learning rates by hand, optimizers by their hyperparameters."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.config.optimizer import OptimizerConfig
from trainers.training import fused_adam
from trainers.training import optimizers

# Of a peak of 0.5, with 4 steps of warm-up, 12 in all, and an end at a tenth.
BEFORE_AND_PEAK = {0: 0.125, 1: 0.25, 2: 0.375, 3: 0.5, 4: 0.5}
AFTER = {
    "constant": {6: 0.5, 8: 0.5, 11: 0.5, 12: 0.5, 1000: 0.5},
    "cosine": {
        6: 0.5 * (0.1 + 0.9 * (1 + 2**-0.5) / 2),
        8: 0.5 * 0.55,
        10: 0.5 * (0.1 + 0.9 * (1 - 2**-0.5) / 2),
        12: 0.05,
        1000: 0.05,
    },
    "linear": {6: 0.5 * 0.775, 8: 0.5 * 0.55, 12: 0.05, 1000: 0.05},
    "exponential": {
        6: 0.5 * 0.1**0.25,
        8: 0.5 * 0.1**0.5,
        12: 0.05,
        1000: 0.05,
    },
}


def make_schedule(schedule, warmup_steps=4, total_steps=12, end_fraction=0.1):
    return optimizers.LearningRate(
        0.5,
        schedule=schedule,
        warmup_steps=warmup_steps,
        total_steps=total_steps,
        end_fraction=end_fraction,
    )


def make_optimizer(config, total_steps=10, variables=()):
    return optimizers.make_optimizer(config, total_steps, list(variables))


def apply(optimizer, variable, gradient):
    """Applies a gradient inside a graph, as training does."""
    optimizer.build([variable])

    @tf.function
    def step():
        optimizer.apply_gradients([(tf.constant(gradient), variable)])

    step()
    return variable.numpy().tolist()


@pytest.mark.parametrize("schedule", AFTER)
def test_a_schedule_has_its_values(schedule):
    learning_rate = make_schedule(schedule)
    for step, expected in (BEFORE_AND_PEAK | AFTER[schedule]).items():
        value = learning_rate(tf.constant(step, tf.int64))
        assert value.dtype == tf.float32
        assert value.shape == ()
        assert float(value) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("schedule", AFTER)
def test_a_schedule_begins_at_its_first_step(schedule):
    first = make_schedule(schedule)
    later = optimizers.LearningRate(**first.get_config() | {"first_step": 100})
    for step in (0, 3, 4, 11, 12, 20):
        assert float(later(100 + step)) == float(first(step))


@pytest.mark.parametrize("schedule", AFTER)
def test_a_schedule_without_warm_up_starts_at_its_peak(schedule):
    learning_rate = make_schedule(schedule, warmup_steps=0)
    assert float(learning_rate(0)) == 0.5
    half = {"constant": 1, "exponential": 0.1**0.5}.get(schedule, 0.55)
    assert float(learning_rate(6)) == pytest.approx(0.5 * half, rel=1e-6)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_a_schedule_may_end_at_zero(schedule):
    learning_rate = make_schedule(schedule, end_fraction=0.0)
    assert float(learning_rate(12)) == 0
    assert float(learning_rate(11)) > 0


@pytest.mark.parametrize("schedule", AFTER)
def test_a_run_as_short_as_its_warm_up_reaches_the_peak(schedule):
    learning_rate = make_schedule(schedule, total_steps=4)
    values = [float(learning_rate(step)) for step in range(4)]
    assert values == pytest.approx([0.125, 0.25, 0.375, 0.5])


def test_a_schedule_is_made_again_from_its_config():
    first = make_schedule("cosine")
    again = optimizers.LearningRate(**first.get_config())
    assert first.get_config() == {
        "peak": 0.5,
        "schedule": "cosine",
        "warmup_steps": 4,
        "total_steps": 12,
        "end_fraction": 0.1,
        "first_step": 0,
    }
    for step in range(14):
        assert float(again(step)) == float(first(step))


@pytest.mark.parametrize(
    "settings, kind, expected",
    [
        ({"name": "sgd"}, keras.optimizers.SGD, {"momentum": 0.0}),
        (
            {"name": "momentum", "momentum": 0.8},
            keras.optimizers.SGD,
            {"momentum": 0.8, "nesterov": False},
        ),
        (
            {"name": "adam", "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3},
            fused_adam.FusedAdam,
            {
                "beta_1": 0.8,
                "beta_2": 0.9,
                "epsilon": 1e-3,
                "amsgrad": False,
                "weight_decay": None,
            },
        ),
        (
            {"name": "adamw", "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}
            | {"weight_decay": 0.5},
            fused_adam.FusedAdamW,
            {
                "beta_1": 0.8,
                "beta_2": 0.9,
                "epsilon": 1e-3,
                "weight_decay": 0.5,
            },
        ),
    ],
    ids=["sgd", "momentum", "adam", "adamw"],
)
def test_an_optimizer_has_its_class_and_hyperparameters(
    settings, kind, expected
):
    config = OptimizerConfig(learning_rate=0.25, **settings)
    optimizer = make_optimizer(config)
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == 0.25
    values = optimizer.get_config()
    assert {name: values[name] for name in expected} == expected


def test_an_optimizer_follows_its_schedule():
    config = OptimizerConfig(
        name="sgd",
        learning_rate=0.5,
        schedule="linear",
        warmup_steps=2,
        end_fraction=0.0,
    )
    optimizer = make_optimizer(config, total_steps=4)
    variable = keras.Variable([0.0])
    # Steps of 0.25 and 0.5 in the warm-up, then 0.5 and 0.25.
    seen = [apply(optimizer, variable, [-1.0])[0] for _ in range(4)]
    assert seen == [0.25, 0.75, 1.25, 1.5]


@pytest.mark.parametrize(
    "warmup, total_steps, warmup_steps",
    [
        ({"warmup_fraction": 0.1}, 40, 4),
        ({"warmup_fraction": 0.25}, 8, 2),
        # Rounded to the nearest step.
        ({"warmup_fraction": 0.1}, 36, 4),
        ({"warmup_fraction": 0.1}, 14, 1),
        # A share of less than half a step is none.
        ({"warmup_fraction": 0.1}, 4, 0),
        ({"warmup_steps": 4}, 40, 4),
    ],
)
@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_a_warm_up_is_a_number_or_a_share_of_steps(
    warmup, total_steps, warmup_steps, schedule
):
    config = OptimizerConfig(
        learning_rate=0.5, schedule=schedule, end_fraction=0.0, **warmup
    )
    optimizer = make_optimizer(config, total_steps=total_steps)
    optimizer.build([keras.Variable([0.0])])
    for step in range(total_steps + 1):
        optimizer.iterations.assign(step)
        done = (step - warmup_steps) / (total_steps - warmup_steps)
        if step < warmup_steps:
            expected = 0.5 * (step + 1) / warmup_steps
        else:
            expected = 0.5 * (1 - done if schedule == "linear" else 1)
        assert float(optimizer.learning_rate) == pytest.approx(
            expected, rel=1e-6, abs=1e-9
        )


def test_a_step_of_sgd_by_hand():
    config = OptimizerConfig(name="sgd", learning_rate=0.5)
    optimizer = make_optimizer(config)
    variable = keras.Variable([1.0, -2.0])
    assert apply(optimizer, variable, [2.0, 1.0]) == [0.0, -2.5]
    assert apply(optimizer, variable, [2.0, 0.0]) == [-1.0, -2.5]


def test_steps_of_momentum_by_hand():
    config = OptimizerConfig(name="momentum", learning_rate=0.5, momentum=0.5)
    optimizer = make_optimizer(config)
    variable = keras.Variable([1.0])
    # Velocities: -1, then 0.5 * -1 - 1 = -1.5, then 0.5 * -1.5 = -0.75.
    assert apply(optimizer, variable, [2.0]) == [0.0]
    assert apply(optimizer, variable, [2.0]) == [-1.5]
    assert apply(optimizer, variable, [0.0]) == [-2.25]


def test_the_first_step_of_adam_is_the_learning_rate():
    config = OptimizerConfig(name="adam", learning_rate=0.25, epsilon=1e-7)
    optimizer = make_optimizer(config)
    variable = keras.Variable([1.0, 1.0])
    np.testing.assert_allclose(
        apply(optimizer, variable, [100.0, -0.5]), [0.75, 1.25], rtol=1e-5
    )


def test_adamw_decays_weights_beside_the_gradient():
    config = OptimizerConfig(name="adamw", learning_rate=0.25, weight_decay=0.5)
    variable = keras.Variable([2.0])
    optimizer = make_optimizer(config, variables=[variable])
    # 2 - 0.25 * 0.5 * 2, and no gradient.
    assert apply(optimizer, variable, [0.0]) == [1.75]


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "sgd", "learning_rate": 1},
        {"name": "momentum", "learning_rate": 1, "momentum": 0},
        {"name": "sgd", "schedule": "exponential", "end_fraction": 1}
        | {"learning_rate": 1},
    ],
    ids=["learning_rate", "momentum", "end_fraction"],
)
def test_a_whole_number_is_a_number(settings):
    """A config file may say 1 for 1.0; Keras and TensorFlow are stricter."""
    config = OptimizerConfig(**settings)
    optimizer = make_optimizer(config)
    assert apply(optimizer, keras.Variable([3.0]), [2.0]) == [1.0]


def test_whole_numbers_are_numbers_for_adam_too():
    config = OptimizerConfig(name="adam", beta_1=0, beta_2=0, epsilon=1)
    config.learning_rate = 1
    variable = keras.Variable([3.0])
    # The gradient, by its size and epsilon: 2 / (2 + 1).
    (value,) = apply(make_optimizer(config), variable, [2.0])
    assert value == pytest.approx(3 - 2 / 3)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_replicas_take_the_rate_of_a_schedule(name):
    def trained(strategy):
        with strategy.scope():
            variable = keras.Variable([[3.0, -1.0]])
            optimizer = make_optimizer(
                OptimizerConfig(
                    name=name,
                    learning_rate=0.25,
                    weight_decay=0.1 if name == "adamw" else 0.0,
                    schedule="cosine",
                    warmup_steps=2,
                    ema_momentum=0.5,
                ),
                total_steps=6,
            )
            optimizer.build([variable])
        # As `TrainingModel` has added them up.
        optimizer._all_reduce_sum_gradients = list

        @tf.function
        def step():
            strategy.run(lambda: optimizer.apply([tf.constant([[1.0, 2.0]])]))

        for _ in range(5):
            step()
        return variable.numpy()

    one = trained(tf.distribute.get_strategy())
    assert np.all(np.abs(one - [[3.0, -1.0]]) > 0.1)
    two = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    np.testing.assert_array_equal(two, one)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_in_one_op_is_that_of_keras(name):
    settings = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}
    if name == "adamw":
        settings["weight_decay"] = 0.1
    rng = np.random.default_rng(0)
    first = [rng.normal(size=(5, 3)), rng.normal(size=7)]
    gradients = [[rng.normal(size=a.shape) for a in first] for _ in range(6)]

    def trained(optimizer):
        variables = [keras.Variable(a, dtype="float32") for a in first]
        if name == "adamw":
            optimizer.exclude_from_weight_decay(var_list=variables[1:])
        optimizer.build(variables)

        @tf.function
        def step(*gradients):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

        for values in gradients:
            step(*(tf.constant(v, tf.float32) for v in values))
        return [
            v.numpy()
            for v in (
                *variables,
                *optimizer._momentums,
                *optimizer._velocities,
            )
        ]

    ours = make_optimizer(
        OptimizerConfig(name=name, learning_rate=0.25, **settings)
    )
    theirs = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
    expected = trained(theirs[name](0.25, **settings))
    for a, b, before in zip(trained(ours), expected, first * 3, strict=True):
        assert np.abs(b - before).max() > 0.1
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [fused_adam.FusedAdam, fused_adam.FusedAdamW])
def test_adam_in_one_op_has_no_amsgrad(kind):
    with pytest.raises(ValueError) as error:
        kind(amsgrad=True)
    assert str(error.value) == (
        "`amsgrad` must be False: the op has none. Received: True. "
        "keras.optimizers.Adam and AdamW have it."
    )
