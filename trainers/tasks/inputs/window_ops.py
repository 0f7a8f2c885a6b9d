"""Windows over long texts as ops, for signatures; see `data.texts.windows`."""

import tensorflow as tf

# Windows that a network reads at once. A text of 100 kB has up to 1,600 windows
# of 128 tokens: at once, MiniLM would need 2 GB for them.
_WINDOWS_AT_ONCE = 64


def cut(ids, size):
    """Returns the windows of rows of ids.

    Args:
        ids: `int32[batch, (tokens)]`, ragged.
        size: int. Largest number of tokens of a window.

    Returns:
        `(windows, is_owned)`: `int32[num_windows, (tokens)]` and
        `bool[num_windows, (tokens)]`, ragged. The owned tokens are those of
        `ids`, in their order.
    """
    stride = max(size // 2, 1)
    lengths = ids.row_lengths()  # int64[batch]
    last_start = tf.maximum(lengths - size, 0)
    more = (last_start + (stride - 1)) // stride
    numbers = tf.ragged.range(more + 1)  # [batch, (windows)]
    row, number = numbers.value_rowids(), numbers.values
    start = tf.minimum(number * stride, tf.gather(last_start, row))
    end = tf.gather(lengths, row)
    is_last = tf.equal(number, tf.gather(more, row))
    next_start = tf.concat([start[1:], [0]], axis=0)[: tf.size(start)]
    middle = (start + next_start + (size - 1)) // 2 + 1
    end_owned = tf.where(is_last, end, middle)
    before = tf.concat([[0], end_owned], axis=0)[: tf.size(start)]
    first_owned = tf.where(tf.equal(number, 0), tf.zeros_like(start), before)
    positions = tf.ragged.range(start, tf.minimum(start + size, end))
    window = positions.value_rowids()
    begin = tf.gather(ids.row_starts(), tf.gather(row, window))
    is_owned = (positions.values >= tf.gather(first_owned, window)) & (
        positions.values < tf.gather(end_owned, window)
    )
    return (
        positions.with_values(tf.gather(ids.values, begin + positions.values)),
        positions.with_values(is_owned),
    )


def logits_of_tokens(windows, is_owned, logits_fn, num_outputs):
    """Returns the logits of each token, from the window that owns it.

    Args:
        windows, is_owned: From `cut`.
        logits_fn: Function from `int32[n, (tokens)]`, ragged, to logits
            `float32[n, length, num_outputs]`, whose position 1 is that of the
            first token.
        num_outputs: int.

    Returns:
        `float32[num_tokens, num_outputs]`, in the order of the owned tokens.
    """
    num_windows = tf.cast(windows.nrows(), tf.int32)
    num_calls = (num_windows + _WINDOWS_AT_ONCE - 1) // _WINDOWS_AT_ONCE
    num_calls = tf.maximum(num_calls, 1)  # Also for no texts.

    def call(number, found):
        first = number * _WINDOWS_AT_ONCE
        end = tf.minimum(first + _WINDOWS_AT_ONCE, num_windows)
        logits = logits_fn(windows[first:end])
        owned = is_owned[first:end]
        # [n, length]: the place of each owned token in the logits.
        row = tf.cast(owned.value_rowids(), tf.int32)
        column = tf.range(tf.size(row)) - tf.gather(
            tf.cast(owned.row_starts(), tf.int32), row
        )
        place = tf.stack([row, column + 1], axis=1)
        place = tf.boolean_mask(place, owned.values)
        return number + 1, found.write(number, tf.gather_nd(logits, place))

    _, found = tf.while_loop(
        lambda number, _: number < num_calls,
        call,
        (
            0,
            tf.TensorArray(
                tf.float32,
                num_calls,
                element_shape=(None, num_outputs),
                infer_shape=False,
            ),
        ),
        parallel_iterations=1,
    )
    return found.concat()
