"""The text task: from ids to model inputs, and from logits to losses."""

import dataclasses
import json
import math

import hf_presets
import keras
import numpy as np
import pytest
import single_labels
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.config import experiment
from trainers.config.data import TextDataConfig
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.objectives import single_label
from trainers.objectives.single_label import SingleLabelConfig
from trainers.run.workdir import Workdir
from trainers.runtime.columns import Ragged
from trainers.tasks import example_signatures
from trainers.tasks.inputs import text_signatures

# Ids 0 to 15.
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghi", "##x", "!"]
CLASSES = ["ham", "spam", "猫"]


def make_config(sequence_length=16, **task):
    return experiment.ExperimentConfig(
        data=TextDataConfig(
            train="unused.csv", sequence_length=sequence_length, max_bytes=1000
        ),
        task=SingleLabelConfig(**task),
        model=tfmodels.BertClassifierConfig(
            encoder=tfmodels.EncoderConfig(
                num_layers=1, hidden_dim=8, intermediate_dim=16
            ),
            pooling="mean",
        ),
    )


def write_assets(directory, words=tuple(WORDS)):
    encoder = make_config().model.encoder
    (directory / "vocabulary.txt").write_text("\n".join(words) + "\n")
    (directory / "encoder.json").write_text(
        json.dumps(dataclasses.asdict(encoder))
    )


@pytest.fixture
def make_task(tmp_path):
    def make(sequence_length=16, words=tuple(WORDS), **settings):
        task = tasks.make_task(make_config(sequence_length, **settings))
        write_assets(tmp_path, words)
        return tasks.Task(
            task.inputs.restored(tmp_path), task.objective.restored(CLASSES)
        )

    return make


def preprocess(task, ids):
    features = task.inputs.preprocess(
        {"token_ids": tf.ragged.constant(ids, tf.int32, ragged_rank=1)}
    )
    assert list(features) == ["token_ids", "padding_mask"]
    assert {x.dtype for x in features.values()} == {tf.int32}
    return [features[name].numpy().tolist() for name in features]


# --- Preprocessing -----------------------------------------------------------


def test_texts_are_between_two_tokens_and_are_padded(make_task):
    ids, mask = preprocess(make_task(), [[5, 6], [], [7, 8, 9, 10, 11, 12]])
    assert ids == [
        [2, 5, 6, 3, 0, 0, 0, 0],
        [2, 3, 0, 0, 0, 0, 0, 0],
        [2, 7, 8, 9, 10, 11, 12, 3],
    ]
    assert mask == [
        [1, 1, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 1],
    ]


def test_a_text_of_one_token_more_takes_the_next_length(make_task):
    ids, mask = preprocess(make_task(), [[5] * 7, [6]])
    assert ids == [[2] + [5] * 7 + [3] + [0] * 7, [2, 6, 3] + [0] * 13]
    assert mask == [[1] * 9 + [0] * 7, [1] * 3 + [0] * 13]


@pytest.mark.parametrize("length", [8, 9, 100])
def test_a_long_text_is_cut_and_keeps_its_last_token(make_task, length):
    ids, mask = preprocess(
        make_task(sequence_length=10), [list(range(4, 4 + length)), [5]]
    )
    assert ids == [
        [2, 4, 5, 6, 7, 8, 9, 10, 11, 3],
        [2, 5, 3, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert mask == [[1] * 10, [1] * 3 + [0] * 7]


def test_the_shortest_sequence_holds_one_token(make_task):
    ids, mask = preprocess(make_task(sequence_length=3), [[5, 6], []])
    assert ids == [[2, 5, 3], [2, 3, 0]]
    assert mask == [[1, 1, 1], [1, 1, 0]]


def test_a_batch_without_texts_stays_one(make_task):
    features = make_task().inputs.preprocess(
        {
            "token_ids": tf.RaggedTensor.from_row_lengths(
                tf.zeros(0, tf.int32), tf.zeros(0, tf.int64)
            )
        }
    )
    assert [x.shape.as_list() for x in features.values()] == [[0, 8]] * 2


def test_special_tokens_have_the_ids_of_the_vocabulary(make_task):
    words = [*"abcde", "[SEP]", "[CLS]", "[UNK]", "[PAD]"]
    ids, mask = preprocess(make_task(words=words), [[0, 8, 1], []])
    # An id 8 inside a text is a token as any other.
    assert ids == [[6, 0, 8, 1, 5, 8, 8, 8], [6, 5, 8, 8, 8, 8, 8, 8]]
    assert mask == [[1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]]


def test_preprocessing_is_the_same_in_eager_graph_and_tf_data(make_task):
    task = make_task()
    rows = tf.ragged.constant([[5, 6], [], [7] * 30], tf.int32, ragged_rank=1)
    eager = task.inputs.preprocess({"token_ids": rows})
    graph = tf.function(task.inputs.preprocess)({"token_ids": rows})
    dataset = tf.data.Dataset.from_tensors({"token_ids": rows})
    mapped = next(iter(dataset.map(task.inputs.preprocess)))
    for name, value in eager.items():
        np.testing.assert_array_equal(value, graph[name])
        np.testing.assert_array_equal(value, mapped[name])


@pytest.mark.parametrize(
    ("padded_lengths", "width", "lengths"),
    [("auto", 8, [8, 48]), ("few", 32, [32, 64]), ("one", 80, [80])],
)
def test_training_has_the_lengths_of_the_setting(
    padded_lengths, width, lengths, make_task
):
    """The most frequent first, and none that no text has."""
    inputs = make_task(sequence_length=80).inputs
    inputs._config.data.padded_lengths = padded_lengths
    sizes = [1, 2, 2, 40]
    ids = Ragged.from_lengths(np.full(sum(sizes), 5, np.int32), sizes)
    examples = Examples(
        {"token_ids": ids},
        np.zeros(4, np.int32),
        Places.numbered("row ", range(4)),
    )
    assert inputs.training_lengths(examples) == lengths
    rows = {"token_ids": tf.ragged.constant([[5], [6, 7]], tf.int32)}
    trained = inputs.preprocess_for_training(rows)
    served = inputs.preprocess(rows)
    for name, value in served.items():
        assert value.shape.as_list() == [2, 8]
        assert trained[name].shape.as_list() == [2, width]
        np.testing.assert_array_equal(trained[name][:, :8], value)
    assert not np.any(trained["padding_mask"][:, 8:])


def test_lengths_are_those_that_the_model_gets(make_task):
    task = make_task(sequence_length=10)
    ids = Ragged.from_lengths(np.full(18, 5, np.int32), [1, 0, 8, 9])
    examples = Examples(
        {"token_ids": ids},
        np.zeros(4, np.int32),
        Places.numbered("row ", range(4)),
    )
    assert task.inputs.lengths(examples).tolist() == [3, 2, 10, 10]
    # All four in one batch, padded to 10.
    share = task.inputs.padding_share(examples, batch_size=4, seed=1)
    assert share == pytest.approx(1 - 25 / 40)
    share = task.inputs.padding_share(examples, batch_size=1, seed=1)
    assert share == pytest.approx(1 - 25 / (8 + 8 + 10 + 10))


# --- Loss --------------------------------------------------------------------

LOGITS = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0], [0, 0, 0]], np.float32)
LABELS = np.array([0, 2, 1], np.int32)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_smoothing_spreads_a_share_of_the_target(make_task, smoothing):
    task = make_task(label_smoothing=smoothing)
    target = (1 - smoothing) * np.eye(3)[LABELS] + smoothing / 3
    expected = -(target * log_softmax(LOGITS.astype(np.float64))).sum(axis=1)
    losses = task.objective.example_losses(LABELS, LOGITS)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    stock = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction="none"
    )
    np.testing.assert_allclose(
        losses, stock(np.eye(3)[LABELS], LOGITS), rtol=1e-6
    )


def test_weights_of_classes_multiply_the_loss(make_task):
    plain = make_task(label_smoothing=0.1).objective
    config = make_config(label_smoothing=0.1).task
    weights = np.array([2.0, 0.0, 0.5], np.float32)
    weighted = single_label.SingleLabel(config, CLASSES, weights)
    np.testing.assert_allclose(
        weighted.example_losses(LABELS, LOGITS),
        plain.example_losses(LABELS, LOGITS) * [2, 0.5, 0],
    )


def test_the_loss_is_float32_with_any_dtype_of_the_model(make_task):
    for dtype in (tf.float16, tf.bfloat16):
        task = make_task(label_smoothing=0.5)
        loss = task.objective.example_losses(
            np.array([0], np.int32), tf.constant([[0.0, 20.0]], dtype)
        )
        assert loss.dtype == tf.float32
        np.testing.assert_allclose(loss, [0.75 * 20], rtol=1e-6)


def write_csv(path, num_rows=40):
    """Three rows of four are ham; each label has its own letter."""
    rows = [
        f"{'a b' if row % 4 else 'c d'} {'e' * (row % 7)} {row},"
        f"{'ham' if row % 4 else 'spam'}"
        for row in range(num_rows)
    ]
    path.write_text("\n".join(["text,label", *rows]) + "\n")


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("text", ["none", "balanced", "spam=3"])
def test_weights_of_classes_come_with_the_data(text, tmp_path):
    write_csv(tmp_path / "mails.csv")
    config = make_config(class_weights=text)
    config.data.train = str(tmp_path / "mails.csv")
    config.data.cache_dir = "none"
    task = tasks.make_task(config)
    task, splits = task.load(config.data)
    assert task.objective.names == ["ham", "spam"]
    counts = np.bincount(splits.train.targets)
    factors = {
        "none": [1, 1],
        "balanced": counts.sum() / (2 * counts),
        "spam=3": [1, 3],
    }[text]
    # Of two equal logits.
    losses = task.objective.example_losses(
        np.array([0, 1]), np.zeros((2, 2), np.float32)
    )
    np.testing.assert_allclose(
        losses, math.log(2) * np.array(factors), rtol=1e-6
    )


@pytest.mark.parametrize(
    "name, value, message",
    [
        (
            "vocabulary",
            "/nowhere/vocab.txt",
            "/nowhere/vocab.txt: [Errno 2] No such file or directory: "
            "'/nowhere/vocab.txt'",
        ),
        (
            "preset",
            "/nowhere/bert",
            "`--config.model.encoder.preset` must be a directory that exists, "
            "hf://ORG/NAME, or the name of a KerasHub preset. Received: "
            "'/nowhere/bert'.",
        ),
        (
            "max_sequence_length",
            15,
            "`--config.data.sequence_length` must be at most 15, the "
            "positions that the encoder has. Received: 16.",
        ),
    ],
)
def test_an_encoder_that_cannot_be_had_is_refused(name, value, message):
    config = make_config()
    setattr(config.model.encoder, name, value)
    with pytest.raises(ConfigError) as error:
        tasks.make_task(config).load(config.data)
    assert message in str(error.value)


# --- Signatures --------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A task with 16 words, its signatures and its network."""
    directory = tmp_path_factory.mktemp("assets")
    write_assets(directory)
    task = tasks.make_task(make_config())
    task = tasks.Task(
        task.inputs.restored(directory), task.objective.restored(CLASSES)
    )
    keras.utils.set_random_seed(1)
    network = task.inputs.model_config.build(3)
    # Larger than those at the start, that texts get different answers.
    for variable in network.trainable_variables:
        variable.assign(variable * 20)
    return task, task.make_signatures(network), network


TEXTS = ["a b c", "", "  ", "e e e e e e e e e e e e e e e e e e e e", "ix !"]


def test_the_answer_is_that_of_the_network(served):
    task, signatures, network = served
    assert sorted(signatures) == [
        *("classify", "serving_default", "tokenize", "tokens")
    ]
    answer = signatures["serving_default"](text=tf.constant(TEXTS))
    assert sorted(answer) == ["class_id", "label", "logits", "probabilities"]
    features = task.inputs.preprocess(
        {"token_ids": task.inputs.tokenizer(tf.constant(TEXTS))}
    )
    logits = network(features, training=False).numpy()
    np.testing.assert_allclose(answer["logits"], logits, atol=1e-5)
    np.testing.assert_allclose(
        answer["probabilities"], np.exp(log_softmax(logits)), atol=1e-6
    )
    assert answer["class_id"].dtype == tf.int64
    np.testing.assert_array_equal(answer["class_id"], logits.argmax(axis=1))
    assert answer["label"].numpy().tolist() == [
        CLASSES[i].encode() for i in logits.argmax(axis=1)
    ]


def test_tokens_of_a_text_are_answered_as_the_text(served):
    _, signatures, _ = served
    for texts in (TEXTS, TEXTS[:1], TEXTS[1:3]):
        text = tf.constant(texts)
        ids = signatures["tokenize"](text=text)["token_ids"]
        from_text = signatures["serving_default"](text=text)
        from_ids = signatures["tokens"](token_ids=ids)
        assert sorted(from_text) == sorted(from_ids)
        for name, value in from_text.items():
            if value.dtype == tf.float32:
                np.testing.assert_allclose(value, from_ids[name], atol=1e-5)
            else:
                np.testing.assert_array_equal(value, from_ids[name])


def test_tokenize_returns_what_the_network_gets(served):
    _, signatures, _ = served
    answer = signatures["tokenize"](text=tf.constant(["a ix !", "zz"]))
    assert list(answer) == ["token_ids"]
    assert answer["token_ids"].dtype == tf.int32
    # As wide as the longest text can be: the width depends on no other text.
    assert answer["token_ids"].numpy().tolist() == [
        [2, 5, 13, 14, 15, 3] + [0] * 10,
        [2, 1, 3] + [0] * 13,
    ]


def test_padding_and_what_is_cut_change_no_answer(served):
    _, signatures, _ = served
    ids = [2, 5, 6, 3]
    answers = [
        signatures["tokens"](token_ids=tf.constant([row], tf.int32))["logits"]
        for row in (ids, ids + [0] * 12)
    ]
    np.testing.assert_allclose(*answers, atol=1e-5)
    long = [2, *[7] * 15, 9, 9, 9]
    answers = [
        signatures["tokens"](token_ids=tf.constant([row], tf.int32))["logits"]
        for row in (long, long[:16])
    ]
    np.testing.assert_array_equal(*answers)


def test_what_follows_the_first_end_changes_no_answer(served):
    """A server fills rows up with the first id of a request, `[CLS]`."""
    _, signatures, _ = served

    def answer(*rows):
        ids = tf.constant(rows, tf.int32)
        return signatures["tokens"](token_ids=ids)["logits"].numpy()

    short, long = [2, 5, 6, 3], [2, 5, 7, 8, 9, 10, 3]
    padded = answer(short + [2] * 3, long)
    np.testing.assert_array_equal(padded, answer(short + [0] * 3, long))
    np.testing.assert_allclose(padded[:1], answer(short), rtol=1e-4)
    assert abs(padded[0] - padded[1]).max() > 1e-3
    # Neither do tokens, another end, or ids that are none.
    for rest in ([7, 8, 9], [7, 3, 8], [0, 2, 7], [99, -1, 3]):
        np.testing.assert_array_equal(answer(short + rest, long), padded)


def test_rows_without_an_end_count_up_to_their_padding(served):
    """Of the client, `[PAD]`, or of a server, `[CLS]`."""
    _, signatures, network = served
    ids = np.array([[2, 5, 6, 7], [2, 5, 0, 0]], np.int32)
    features = {"token_ids": ids, "padding_mask": np.sign(ids)}
    expected = network(features, training=False)
    for rest in ([0, 7], [2, 2], [2, 3], [0, 2]):
        rest = np.array([rest, rest], np.int32)
        rows = np.concatenate([ids, rest], axis=1)
        np.testing.assert_allclose(
            signatures["tokens"](token_ids=tf.constant(rows))["logits"],
            expected,
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize(
    "ids", [[[5, 6]], [[3, 2]], [[2, 5], [99, 3]], [[0, 0], [0, 2]]]
)
def test_rows_that_a_server_could_pad_with_words_are_refused(served, ids):
    _, signatures, _ = served
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        signatures["tokens"](token_ids=tf.constant(ids))
    assert (
        "assertion failed: [`token_ids` must begin with [CLS] in each row, "
        "which has the id] [2] [here. Received rows that begin with] "
        f"[{ids[-1][0]}]"
    ) in str(error.value)


def test_ids_outside_the_vocabulary_are_an_error_and_no_crash(served):
    _, signatures, _ = served
    good = tf.constant([[2, 5, 3]], tf.int32)
    expected = signatures["tokens"](token_ids=good)["logits"]
    for bad in ([[2, 16, 3]], [[2, 2**31 - 1, 3]], [[2, -17, 3]]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not in"):
            signatures["tokens"](token_ids=tf.constant(bad, tf.int32))
        answer = signatures["tokens"](token_ids=good)["logits"]
        np.testing.assert_array_equal(answer, expected)


def test_classify_ranks_what_the_text_is_answered_with(served):
    _, signatures, _ = served
    texts = [text.encode() for text in TEXTS] + [b"\xff\xfe"]
    answer = signatures["serving_default"](text=tf.constant(texts))
    ranked = signatures["classify"](
        **example_signatures.check_inputs(text=texts)
    )
    assert ranked["classes"].dtype == tf.string
    for row, label in enumerate(answer["label"].numpy()):
        probabilities = dict(
            zip(CLASSES, answer["probabilities"].numpy()[row], strict=True)
        )
        names = [name.decode() for name in ranked["classes"].numpy()[row]]
        assert names[0] == label.decode()
        assert names == sorted(CLASSES, key=lambda n: -probabilities[n])
        assert ranked["scores"].numpy()[row].tolist() == [
            probabilities[name] for name in names
        ]


@pytest.mark.parametrize(
    "ids", [np.zeros((2, 5)), np.zeros((2, 0)), np.zeros((0, 4))]
)
def test_ids_of_nothing_are_answered_with_numbers(served, ids):
    _, signatures, _ = served
    answer = signatures["tokens"](token_ids=tf.constant(ids, tf.int32))
    assert answer["logits"].shape == (len(ids), 3)
    assert np.isfinite(answer["logits"]).all()
    np.testing.assert_allclose(
        tf.reduce_sum(answer["probabilities"], axis=1),
        np.ones(len(ids)),
        rtol=1e-6,
    )


def test_any_bytes_are_answered_with_numbers(served):
    _, signatures, _ = served
    texts = [b"", b" \t\r\n", b"\xff\xfe", b"a\xe4\xb8", b"\x00", b"a" * 9999]
    answer = signatures["serving_default"](text=tf.constant(texts))
    assert np.isfinite(answer["logits"]).all()
    # A text without tokens is answered like the empty text.
    for row in (1, 2, 4):
        np.testing.assert_array_equal(
            answer["logits"][row], answer["logits"][0]
        )
    nothing = signatures["serving_default"](text=tf.zeros(0, tf.string))
    assert nothing["logits"].shape == (0, 3)


def test_check_inputs_are_100_rows_of_each_signature(served):
    task, signatures, _ = served
    inputs = task.make_check_inputs(seed=1)
    assert sorted(inputs) == sorted(signatures)
    for name, values in inputs.items():
        ((_, rows),) = values.items()
        assert len(rows) == 100
        answer = signatures[name](
            **{k: tf.constant(v) for k, v in values.items()}
        )
        for output in answer.values():
            assert len(output) == 100
    ids = inputs["tokens"]["token_ids"]
    assert ids.min() == 0 and ids.max() == len(WORDS) - 1
    assert (ids[1] == 0).all()
    assert (b"" in inputs["tokenize"]["text"]) and (ids[0] > 0).any()
    again, other = (
        task.inputs.make_check_inputs(seed)["tokens"] for seed in (1, 2)
    )
    np.testing.assert_array_equal(again["token_ids"], ids)
    assert (other["token_ids"] != ids).any()
    assert text_signatures.check_corpus(1) != text_signatures.check_corpus(2)


def test_a_tokenizer_that_is_another_in_tf_data_is_not_exported(served):
    task, _, _ = served
    tokenizer = task.inputs.tokenizer

    class Unsteady:
        vocabulary = tokenizer.vocabulary

        def __call__(self, text):
            ids = tokenizer(text)
            return ids if tf.executing_eagerly() else ids + 1

    task.inputs.tokenizer = Unsteady()
    try:
        with pytest.raises(RunError) as error:
            task.inputs.make_check_inputs(seed=1)
    finally:
        task.inputs.tokenizer = tokenizer
    assert str(error.value) == (
        "the tokenizer gives other ids in tf.data than eagerly; no version "
        "was published."
    )


# --- Files of a work directory -----------------------------------------------


@pytest.mark.usefixtures("eagerly")
def test_files_make_the_task_what_it_was(tmp_path):
    write_csv(tmp_path / "mails.csv")
    config = make_config()
    config.data.train = str(tmp_path / "mails.csv")
    config.data.cache_dir = "none"
    unknown = tasks.make_task(config).inputs
    first, _, _ = unknown.load(config.data, single_labels.unfitted())
    # To load the data does not change what it was loaded with.
    assert unknown.tokenizer is None
    assert unknown.model_config is config.model
    files = first.assets()
    assert sorted(files) == ["encoder.json", "vocabulary.txt"]
    assert json.loads(files["encoder.json"])["normalizer"] == "bert"
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    again = unknown.restored(tmp_path)
    assert again.model_config == first.model_config
    assert again.tokenizer.vocabulary == first.tokenizer.vocabulary
    size = len(first.tokenizer.vocabulary)
    assert again.model_config.encoder.vocabulary_size == size
    assert config.model.encoder.vocabulary_size == 8000
    assert again.assets() == files
    text = tf.constant(["a b 7", "eee"])
    assert again.tokenizer(text).to_list() == first.tokenizer(text).to_list()


@pytest.mark.usefixtures("eagerly")
def test_added_tokens_of_a_preset_stay(tmp_path):
    """In the work directory, and beside the tokens that are cached."""
    write_csv(tmp_path / "mails.csv")
    config = make_config()
    config.data.train = str(tmp_path / "mails.csv")
    config.data.cache_dir = str(tmp_path / "cache")
    size = len(hf_presets.VOCABULARY)
    added = [
        {"content": "\n", "normalized": False},
        {"content": "New York", "normalized": True},
    ]
    path = hf_presets.write_hf(
        tmp_path / "bert",
        hf_presets.HF_BERT,
        {"added_tokens_decoder": {size + i: t for i, t in enumerate(added)}},
        [*hf_presets.VOCABULARY, "x", "y"],
    )
    vocabulary = "".join(f"{t}\n" for t in hf_presets.VOCABULARY)
    (path / "vocab.txt").write_text(vocabulary)
    config.model.encoder.preset = str(path)
    unknown = tasks.make_task(config).inputs
    text = tf.constant(["the new\tYORK\nquick", "the\n"])
    for _ in range(2):  # The second time from the cache.
        first, _, _ = unknown.load(config.data, single_labels.unfitted())
        assert first.tokenizer(text).to_list() == [
            [5, size + 1, size, 6],
            [5, size],
        ]
    files = first.assets()
    assert json.loads(files["encoder.json"])["added_tokens"] == [
        {"content": "\n", "id": size, "normalized": False},
        {"content": "New York", "id": size + 1, "normalized": True},
    ]
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    again = unknown.restored(tmp_path)
    assert again.assets() == files
    assert again.tokenizer(text).to_list() == first.tokenizer(text).to_list()
    # Without them, the same texts have other ids.
    for file in path.glob("tokenizer_config.json"):
        file.unlink()
    other, _, _ = unknown.load(config.data, single_labels.unfitted())
    assert "added_tokens" not in json.loads(other.assets()["encoder.json"])
    assert other.tokenizer(text).to_list() != first.tokenizer(text).to_list()


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("vocabulary.txt", None, "No such file or directory"),
        ("encoder.json", None, "No such file or directory"),
        ("vocabulary.txt", b"a\nb\n", "without [PAD], [UNK], [CLS], [SEP]."),
        (
            "vocabulary.txt",
            "\n".join([*WORDS, "a"]).encode(),
            "must contain each token once. Received: 'a' 2 times.",
        ),
        ("vocabulary.txt", b"\xff", "can't decode byte 0xff"),
        ("encoder.json", b'{"hidden_dim": 8', "delimiter"),
        ("encoder.json", b'{"hidden": 8}', "argument 'hidden'"),
        ("encoder.json", b'{"normalizer": "x"}', "unknown normalizer 'x'"),
        ("encoder.json", b"[1]", "encoder.json: must be a JSON object."),
        ("encoder.json", b"null", "encoder.json: must be a JSON object."),
        (
            "encoder.json",
            b'{"added_tokens": [{"content": "x", "id": 16, "normalized": 0}]}',
            "`added_tokens` must have a text and an id of the vocabulary. "
            "Received: AddedToken(content='x', id=16, normalized=0).",
        ),
    ],
)
def test_damaged_files_are_refused(name, content, reason, tmp_path):
    write_assets(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as error:
        tasks.make_task(make_config()).inputs.restored(tmp_path)
    assert str(error.value).startswith(
        "`--workdir` must be the directory of a run. Received: "
        f"{str(tmp_path)!r}: "
    )
    assert reason in str(error.value)


@pytest.mark.usefixtures("eagerly")
def test_a_run_that_an_older_version_began_keeps_its_tokenizer(tmp_path):
    rows = [f"ｗｉｄｅ {i},{'ham' if i % 4 else 'spam'}" for i in range(40)]
    (tmp_path / "mails.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    config = make_config()
    config.data.train = str(tmp_path / "mails.csv")
    config.data.cache_dir = str(tmp_path / "cache")
    unknown = tasks.make_task(config)
    # Older versions wrote no name.
    write_assets(tmp_path)
    assert "normalizer" not in json.loads(
        (tmp_path / "encoder.json").read_text()
    )
    workdir = Workdir(tmp_path)
    found = {}
    # The second time from the cache.
    for _ in range(2):
        for name, task in ("old", unknown.resumed(workdir)), ("new", unknown):
            task, splits = task.load(config.data)
            tokens = {
                task.inputs.tokenizer.vocabulary[i]
                for i in splits.train.features["token_ids"].values
            }
            assert ("ｗｉｄｅ" in tokens, "wide" in tokens) == (
                name == "new",
                name == "old",
            )
            assert found.setdefault(name, task.inputs.assets()) == (
                task.inputs.assets()
            )
    assert "normalizer" not in json.loads(found["old"]["encoder.json"])
    for name, text in found["old"].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    again = unknown.inputs.restored(tmp_path)
    assert again.assets() == found["old"]
    assert again.tokenizer.normalizer == "nfkc"
    (tmp_path / "encoder.json").write_text(found["new"]["encoder.json"])
    assert (
        unknown.resumed(workdir).load(config.data)[0].inputs.assets()
        == (found["new"])
    )
