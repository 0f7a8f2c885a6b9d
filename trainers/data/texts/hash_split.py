"""Cuts validation and test out of labelled texts, by a hash of each text.

The split depends neither on the order of the rows nor on a seed. A text stays
in its split if the rows are shuffled, and equal texts are in one split.
"""

import collections
import hashlib


def text_key(text):
    """Returns a hash of a text that ignores case and extra white space.

    Args:
        text: bytes in UTF-8, or a tuple of them.

    Returns:
        32 bytes.
    """
    if isinstance(text, tuple):
        return hashlib.sha256(b"".join(map(text_key, text))).digest()
    words = text.decode().casefold().split()
    return hashlib.sha256(" ".join(words).encode()).digest()


def contents(features):
    """Returns the text of each example, or the tuple of its texts.

    Args:
        features: Dict of `text: object[num_examples]` and, for pairs, of
            `text_pair`.

    Returns:
        List.
    """
    if len(features) == 1:
        return list(*features.values())
    return list(zip(*features.values(), strict=True))


def cut(texts, strata, fractions):
    """Selects the rows of each split.

    Texts with equal keys form a group. The groups of a stratum, such as a
    class, are sorted by their keys. The first split takes groups from the start
    until it has `round(fraction * rows of the stratum)` rows, then the next
    split takes its groups. Each split gets at least one group if the stratum
    has a group for each split. At least one group of each stratum stays in
    train. A group of several strata counts for the first of them in the order
    of str.

    Args:
        texts: Sequence of what `text_key` takes.
        strata: Sequence of str, one for each text.
        fractions: Dict from the name of a split, without train, to its share.
            The splits take groups in this order.

    Returns:
        Dict from `train` and the names in `fractions` to a list of rows, in
        rising order.
    """
    keys = [text_key(text) for text in texts]
    sizes = collections.Counter(keys)
    stratum_of = {}
    for key, stratum in zip(keys, strata, strict=True):
        if key not in stratum_of or stratum < stratum_of[key]:
            stratum_of[key] = stratum
    groups = collections.defaultdict(list)
    for key in sorted(stratum_of):
        groups[stratum_of[key]].append(key)
    split_of = {}
    for keys_of_stratum in groups.values():
        split_of.update(_cut_stratum(keys_of_stratum, sizes, fractions))
    rows = {"train": [], **{name: [] for name in fractions}}
    for row, key in enumerate(keys):
        rows[split_of.get(key, "train")].append(row)
    return rows


def _cut_stratum(keys, sizes, fractions):
    """Returns the split of each key of a stratum that is not in train."""
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
