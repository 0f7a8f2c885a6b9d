"""Two texts in one row: `[CLS] first [SEP] second [SEP]`."""

import tensorflow as tf

from trainers.data import buckets

# [CLS], and [SEP] after each text.
NUM_SPECIAL = 3


def kept_lengths(first, second, limit):
    """Returns how many tokens of each text fit, the longest cut first.

    The result is that of `longest_first` of Hugging Face's `tokenizers`: the
    shorter text keeps all its tokens, or half of the limit. If both are cut,
    the longer text gets the odd token, and the second one at a tie.

    Args:
        first: int32[...]. Tokens of the first texts.
        second: int32[...]. Tokens of the second texts.
        limit: int. Largest sum.

    Returns:
        `(first, second)`, int32 of the same shape.
    """
    shorter = tf.minimum(first, second)
    longer = tf.maximum(first, second)
    few = tf.minimum(shorter, tf.maximum(limit // 2, limit - longer))
    many = tf.minimum(longer, limit - few)
    is_shorter = first <= second
    return tf.where(is_shorter, few, many), tf.where(is_shorter, many, few)


def pack(first, second, longest, how_many, *, pad_id, start_id, end_id):
    """Returns the inputs of a network for pairs of texts.

    Args:
        first: int32[batch, (tokens)], ragged. Ids of the first texts.
        second: int32[batch, (tokens)], ragged. Ids of the second texts.
        longest: int. Largest number of ids of a row.
        how_many: str. As for `buckets.padded_lengths`.
        pad_id, start_id, end_id: int. Ids of `[PAD]`, `[CLS]` and `[SEP]`.

    Returns:
        Dict of `token_ids`, `padding_mask` and `segment_ids`, all int32[batch,
        padded_length]. The mask is 1 for tokens. The segment is 1 for the
        second text and the `[SEP]` after it, otherwise 0.
    """
    num_first, num_second = kept_lengths(
        _lengths(first), _lengths(second), longest - NUM_SPECIAL
    )
    # [batch, 1]
    lengths = num_first + num_second + NUM_SPECIAL
    choices = buckets.padded_lengths(longest, how_many)
    length = choices[0]  # A static shape, if there is one choice.
    if len(choices) > 1:
        is_short = choices < tf.reduce_max(lengths)
        index = tf.reduce_sum(tf.cast(is_short, tf.int32))
        length = tf.constant(choices)[index]
    positions = tf.range(length)[tf.newaxis]
    ids = _moved(first, 1, positions, pad_id)
    middle = num_first + 1  # The place of the first [SEP].
    is_second = positions > middle
    ids = tf.where(
        is_second, _moved(second, middle + 1, positions, pad_id), ids
    )
    ids = tf.where(positions == 0, start_id, ids)
    is_end = (positions == middle) | (positions == lengths - 1)
    ids = tf.where(is_end, end_id, ids)
    is_token = positions < lengths
    return {
        "token_ids": tf.where(is_token, ids, pad_id),
        "padding_mask": tf.cast(is_token, tf.int32),
        "segment_ids": tf.cast(is_second & is_token, tf.int32),
    }


def _lengths(ids):
    return tf.cast(ids.row_lengths(), tf.int32)[:, tf.newaxis]


def _moved(ids, start, positions, pad_id):
    """Returns the ids of texts that begin at `start` of each row.

    Args:
        ids: int32[batch, (tokens)], ragged.
        start: int, or int32[batch, 1].
        positions: int32[1, length].
        pad_id: int. It fills what is before and after a text.

    Returns:
        `int32[batch, length]`.
    """
    length = tf.shape(positions)[1]
    # One column more than a row, so that there is one of padding.
    dense = ids.to_tensor(pad_id)[:, :length]
    dense = tf.pad(
        dense,
        [[0, 0], [0, 1 + length - tf.shape(dense)[1]]],
        constant_values=pad_id,
    )
    places = positions - start + tf.zeros_like(dense[:, :1])
    places = tf.where(places < 0, length, places)
    return tf.gather(dense, places, batch_dims=1)
