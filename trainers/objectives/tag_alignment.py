"""From the words or spans of a document to the tag of each of its tokens."""

import numpy as np

from trainers.objectives import entity_spans
from trainers.objectives import raw_tags
from trainers.objectives import tag_columns

# What `notes` counts, in words.
NOTES = {
    "cut": (
        "texts have more bytes than --config.data.max_bytes: what is behind "
        "them is neither learned nor measured"
    ),
    "expanded": (
        "spans and words that begin or end inside of a token: their border is "
        "now that of the token (--config.data.misaligned=expand)"
    ),
    "untagged": (
        "words without a token of their own, because the tokenizer drops all "
        "of their characters or joins them with the word before: nothing is "
        "learned from them, and they are not measured"
    ),
}


def token_tags(
    items, starts, ends, text, names, *, is_plain, expands=False, notes=None
):
    """Returns the tag of each token of a document.

    The first token of an item has its tag. The others continue it. A token
    outside of all spans has the tag O.

    Args:
        items: int32[num_items, 3]. See `tag_columns`.
        starts, ends: int[num_tokens]. The places of the tokens in code points,
            in the order of the text; the end is exclusive.
        text: str. The document, for messages.
        names: List of str. The tags.
        is_plain: bool. Whether the tags mark no entities.
        expands: bool. Whether the border of an item inside of a token moves to
            that of the token.
        notes: `collections.Counter` to count `NOTES` in, or `None`.

    Returns:
        `(tags, is_first_of_word)`: int32[num_tokens] and bool[num_tokens]. If
        the items are spans, each token is a word.

    Raises:
        ValueError: An item begins or ends inside of a token, an entity has no
            token, or a token is in no word. The message has no place.
    """
    starts, ends = np.asarray(starts), np.asarray(ends)
    is_words = tag_columns.are_words(items)
    item_tags = items[:, tag_columns.ITEM_TAG]
    if not is_words:
        item_tags = -1 - item_tags
    owner, is_cut, counts = _owners(items, starts, ends)
    if is_cut.any() and not expands:
        item = items[int(np.argmax(is_cut))]
        raise ValueError(_cut_words(item, starts, ends, text, names))
    if notes is not None:
        notes["expanded"] += int(is_cut.sum())
        notes["untagged"] += int((counts == 0).sum())
    is_first = np.ones(len(starts), bool)
    is_first[1:] = owner[1:] != owner[:-1]
    tags = np.append(item_tags, 0)[owner].astype(np.int32)
    if is_words and (owner == len(items)).any():
        token = int(np.argmax(owner))
        raise ValueError(
            f"{text[starts[token] : ends[token]]!r} at {int(starts[token])} is "
            "in no word, but words with tags must be all words of a text"
        )
    if not is_plain:
        tags = np.where(is_first, tags, entity_spans.inside_of(tags))
        _check_entities(item_tags, counts > 0, items, text, names)
        _begin_strays(tags)
    return tags, is_first if is_words else np.ones(len(starts), bool)


def _owners(items, starts, ends):
    """Returns which item each token is in.

    Returns:
        `(owner, is_cut, counts)`: int[num_tokens], the number of the item, or
        the number of items; bool[num_items], whether a border is inside of a
        token; int[num_items], the number of tokens.
    """
    begins, stops = items[:, tag_columns.START], items[:, tag_columns.END]
    # The tokens that an item touches: from `first`, before `after`.
    first = np.searchsorted(ends, begins, side="right")
    after = np.searchsorted(starts, stops, side="left")
    touched = first < after
    is_cut = np.zeros(len(items), bool)
    is_cut[touched] = (starts[first[touched]] < begins[touched]) | (
        ends[after[touched] - 1] > stops[touched]
    )
    # The first of several items in a token gets it.
    first[1:] = np.maximum(first[1:], after[:-1])
    counts = np.maximum(after - first, 0)
    owner = np.full(len(starts), len(items))
    owner[_ranges(first, counts)] = np.repeat(np.arange(len(items)), counts)
    return owner, is_cut, counts


def _ranges(starts, counts):
    """Returns the numbers from each start on, one range after the other."""
    offsets = np.arange(counts.sum()) - np.repeat(
        np.cumsum(counts) - counts, counts
    )
    return np.repeat(starts, counts) + offsets


def _cut_words(item, starts, ends, text, names):
    """Returns in which token an item begins or ends, and what to do."""
    begin, stop, _ = item.tolist()
    token = int(np.searchsorted(ends, begin, side="right"))
    at_begin = begin > starts[token]
    if not at_begin:
        token = int(np.searchsorted(starts, stop, side="left")) - 1
    left, right = int(starts[token]), int(ends[token])
    return (
        f"the {_described(item.tolist(), text, names)} "
        f"{'begins' if at_begin else 'ends'} inside of the token "
        f"{text[left:right]!r}, which is from {left} to {right}. Move the "
        f"border to {left} or {right}, or set --config.data.misaligned=expand"
    )


def _check_entities(item_tags, has_token, items, text, names):
    """Raises `ValueError` for an entity without a token of its own."""
    if has_token.all():
        return
    # A span is an entity, because its tag is that of a begin.
    found = entity_spans.decode(item_tags)
    for low, high in zip(found.first, found.last, strict=True):
        if not has_token[low : high + 1].any():
            raise ValueError(
                f"the {_described(items[low].tolist(), text, names)} has no "
                "token of its own: the tokenizer drops all of its characters, "
                "or joins them with other text. Remove the tag"
            )


def _begin_strays(tags):
    """Makes B-X of an I-X that continues nothing: its begin had no token."""
    found = entity_spans.decode(tags)
    strays = found.first[~found.is_strict]
    tags[strays] -= 1  # From I-X to B-X.


def _described(item, text, names):
    begin, stop, tag = item
    if tag >= 0:
        return f"word {raw_tags.words(begin, stop, names[tag], text)}"
    kind = entity_spans.types_of(names)[entity_spans.type_ids(-1 - tag)]
    return f"span {raw_tags.words(begin, stop, kind, text)}"
