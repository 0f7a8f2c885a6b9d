"""Encoders and the classifier on them: shapes, gradients, KerasHub's own."""

import functools

import keras
import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.bert import encoder as encoder_lib
from tfmodels.bert.config import EncoderConfig
from tfmodels.bert.config import PairEncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig

SIZES = {
    "vocabulary_size": 30,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "max_sequence_length": 32,
}
FAMILIES = ("bert", "distil_bert")
POOLINGS = ("pooled", "mean")
HEAD = {"logits/kernel", "logits/bias"}
POOLER = {"pooled_dense/kernel", "pooled_dense/bias"}
LAYER_NORM = {"gamma", "beta"}
DENSE = {"kernel", "bias"}


def make_config(pooling="pooled", dropout=0.1, **encoder):
    return BertClassifierConfig(
        encoder=EncoderConfig(**SIZES | {"dropout": 0.1} | encoder),
        pooling=pooling,
        dropout=dropout,
    )


def make_network(num_classes=3, **config):
    keras.utils.set_random_seed(1)
    return make_config(**config).build(num_classes)


def enlarge(model):
    """Makes all weights so large that each matters."""
    for variable in model.weights:
        variable.assign(variable + keras.random.normal(variable.shape) / 3)


@functools.cache
def large_network(family, pooling):
    """Returns a network with large weights. Read-only."""
    network = make_network(family=family, pooling=pooling)
    enlarge(network)
    return network


def make_inputs(lengths, padded_length):
    """Returns texts of random ids other than 0, the same at any length."""
    rng = np.random.default_rng(0)
    token_ids = rng.integers(1, 30, (len(lengths), 32))[:, :padded_length]
    mask = np.arange(padded_length) < np.array(lengths)[:, np.newaxis]
    return {
        "token_ids": np.where(mask, token_ids, 0).astype(np.int32),
        "padding_mask": mask.astype(np.int32),
    }


def layer_paths(index):
    """Returns the names of the variables in a transformer layer."""
    attention = ("query", "key", "value", "attention_output")
    paths = {f"self_attention_layer/{a}/{v}" for a in attention for v in DENSE}
    paths |= {f"self_attention_layer_norm/{v}" for v in LAYER_NORM}
    paths |= {f"feedforward_layer_norm/{v}" for v in LAYER_NORM}
    paths |= {f"feedforward_intermediate_dense/{v}" for v in DENSE}
    paths |= {f"feedforward_output_dense/{v}" for v in DENSE}
    return {f"transformer_layer_{index}/{path}" for path in paths}


def embedding_paths(family):
    kinds = ["token", "position"] + ["segment"] * (family == "bert")
    paths = {f"{kind}_embedding/embeddings" for kind in kinds}
    return paths | {f"embeddings_layer_norm/{v}" for v in LAYER_NORM}


def paths_of(variables):
    return {variable.path for variable in variables}


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_gives_logits_for_texts_of_any_length(family, pooling):
    network = large_network(family, pooling)
    assert network.name == "bert_classifier"
    assert set(network.input) == {"token_ids", "padding_mask"}
    for tensor in network.input.values():
        assert tensor.shape == (None, None)
        assert tensor.dtype == "int32"
    assert network.output.shape == (None, 3)
    for lengths, padded_length in (([2], 2), ([2, 16, 5], 16), ([32], 32)):
        logits = network(make_inputs(lengths, padded_length))
        assert logits.shape == (len(lengths), 3)
        assert logits.dtype == tf.float32
        assert np.all(np.isfinite(logits))
    # Texts are told apart.
    assert len(np.unique(network(make_inputs([5, 5, 9], 16))[:, 0])) == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_gives_a_vector_for_each_token(family):
    encoder = encoder_lib.make_encoder(make_config(family=family).encoder)
    hidden_states = encoder(make_inputs([2, 16, 5], 16))
    assert hidden_states.shape == (3, 16, 8)
    assert hidden_states.dtype == tf.float32


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_are_these(family, pooling):
    network = large_network(family, pooling)
    expected = HEAD | embedding_paths(family)
    expected |= layer_paths(0) | layer_paths(1)
    if pooling == "pooled":
        expected |= POOLER
    assert paths_of(network.weights) == expected
    assert paths_of(network.trainable_weights) == expected
    assert len(network.weights) == len(expected)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_does_not_change_the_answer(family, pooling):
    network = large_network(family, pooling)
    lengths = [16, 11, 2]
    expected = network(make_inputs(lengths, 16)).numpy()
    padded = make_inputs(lengths, 32)
    np.testing.assert_allclose(network(padded), expected, atol=1e-5)
    # The padded ids have no effect.
    padded["token_ids"][padded["padding_mask"] == 0] = 7
    np.testing.assert_allclose(network(padded), expected, atol=1e-5)
    alone = make_inputs(lengths, 16)
    row = {name: value[1:2, :11] for name, value in alone.items()}
    np.testing.assert_allclose(network(row), expected[1:2], atol=1e-5)
    # Without the mask, it would be seen.
    padded["padding_mask"][:] = 1
    assert np.abs(network(padded) - expected).max() > 1e-3


def test_the_mean_is_that_of_the_vectors_of_tokens():
    network = large_network("bert", "mean")
    inputs = make_inputs([16, 5], 16)
    last = keras.Model(
        network.input, network.get_layer("transformer_layer_1").output
    )
    vectors = last(inputs).numpy()
    kernel, bias = network.get_layer("logits").get_weights()
    for row, length in enumerate((16, 5)):
        mean = vectors[row, :length].mean(axis=0)
        np.testing.assert_allclose(
            network(inputs)[row], mean @ kernel + bias, atol=1e-6
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_by_name_give_the_same_answers(family, tmp_path):
    first = large_network(family, "pooled")
    arrays = {v.path: v.numpy() for v in first.weights}
    np.savez(tmp_path / "weights.npz", **arrays)
    keras.utils.set_random_seed(2)
    second = make_config(family=family).build(3)
    inputs = make_inputs([16, 5], 16)
    assert np.abs(first(inputs) - second(inputs)).max() > 1e-3
    with np.load(tmp_path / "weights.npz") as archive:
        assert set(archive.files) == paths_of(second.weights)
        for variable in second.weights:
            variable.assign(archive[variable.path])
    np.testing.assert_array_equal(first(inputs), second(inputs))


@pytest.mark.parametrize(
    "family, activation, other, backbone_class",
    [
        ("bert", "gelu_approximate", "gelu", keras_nlp.models.BertBackbone),
        (
            "distil_bert",
            "gelu",
            "gelu_approximate",
            keras_nlp.models.DistilBertBackbone,
        ),
    ],
)
def test_an_encoder_is_kerashubs(family, activation, other, backbone_class):
    keras.utils.set_random_seed(1)
    backbone = backbone_class(**SIZES)
    enlarge(backbone)
    weights = {
        v.path.removeprefix("token_and_position_embedding/"): v
        for v in backbone.weights
    }
    inputs = make_inputs([16, 5], 16)
    if family == "bert":
        segments = {"segment_ids": np.zeros((2, 16), np.int32)}
        expected = backbone(inputs | segments)["sequence_output"]
    else:
        expected = backbone(inputs)
    results = {}
    for name in (activation, other):
        encoder = encoder_lib.make_encoder(
            make_config(family=family, activation=name).encoder
        )
        assert paths_of(encoder.weights) == set(weights) - POOLER
        for variable in encoder.weights:
            assert variable.shape == weights[variable.path].shape
            variable.assign(weights[variable.path])
        results[name] = np.abs(encoder(inputs) - expected).max()
    assert results[activation] < 1e-5
    assert results[other] > 1e-4


@pytest.mark.parametrize("implementation", ["fast", "keras_nlp"])
def test_segments_are_those_of_kerashub(implementation):
    keras.utils.set_random_seed(1)
    backbone = keras_nlp.models.BertBackbone(**SIZES)
    enlarge(backbone)
    weights = {
        v.path.removeprefix("token_and_position_embedding/"): v
        for v in backbone.weights
    }
    inputs = make_inputs([16, 5], 16)
    segment_ids = np.zeros((2, 16), np.int32)
    segment_ids[0, 7:] = segment_ids[1, 3:5] = 1
    pairs = inputs | {"segment_ids": segment_ids}
    settings = SIZES | {
        "activation": "gelu_approximate",
        "implementation": implementation,
    }
    encoder = encoder_lib.make_encoder(PairEncoderConfig(**settings))
    assert set(encoder.input) == set(pairs)
    for variable in encoder.weights:
        variable.assign(weights[variable.path])
    expected = backbone(pairs)["sequence_output"]
    np.testing.assert_allclose(encoder(pairs), expected, atol=1e-5)
    # Segment 0 alone is a single text, bit for bit.
    single = encoder_lib.make_encoder(EncoderConfig(**settings))
    for variable in single.weights:
        variable.assign(weights[variable.path])
    zeros = inputs | {"segment_ids": np.zeros_like(segment_ids)}
    np.testing.assert_array_equal(encoder(zeros), single(inputs))
    assert np.abs(encoder(pairs) - single(inputs)).max() > 1e-2


@pytest.mark.parametrize("activation", ["gelu", "gelu_approximate", "relu"])
def test_each_activation_is_taken_by_keras_nlps_layers(activation):
    x = np.linspace(-3, 3, 7).astype(np.float32)
    config = make_config(activation=activation, implementation="keras_nlp")
    encoder = encoder_lib.make_encoder(config.encoder)
    layer = encoder.get_layer("transformer_layer_0")
    found = layer._feedforward_intermediate_dense.activation(x)
    expected = {
        "gelu": tf.nn.gelu(x),
        "gelu_approximate": tf.nn.gelu(x, approximate=True),
        "relu": tf.nn.relu(x),
    }[activation]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "family, frozen_layers, trained_layers",
    [
        ("bert", 0, (0, 1)),
        ("bert", 1, (1,)),
        ("bert", 2, ()),
        ("bert", 9, ()),
        ("bert", -1, ()),
        ("distil_bert", 1, (1,)),
        ("distil_bert", -1, ()),
    ],
)
def test_frozen_layers_are_those_from_below(
    family, frozen_layers, trained_layers
):
    network = make_network(family=family, frozen_layers=frozen_layers)
    # The layers after the encoder always learn.
    expected = HEAD | POOLER
    for index in trained_layers:
        expected |= layer_paths(index)
    if frozen_layers == 0:
        expected |= embedding_paths(family)
    assert paths_of(network.trainable_weights) == expected
    everything = embedding_paths(family) | HEAD | POOLER
    everything |= layer_paths(0) | layer_paths(1)
    assert paths_of(network.weights) == everything


@pytest.mark.usefixtures("eagerly")
def test_dropout_is_in_training_alone():
    inputs = make_inputs([16, 5], 16)

    def is_random(training, of_encoder, of_head):
        config = make_config(dropout=of_head)
        config.encoder.dropout = of_encoder
        network = config.build(3)
        answers = [network(inputs, training=training) for _ in range(2)]
        return not np.array_equal(*answers)

    assert not is_random(False, 0.1, 0.1)
    assert is_random(True, 0.1, 0.0)
    assert is_random(True, 0.0, 0.1)
    assert not is_random(True, 0.0, 0.0)


@pytest.mark.parametrize(
    "family, pooling, policy",
    [
        ("bert", "pooled", "mixed_bfloat16"),
        ("distil_bert", "mean", "mixed_bfloat16"),
        ("bert", "mean", "mixed_float16"),
    ],
)
def test_half_precision_gives_float32_logits(family, pooling, policy):
    inputs = make_inputs([16, 5], 16)
    full = make_network(family=family, pooling=pooling)
    with tfmodels.set_dtype_policy(policy):
        network = make_network(family=family, pooling=pooling)
    assert keras.config.dtype_policy().name == "float32"
    layer = network.get_layer("transformer_layer_0")
    assert layer.compute_dtype == policy.removeprefix("mixed_")
    assert {v.dtype for v in network.weights} == {"float32"}
    values = {v.path: v for v in full.weights}
    for variable in network.weights:
        variable.assign(values[variable.path])
    logits = network(inputs)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, full(inputs), atol=0.02)


def test_two_layers_do_not_start_alike():
    weights = {v.path: v.numpy() for v in make_network().weights}
    kernels = [
        weights[f"transformer_layer_{i}/self_attention_layer/{name}/kernel"]
        for i in range(2)
        for name in ("query", "key", "value")
    ]
    assert len({kernel.tobytes() for kernel in kernels}) == 6
