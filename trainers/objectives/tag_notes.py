"""What is odd about the names of tags, in words for warnings."""

import re

from trainers.objectives import tag_schemes
from trainers.runtime import look_alikes

# Tags that look like those of a scheme, without a type.
_BARE = {"B", "I"}
# Other ways to write B-X: with another separator, a small letter, or reversed.
_BEFORE = re.compile(r"(?P<prefix>[BIESLUM])[-_:/.|](?P<kind>\S+)", re.I)
_BEHIND = re.compile(r"(?P<kind>\S+)[-_:/.|](?P<prefix>[BIESLUM])")


def of_plain_tags(names):
    """Returns what is odd about plain tags, if they could mark entities.

    Args:
        names: List of str.

    >>> of_plain_tags(["A", "B", "O"])
    []
    """
    notes = []
    if _BARE <= {*names} <= {*_BARE, "O", "E", "S", "M"}:
        notes.append(
            f"the tags {', '.join(names)} are learned as plain tags, because "
            "they have no type. If they mark entities, write B-NAME in place "
            "of B, and so on."
        )
    marks = [name for name in names if name not in ("O", "o")]
    for pattern in (_BEFORE, _BEHIND):
        found = [pattern.fullmatch(name) for name in marks]
        if not marks or not all(found) or any(map(tag_schemes.split, marks)):
            continue
        first = found[0]
        notes.append(
            f"{len(marks)} tags such as {marks[0]!r} are learned as plain "
            f"tags. If they mark entities, write "
            f"{first['prefix'].upper()}-{first['kind']} in place of "
            f"{marks[0]}, and O for no entity."
        )
        break
    return notes + of_equal_looks(names, "tags")


def of_span_labels(split, counts, describe_fn):
    """Returns a note if labels of spans look like tags of words.

    Args:
        split: str.
        counts: Dict from a label to its number of spans.
        describe_fn: Function from a label to the place of its first span.
    """
    odd = [
        label
        for label in counts
        if (part := tag_schemes.split(label)) and part[0] in _BARE
    ]
    if not odd:
        return []
    kind = tag_schemes.split(odd[0])[1]
    return [
        f"split {split}: {sum(counts[x] for x in odd)} spans have labels that "
        f"look like tags of words. A span is a whole entity, so its label has "
        f"no B- or I-: {odd[0]!r} is learned as a type of its own, not as "
        f"{kind!r}. The first is in {describe_fn(odd[0])}."
    ]


def of_equal_looks(names, what):
    """Returns a note for each group of names that look alike.

    Args:
        names: List of str.
        what: str. `tags` or `types`.
    """
    return [
        f"{what} that look alike but are different: "
        f"{' and '.join(map(look_alikes.shown, group))}. Write each in one way."
        for group in look_alikes.groups(names)
        # Penn's tags of quotes, '' and ``, are right.
        if any(map(str.isalnum, group[0]))
    ]
