"""Ids of requests, and texts to check exports with."""

import unicodedata

import numpy as np
import tensorflow as tf

from trainers.tasks import example_signatures

# Input of the signatures that take texts.
SPEC = tf.TensorSpec((None,), tf.string, name="text")
_NUM_ROWS = 100
_category = unicodedata.ucd_3_2_0.category
# Edge cases of real requests.
_ODD_TEXTS = (
    "",
    " \t\r\n\u00a0\u3000",
    "Plain English, with punctuation: isn't it?",
    "naïve café Ångström İstanbul ẞ",
    "e\u0301 A\u030a o\u0308 combining marks, n\u0303\u0323",
    "中文分词测试，混合 English",
    "日本語のテキスト、カタカナ",
    "العربية العَرَبِيَّة",
    "עברית हिन्दी ไทย 한국어",
    "😀👍🏽 👨\u200d👩\u200d👧 🇩🇪",
    "[CLS] special [SEP] tokens [PAD] in [MASK] a [UNK] text",
    "\ufeffbyte order mark, zero\u200bwidth, \u202eright to left",
    "a\x00b NUL \x1b[31m and \x7f control",
    "𠀀𪛖 rare, \ue000 private use, � replacement",
    "supercalifragilistic" * 50,
    "a " * 5_000,
    "x" * 1_000_000,
)
_INVALID_UTF8 = (
    b"\xff\xfe broken bytes \x80",
    b"cut in the middle of a character: \xe4\xb8",
    b"overlong \xc0\xaf and surrogate \xed\xa0\x80",
)


def model_inputs(ids, sequence_length, *, pad_id, start_id, end_id):
    """Returns the inputs of a network for the ids of a request.

    To run requests of several lengths together, TensorFlow Serving pads each
    one with its own first id. Therefore each row begins with `[CLS]`, and it
    ends with its first `[SEP]`, or before its first `[PAD]` or second `[CLS]`.
    What follows has no effect, so an answer does not depend on other requests.

    Args:
        ids: int32[batch, length]. A row of `[PAD]` alone is empty. Any other
            row that does not begin with `[CLS]` is an error of the graph.
        sequence_length: int. Maximum number of ids of a text.
        pad_id, start_id, end_id: int. Ids of `[PAD]`, `[CLS]` and `[SEP]`.

    Returns:
        Dict of `token_ids` and `padding_mask`, both int32[batch, length].
    """
    ids = ids[:, :sequence_length]
    # At least one column, and the first id is never padding: a row with only
    # padding would give the mean of no vectors.
    is_empty = tf.cast(tf.equal(tf.shape(ids)[1], 0), tf.int32)
    ids = tf.pad(ids, [[0, 0], [0, is_empty]], constant_values=pad_id)
    first = ids[:, 0]
    is_padding = tf.reduce_all(tf.equal(ids, pad_id), axis=1)
    known = tf.equal(first, start_id) | is_padding
    check = tf.debugging.Assert(
        tf.reduce_all(known),
        [
            "`token_ids` must begin with [CLS] in each row, which has the id",
            start_id,
            "here. Received rows that begin with",
            tf.boolean_mask(first, ~known),
        ],
    )
    with tf.control_dependencies([check] if check is not None else []):
        ids = tf.identity(ids)
    is_first = tf.equal(tf.range(tf.shape(ids)[1]), 0)
    is_start = tf.equal(ids, start_id) & ~is_first
    is_outside = is_start | tf.equal(ids, pad_id)
    num_before = _count_before(tf.equal(ids, end_id))
    num_before += _count_before(is_outside) + tf.cast(is_outside, tf.int32)
    mask = tf.cast(tf.equal(num_before, 0) | is_first, tf.int32)
    return {"token_ids": tf.where(mask > 0, ids, pad_id), "padding_mask": mask}


def pair_inputs(ids, sequence_length, *, pad_id, start_id, end_id):
    """Returns the inputs of a network for the ids of pairs of texts.

    A row is `[CLS] first [SEP] second [SEP]`. What follows the second `[SEP]`
    has no effect, see `model_inputs`. The first `[SEP]` says where the segment
    of the second text begins.

    Args:
        ids: int32[batch, length]. Each row begins with `[CLS]` and has two
            `[SEP]` in its first `sequence_length` ids, or it is an error of
            the graph. A row of `[PAD]` alone is empty.
        sequence_length, pad_id, start_id, end_id: As for `model_inputs`.

    Returns:
        Dict of `token_ids`, `padding_mask` and `segment_ids`, all int32[batch,
        length].
    """
    ids = ids[:, :sequence_length]
    is_empty = tf.cast(tf.equal(tf.shape(ids)[1], 0), tf.int32)
    ids = tf.pad(ids, [[0, 0], [0, is_empty]], constant_values=pad_id)
    is_first = tf.equal(tf.range(tf.shape(ids)[1]), 0)
    is_end = tf.equal(ids, end_id)
    num_ends = _count_before(is_end)
    is_outside = tf.equal(ids, start_id) & ~is_first | tf.equal(ids, pad_id)
    num_outside = _count_before(is_outside) + tf.cast(is_outside, tf.int32)
    is_inside = tf.equal(num_outside, 0) & (num_ends < 2)
    is_padding = tf.reduce_all(tf.equal(ids, pad_id), axis=1)
    num_texts = tf.reduce_sum(tf.cast(is_inside & is_end, tf.int32), axis=1)
    known = tf.equal(ids[:, 0], start_id) & tf.equal(num_texts, 2) | is_padding
    check = tf.debugging.Assert(
        tf.reduce_all(known),
        [
            "`token_ids` must be [CLS] first [SEP] second [SEP] in each row, "
            f"with both [SEP] in the first {sequence_length} ids. The ids of "
            "[CLS] and [SEP] are",
            start_id,
            end_id,
            "here. Received other rows:",
            tf.boolean_mask(ids, ~known),
        ],
    )
    with tf.control_dependencies([check] if check is not None else []):
        ids = tf.identity(ids)
    mask = tf.cast(is_inside | is_first, tf.int32)
    return {
        "token_ids": tf.where(mask > 0, ids, pad_id),
        "padding_mask": mask,
        "segment_ids": tf.minimum(num_ends, 1) * mask,
    }


def _count_before(condition):
    return tf.cumsum(tf.cast(condition, tf.int32), axis=1, exclusive=True)


def check_corpus(seed):
    """Returns 100 texts: edge cases and random characters.

    Args:
        seed: int. Determines the random characters.

    Returns:
        List of bytes. Some are not valid UTF-8.
    """
    rng = np.random.default_rng(seed)
    # The first text is short: it is the only one in a batch of size 1.
    corpus = [text.encode("utf-8") for text in _ODD_TEXTS[2:]]
    corpus += [text.encode("utf-8") for text in _ODD_TEXTS[:2]]
    corpus += _INVALID_UTF8
    while len(corpus) < _NUM_ROWS:
        # Characters of the first plane, up to Unicode 3.2: different runtimes
        # disagree on which newer characters are letters.
        points = rng.integers(1, 0xD800, rng.integers(1, 60))
        points[rng.random(len(points)) < 0.3] = ord(" ")
        text = "".join(c for c in map(chr, points) if _category(c) != "Cn")
        corpus.append(text.encode("utf-8"))
    return corpus


def check_inputs(corpus, vocabulary_size, *, pad_id, start_id, seed):
    """Returns inputs of all signatures; see `Inputs.make_check_inputs`.

    Args:
        corpus: List of bytes from `check_corpus`.
        vocabulary_size: int. Upper limit of the random ids.
        pad_id, start_id: int. Ids of `[PAD]` and `[CLS]`.
        seed: int. Determines the random ids.

    Returns:
        Dict by signature of dicts by input of arrays with one row for each
        text.
    """
    rng = np.random.default_rng(seed)
    text = np.array(corpus, dtype=object)
    ids = rng.integers(0, vocabulary_size, (len(corpus), 24), np.int32)
    ids[:, 0] = start_id
    ids[1] = pad_id
    return {
        "serving_default": {"text": text},
        "tokens": {"token_ids": ids},
        "tokenize": {"text": text},
        "examples": example_signatures.check_inputs(text=corpus),
    }
