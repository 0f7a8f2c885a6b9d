"""The ways in which files mark entities with tags of words.

| scheme | an entity of two words, then another one of the same type |
|---|---|
| iob2 | B-X I-X B-X |
| iob1 | I-X I-X B-X |
| bioes | B-X E-X S-X; L-X and U-X, or M-X for I-X, are the same |

Plain tags, such as parts of speech, mark no entities.
"""

import collections
import dataclasses

import numpy as np

from trainers.errors import DataError
from trainers.objectives import entity_spans

PLAIN = "plain"
SCHEMES = ("iob1", "iob2", "bioes", PLAIN)
# Prefixes by what they mean.
_MEANINGS = {
    "B": "B",
    "I": "I",
    "M": "I",
    "E": "E",
    "L": "E",
    "S": "S",
    "U": "S",
}


@dataclasses.dataclass
class Found:
    """What `convert` finds about the tags of a data set.

    Attributes:
        scheme: str. One of `SCHEMES`.
        num_strays: int. I-X, or E-X, that continue nothing, although the scheme
            has B-X for the begin.
        first_stray: int. Number of the first of these words, or `None`.
        num_open: int. Entities of `bioes` without an end.
    """

    scheme: str
    num_strays: int = 0
    first_stray: int | None = None
    num_open: int = 0


def split(tag):
    """Returns the prefix and the type of a tag, or `None` for another tag.

    Args:
        tag: str.

    >>> split("B-geo-loc"), split("O"), split("nn-tl")
    (('B', 'geo-loc'), None, None)
    """
    prefix, dash, kind = tag.partition("-")
    return (prefix, kind) if dash and kind and prefix in _MEANINGS else None


def marks_entities(counts, describe_fn):
    """Returns whether tags mark entities, which `recognize` tells apart.

    Args:
        counts: Dict from a tag to its number of words.
        describe_fn: Function from a tag to the place of its first word.

    Raises:
        DataError: Most tags mark entities, and some cannot.
    """
    others = {
        tag: count
        for tag, count in counts.items()
        if tag != entity_spans.OUTSIDE and split(tag) is None
    }
    num_outside = counts.get(entity_spans.OUTSIDE, 0)
    num_marks = sum(counts.values()) - num_outside - sum(others.values())
    if not others:
        return num_marks > 0
    if num_marks <= sum(others.values()):
        return False
    tag = next(iter(others))
    raise DataError(
        f"{num_marks} words have tags such as B-X and I-X, and "
        f"{sum(others.values())} words have tags that are neither these nor "
        f"O: {', '.join(map(repr, list(others)[:10]))}. The first is "
        f"{describe_fn(tag)}. Correct these tags, or set "
        "--config.task.scheme=plain to learn all tags as they are."
    )


class Words:
    """Tags of words that mark entities, one after the other.

    Attributes:
        tags: List of str. Each is O or has a `split`.
        kinds: str[num_words]. O, B, I, E or S.
        types: List of str; `None` for O.
        is_inside: bool[num_words]. Whether the word is in an entity.
        is_near: bool[num_words]. Whether the word before is in an entity of the
            same type.
        has_ends: bool. Whether there are tags of ends.
    """

    def __init__(self, tags, firsts):
        """Reads the tags.

        Args:
            tags: List of str. The tags of all words.
            firsts: bool[num_words]. Whether a word is the first of its
                document.
        """
        self.tags = tags
        parts = {tag: split(tag) for tag in dict.fromkeys(tags)}
        meaning = {t: _MEANINGS[p[0]] if p else "O" for t, p in parts.items()}
        type_of = {tag: p and p[1] for tag, p in parts.items()}
        number = {t: n for n, t in enumerate(dict.fromkeys(type_of.values()))}
        self.kinds = np.array([meaning[tag] for tag in tags], "U1")
        self.types = [type_of[tag] for tag in tags]
        ids = np.array([number[kind] for kind in self.types], np.int64)
        self.is_inside = self.kinds != "O"
        self.is_near = np.zeros(len(tags), bool)
        self.is_near[1:] = (
            (ids[1:] == ids[:-1]) & self.is_inside[:-1] & ~firsts[1:]
        )
        prefixes = {part[0] for part in parts.values() if part}
        self.has_ends = bool(prefixes - {"B", "I"})

    def begins(self):
        """Returns the kinds of the words after no word of the same type."""
        chosen = self.kinds[self.is_inside & ~self.is_near]
        return collections.Counter(chosen.tolist())


def recognize(splits):
    """Returns the scheme of the tags of each split of a data set.

    Splits without tags of ends have one scheme: a small one can have too few
    entities to tell.

    Args:
        splits: List of `Words`.

    Returns:
        List of str.
    """
    counts = collections.Counter()
    for words in splits:
        if not words.has_ends:
            counts += words.begins()
    # In `iob1`, B-X only separates two entities of one type.
    scheme = "iob1" if counts["I"] > counts["B"] else "iob2"
    return ["bioes" if words.has_ends else scheme for words in splits]


def convert(words, scheme):
    """Converts tags that mark entities to those of `entity_spans.tag_names`.

    Args:
        words: `Words`.
        scheme: str. One of `SCHEMES`, but not `plain`.

    Returns:
        `(kinds, types, found)`: str of one letter for each word, O, B or I, as
        an array, a list of the type of each word (`None` for O), and `Found`.

    Raises:
        ValueError: A tag does not belong to the scheme. Its argument is the
            problem, and the number of the word.
    """
    kinds = words.kinds
    if words.has_ends and scheme != "bioes":
        wrong = next(n for n, k in enumerate(kinds) if k not in "OBI")
        raise ValueError(f"{words.tags[wrong]!r} is no tag of {scheme}", wrong)
    is_after_end = np.zeros(len(kinds), bool)
    is_after_end[1:] = np.isin(kinds[:-1], ["E", "S"])
    continues = words.is_near & np.isin(kinds, ["I", "E"]) & ~is_after_end
    begins = words.is_inside & ~continues
    found = Found(scheme)
    if scheme != "iob1":
        (strays,) = np.nonzero(begins & np.isin(kinds, ["I", "E"]))
        found.num_strays = len(strays)
        found.first_stray = int(strays[0]) if len(strays) else None
    if scheme == "bioes":
        ends = np.append(~continues[1:], True) & words.is_inside
        found.num_open = int((ends & np.isin(kinds, ["B", "I"])).sum())
    inside = np.where(words.is_inside, "I", "O")
    return np.where(begins, "B", inside), words.types, found
