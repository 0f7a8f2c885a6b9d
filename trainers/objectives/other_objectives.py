"""What learns from targets that are no classes, in words for errors."""

import math

_NUMBERS = "to learn numbers, set --config.task.objective=regression"
_LABELS = "to learn lists of labels, set --config.task.objective=multi_label"
_SPANS = "to learn spans, begin with --config=configs/bert_tagger.py"
# What is between two labels of a cell, unless a setting says otherwise.
_SEPARATOR = ";"


def hint(value):
    """Returns what learns from a target that is no class; empty for others.

    Args:
        value: What a row of a file or a TFDS feature has as target.

    >>> hint(["red", "blue"])
    '; to learn lists of labels, set --config.task.objective=multi_label'
    """
    if isinstance(value, float) and math.isfinite(value):
        return f"; {_NUMBERS}"
    if not isinstance(value, list | tuple):
        return ""
    if any(isinstance(item, list | tuple | dict) for item in value):
        return f"; {_SPANS}"
    return f"; {_LABELS}"


def sentence_for_words(names):
    """Returns what learns from the labels of a table; empty for words.

    Args:
        names: List of str. The different labels.

    >>> sentence_for_words(["0.25", "3"])
    'To learn numbers, set --config.task.objective=regression.'
    >>> sentence_for_words(["red;blue", "red"])
    'To learn lists of labels, set --config.task.objective=multi_label.'
    """
    try:
        if all(math.isfinite(float(name)) for name in names):
            return _sentence(_NUMBERS)
    except ValueError:
        pass
    # A text can also contain a semicolon.
    num_lists = sum(_SEPARATOR in name for name in names)
    return _sentence(_LABELS) if 2 * num_lists >= len(names) else ""


def sentence_for_empty(labels):
    """Returns what learns from a table in which labels are empty, or nothing.

    Args:
        labels: Collection of str. The labels that are not empty.

    >>> sentence_for_empty(["red;blue", "red", "green"])
    'To learn lists of labels, set --config.task.objective=multi_label.'
    """
    return _sentence(_LABELS) if any(_SEPARATOR in x for x in labels) else ""


def _sentence(words):
    return f"{words[0].upper()}{words[1:]}."
