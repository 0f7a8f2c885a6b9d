"""Which weights AdamW shortens beside the gradient, and which it leaves."""

import logging

import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from trainers.config import experiment
from trainers.config.data import TextDataConfig
from trainers.config.optimizer import OptimizerConfig
from trainers.config.trainer import TrainerConfig
from trainers.distribution import strategies
from trainers.training import optimizers
from trainers.training.fitting import make_network

LAYER = "transformer_layer_0"
DECAYED = [
    "token_embedding/embeddings",
    "position_embedding/embeddings",
    "segment_embedding/embeddings",
    f"{LAYER}/self_attention_layer/query/kernel",
    f"{LAYER}/self_attention_layer/key/kernel",
    f"{LAYER}/self_attention_layer/value/kernel",
    f"{LAYER}/self_attention_layer/attention_output/kernel",
    f"{LAYER}/feedforward_intermediate_dense/kernel",
    f"{LAYER}/feedforward_output_dense/kernel",
    "pooled_dense/kernel",
    "logits/kernel",
]
KEPT = [
    "embeddings_layer_norm/gamma",
    "embeddings_layer_norm/beta",
    f"{LAYER}/self_attention_layer/query/bias",
    f"{LAYER}/self_attention_layer/key/bias",
    f"{LAYER}/self_attention_layer/value/bias",
    f"{LAYER}/self_attention_layer/attention_output/bias",
    f"{LAYER}/self_attention_layer_norm/gamma",
    f"{LAYER}/self_attention_layer_norm/beta",
    f"{LAYER}/feedforward_layer_norm/gamma",
    f"{LAYER}/feedforward_layer_norm/beta",
    f"{LAYER}/feedforward_intermediate_dense/bias",
    f"{LAYER}/feedforward_output_dense/bias",
    "pooled_dense/bias",
    "logits/bias",
]


def make_config(frozen_layers=0):
    config = experiment.ExperimentConfig(
        data=TextDataConfig(),
        model=tfmodels.BertClassifierConfig(
            encoder=tfmodels.EncoderConfig(
                vocabulary_size=100,
                num_layers=1,
                hidden_dim=8,
                intermediate_dim=16,
                max_sequence_length=16,
                dropout=0.0,
                frozen_layers=frozen_layers,
            ),
            dropout=0.0,
        ),
    )
    config.optimizer = OptimizerConfig(
        name="adamw", learning_rate=0.25, weight_decay=0.5
    )
    return config


def step_without_gradient(config, strategy):
    """Makes a step in which all gradients are 0, from random weights.

    Returns:
        Values before and after by path, of every replica.
    """
    rng = np.random.default_rng(0)
    with strategy.scope():
        network = make_network(config, 3)
        for variable in network.trainable_variables:
            variable.assign(rng.normal(size=variable.shape))
        before = {v.path: v.numpy() for v in network.weights}
        variables = network.trainable_variables
        optimizer = optimizers.make_optimizer(config.optimizer, 10, variables)
        optimizer.build(variables)

    @tf.function
    def step():
        strategy.run(
            lambda: optimizer.apply_gradients(
                [(tf.zeros(v.shape), v) for v in variables]
            )
        )

    step()
    after = {
        v.path: [
            part.numpy()
            for part in strategy.experimental_local_results(v.value)
        ]
        for v in network.weights
    }
    return before, after


@pytest.mark.parametrize("strategy_name", ["one_device", "mirrored"])
def test_kernels_and_embeddings_decay_and_nothing_else(strategy_name):
    strategy = strategies.make_strategy(
        TrainerConfig(strategy=strategy_name, num_logical_cpus=2)
    )
    before, after = step_without_gradient(make_config(), strategy)
    assert sorted(before) == sorted(DECAYED + KEPT)
    for path, old in before.items():
        # 1 - 0.25 * 0.5.
        expected = old * np.float32(0.875) if path in DECAYED else old
        assert len(after[path]) == strategy.num_replicas_in_sync
        for value in after[path]:
            np.testing.assert_array_equal(value, expected, err_msg=path)


def test_frozen_weights_do_not_decay():
    before, after = step_without_gradient(
        make_config(frozen_layers=-1), tf.distribute.get_strategy()
    )
    changed = [
        path
        for path, (value,) in after.items()
        if (value != before[path]).any()
    ]
    assert changed == ["pooled_dense/kernel", "logits/kernel"]


def test_biases_and_normalizations_are_told_by_their_paths():
    assert optimizers._is_free_of_decay("block/batch_normalization_3/gamma")
    assert optimizers._is_free_of_decay("dense/bias")
    assert not optimizers._is_free_of_decay("scale/gamma")
    assert not optimizers._is_free_of_decay("bias/kernel")


def test_the_log_says_what_decays(caplog):
    variables = make_network(make_config(), 3).trainable_variables
    variables += make_network(make_config(), 3).trainable_variables[-2:]
    config = make_config().optimizer
    with caplog.at_level(logging.INFO, "trainers.training.optimizers"):
        optimizers.make_optimizer(config, 10, variables)
        config.name = "adam"
        optimizers.make_optimizer(config, 10, variables)
    assert [record.levelname for record in caplog.records] == ["INFO"] * 2
    paths = [
        ", ".join(group).replace("_0/", "_*/") for group in (DECAYED, KEPT)
    ]
    assert caplog.messages == [
        f"weight decay 0.5 on 12 variables, 1,568 weights: {paths[0]}",
        f"weight decay 0.5 not on 15 variables, 118 weights: {paths[1]}",
    ]


def test_the_log_says_none_where_nothing_decays(caplog):
    config = make_config().optimizer
    with caplog.at_level(logging.INFO, "trainers.training.optimizers"):
        optimizers.make_optimizer(config, 10, [])
    assert caplog.messages == [
        "weight decay 0.5 on 0 variables, 0 weights: none",
        "weight decay 0.5 not on 0 variables, 0 weights: none",
    ]
