"""What answers computes what was trained."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.bert import inference as inference_lib
from tfmodels.bert.config import EncoderConfig
from tfmodels.bert.config import PairEncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig
from tfmodels.bert_tagger import BertTaggerConfig


def make_config(family="bert", pooling="mean", activation="gelu"):
    encoder = EncoderConfig(
        family=family,
        activation=activation,
        vocabulary_size=500,
        num_heads=4,
        max_sequence_length=32,
    )
    return BertClassifierConfig(encoder=encoder, pooling=pooling)


def make_network(config):
    """Returns a network in which every weight matters."""
    network = config.build(5)
    rng = np.random.default_rng(0)
    for variable in network.variables:
        noise = rng.normal(0, 0.1, variable.shape)
        variable.assign(variable.numpy() + noise.astype(np.float32))
    return network


def make_features(lengths, longest=20):
    """Returns ids, also at padding, which must not be looked at."""
    rng = np.random.default_rng(1)
    shape = (len(lengths), longest)
    is_word = np.arange(longest) < np.array(lengths).reshape(-1, 1)
    return {
        "token_ids": tf.constant(rng.integers(0, 500, shape, np.int32)),
        "padding_mask": tf.constant(is_word.astype(np.int32)),
    }


@functools.cache
def make(family="bert", pooling="mean", activation="gelu"):
    """Returns a network and its inference."""
    config = make_config(family, pooling, activation)
    network = make_network(config)
    return network, inference_lib.BertInference(network, config)


@pytest.mark.parametrize(
    "family, pooling, activation",
    [
        ("bert", "mean", "gelu"),
        ("bert", "pooled", "gelu_approximate"),
        ("distil_bert", "mean", "relu"),
        ("distil_bert", "pooled", "gelu"),
    ],
)
def test_logits_are_those_of_the_network(family, pooling, activation):
    network, inference = make(family, pooling, activation)
    features = make_features([20, 1, 7, 19, 2])
    expected = network(features, training=False).numpy()
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(inference(features), expected, atol=1e-5)
    np.testing.assert_allclose(
        tf.function(inference)(features), expected, atol=1e-5
    )


@pytest.mark.parametrize("pooling", ["mean", "pooled"])
def test_logits_of_pairs_are_those_of_the_network(pooling):
    config = make_config(pooling=pooling)
    fields = dataclasses.asdict(config.encoder)
    config.encoder = PairEncoderConfig(**fields)
    network = make_network(config)
    inference = inference_lib.BertInference(network, config)
    features = make_features([20, 1, 7, 19, 2])
    segments = np.arange(20) > np.array([9, 0, 3, 18, 0])[:, np.newaxis]
    features["segment_ids"] = tf.constant(segments.astype(np.int32))
    expected = network(features, training=False).numpy()
    np.testing.assert_allclose(inference(features), expected, atol=1e-5)
    swapped = features | {"segment_ids": 1 - features["segment_ids"]}
    assert np.abs(inference(swapped) - expected).max() > 1e-2


@functools.cache
def make_tagger(family="bert"):
    """Returns a tagger and its inference."""
    config = BertTaggerConfig(encoder=make_config(family).encoder)
    network = make_network(config)
    return network, inference_lib.BertTaggerInference(network, config)


@pytest.mark.parametrize("family", ["bert", "distil_bert"])
def test_logits_of_tokens_are_those_of_the_network(family):
    network, inference = make_tagger(family)
    features = make_features([20, 1, 7, 19, 2])
    expected = network(features, training=False).numpy()
    found = tf.function(inference)(features).numpy()
    assert found.shape == (5, 20, 5)
    is_token = features["padding_mask"].numpy() == 1
    assert np.abs(expected[is_token]).max() > 1
    np.testing.assert_allclose(found[is_token], expected[is_token], atol=1e-5)
    assert not found[~is_token].any()


def test_a_row_answers_alike_in_any_company():
    _, inference = make()
    features = make_features([3, 20, 1])
    together = inference(features).numpy()
    for row, length in enumerate([3, 20, 1]):
        alone = {k: v[row : row + 1, :length] for k, v in features.items()}
        np.testing.assert_allclose(
            inference(alone)[0], together[row], atol=1e-5
        )


def test_no_rows_have_no_logits():
    _, inference = make()
    features = {k: v[:0] for k, v in make_features([3]).items()}
    assert inference(features).shape == (0, 5)


def test_training_is_refused():
    _, inference = make()
    with pytest.raises(AssertionError):
        inference(make_features([3]), training=True)


@pytest.mark.parametrize("pooling", ["mean", "pooled"])
@pytest.mark.parametrize("family", ["bert", "distil_bert"])
def test_its_graph_knows_the_shape_of_logits(family, pooling):
    """What serves looks there for the dimension of the batch."""
    _, inference = make(family, pooling)
    specs = {
        name: tf.TensorSpec((None, None), tf.int32)
        for name in ("token_ids", "padding_mask")
    }
    graph = tf.function(inference).get_concrete_function(specs)
    assert graph.output_shapes.as_list() == [None, 5]


def test_the_graph_of_a_tagger_knows_the_shape_of_logits():
    specs = {
        name: tf.TensorSpec((None, None), tf.int32)
        for name in ("token_ids", "padding_mask")
    }
    graph = tf.function(make_tagger()[1]).get_concrete_function(specs)
    assert graph.output_shapes.as_list() == [None, None, 5]
