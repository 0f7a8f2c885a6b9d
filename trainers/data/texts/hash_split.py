"""Cuts validation and test out of labelled texts, by a hash of each text.

The split depends neither on the order of the rows nor on a seed. A text stays
in its split if the rows are shuffled, and equal texts are in one split.
"""

import collections
import hashlib


def text_key(text):
    """Returns a hash of a text that ignores case and extra white space.

    Args:
        text: bytes in UTF-8.

    Returns:
        32 bytes.
    """
    words = text.decode().casefold().split()
    return hashlib.sha256(" ".join(words).encode()).digest()


def cut(texts, labels, fractions):
    """Selects the rows of each split.

    Texts with equal keys form a group. The groups of a class are sorted by
    their keys. The first split takes groups from the start until it has
    `round(fraction * rows of the class)` rows, then the next split takes its
    groups. Each split gets at least one group if the class has a group for
    each split. At least one group of each class stays in train. A group with
    several labels counts for the first of them in the order of str.

    Args:
        texts: Sequence of bytes in UTF-8.
        labels: Sequence of str, one for each text.
        fractions: Dict from the name of a split, without train, to its share.
            The splits take groups in this order.

    Returns:
        Dict from `train` and the names in `fractions` to a list of rows, in
        rising order.
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
    for class_keys in groups.values():
        split_of.update(_cut_class(class_keys, sizes, fractions))
    rows = {"train": [], **{name: [] for name in fractions}}
    for row, key in enumerate(keys):
        rows[split_of.get(key, "train")].append(row)
    return rows


def _cut_class(keys, sizes, fractions):
    """Returns the split of each key of a class that is not in train."""
    num_rows = sum(sizes[key] for key in keys)
    has_one_each = len(keys) > len(fractions)
    split_of = {}
    start = 0
    for num_before, (name, fraction) in enumerate(fractions.items()):
        wanted = round(fraction * num_rows)
        kept_back = 1  # One group for train, and one for each later split.
        if has_one_each:
            wanted = max(wanted, 1)
            kept_back += len(fractions) - num_before - 1
        while wanted > 0 and start < len(keys) - kept_back:
            split_of[keys[start]] = name
            wanted -= sizes[keys[start]]
            start += 1
    return split_of
