"""Cuts validation and test out of labelled texts, by what the texts say.

Neither the order of the rows nor a seed matters: a text stays in its split
when rows are mixed, and equal texts are never on both sides.
"""

import collections
import hashlib


def text_key(text):
    """Returns the same 32 bytes for texts that are equal to a reader.

    Case and the amount of white space do not count.

    Args:
        text: Bytes in UTF-8.
    """
    words = text.decode().casefold().split()
    return hashlib.sha256(" ".join(words).encode()).digest()


def cut(texts, labels, fractions):
    """Chooses the rows of test and validation; the rest is train.

    Texts with equal keys are a group. Within each class the groups stand in
    the order of their keys; test takes them from the front until it has
    `round(fraction * rows of the class)` rows, then validation, and at least
    one group where the class has one for each split. At least one group of
    each class is left to train. A group with several labels counts
    as the first of them in the order of str.

    Args:
        texts: Bytes in UTF-8.
        labels: str for each text.
        fractions: By name of the split, in the order of taking.

    Returns:
        Rows by name, `train` and those of `fractions`, each in their order.
    """
    keys = [text_key(text) for text in texts]
    sizes = collections.Counter(keys)
    label_of = {}
    for key, label in zip(keys, labels, strict=True):
        if key not in label_of or label < label_of[key]:
            label_of[key] = label
    groups = collections.defaultdict(list)
    for key in sorted(label_of):
        groups[label_of[key]].append(key)
    split_of = {}
    for of_class in groups.values():
        split_of.update(_cut_class(of_class, sizes, fractions))
    rows = {"train": [], **{name: [] for name in fractions}}
    for row, key in enumerate(keys):
        rows[split_of.get(key, "train")].append(row)
    return rows


def _cut_class(keys, sizes, fractions):
    """Returns the split of each key of a class that leaves train."""
    num_rows = sum(sizes[key] for key in keys)
    has_one_each = len(keys) > len(fractions)
    split_of = {}
    start = 0
    for num_before, (name, fraction) in enumerate(fractions.items()):
        wanted = round(fraction * num_rows)
        kept_back = 1  # For train, and for each split that comes later.
        if has_one_each:
            wanted = max(wanted, 1)
            kept_back += len(fractions) - num_before - 1
        while wanted > 0 and start < len(keys) - kept_back:
            split_of[keys[start]] = name
            wanted -= sizes[keys[start]]
            start += 1
    return split_of
