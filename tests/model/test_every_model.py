"""What every model in the table of kinds must do.

A new model needs an entry in `CASES` and nothing else here.
"""

import copy
import dataclasses
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.config import experiment
from trainers.config import kinds
from trainers.config.optimizer import OptimizerConfig
from trainers.config.trainer import TrainerConfig
from trainers.objectives import tag_columns
from trainers.training import fitting
from trainers.training import steps

NUM_CLASSES = 3
BATCH_SIZE = 8
SEQUENCE_LENGTH = 8
VOCABULARY_SIZE = 12

# Keras 3.15 saves variables in a way that NumPy 2 warns of.
saves = pytest.mark.filterwarnings("ignore:__array__ implementation")


@dataclasses.dataclass(frozen=True)
class Case:
    """A tiny model and a batch for it.

    Attributes:
        config: Config of the model, with dropout.
        inputs: Array by input name, `BATCH_SIZE` different rows that use every
            weight but `unused`.
        unused: The row that no input uses, by the path of its variable.
    """

    config: object
    inputs: dict
    unused: dict = dataclasses.field(default_factory=dict)


def make_images(*shape):
    rng = np.random.default_rng(0)
    return {"image": rng.random((BATCH_SIZE, *shape), np.float32)}


def make_texts():
    """Texts of several lengths, with every position and all ids but one."""
    rng = np.random.default_rng(0)
    lengths = np.array([8, 5, 2, 7, 6, 8, 3, 4])[:, np.newaxis]
    shape = (BATCH_SIZE, SEQUENCE_LENGTH)
    mask = (np.arange(SEQUENCE_LENGTH) < lengths).astype(np.int32)
    token_ids = np.zeros(shape, np.int32)
    token_ids[mask == 1] = rng.permutation(mask.sum()) % (VOCABULARY_SIZE - 1)
    return {"token_ids": token_ids, "padding_mask": mask}


def make_bert(pooling="pooled", num_layers=1, **encoder):
    return tfmodels.BertClassifierConfig(
        encoder=tfmodels.EncoderConfig(
            vocabulary_size=VOCABULARY_SIZE,
            num_layers=num_layers,
            num_heads=2,
            hidden_dim=8,
            intermediate_dim=16,
            max_sequence_length=SEQUENCE_LENGTH,
            dropout=0.1,
            **encoder,
        ),
        pooling=pooling,
        dropout=0.1,
    )


def choices(config_class, name):
    """Returns the values that a setting allows."""
    (field,) = (f for f in dataclasses.fields(config_class) if f.name == name)
    return field.metadata["rule"]["choices"]


def bert_cases():
    """Yields a case for each family, pooling and implementation."""
    for family, pooling, implementation in itertools.product(
        choices(tfmodels.EncoderConfig, "family"),
        choices(tfmodels.BertClassifierConfig, "pooling"),
        choices(tfmodels.EncoderConfig, "implementation"),
    ):
        config = make_bert(
            pooling,
            # Two for each family and implementation, but not in each case.
            num_layers=2 if pooling == "pooled" else 1,
            family=family,
            implementation=implementation,
        )
        unused = {"token_embedding/embeddings": VOCABULARY_SIZE - 1}
        if family == "bert":
            # A single text is segment 0.
            unused["segment_embedding/embeddings"] = 1
        yield (
            f"{family}-{pooling}-{implementation}",
            Case(config, make_texts(), unused),
        )


def tagger_cases():
    """Yields a case for each family and each implementation."""
    for family, implementation in zip(
        choices(tfmodels.EncoderConfig, "family"),
        choices(tfmodels.EncoderConfig, "implementation"),
        strict=True,
    ):
        config = make_bert(family=family, implementation=implementation)
        unused = {"token_embedding/embeddings": VOCABULARY_SIZE - 1}
        if family == "bert":
            unused["segment_embedding/embeddings"] = 1
        config = tfmodels.BertTaggerConfig(config.encoder, dropout=0.1)
        yield f"{family}-{implementation}", Case(config, make_texts(), unused)


# By the name of the model and the name of the variant.
CASES = {
    "mnist_mlp": {
        # No unit of these can be dead, as with ReLU.
        "grey": Case(
            tfmodels.MnistMlpConfig(
                image_shape=(4, 4),
                hidden_dims=(8,),
                activation="tanh",
                dropout=0.1,
            ),
            make_images(4, 4),
        ),
        "colour": Case(
            tfmodels.MnistMlpConfig(
                image_shape=(4, 3, 3),
                hidden_dims=(8, 6),
                activation="gelu",
                dropout=0.1,
                l2=0.01,
            ),
            make_images(4, 3, 3),
        ),
    },
    "bert_classifier": dict(bert_cases()),
    "bert_tagger": dict(tagger_cases()),
}


def make_config(case, dtype_policy="float32"):
    """Returns the experiment with the task and the data of the model."""
    data, task = (
        next(
            kind
            for kind in (kinds.load(part, n, "") for n in kinds.KINDS[part])
            if kind.per_token == case.config.per_token
            and hasattr(case.config, getattr(kind, "model_part", "problems"))
        )
        for part in ("data", "task")
    )
    return experiment.ExperimentConfig(
        data=data(),
        task=task(),
        model=case.config,
        trainer=TrainerConfig(dtype_policy=dtype_policy),
    )


def make_network(case, dtype_policy="float32", noise_seed=0):
    """Returns a network whose weights are all so large that each matters."""
    network = fitting.make_network(make_config(case, dtype_policy), NUM_CLASSES)
    rng = np.random.default_rng(noise_seed)
    for variable in network.weights:
        noise = rng.normal(0, 1 / 3, variable.shape).astype(np.float32)
        variable.assign(variable.numpy() + noise)
    return network


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(case, id=f"{name}-{variant}")
        for name, variants in CASES.items()
        for variant, case in variants.items()
    ],
)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def network(case):
    """The network of a case. Its weights must stay as they are."""
    return make_network(case)


def make_targets(case):
    """Returns a class for each row, or a tag for each token."""
    if not case.config.per_token:
        return np.arange(BATCH_SIZE, dtype=np.int32) % NUM_CLASSES
    mask = case.inputs["padding_mask"]
    targets = np.zeros((*mask.shape, 4), np.int32)
    targets[:, :, tag_columns.TAG] = np.where(
        mask, np.arange(mask.size).reshape(mask.shape) % NUM_CLASSES, -1
    )
    return targets


def rows(case, chosen):
    """Returns some rows of the inputs of a case."""
    return {name: values[chosen] for name, values in case.inputs.items()}


def json_config(layer):
    """Returns the config of a layer or network as a file holds it."""
    return json.dumps(keras.saving.serialize_keras_object(layer))


@pytest.mark.parametrize("name", kinds.KINDS["model"])
def test_every_model_has_a_case(name):
    if not CASES.get(name):
        pytest.fail(
            f"the model {name!r} of `KINDS` is not tested: add a tiny config "
            "and inputs to `CASES` in this file"
        )
    for case in CASES[name].values():
        assert type(case.config) is kinds.load("model", name, "")
    assert CASES.keys() <= kinds.KINDS["model"].keys()


def test_inputs_are_a_dict_by_name(case, network):
    assert set(network.input) == set(case.inputs)
    for name, tensor in network.input.items():
        assert tensor.name == name
        assert tensor.dtype == case.inputs[name].dtype
        assert tensor.shape[0] is None
    logits = network(case.inputs)
    reverse = dict(reversed(case.inputs.items()))
    np.testing.assert_array_equal(network(reverse), logits)
    # Every input matters.
    for name, values in case.inputs.items():
        other = case.inputs | {name: np.roll(values, 1, axis=0)}
        assert np.abs(network(other) - logits).max() > 1e-3, name


@pytest.mark.parametrize(
    "policy",
    [p for p in choices(TrainerConfig, "dtype_policy") if p != "auto"],
)
def test_logits_are_float32_under_every_policy(case, network, policy):
    half = make_network(case, policy)
    assert keras.config.dtype_policy().name == "float32"
    per_token = case.config.per_token
    shape = (None, None) if per_token else (None,)
    assert half.output.shape == (*shape, NUM_CLASSES)
    assert half.output.dtype == "float32"
    logits = half(case.inputs)
    shape = (BATCH_SIZE, SEQUENCE_LENGTH) if per_token else (BATCH_SIZE,)
    assert logits.shape == (*shape, NUM_CLASSES)
    assert logits.dtype == tf.float32
    assert {variable.dtype for variable in half.weights} == {"float32"}
    # Only the last layer computes in float32.
    policies = {
        layer.name: layer.dtype_policy.name
        for layer in half.layers
        if layer.weights
    }
    assert policies.pop("logits") == "float32"
    assert set(policies.values()) == {policy}
    full = network(case.inputs)
    if policy == "float32":
        np.testing.assert_array_equal(logits, full)
    else:
        assert 0 < np.abs(logits - full).max() < 0.1


def step_without_dropout(case, *, jit_compile):
    """Returns all variables after a training step."""
    config = make_config(case)
    config.model = copy.deepcopy(case.config)
    config.model.dropout = 0.0
    if hasattr(config.model, "encoder"):
        config.model.encoder.dropout = 0.0
    config.optimizer = OptimizerConfig(name="momentum", learning_rate=0.1)
    network = fitting.make_network(config, NUM_CLASSES)
    model = fitting.make_training_model(
        network, config, tasks.make_task(config), steps.Steps(BATCH_SIZE, 1, 1)
    )
    inputs = {name: tf.constant(x) for name, x in case.inputs.items()}
    labels = tf.constant(make_targets(case))
    step = tf.function(
        model.train_step, jit_compile=jit_compile, autograph=False
    )
    step((inputs, labels, tf.ones([BATCH_SIZE])))
    return {v.path: v.numpy() for v in model.variables}


@pytest.mark.parametrize("name", kinds.KINDS["model"])
def test_xla_compiles_the_whole_step(name):
    """A TPU needs it: XLA refuses a function with an op that it lacks."""
    case = next(iter(CASES[name].values()))
    plain = step_without_dropout(case, jit_compile=False)
    compiled = step_without_dropout(case, jit_compile=True)
    assert plain.keys() == compiled.keys()
    for path, array in plain.items():
        np.testing.assert_allclose(
            compiled[path], array, rtol=0, atol=1e-6, err_msg=path
        )


def test_one_step_changes_every_trainable_weight(case):
    config = make_config(case)
    # Adam would make a step of rounding errors, too.
    config.optimizer = OptimizerConfig(name="sgd", learning_rate=1.0)
    network = make_network(case)
    before = {v.path: v.numpy() for v in network.trainable_weights}
    assert len(before) == len(network.weights)
    task = tasks.make_task(config)
    model = fitting.make_training_model(
        network, config, task, steps.Steps(BATCH_SIZE, 1, 1)
    )
    labels = make_targets(case)
    batch = (case.inputs, labels, np.ones(BATCH_SIZE, np.float32))
    history = model.fit(
        tf.data.Dataset.from_tensors(batch),
        steps_per_epoch=1,
        shuffle=False,
        verbose=0,
    )
    assert set(history.history) == {"loss", "accuracy"}
    assert np.isfinite(history.history["loss"]).all()
    assert model.optimizer.iterations == 1
    for variable in network.trainable_weights:
        path = variable.path
        # A bias of keys moves all scores of a query alike, so that its
        # gradient is 0 but for rounding.
        if path.endswith("/key/bias"):
            continue
        unchanged = variable.numpy() == before[path]
        expected = np.zeros_like(unchanged)
        if path in case.unused:
            expected[case.unused[path]] = True
        np.testing.assert_array_equal(unchanged, expected, err_msg=path)
    assert case.unused.keys() <= before.keys()


@saves
def test_a_saved_network_gives_equal_logits(case, network, tmp_path):
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    assert json_config(loaded) == json_config(network)
    assert [v.path for v in loaded.weights] == [v.path for v in network.weights]
    for ours, theirs in zip(network.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(theirs, ours, err_msg=ours.path)
    np.testing.assert_array_equal(loaded(case.inputs), network(case.inputs))


@saves
def test_saved_weights_give_equal_logits(case, network, tmp_path):
    network.save_weights(tmp_path / "network.weights.h5")
    other = make_network(case, noise_seed=1)
    logits = network(case.inputs)
    assert np.abs(other(case.inputs) - logits).max() > 1e-3
    other.load_weights(tmp_path / "network.weights.h5")
    np.testing.assert_array_equal(other(case.inputs), logits)


def test_a_config_gives_the_same_network(case, network):
    copy = keras.Model.from_config(network.get_config())
    assert json_config(copy) == json_config(network)
    copy.set_weights(network.get_weights())
    np.testing.assert_array_equal(copy(case.inputs), network(case.inputs))


def test_a_config_gives_the_same_layer(network):
    # The network itself comes first.
    _, *layers = network._flatten_layers()
    assert len(layers) >= len(network.layers)
    for layer in layers:
        config = layer.get_config()
        copy = type(layer).from_config(config)
        assert copy.get_config() == config, layer.path
        copy = keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(layer)
        )
        assert type(copy) is type(layer)
        assert copy.get_config() == config, layer.path


def activation_cases():
    """Yields a case for each activation that a model allows."""
    for name in choices(tfmodels.MnistMlpConfig, "activation"):
        case = CASES["mnist_mlp"]["grey"]
        config = dataclasses.replace(case.config, activation=name)
        yield pytest.param(
            dataclasses.replace(case, config=config), id=f"mnist_mlp-{name}"
        )
    for implementation, name in itertools.product(
        choices(tfmodels.EncoderConfig, "implementation"),
        choices(tfmodels.EncoderConfig, "activation"),
    ):
        config = make_bert(implementation=implementation, activation=name)
        yield pytest.param(
            Case(config, make_texts()),
            id=f"bert_classifier-{implementation}-{name}",
        )


@saves
@pytest.mark.parametrize("case_of_activation", list(activation_cases()))
def test_every_activation_is_saved(case_of_activation, tmp_path):
    network = make_network(case_of_activation)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    assert json_config(loaded) == json_config(network)
    inputs = case_of_activation.inputs
    np.testing.assert_array_equal(loaded(inputs), network(inputs))


def test_a_row_gives_the_same_logits_in_every_batch(case, network):
    whole = network(case.inputs).numpy()
    # Rows differ, or the order would not matter.
    assert len(np.unique(whole, axis=0)) == BATCH_SIZE
    for chosen in ([0], [3], [0, 3, 7], [7, 0, 3], [3, 3, 3]):
        np.testing.assert_allclose(
            network(rows(case, chosen)), whole[chosen], rtol=1e-5, atol=1e-5
        )


def test_dropout_is_off_in_inference(case, network):
    logits = network(case.inputs)
    np.testing.assert_array_equal(network(case.inputs), logits)
    np.testing.assert_array_equal(network(case.inputs, training=False), logits)
    np.testing.assert_allclose(
        network.predict_on_batch(case.inputs), logits, rtol=1e-5, atol=1e-5
    )
    dropped = [network(case.inputs, training=True) for _ in range(2)]
    assert np.abs(dropped[0] - dropped[1]).max() > 1e-3
    assert np.abs(dropped[0] - logits).max() > 1e-3
