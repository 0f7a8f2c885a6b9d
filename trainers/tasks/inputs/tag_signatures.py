"""What a server answers for tagged texts: tags of tokens, and entities.

All places count code points of the text, without bytes that are not UTF-8. The
end is exclusive. In Python, `text[start:end]` is what an answer is about.
JavaScript and Java count UTF-16 units, Go and C++ bytes.
"""

import dataclasses

import tensorflow as tf

from tfmodels.bert import normalization
from trainers.objectives import entity_spans
from trainers.tasks.inputs import window_ops


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The tokens of a batch of texts, and what a network says about them.

    Attributes:
        start, end: int32[batch, (tokens)], ragged. Places in the text.
        logits: float32[num_tokens, num_tags].
    """

    start: tf.RaggedTensor
    end: tf.RaggedTensor
    logits: tf.Tensor


def read(text, tokenizer, size, logits_fn, num_outputs):
    """Returns the tokens of texts, read in windows.

    A token is a word without white space, a Chinese character or a punctuation
    mark. Its first piece speaks for it.

    Args:
        text: string[batch].
        tokenizer: `WordPieceTokenizer`.
        size: int. Number of pieces in a window, without special tokens.
        logits_fn: As for `window_ops.logits_of_tokens`.
        num_outputs: int. Number of tags.

    Returns:
        `Tokens`.
    """
    ids, starts, ends = tokenizer.tokenize_with_offsets(text)
    logits = window_ops.logits_of_tokens(
        *window_ops.cut(ids, size), logits_fn, num_outputs
    )
    is_first = tf.gather(tokenizer.begins_word, ids.values)
    is_last = tf.concat([is_first[1:], [True]], axis=0)[: tf.size(is_first)]
    row = tf.boolean_mask(ids.value_rowids(), is_first)

    def of_tokens(values):
        return tf.RaggedTensor.from_value_rowids(
            values, row, nrows=ids.nrows(), validate=False
        )

    return Tokens(
        of_tokens(tf.boolean_mask(starts.values, is_first)),
        of_tokens(tf.boolean_mask(ends.values, is_last)),
        tf.boolean_mask(logits, is_first),
    )


def tag_outputs(tokens, names):
    """Returns the outputs of the signature `tags`.

    Args:
        tokens: `Tokens`.
        names: List of str. The tags in the order of the logits.

    Returns:
        Dict of `tag: string`, `start: int32`, `end: int32` and `score:
        float32`, the probability of the tag, all [batch, length]. The length
        is that of the text with the most tokens. Other rows are filled with
        `""`, -1, -1 and 0.
    """
    tags, scores = _decide(tokens)
    return {
        "tag": tokens.start.with_values(
            tf.gather(tf.constant(names), tags)
        ).to_tensor(""),
        "start": tokens.start.to_tensor(-1),
        "end": tokens.end.to_tensor(-1),
        "score": tokens.start.with_values(scores).to_tensor(0.0),
    }


def entity_outputs(tokens, names, text, tokenizer, max_entities):
    """Returns the entities of texts, by the rule of `entity_spans`.

    Args:
        tokens: `Tokens`.
        names: List of str. Names of `entity_spans.tag_names`.
        text: string[batch].
        tokenizer: `WordPieceTokenizer`.
        max_entities: int. Width of the outputs. It does not depend on the
            texts, because a server joins and cuts batches.

    Returns:
        Dict of `entity_label: string`, `entity_text: string`, `entity_start:
        int32`, `entity_end: int32` and `entity_score: float32`, the mean
        probability of the tags of its tokens, all [batch, max_entities], and
        `num_entities: int32[batch]`, which can be larger than `max_entities`.
        Rows are filled with `""`, -1 and 0.
    """
    tags, scores = _decide(tokens)
    types = entity_spans.type_ids(tags)
    row = tokens.start.value_rowids()
    is_first = tf.concat([[True], row[1:] != row[:-1]], axis=0)[: tf.size(row)]
    before = tf.concat([[-1], types[:-1]], axis=0)[: tf.size(types)]
    is_inside = types >= 0
    begins = is_inside & (
        is_first | entity_spans.is_begin(tags) | (types != before)
    )
    # An entity ends before a token that is outside, begins one, or is in
    # another text.
    is_end = (
        is_inside
        & tf.concat([(begins | ~is_inside | is_first)[1:], [True]], axis=0)[
            : tf.size(row)
        ]
    )
    number = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    mean_score = tf.math.unsorted_segment_mean(
        scores,
        tf.where(is_inside, number, -1),
        tf.reduce_sum(tf.cast(begins, tf.int32)),
    )
    # What begins with I-X is no entity.
    is_entity = tf.boolean_mask(entity_spans.is_begin(tags), begins)
    row = tf.boolean_mask(tf.boolean_mask(row, begins), is_entity)

    def of_entities(values):
        return tf.RaggedTensor.from_value_rowids(
            tf.boolean_mask(values, is_entity),
            row,
            nrows=tokens.start.nrows(),
            validate=False,
        )

    starts = of_entities(tf.boolean_mask(tokens.start.values, begins))
    ends = of_entities(tf.boolean_mask(tokens.end.values, is_end))
    labels = tf.gather(
        tf.constant(entity_spans.types_of(names), tf.string),
        tf.boolean_mask(types, begins),
    )

    def dense(values, default):
        values = values[:, :max_entities]
        return values.to_tensor(default, shape=(None, max_entities))

    texts = _texts(text, tokenizer, starts, ends, max_entities)
    return {
        "entity_label": dense(of_entities(labels), ""),
        "entity_text": dense(texts, ""),
        "entity_start": dense(starts, -1),
        "entity_end": dense(ends, -1),
        "entity_score": dense(of_entities(mean_score), 0.0),
        "num_entities": tf.cast(starts.row_lengths(), tf.int32),
    }


def _decide(tokens):
    """Returns `int32[num_tokens]` tags and `float32[num_tokens]` scores."""
    tags = tf.argmax(tokens.logits, axis=-1, output_type=tf.int32)
    return tags, tf.reduce_max(tf.nn.softmax(tokens.logits), axis=-1)


def _texts(text, tokenizer, starts, ends, max_entities):
    """Returns the text of the first entities, `string[batch, (entities)]`."""
    text = tf.strings.substr(text, 0, tokenizer.max_bytes)
    characters = tf.strings.unicode_split(
        normalization.valid_utf8(text), "UTF-8"
    )
    starts, ends = starts[:, :max_entities], ends[:, :max_entities]
    first = tf.gather(characters.row_starts(), starts.value_rowids())
    places = tf.ragged.range(
        first + tf.cast(starts.values, tf.int64),
        first + tf.cast(ends.values, tf.int64),
    )
    parts = places.with_values(tf.gather(characters.values, places.values))
    return starts.with_values(tf.strings.reduce_join(parts, axis=-1))
