"""From the tag of each token to entities, and the names of tags.

An entity is B-X and the I-X that follow it without a gap. An I-X that continues
nothing is in no entity: answers of a server and strict metrics leave it out.
Lenient metrics count it as the begin of an entity.
"""

import dataclasses

import numpy as np

OUTSIDE = "O"
_BEGIN = "B-"
_INSIDE = "I-"


def tag_names(types):
    """Returns the tags of some types, in the order of the logits.

    Args:
        types: Iterable of str.

    >>> tag_names(["PER", "LOC"])
    ['O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER']
    """
    return [
        OUTSIDE,
        *(p + x for x in sorted(types) for p in (_BEGIN, _INSIDE)),
    ]


def types_of(names):
    """Returns the types of tags of `tag_names`, in order.

    Args:
        names: List of str.

    >>> types_of(["O", "B-LOC", "I-LOC", "B-geo-loc", "I-geo-loc"])
    ['LOC', 'geo-loc']
    """
    return [name.removeprefix(_BEGIN) for name in names[1::2]]


def inside_of(tags):
    """Returns the tag of a further token of the same entity, or O.

    Args:
        tags: int array. Positions in `tag_names`.
    """
    return tags + (tags % 2)


def type_ids(tags):
    """Returns the position of the type of each tag, -1 for O.

    Args:
        tags: int array. Positions in `tag_names`.
    """
    return (tags + 1) // 2 - 1


def is_begin(tags):
    """Returns whether each tag is one that begins an entity.

    Args:
        tags: int array. Positions in `tag_names`.
    """
    return tags % 2 == 1


@dataclasses.dataclass(frozen=True)
class Entities:
    """Entities of a sequence of tokens, in their order.

    Attributes:
        first: int64[num_entities]. Number of the first token.
        last: int64[num_entities]. Number of the last token.
        types: int64[num_entities]. Position of the type.
        is_strict: bool[num_entities]. Whether the first tag is B-X.
    """

    first: np.ndarray
    last: np.ndarray
    types: np.ndarray
    is_strict: np.ndarray

    def __len__(self):
        """Returns the number of entities."""
        return len(self.first)

    def strict(self):
        """Returns the entities that begin with B-X, which a server answers."""
        chosen = self.is_strict
        return Entities(
            self.first[chosen],
            self.last[chosen],
            self.types[chosen],
            self.is_strict[chosen],
        )


def decode(tags, documents=None):
    """Returns the entities of tags, by the lenient rule; see `strict`.

    Args:
        tags: int[num_tokens]. Positions in `tag_names`.
        documents: int[num_tokens]. Number of the document of each token; no
            entity is in two documents. `None` means one document.

    Returns:
        `Entities`.

    >>> found = decode(np.array([1, 2, 0, 4, 2]))  # B-X I-X O I-Y I-X
    >>> found.first.tolist(), found.last.tolist(), found.is_strict.tolist()
    ([0, 3, 4], [1, 3, 4], [True, False, False])
    """
    tags = np.asarray(tags, np.int64)
    types = type_ids(tags)
    continues = np.zeros(len(tags), bool)
    continues[1:] = (types[1:] == types[:-1]) & ~is_begin(tags[1:])
    if documents is not None:
        continues[1:] &= documents[1:] == documents[:-1]
    is_inside = types >= 0
    (first,) = np.nonzero(is_inside & ~continues)
    is_last = is_inside.copy()
    is_last[:-1] &= ~(is_inside[1:] & continues[1:])
    (last,) = np.nonzero(is_last)
    return Entities(first, last, types[first], is_begin(tags[first]))
