"""What a tagger serves: places in texts, entities, windows."""

import numpy as np
import pytest
import taggers
import tensorflow as tf

from trainers.data.texts import windows as windows_lib
from trainers.objectives import entity_spans
from trainers.objectives.rounding import IN_DOUBT
from trainers.tasks.inputs import tag_signatures

NAMES = taggers.NAMES
# `tests/model/test_every_task.py` and the test of 10,000 texts use graphs.
pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def tagger():
    return taggers.make()


@pytest.fixture(scope="module")
def functions(tagger):
    return tagger.functions()


def call(functions, name, texts):
    answer = functions[name](tf.constant(texts, tf.string))
    return {key: value.numpy() for key, value in answer.items()}


def one_hot_tokens(tags, lengths, score=4.0):
    """Returns `Tokens` with these tags, a character each."""
    logits = score * np.eye(len(NAMES), dtype=np.float32)[tags]
    places = tf.RaggedTensor.from_row_lengths(
        np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
        lengths,
    )
    return tag_signatures.Tokens(places, places + 1, tf.constant(logits))


def test_entities_are_those_of_the_rule_in_numpy(tagger):
    """For random tags in texts of any lengths; also none."""
    rng = np.random.default_rng(0)
    tokenizer = tagger.task.inputs.tokenizer
    for _ in range(4):
        lengths = rng.integers(0, 12, 100)
        tags = rng.integers(0, len(NAMES), lengths.sum())
        text = np.array(["x" * n for n in lengths], object)
        found = tag_signatures.entity_outputs(
            one_hot_tokens(tags, lengths), NAMES, text, tokenizer, 12
        )
        found = {name: value.numpy() for name, value in found.items()}
        begins = np.cumsum(lengths) - lengths
        for row, (begin, length) in enumerate(
            zip(begins, lengths, strict=True)
        ):
            expected = entity_spans.decode(tags[begin : begin + length])
            expected = expected.strict()
            count = len(expected)
            assert found["num_entities"][row] == count
            for name, values in (
                ("start", expected.first),
                ("end", expected.last + 1),
            ):
                column = found[f"entity_{name}"][row].tolist()
                assert column == [*values, *[-1] * (12 - count)]
            types = entity_spans.types_of(NAMES)
            labels = found["entity_label"][row].tolist()[:count]
            assert labels == [types[x].encode() for x in expected.types]


def test_the_score_of_an_entity_is_the_mean_of_its_tokens(tagger):
    logits = np.log(
        [[1, 7, 1, 0.5, 0.5], [1, 1, 5, 2, 1], [9, 0.25] + [0.25] * 3]
    )
    tokens = one_hot_tokens([0, 0, 0], [3])
    tokens = tag_signatures.Tokens(
        tokens.start, tokens.end, tf.constant(logits, tf.float32)
    )
    found = tag_signatures.entity_outputs(
        tokens, NAMES, ["abc"], tagger.task.inputs.tokenizer, 2
    )
    assert found["entity_text"].numpy().tolist() == [[b"ab", b""]]
    np.testing.assert_allclose(found["entity_score"], [[0.6, 0]], atol=1e-6)
    assert found["num_entities"].numpy().tolist() == [1]


def test_more_entities_than_the_width_are_counted(functions):
    narrow = taggers.make(taggers.make_config(max_entities=2)).functions()
    text = ["a b " * 20, "a"]
    wide, cut = (call(x, "serving_default", text) for x in (functions, narrow))
    assert wide["entity_start"].shape == (2, 256)
    assert cut["num_entities"].tolist() == wide["num_entities"].tolist()
    assert wide["num_entities"][0] > 2
    for name, values in cut.items():
        if values.ndim == 2:
            assert values.tolist() == wide[name][:, :2].tolist()


def test_places_are_those_of_the_text(functions):
    """The process tests do so for 10,000 texts."""
    texts = taggers.make_texts(300)
    found = call(functions, "serving_default", texts)
    assert taggers.check_entities(texts, found) > 1000


def test_the_tags_of_all_tokens_are_served(functions):
    text = " Ax\u00adx, 北京\U0001f469 xyzq"
    found = call(functions, "tags", [text, ""])
    places = zip(found["start"][0], found["end"][0], strict=True)
    assert [text[start:end] for start, end in places] == [
        *("Ax\u00adx", ",", "北", "京", "\U0001f469", "xyzq")
    ]
    assert found["start"][1].tolist() == [-1] * 6
    assert found["end"][1].tolist() == [-1] * 6
    assert found["tag"][1].tolist() == [b""] * 6
    assert found["score"][1].tolist() == [0] * 6


def test_entities_are_made_of_the_served_tags(functions):
    texts = taggers.make_texts(50, seed=1)
    tags = call(functions, "tags", texts)
    found = call(functions, "serving_default", texts)
    for row in range(len(texts)):
        count = (tags["start"][row] >= 0).sum()
        numbers = [NAMES.index(x.decode()) for x in tags["tag"][row, :count]]
        expected = entity_spans.decode(numbers).strict()
        shown = found["num_entities"][row]
        assert shown == len(expected)
        assert found["entity_start"][row, :shown].tolist() == (
            tags["start"][row][expected.first].tolist()
        )
        assert found["entity_end"][row, :shown].tolist() == (
            tags["end"][row][expected.last].tolist()
        )


def test_plain_tags_are_served_by_default():
    plain = taggers.make(names="OABC", is_plain=True).functions()
    texts = taggers.make_texts(5)
    found = call(plain, "serving_default", texts)
    for name, values in call(plain, "tags", texts).items():
        assert values.tolist() == found[name].tolist()
    assert {*found["tag"].flat} == {b"", b"O", b"A", b"B"}


def logits_of_one_text(tagger, pieces):
    """Returns the logits of pieces, between [CLS] and [SEP]."""
    ids = tf.RaggedTensor.from_row_lengths(pieces, [len(pieces)])
    features = tagger.task.inputs.preprocess({"token_ids": ids})
    logits = tagger.network(features, training=False)[0]
    return logits[1 : len(pieces) + 1].numpy()


def read(tagger, texts):
    inputs = tagger.task.inputs

    def logits_of(ids):
        features = inputs.preprocess({"token_ids": ids})
        return tagger.network(features, training=False)

    return tag_signatures.read(
        tf.constant(texts, tf.string),
        inputs.tokenizer,
        inputs.window_size,
        logits_of,
        len(NAMES),
    )


@pytest.mark.parametrize("num_words", [0, 1, 9, 10])
def test_a_text_that_fits_one_window_is_read_as_without_windows(
    tagger, num_words
):
    """Bit for bit."""
    text = " ".join("axyz"[n % 4] for n in range(num_words))
    ids = tagger.task.inputs.tokenizer([text])
    assert ids.row_lengths().numpy() == [num_words]
    expected = logits_of_one_text(tagger, ids.values)
    np.testing.assert_array_equal(read(tagger, [text]).logits, expected)


def test_a_long_text_has_answers_to_its_end(tagger, functions):
    """Each token from the window where it is farthest from an edge."""
    words = np.random.default_rng(0).choice(["a", "xz", "北", "z-z"], 600)
    text = " ".join(words)
    assert len(text) > 1_000
    ids = tagger.task.inputs.tokenizer([text]).values.numpy()
    windows = windows_lib.of_rows([len(ids)], tagger.task.inputs.window_size)
    expected = np.concatenate(
        [
            logits_of_one_text(tagger, ids[start : start + length])[
                first - start : end - start
            ]
            for start, length, first, end in zip(
                windows.start[-5:],
                windows.length[-5:],
                windows.first_owned[-5:],
                windows.end_owned[-5:],
                strict=True,
            )
        ]
    )
    tokens = read(tagger, [text, "a"])
    begins = tagger.task.inputs.tokenizer.begins_word[ids[-len(expected) :]]
    last = tokens.logits[: len(tokens.start[0])][-begins.sum() :]
    np.testing.assert_allclose(last, expected[begins], rtol=1e-4, atol=1e-4)
    assert tokens.end[0, -1] == len(text)
    found = call(functions, "tags", [text])
    assert found["end"][0, -1] == len(text)
    starts = call(functions, "serving_default", [text])
    assert starts["num_entities"][0] > 100


def test_texts_whose_best_tags_are_almost_equal_are_in_doubt(tagger):
    functions = tagger.task.make_signatures(
        lambda features, training: tf.where(
            (features["token_ids"] == taggers.VOCABULARY.index("x"))[
                ..., tf.newaxis
            ],
            [[[0.0, 3.0, 3.0 - 1e-5, 0.0, 0.0]]],
            [[[0.0, 3.0, 3.0 - 1e-3, 0.0, 0.0]]],
        ),
        with_doubt=True,
    )
    for name in ("tags", "serving_default"):
        found = call(functions, name, ["a z", "a x z", ""])
        assert found[IN_DOUBT].tolist() == [False, True, False]
