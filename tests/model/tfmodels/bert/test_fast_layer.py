"""The fast layers compute what KerasHub's do."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.bert import fast_layer
from tfmodels.bert import fused_ops
from tfmodels.bert.config import EncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig

LENGTHS = (20, 1, 7, 19, 2)
LABELS = tf.constant([0, 1, 2, 3, 4])


def make_network(implementation, *, dtype="float32", **changes):
    """Returns a network without dropout in which every weight matters."""
    encoder = {"vocabulary_size": 500, "num_heads": 4, "dropout": 0.0}
    pooling = changes.pop("pooling", "mean")
    config = BertClassifierConfig(
        encoder=EncoderConfig(
            implementation=implementation, **encoder | changes
        ),
        pooling=pooling,
        dropout=0.0,
    )
    with tfmodels.set_dtype_policy(dtype):
        network = config.build(len(LENGTHS))
    rng = np.random.default_rng(0)
    for variable in network.weights:
        noise = rng.normal(0, 0.1, variable.shape).astype(np.float32)
        variable.assign(noise + variable.path.endswith("gamma"))
    return network


def fast_layers(network):
    """Returns the fast layers of a network."""
    return [
        layer
        for layer in network._flatten_layers()
        if isinstance(layer, fast_layer.FastTransformerEncoder)
    ]


def make_features():
    rng = np.random.default_rng(1)
    shape = (len(LENGTHS), max(LENGTHS))
    is_word = np.arange(shape[1]) < np.array(LENGTHS)[:, np.newaxis]
    return {
        "token_ids": tf.constant(rng.integers(0, 500, shape, np.int32)),
        "padding_mask": tf.constant(is_word.astype(np.int32)),
    }


def eager(function):
    """Takes the place of `tf.function`, and takes no time to trace."""
    return function


def make_step(network, call=tf.function):
    """Returns a function to logits and gradients by path of one step."""

    def step():
        with tf.GradientTape() as tape:
            logits = network(make_features(), training=True)
            loss = tf.reduce_sum(
                tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, logits)
            )
        return logits, tape.gradient(loss, network.trainable_variables)

    called = call(step)
    paths = [v.path for v in network.trainable_variables]

    def by_path():
        logits, gradients = called()
        gradients = map(tf.convert_to_tensor, gradients)
        return {"": logits} | dict(zip(paths, gradients, strict=True))

    return by_path


def trained_on(network, call=tf.function):
    """Returns logits and gradients by path of one step."""
    return make_step(network, call)()


CASES = [
    {"family": family, "pooling": pooling, "activation": activation}
    for family, pooling, activation in [
        *itertools.product(
            ("bert",),
            ("mean", "pooled"),
            ("gelu", "gelu_approximate", "relu"),
        ),
        # The layers are the same; what is around them is not.
        ("distil_bert", "mean", "relu"),
        ("distil_bert", "pooled", "gelu"),
    ]
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(c.values()))
def test_outputs_and_gradients_are_keras_hubs(case):
    expected = trained_on(make_network("keras_nlp", **case), eager)
    ours = trained_on(make_network("fast", **case))
    assert list(ours) == list(expected)
    assert np.abs(expected[""]).max() > 1
    for path, value in expected.items():
        # Keys all moved alike change no softmax.
        assert np.abs(value).max() > 1e-3 or path.endswith("key/bias")
        np.testing.assert_allclose(
            ours[path], value, rtol=1e-5, atol=1e-5, err_msg=path
        )


def test_so_they_are_with_all_of_minilms_units():
    sizes = {"hidden_dim": 384, "intermediate_dim": 1536, "num_heads": 12}
    expected = trained_on(make_network("keras_nlp", **sizes), eager)
    network = make_network("fast", **sizes)
    for call in (tf.function, eager):
        ours = trained_on(network, call)
        for path, value in expected.items():
            # Sums of more numbers: weights that keep them as large.
            atol = 1e-5 * max(np.abs(value).max(), 1)
            np.testing.assert_allclose(
                ours[path], value, atol=atol, err_msg=path
            )


@pytest.mark.parametrize(
    "case", [CASES[0], CASES[-1]], ids=lambda c: "-".join(c.values())
)
def test_bfloat16_is_not_further_from_float32_than_keras_hubs(case):
    exact = trained_on(make_network("keras_nlp", **case), eager)

    def error(implementation):
        network = make_network(implementation, dtype="mixed_bfloat16", **case)
        found = trained_on(network)
        return {
            path: np.sqrt(np.mean(np.square(found[path] - value)))
            for path, value in exact.items()
            if not path.endswith("key/bias")  # It is 0.
        }

    ours, theirs = error("fast"), error("keras_nlp")
    assert 0 < ours[""] <= theirs[""]
    # Over all gradients, each as a share of what it is.
    shares = [
        [e[path] / np.sqrt(np.mean(np.square(exact[path]))) for path in e]
        for e in (ours, theirs)
    ]
    assert np.mean(shares[0]) <= np.mean(shares[1])


@pytest.mark.parametrize(
    "pooling, call, num_traces",
    [("mean", tf.function, 1), ("pooled", eager, 2)],
    ids=["mean", "pooled_eager"],
)
def test_recomputed_activations_give_the_same_bits(
    pooling, call, num_traces, monkeypatch
):
    calls = []
    compute = fast_layer.FastTransformerEncoder._compute

    def counted(layer, *arguments):
        calls.append(layer.name)
        return compute(layer, *arguments)

    monkeypatch.setattr(fast_layer.FastTransformerEncoder, "_compute", counted)

    def with_dropout(recompute):
        calls.clear()
        network = make_network(
            "fast",
            pooling=pooling,
            dropout=0.5,
            recompute_activations=recompute,
        )
        set_seeds(network, 1)
        step = make_step(network, call)
        first, second = step(), step()
        states = [v.numpy() for v in network.non_trainable_variables]
        # Of two layers.
        assert len(calls) == 2 * num_traces * (2 if recompute else 1)
        return [first, states, second]

    kept, recomputed = with_dropout(False), with_dropout(True)
    assert np.any(kept[0][""] != kept[2][""])
    tf.nest.map_structure(np.testing.assert_array_equal, recomputed, kept)


@pytest.mark.parametrize("recompute", [False, True])
def test_pieces_are_compiled_and_weights_kept_on_cpus_alone(
    recompute, monkeypatch
):
    network = make_network(
        "fast", num_layers=1, recompute_activations=recompute
    )
    used = []
    attention = fused_ops.FusedOps.attention

    def recorded(fused, *args, keep_weights, **kwargs):
        used.append((fused, keep_weights))
        return attention(fused, *args, keep_weights=keep_weights, **kwargs)

    monkeypatch.setattr(fused_ops.FusedOps, "attention", recorded)
    network(make_features(), training=True)
    network(make_features(), training=False)
    kinds = [tf.config.LogicalDevice("", kind) for kind in ("CPU", "GPU")]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda: kinds)
    network(make_features(), training=True)
    # With `recompute_activations`, the layer is computed again anyway.
    plain = fused_ops.PLAIN, recompute
    assert used == [(fused_ops.COMPILED, True), plain, plain]


# Keras 3.15 saves variables in a way that NumPy 2 warns of.
@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("pooling", ["mean", "pooled"])
def test_a_copy_computes_the_same(pooling, tmp_path):
    network = make_network(
        "fast", pooling=pooling, activation="gelu_approximate", dropout=0.25
    )
    layers = [layer.get_config() for layer in fast_layers(network)]
    network.save(tmp_path / "network.keras")
    cloned = keras.models.clone_model(network)
    cloned.set_weights(network.get_weights())
    logits = network(make_features()).numpy()
    for copy in (keras.models.load_model(tmp_path / "network.keras"), cloned):
        assert [layer.get_config() for layer in fast_layers(copy)] == layers
        np.testing.assert_array_equal(copy(make_features()), logits)


def test_for_answers_as_in_training():
    for pooling in ("mean", "pooled"):
        theirs, ours = (
            make_network(name, pooling=pooling)
            for name in ("keras_nlp", "fast")
        )
        np.testing.assert_allclose(
            ours(make_features(), training=False),
            theirs(make_features(), training=False),
            atol=1e-5,
        )


def test_no_rows_have_no_logits():
    features = {k: v[:0] for k, v in make_features().items()}
    for pooling in ("mean", "pooled"):
        network = make_network("fast", pooling=pooling)
        assert network(features, training=False).shape == (0, len(LENGTHS))


def test_frozen_layers_get_no_gradients():
    network = make_network("fast", frozen_layers=1)
    paths = {v.path.partition("/")[0] for v in network.trainable_variables}
    assert paths == {"transformer_layer_1", "logits"}
    expected = trained_on(make_network("keras_nlp", frozen_layers=1), eager)
    ours = trained_on(network)
    for path, value in expected.items():
        np.testing.assert_allclose(ours[path], value, rtol=1e-5, atol=1e-5)


def set_seeds(network, seed):
    """Sets the generators of dropout, each otherwise."""
    number = 0
    for layer in network._flatten_layers():
        for value in vars(layer).values():
            if isinstance(value, keras.random.SeedGenerator):
                value.state.assign([seed, number])
                number += 1


def dropped(network, seed):
    """Returns the logits of training, after seeds were set."""
    set_seeds(network, seed)
    return network(make_features(), training=True).numpy()


def test_dropout_is_a_function_of_the_seeds_of_keras():
    network = make_network("fast", dropout=0.5)
    # Of the embeddings, and three a layer: KerasHub's own.
    seeds = [v.path for v in network.variables if "seed" in v.path]
    theirs = make_network("keras_nlp", dropout=0.5)
    assert len(seeds) == 7
    assert [len(v.shape) for v in network.variables] == [
        len(v.shape) for v in theirs.variables
    ]
    first = dropped(network, 1)
    np.testing.assert_array_equal(dropped(network, 1), first)
    assert np.all(dropped(network, 2) != first)
    # The generators have moved on.
    again = network(make_features(), training=True).numpy()
    assert np.all(again != first)
    without = network(make_features(), training=False)
    assert np.all(without != first)


def test_dropout_has_the_statistics_of_keras_hubs():
    """Of one text two thousand times over, each with other bits."""
    features = {
        k: tf.repeat(v[:1], 2000, 0) for k, v in make_features().items()
    }
    ours, theirs = (
        make_network(name, dropout=0.25, num_layers=1)(
            features, training=True
        ).numpy()
        for name in ("fast", "keras_nlp")
    )
    away = np.abs(ours.mean(axis=0) - theirs.mean(axis=0))
    assert np.all(away < 5 * ours.std(axis=0) * np.sqrt(2 / len(ours)))
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=0.1)
    assert np.all(ours.std(axis=0) > 0.1)
