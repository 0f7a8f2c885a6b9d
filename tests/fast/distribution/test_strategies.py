"""Strategies by name, and what is refused."""

import pytest
import stand_in_tpu
import tensorflow as tf

from trainers.config.trainer import TrainerConfig
from trainers.distribution import strategies
from trainers.distribution import tf_config
from trainers.errors import ConfigError


@pytest.mark.parametrize("name", ["auto", "one_device"])
def test_without_gpus_the_default_strategy_is_used(name):
    strategy = strategies.make_strategy(TrainerConfig(strategy=name))
    assert strategy is tf.distribute.get_strategy()


def test_mirrored_takes_all_logical_cpus_where_there_is_no_gpu():
    strategy = strategies.make_strategy(
        TrainerConfig(strategy="mirrored", num_logical_cpus=2)
    )
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 2


def test_strategies_of_one_process_do_not_disturb_each_other():
    # The collective ops of the default fail here with "Shape mismatch in the
    # collective instance", at times.
    for size in (3, 70, 5):
        strategy = strategies.make_strategy(
            TrainerConfig(strategy="mirrored", num_logical_cpus=2)
        )

        @tf.function
        def total(strategy=strategy, size=size):
            def on_replica():
                replicas = tf.distribute.get_replica_context()
                return replicas.all_reduce("SUM", tf.ones(size))

            return strategy.experimental_local_results(strategy.run(on_replica))

        for result in total():
            assert result.numpy().tolist() == [2.0] * size


def test_logical_cpus_cannot_change_once_tensorflow_runs():
    tf.constant(0)
    with pytest.raises(ConfigError) as error:
        strategies.make_strategy(TrainerConfig(num_logical_cpus=3))
    assert str(error.value) == (
        "`--config.trainer.num_logical_cpus` must be set before TensorFlow "
        "first runs. Received: 3; this process has 2."
    )


def test_tpu_says_that_it_is_untested_and_found_none():
    with pytest.raises(ConfigError) as error:
        strategies.make_strategy(TrainerConfig(strategy="tpu"))
    assert str(error.value).startswith(
        "`--config.trainer.strategy=tpu` (untested in this version) found no "
        "TPU at --config.trainer.tpu_address='': "
    )


@pytest.mark.parametrize(
    ("address", "resolved"),
    [("grpc://10.0.0.2:8470", "grpc://10.0.0.2:8470"), ("", "local")],
)
def test_a_tpu_is_found_connected_and_started_before_its_strategy(
    monkeypatch, address, resolved
):
    strategy = tf.distribute.get_strategy()
    calls = stand_in_tpu.install(monkeypatch, strategy)
    config = TrainerConfig(strategy="tpu", tpu_address=address)
    assert strategies.make_strategy(config) is strategy
    resolver = stand_in_tpu.Resolver(resolved)
    assert calls == [
        ("TPUClusterResolver", resolved),
        ("experimental_connect_to_cluster", resolver),
        ("initialize_tpu_system", resolver),
        ("TPUStrategy", resolver),
    ]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("TPUClusterResolver", ValueError("No such name\n  anywhere.")),
        (
            "experimental_connect_to_cluster",
            tf.errors.UnavailableError(None, None, "No such name anywhere."),
        ),
        (
            "initialize_tpu_system",
            tf.errors.NotFoundError(None, None, "No such name anywhere."),
        ),
    ],
    ids=["address", "connection", "start"],
)
def test_no_strategy_is_made_without_a_tpu(monkeypatch, name, error):
    calls = stand_in_tpu.install(monkeypatch, failing=(name, error))
    config = TrainerConfig(strategy="tpu", tpu_address="mine")
    with pytest.raises(ConfigError) as raised:
        strategies.make_strategy(config)
    assert str(raised.value) == (
        "`--config.trainer.strategy=tpu` (untested in this version) found no "
        "TPU at --config.trainer.tpu_address='mine': No such name anywhere."
    )
    assert calls[-1][0] == name


TWO = tf_config.Cluster(("127.0.0.1:1", "127.0.0.1:2"), 0)


@pytest.mark.parametrize("name", ["one_device", "mirrored", "tpu"])
def test_workers_that_would_train_for_themselves_are_refused(name):
    with pytest.raises(ConfigError) as error:
        strategies.make_strategy(TrainerConfig(strategy=name), TWO)
    assert str(error.value) == (
        "`--config.trainer.strategy` must be auto or multi_worker with the 2 "
        "workers of TF_CONFIG: with another strategy, each would train "
        f"alone. Received: {name}."
    )


def test_several_workers_need_their_addresses():
    with pytest.raises(ConfigError) as error:
        strategies.make_strategy(TrainerConfig(strategy="multi_worker"))
    assert str(error.value) == (
        "`--config.trainer.strategy=multi_worker` needs the environment "
        "variable TF_CONFIG, with the addresses of the workers. Received: "
        "none. `python -m trainers.launch --num_workers=2 -- FLAGS` sets it "
        "for workers on this machine, with the FLAGS of trainers.train."
    )


def test_one_worker_alone_takes_the_devices_of_its_machine():
    one = tf_config.Cluster(("127.0.0.1:1",), 0)
    strategy = strategies.make_strategy(
        TrainerConfig(strategy="multi_worker"), one
    )
    assert strategy is tf.distribute.get_strategy()
