"""Loads labelled texts: reads, checks, tokenizes and caches them."""

import concurrent.futures
import dataclasses
import os
from importlib import metadata

import numpy as np
import tensorflow as tf

from tfmodels import settings
from trainers.config import user_code
from trainers.data import targets
from trainers.data.examples import Examples
from trainers.data.examples import Splits
from trainers.data.places import Places
from trainers.data.texts import cache
from trainers.data.texts import hash_split
from trainers.data.texts import reading
from trainers.data.texts import rows
from trainers.objectives.objective import json_state
from trainers.runtime import columns
from trainers.runtime.columns import Ragged

_BATCH_SIZE = 512
# These settings change neither rows nor tokens.
_NOT_IN_FINGERPRINT = (
    "sequence_length",
    "padded_lengths",
    "global_batch_size",
    "cache_dir",
)
# The ids of each text.
TOKENS = {"text": "token_ids", "text_pair": "pair_token_ids"}
# Other versions of these libraries can produce other ids.
_LIBRARIES = ("tensorflow-text", "tokenizers")
_PERCENTILES = (5, 25, 50, 75, 90, 95, 99, 100)


def load(
    data,
    objective,
    *,
    make_tokenizer_fn,
    tokenizer_facts,
    target_facts=None,
    longest=None,
    tokenize_fn=None,
    cuts=True,
):
    """Loads, checks and tokenizes the splits of a run.

    Args:
        data: `TextDataConfig`.
        objective: `Objective`, before its data is known.
        make_tokenizer_fn: Function from the list of training texts to a
            tokenizer with a `vocabulary`. It is not called if the cache
            contains the tokens.
        tokenizer_facts: JSON-like. Everything that determines the tokenizer.
        target_facts: JSON-like. The settings that change the targets.
        longest: int. Largest `sequence_length` of the encoder; `None` means
            that any is possible.
        tokenize_fn: Function from the dict of raw `Examples` with targets of
            the objective, the tokenizer, the objective and the report so far.
            It returns the dict of `Examples` with `token_ids`, and can add to
            the report. `None` means `tokenize` of each split.
        cuts: bool. Whether long texts lose their end, which the report says.

    Returns:
        `Splits`, the `Objective` for them, and the vocabulary as a list of
        str. The feature of the examples is `token_ids: int32[num_examples,
        (tokens)]`, ragged: whole texts without special tokens. Pairs of texts
        also have `pair_token_ids`.

    Raises:
        ConfigError: A path, a column or a split does not exist.
        DataError: The rows break a rule. Its `report` is the report so far.
    """
    facts = dataclasses.asdict(data)
    for name in _NOT_IN_FINGERPRINT:
        del facts[name]
    directory = cache.cache_dir(data.cache_dir)
    name = None
    if directory is not None:  # Reads the files; a pipe has only one read.
        name = cache.fingerprint(
            reading.list_files(data),
            [
                facts,
                _code_of_source(data),
                user_code.code_of(type(objective)),
                target_facts,
                tokenizer_facts,
                *map(metadata.version, _LIBRARIES),
            ],
        )
    found = cache.read(directory, name)
    if found is None:
        found = _prepare(data, objective, make_tokenizer_fn, tokenize_fn)
        cache.write(directory, name, *found)
    arrays, facts = found
    splits = {
        split: Examples(
            {
                name: columns.from_arrays(f"{split}/{name}", arrays)
                for name in TOKENS.values()
                if f"{split}/{name}/values" in arrays
            },
            columns.from_arrays(f"{split}/targets", arrays),
            Places(
                facts["places"][split],
                arrays[f"{split}/name_of"],
                arrays[f"{split}/numbers"],
            ),
        )
        for split in facts["splits"]
    }
    report = facts["report"]
    _add_lengths(report, splits, data.sequence_length, longest, cuts)
    splits = Splits(report=report, **splits)
    objective = objective.restored(facts["objective"])
    return splits, objective, facts["vocabulary"]


def _code_of_source(data):
    if not settings.is_own(data.source):
        return None
    rows.load_format(data.source)
    return user_code.code_of(data.source)


def load_raw(data, split, objective, run_data=None):
    """Loads one split, or the rows of any labelled file.

    Args:
        data: `TextDataConfig`.
        split: str. `train`, `validation` or `test` of the configuration, else
            a file, or a split specification of a TFDS data set.
        objective: `Objective` of the run.
        run_data: `TextDataConfig` of the run that trained the model; `None`
            means `data`.

    Returns:
        `Examples` with `text: object[num_examples]`, bytes in UTF-8, and for
        pairs `text_pair`.

    Raises:
        ConfigError: A path, a column or a split does not exist.
        DataError: A row cannot be used, or the model does not know a label.
    """
    return load_fitted(data, split, objective, run_data)[1]


def load_fitted(data, split, objective, run_data=None):
    """Loads one split as `load_raw` does, and what its targets are.

    Args:
        data, split, objective, run_data: As for `load_raw`.

    Returns:
        `(objective, examples)`: the `Objective` that `fitted` returns, and
        `Examples`.

    Raises:
        ConfigError, DataError: See `load_raw`.
    """
    examples = reading.read_one(data, split, objective, run_data)
    fitted, splits = targets.fit(objective, {split: examples})
    return fitted, splits[split]


def tokenize(examples, tokenizer):
    """Returns `Examples` with token ids in place of texts.

    Args:
        examples: `Examples` from `load_raw`.
        tokenizer: Function from string[batch] to ragged ids.
    """
    features = {
        TOKENS[field]: _tokenize(texts, tokenizer)
        for field, texts in examples.features.items()
    }
    return dataclasses.replace(examples, features=features)


def _prepare(data, objective, make_tokenizer_fn, tokenize_fn):
    """Returns the arrays and facts for the cache."""
    splits, cut = reading.read_splits(data, objective)
    objective, splits = targets.fit(objective, splits)
    contents = {n: _keys_and_empty(e.features) for n, e in splits.items()}
    report = targets.check(
        objective,
        splits,
        keys={name: keys for name, (keys, _) in contents.items()},
        empty={name: empty for name, (_, empty) in contents.items()},
        cut=cut,
    )
    texts = [x for column in splits["train"].features.values() for x in column]
    tokenizer = make_tokenizer_fn(texts)
    if tokenize_fn is not None:
        splits = tokenize_fn(splits, tokenizer, objective, report)
    else:
        splits = {n: tokenize(e, tokenizer) for n, e in splits.items()}
    arrays = {}
    for name, examples in splits.items():
        for token_name, ids in examples.features.items():
            arrays |= columns.to_arrays(f"{name}/{token_name}", ids)
        arrays |= columns.to_arrays(f"{name}/targets", examples.targets)
        arrays[f"{name}/name_of"] = examples.places.name_of
        arrays[f"{name}/numbers"] = examples.places.numbers
    facts = {
        "splits": list(splits),
        "objective": json_state(objective),
        "vocabulary": tokenizer.vocabulary,
        "report": report,
        "places": {name: e.places.names for name, e in splits.items()},
    }
    return arrays, facts


def _keys_and_empty(features):
    """Returns keys that equal contents share, and the rows with an empty text.

    The key of a row without any text is `None`.
    """
    keys, empty = [], []
    contents = hash_split.contents(features)
    rows = zip(*features.values(), strict=True)
    for row, texts in enumerate(rows):
        has_text = list(map(_has_text, texts))
        key = hash_split.text_key(contents[row]) if any(has_text) else None
        keys.append(key)
        if not all(has_text):
            empty.append(row)
    return keys, empty


def _has_text(text):
    # Bytes do not know the white space of Unicode.
    return bool(text.strip()) and not text.decode("utf-8").isspace()


def _tokenize(texts, tokenizer):
    """Returns `int32[num_texts, (tokens)]`, ragged, of all texts."""
    # A list of bytes, because an object array would be copied twice.
    texts = list(texts)

    def tokenize(start):
        with tf.device("CPU:0"):
            return tokenizer(tf.constant(texts[start : start + _BATCH_SIZE]))

    starts = range(0, len(texts), _BATCH_SIZE)
    # The first call traces the tokenizer, which each thread would do.
    batches = [tokenize(start) for start in starts[:1]]
    # tf.data would need a tenth of a second for its own function.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        batches += pool.map(tokenize, starts[1:])
    lengths = np.concatenate([b.row_lengths().numpy() for b in batches])
    return Ragged.from_lengths(
        np.concatenate([b.values.numpy() for b in batches]), lengths
    )


def _add_lengths(report, splits, sequence_length, longest, cuts):
    """Adds the facts that depend on `sequence_length` to a report."""
    report["sequence_length"] = sequence_length
    for name, examples in splits.items():
        # Plus [CLS], and [SEP] after each text.
        lengths = 1 + sum(x.lengths() + 1 for x in examples.features.values())
        percentiles = np.percentile(lengths, _PERCENTILES).round()
        report["splits"][name] |= {
            "tokens": int(lengths.sum()),
            "length_percentiles": {
                str(p): int(value)
                for p, value in zip(_PERCENTILES, percentiles, strict=True)
            },
        }
        if not cuts:
            continue
        share = float((lengths > sequence_length).mean())
        report["splits"][name]["truncated_share"] = share
        if name == "train" and share > 0.1:
            wanted = int(percentiles[_PERCENTILES.index(90)])
            limit = ""
            if longest is not None and wanted > longest:
                limit = (
                    f", which can be at most {longest}. Without a preset, "
                    "--config.model.encoder.max_sequence_length sets this limit"
                )
            report["warnings"].append(
                f"split train: {share:.0%} of the texts are longer than "
                f"{sequence_length} tokens and lose their end. Nine of ten "
                f"have at most {wanted}: --config.data.sequence_length{limit}."
            )
