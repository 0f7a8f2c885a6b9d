"""From the raw tags of a data set to names of tags and to items."""

import collections
import dataclasses

import numpy as np

from trainers.errors import DataError
from trainers.errors import first_of
from trainers.errors import raise_problems
from trainers.objectives import entity_spans
from trainers.objectives import tag_columns
from trainers.objectives import tag_notes
from trainers.objectives import tag_schemes
from trainers.runtime import look_alikes
from trainers.runtime.columns import Ragged

_PLAIN_FLAG = "--config.task.scheme=plain"


@dataclasses.dataclass
class Fitted:
    """What a data set decides.

    Attributes:
        names: List of str. The tags, in the order of the logits.
        is_plain: bool. Whether they mark no entities.
        items: Dict by split of `Ragged` of int32[num_items, 3].
        notes: Dict by split of lists of str: what users should know.
        facts: Dict by split of dicts for `data_report.json`: `scheme`, if there
            are words, and numbers of what is odd.
    """

    names: list
    is_plain: bool
    items: dict
    notes: dict
    facts: dict


def fit(splits, scheme, names=None, is_plain=None):
    """Returns the names of the tags of a data set, and its items.

    Args:
        splits: Dict by split of `Examples` with `RawTags` as targets.
        scheme: str. `auto`, or one of `tag_schemes.SCHEMES`.
        names: List of str. The tags of a trained model, or `None`.
        is_plain: bool. Whether the tags of that model mark no entities.

    Returns:
        `Fitted`.

    Raises:
        DataError: Tags break a rule, or the model does not know them.
    """
    columns = {split: _Column(split, e) for split, e in splits.items()}
    notes = collections.defaultdict(list)
    if names is None:
        is_plain = _is_plain(columns, scheme)
    elif is_plain:
        _refuse_spans(columns, "the model has plain tags")
    else:
        _refuse_plain(columns)
    if is_plain:
        items, found = {}, {c: column.tags for c, column in columns.items()}
        if names is None:
            names = sorted({tag for tags in found.values() for tag in tags})
        notes["train"] += tag_notes.of_plain_tags(names)
    else:
        found, items = {}, {}
        words = [column.words() for column in columns.values()]
        schemes = [scheme] * len(columns)
        if scheme == "auto":
            schemes = tag_schemes.recognize(words)
        for column, *given in zip(
            columns.values(), words, schemes, strict=True
        ):
            split = column.split
            found[split] = column.entity_tags(*given, notes[split])
        if names is None:
            types = {
                tag[2:]
                for tags in found.values()
                for tag in tags
                if tag != entity_spans.OUTSIDE
            }
            names = entity_spans.tag_names(types)
        types = entity_spans.types_of(names)
        notes["train"] += tag_notes.of_equal_looks(types, "types")
    for split, column in columns.items():
        items[split] = column.items(found[split], names, is_plain)
    for split, words in _unlearned(items, names, is_plain).items():
        notes[split].append(words)
    for split, column in columns.items():
        notes[split] += column.line_notes()
    facts = {split: column.facts(is_plain) for split, column in columns.items()}
    return Fitted(names, is_plain, items, dict(notes), facts)


class _Column:
    """The raw tags of a split, one after the other.

    Attributes:
        tags: List of str. Tags of words and types of spans.
        is_word: bool[num_items].
        documents: int[num_items]. Number of the document.
    """

    def __init__(self, split, examples):
        self.split = split
        self._places = examples.places
        raw = list(examples.targets)
        self._lengths = np.array([len(x.tags) for x in raw], np.int64)
        self._spots = np.array(
            [place for x in raw for place in x.places], np.int32
        ).reshape(-1, 2)
        self.tags = [tag for x in raw for tag in x.tags]
        self.documents = np.repeat(np.arange(len(raw)), self._lengths)
        self.is_word = np.array([x.is_words for x in raw], bool)[self.documents]
        self._trimmed = [n for n, x in enumerate(raw) if x.num_trimmed]
        self._num_trimmed = sum(x.num_trimmed for x in raw)
        self._uneven = [n for n, x in enumerate(raw) if x.num_uneven]
        self._num_uneven = sum(x.num_uneven for x in raw)
        self._hashes = [n for n, x in enumerate(raw) if x.num_hashes]
        self._found = None

    def place(self, item):
        """Returns the place of an item in words."""
        document = int(self.documents[item])
        number = item - int(np.searchsorted(self.documents, document))
        what = "word" if self.is_word[item] else "span"
        return f"{self._places[document]}, {what} {number + 1}"

    def first(self, tag, is_word=True):
        """Returns the place of the first word, or span, with a tag."""
        found = (
            number
            for number, name in enumerate(self.tags)
            if name == tag and self.is_word[number] == is_word
        )
        return self.place(next(found))

    def counts(self, of_words=True):
        """Returns the number of words, or of spans, by tag."""
        return collections.Counter(
            tag
            for tag, is_word in zip(self.tags, self.is_word, strict=True)
            if is_word == of_words
        )

    def facts(self, is_plain):
        """Returns the scheme, and numbers of what is odd."""
        if is_plain or self._found is None:
            found = {"scheme": tag_schemes.PLAIN} if is_plain else {}
        else:
            found = {
                "scheme": self._found.scheme,
                "stray_tags": self._found.num_strays,
                "entities_without_end": self._found.num_open,
            }
        if not self.is_word.all():
            found["trimmed_spans"] = self._num_trimmed
        if self._num_uneven:
            found["uneven_lines"] = self._num_uneven
        return found

    def line_notes(self):
        """Returns notes about lines that can be meant otherwise."""
        notes = []
        if self._uneven:
            notes.append(
                f"split {self.split}: {self._num_uneven} lines have another "
                "number of columns than most. Their last column is read as "
                "the tag. The first of these sentences is "
                f"{self._places[self._uneven[0]]}."
            )
        if self._hashes:
            notes.append(
                f"split {self.split}: {len(self._hashes)} sentences begin with "
                "the word '#', because this line has as many columns as most. "
                "Remove these lines if they are comments. The first of these "
                f"sentences is {self._places[self._hashes[0]]}."
            )
        return notes

    def words(self):
        """Returns the words, `tag_schemes.Words`."""
        (numbers,) = np.nonzero(self.is_word)
        documents = self.documents[numbers]
        firsts = np.append(True, documents[1:] != documents[:-1])
        return tag_schemes.Words(
            [self.tags[n] for n in numbers], firsts[: len(numbers)]
        )

    def entity_tags(self, words, scheme, notes):
        """Returns the tag of each item, O, B-X or I-X, and adds to notes.

        Args:
            words: From `words`.
            scheme: str. That of the words.
            notes: List of str.
        """
        (numbers,) = np.nonzero(self.is_word)
        tags = [
            tag if is_word else f"B-{tag}"
            for tag, is_word in zip(self.tags, self.is_word, strict=True)
        ]
        if self._num_trimmed:
            first = self._places[self._trimmed[0]]
            notes.append(
                f"split {self.split}: {self._num_trimmed} spans began or ended "
                "with white space, which is no longer in them; the first is "
                f"in {first}."
            )
        notes += tag_notes.of_span_labels(
            self.split,
            self.counts(of_words=False),
            lambda label: self.first(label, is_word=False),
        )
        if not len(numbers):
            return tags
        try:
            kinds, types, found = tag_schemes.convert(words, scheme)
        except ValueError as error:
            problem, number = error.args
            raise DataError(
                f"{self.place(int(numbers[number]))}: {problem}. Set "
                "--config.task.scheme=auto, or that of the file."
            ) from None
        for number, kind, name in zip(numbers, kinds, types, strict=True):
            tags[number] = str(kind) if name is None else f"{kind}-{name}"
        self._found = found
        self._report(found, numbers, notes)
        return tags

    def _report(self, found, numbers, notes):
        if found.num_strays:
            word = int(numbers[found.first_stray])
            notes.append(
                f"split {self.split}: {found.num_strays} words have a tag that "
                "continues an entity, but the word before is in no such "
                "entity. Each begins an entity. The first is "
                f"{self.tags[word]!r} in {self.place(word)}."
            )
        if found.num_open:
            notes.append(
                f"split {self.split}: {found.num_open} entities have no word "
                "with the tag of an end (E, L, S or U). They end where the "
                "tags end."
            )

    def items(self, tags, names, is_plain):
        """Returns `Ragged` of int32[num_items, 3]."""
        position = {name: number for number, name in enumerate(names)}
        raise_problems(
            f"tags of split {self.split} that the model does not know (it "
            f"knows {first_of(names)})",
            [n for n, tag in enumerate(tags) if tag not in position],
            lambda item: (
                f"{self.place(item)}: {self.tags[item]!r}"
                f"{look_alikes.hint(tags[item], names)}"
            ),
        )
        numbers = np.array([position[tag] for tag in tags], np.int32)
        if not is_plain:
            numbers = np.where(self.is_word, numbers, -1 - numbers)
        values = np.empty((len(tags), tag_columns.NUM_ITEM_COLUMNS), np.int32)
        values[:, [tag_columns.START, tag_columns.END]] = self._spots
        values[:, tag_columns.ITEM_TAG] = numbers
        return Ragged.from_lengths(values, self._lengths)


def _is_plain(columns, scheme):
    """Returns whether the tags of a data set mark no entities."""
    counts = sum((c.counts() for c in columns.values()), collections.Counter())
    has_spans = any((~c.is_word).any() for c in columns.values())

    def describe(tag):
        column = next(c for c in columns.values() if tag in c.counts())
        return f"{column.first(tag)}: {tag!r}"

    if scheme == tag_schemes.PLAIN:
        _refuse_spans(columns, _PLAIN_FLAG)
        return True
    if scheme != "auto":
        others = [
            tag
            for tag in counts
            if tag != entity_spans.OUTSIDE and not tag_schemes.split(tag)
        ]
        raise_problems(
            "tags that mark no entities, as B-X and I-X do; set "
            f"{_PLAIN_FLAG} if they are plain",
            others,
            describe,
        )
        return False
    if tag_schemes.marks_entities(counts, describe):
        return False
    if has_spans and counts.keys() - {entity_spans.OUTSIDE}:
        _refuse_spans(columns, "other rows have words with plain tags")
    return bool(counts) and not has_spans


def _refuse_spans(columns, reason):
    for column in columns.values():
        if not column.is_word.all():
            item = int(np.argmin(column.is_word))
            raise DataError(
                f"{column.place(item)}: spans mark entities, and cannot be "
                f"used because {reason}. Received: the span "
                f"{column.tags[item]!r}."
            )


def _refuse_plain(columns):
    for column in columns.values():
        others = [
            tag
            for tag in column.counts()
            if tag != entity_spans.OUTSIDE and not tag_schemes.split(tag)
        ]
        raise_problems(
            f"tags of split {column.split} that mark no entities, but those of "
            "the model do",
            others,
            lambda tag, column=column: f"{column.first(tag)}: {tag!r}",
        )


def counts_by_name(items, names, is_plain):
    """Returns the number of entities of each type, or of words of each tag.

    Args:
        items: int32[num_items, 3].
        names: List of str. The tags.
        is_plain: bool.

    Returns:
        Dict of int by name.
    """
    tags = items[:, tag_columns.ITEM_TAG]
    tags = np.where(tags < 0, -1 - tags, tags)
    if not is_plain:
        tags = entity_spans.type_ids(tags[entity_spans.is_begin(tags)])
        names = entity_spans.types_of(names)
    counts = np.bincount(tags, minlength=len(names)).tolist()
    return dict(zip(names, counts, strict=True))


def _unlearned(items, names, is_plain):
    """Returns a note for each split with names that `train` does not have."""
    if "train" not in items:
        return {}
    counts = {
        split: counts_by_name(column.values, names, is_plain)
        for split, column in items.items()
    }
    learned, found = counts.pop("train"), {}
    for split, of_name in counts.items():
        unlearned = [n for n, c in of_name.items() if c and not learned[n]]
        if unlearned:
            what = "tags" if is_plain else "types"
            found[split] = (
                f"split {split}: has {what} that split train does not have: "
                f"{first_of(unlearned)}. The model cannot learn them."
            )
    return found
