"""From texts with tagged words or spans to pieces with tags, and to windows.

A token is a word without white space, a Chinese character or a punctuation
mark, as BERT cuts them. The tokenizer can cut it into pieces. Its first piece
has its tag.
"""

import concurrent.futures
import dataclasses
import os

import numpy as np
import tensorflow as tf

from trainers.data.examples import Examples
from trainers.data.texts import windows as windows_lib
from trainers.errors import raise_problems
from trainers.objectives import tag_columns
from trainers.runtime.columns import Ragged

_BATCH_SIZE = 512


def tokenize(examples, tokenizer, objective, *, expands, notes=None):
    """Returns documents as pieces with tags.

    Args:
        examples: `Examples` with the feature `text`, and the items of
            `tag_columns` as targets.
        tokenizer: `WordPieceTokenizer` without added tokens.
        objective: `Objective` with a method `token_tags`, as `Tags` has it.
        expands: bool. Whether the border of a span or word inside of a token
            moves to that of the token.
        notes: `collections.Counter` to count `tag_alignment.NOTES` in, or
            `None`.

    Returns:
        `Examples`, one for each document, with `token_ids: int32[num_examples,
        (pieces)]`, ragged, and targets `int32[num_examples, (pieces), 4]`, see
        `tag_columns`.

    Raises:
        DataError: The items of a document do not fit its tokens.
    """
    texts = list(examples.features["text"])
    ids, starts, ends = _tokenize(texts, tokenizer)
    begins = tokenizer.begins_word[ids.values]
    # The last piece of a token is before the first of the next one.
    is_last = np.append(begins[1:], True)[: len(begins)]
    tokens_before = np.append(0, np.cumsum(begins))[ids.row_splits]
    starts, ends = starts.values[begins], ends.values[is_last]
    tags, is_first, problems = [], [], []
    for row, text in enumerate(texts):
        chosen = slice(tokens_before[row], tokens_before[row + 1])
        items = examples.targets[row]
        try:
            if notes is not None:
                notes["cut"] += len(text) > tokenizer.max_bytes
            text = _read_part(text, items, tokenizer.max_bytes)
            found = objective.token_tags(
                items,
                starts[chosen],
                ends[chosen],
                text,
                expands=expands,
                notes=notes,
            )
        except ValueError as problem:
            problems.append((examples.places[row], str(problem)))
            continue
        tags.append(found[0])
        is_first.append(found[1])
    raise_problems("texts whose tags cannot be used", problems, ": ".join)
    targets = np.zeros((len(begins), tag_columns.NUM_TARGET_COLUMNS), np.int32)
    document = np.repeat(np.arange(len(texts)), ids.lengths())
    number = np.cumsum(begins) - 1 - tokens_before[document]
    targets[:, tag_columns.TAG] = tag_columns.NOT_SCORED
    targets[begins, tag_columns.TAG] = _joined(tags)
    targets[:, tag_columns.DOCUMENT] = document
    targets[:, tag_columns.TOKEN] = number
    targets[begins, tag_columns.IS_WORD] = _joined(is_first)
    return dataclasses.replace(
        examples,
        features={"token_ids": ids},
        targets=Ragged(targets, ids.row_splits),
    )


def cut(examples, size):
    """Returns the windows of documents. Each token is scored in one of them.

    Args:
        examples: `Examples` from `tokenize`.
        size: int. Largest number of pieces of a window.

    Returns:
        `Examples`, one for each window, with the same columns. The place is
        that of the document.
    """
    ids, targets = examples.features["token_ids"], examples.targets
    windows = windows_lib.of_rows(ids.lengths(), size)
    row, position, is_owned = windows.tokens()
    index = ids.row_splits[row] + position
    values = targets.values[index]
    values[~is_owned, tag_columns.TAG] = tag_columns.NOT_SCORED
    return Examples(
        {"token_ids": Ragged.from_lengths(ids.values[index], windows.length)},
        Ragged.from_lengths(values, windows.length),
        examples.places.take(windows.row),
    )


def _joined(parts):
    return np.concatenate([np.zeros(0, np.int32), *parts])


def _read_part(text, items, max_bytes):
    """Returns the text that the tokenizer reads, as str.

    Raises:
        ValueError: An item is behind it.
    """
    read = text[:max_bytes].decode("utf-8", "ignore")
    ends = items[:, tag_columns.END]
    if len(text) > max_bytes and ends.max(initial=0) > len(read):
        first = items[np.argmax(ends > len(read)), tag_columns.START]
        raise ValueError(
            f"the text has {len(text):,} bytes, and `--config.data.max_bytes` "
            f"must be at least that, because there are tags from character "
            f"{first} on. Received: {max_bytes:,}"
        )
    return read


def _tokenize(texts, tokenizer):
    """Returns ids, starts and ends of all texts, each `Ragged`."""

    def tokenize(start):
        with tf.device("CPU:0"):
            return tokenizer.tokenize_with_offsets(
                tf.constant(texts[start : start + _BATCH_SIZE], tf.string)
            )

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = list(pool.map(tokenize, range(0, len(texts), _BATCH_SIZE)))
    lengths = np.concatenate([ids.row_lengths().numpy() for ids, *_ in batches])
    return [
        Ragged.from_lengths(
            np.concatenate([part.values.numpy() for part in parts]), lengths
        )
        for parts in zip(*batches, strict=True)
    ]
