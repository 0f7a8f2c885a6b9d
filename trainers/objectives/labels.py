"""From the labels of the data to positions in a list of class names."""

import numpy as np

from trainers.errors import DataError
from trainers.errors import first_of
from trainers.errors import raise_problems
from trainers.objectives import other_objectives
from trainers.runtime import look_alikes

_SHOWN = 10
_ONE_OF = {"classes": "class", "labels": "label"}


def from_numbers(splits, source_names, class_names):
    """Checks labels that are numbers and names their classes.

    Args:
        splits: Dict by split of `Examples` with numbers as targets.
        source_names: List of str. Class names in the order of the labels of
            the source; `None` means that the labels are plain numbers.
        class_names: List of str. Class names in the order of the model; `None`
            numbers the classes.

    Returns:
        List of str, the class names in label order, and a dict by split of
        int32[num_examples], positions in this list.

    Raises:
        DataError: A label is not a whole number, is negative or is too large,
            or the model does not know a class.
    """
    limit = len(source_names or class_names or ()) or None
    labels = {
        name: _whole_labels(name, examples, limit)
        for name, examples in splits.items()
    }
    if class_names is None:
        largest = max(int(found.max()) for found in labels.values())
        class_names = source_names or list(map(str, range(largest + 1)))
    elif source_names is not None and source_names != class_names:
        table = _positions(source_names, class_names)
        labels = {name: table[found] for name, found in labels.items()}
    raise_problems(
        "class names that are not UTF-8, but the labels of an export must be",
        [name for name in class_names if not is_utf8(name)],
        repr,
    )
    return class_names, labels


def is_utf8(name):
    """Returns whether UTF-8 can encode a name.

    Args:
        name: str. For example the name of a file.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # The name of a file in another encoding.
        return False
    return True


def _whole_labels(split, examples, limit):
    labels = np.asarray(examples.targets)
    is_several = labels.ndim > 1 or isinstance(labels[0], (list, np.ndarray))
    if is_several:
        raise DataError(
            f"split {split}: labels must be one number for each example. "
            f"Received: {examples.places[0]}: {labels[0]}. For any number of "
            "labels, set --config.task.objective=multi_label."
        )
    if labels.dtype.kind not in "iufb":
        raise DataError(
            f"split {split}: labels must be whole numbers. Received: dtype "
            f"{labels.dtype}, {examples.places[0]}: {labels[0]}"
        )
    # In float64, because float16 overflows above 65504.
    numbers = labels.astype(np.float64)
    # 100,000 classes or more are most likely a wrong column.
    good = (
        (numbers == np.round(numbers))
        & (numbers >= 0)
        & (numbers < (limit or 100_000))
    )
    upper = f"below {limit}, the number of classes" if limit else "below 100000"
    bad = np.flatnonzero(~good)
    raise_problems(
        f"labels of split {split} that are not whole numbers from 0 and "
        f"{upper}",
        bad,
        lambda row: f"{examples.places[row]}: {labels[row]}",
    )
    return labels.astype(np.int32)


def _positions(source_names, class_names):
    """Returns the label of the model for each label of a source, by name."""
    table = {name: position for position, name in enumerate(class_names)}
    unknown = [name for name in source_names if name not in table]
    if unknown:
        # Those that the message shows: each one is compared with all names.
        words = [n + look_alikes.hint(n, class_names) for n in unknown[:30]]
        words += unknown[30:]
        raise DataError(
            f"classes that the model does not know: {first_of(words)}. "
            f"It knows: {first_of(class_names)}."
        )
    return np.asarray([table[name] for name in source_names], np.int32)


def from_words(splits, class_names=None):
    """Converts labels from words to positions in the class names.

    Args:
        splits: Dict by split of `Examples` with sequences of str as targets.
        class_names: List of str. Class names in the order of the model. `None`
            sorts the labels of the splits, by value if all are whole numbers.

    Returns:
        As `from_numbers`.

    Raises:
        DataError: The model does not know a label, or there are too many
            different labels for a column of labels.
    """
    if class_names is None:
        class_names = sorted_names(
            {label for e in splits.values() for label in e.targets}
        )
        num_rows = sum(map(len, splits.values()))
        if len(class_names) > max(num_rows / 2, 10):
            advice = other_objectives.sentence_for_words(class_names)
            raise DataError(
                f"{len(class_names)} different labels in {num_rows} examples, "
                f"such as {class_names[0]!r}: these are no labels of classes, "
                "which need two examples each, or more. If another column has "
                "the labels, name it with --config.data.label_column."
                f"{' ' if advice else ''}{advice}"
            )
        _refuse_fractions(class_names)
    table = {name: position for position, name in enumerate(class_names)}
    labels = {}
    for name, examples in splits.items():
        raise_problems(
            f"labels of split {name} that the model does not know (it knows "
            f"{', '.join(class_names[:_SHOWN])}"
            f"{', ...' if len(class_names) > _SHOWN else ''})",
            [
                r
                for r, label in enumerate(examples.targets)
                if label not in table
            ],
            lambda row, e=examples: (
                f"{e.places[row]}: {e.targets[row]!r}"
                f"{look_alikes.hint(e.targets[row], class_names)}"
            ),
        )
        labels[name] = np.asarray(
            [table[label] for label in examples.targets], np.int32
        )
    return class_names, labels


def _refuse_fractions(class_names):
    """Refuses labels that are numbers but not whole numbers."""
    try:
        list(map(float, class_names))
    except ValueError:
        return
    advice = other_objectives.sentence_for_words(class_names)
    raise_problems(
        "labels that are not whole numbers; classes are whole numbers or words",
        [name for name in class_names if not name.lstrip("+-").isdigit()],
        repr,
        f"\n{advice}" if advice else "",
    )


def sorted_names(names):
    """Returns names in order: by value if all are whole numbers.

    Args:
        names: Collection of str.

    >>> sorted_names({"10", "9"}), sorted_names({"b", "a", "1"})
    (['9', '10'], ['1', 'a', 'b'])
    """
    try:
        return sorted(names, key=lambda name: (int(name), name))
    except ValueError:
        return sorted(names)


def check_training_classes(splits, class_names):
    """Checks that `train` contains two classes, and every class of the others.

    A class with no example in any split is only a warning.

    Args:
        splits: Dict of `Examples` by split, with labels as targets.
        class_names: List of str. Class names in label order.

    Raises:
        DataError: `train` has fewer than two classes, or another split has a
            class that `train` does not have.
    """
    counts = np.bincount(splits["train"].targets, minlength=len(class_names))
    if np.count_nonzero(counts) < 2:
        raise DataError(
            "split train: must contain at least two classes. Received: only "
            f"{class_names[int(counts.argmax())]!r}, {counts.max()} examples."
        )
    counts = {
        name: np.bincount(e.targets, minlength=len(class_names))
        for name, e in splits.items()
    }
    refuse_untrained(counts, class_names, "classes")


def refuse_untrained(counts, names, what):
    """Refuses names that other splits have, and `train` does not have.

    A name without an example in any split is only a warning, see
    `without_examples`.

    Args:
        counts: Dict by split of int[num_names], the examples of each name.
        names: List of str.
        what: str. What the names are, in the plural: `classes` or `labels`.

    Raises:
        DataError: There is such a name.
    """
    missing = np.flatnonzero(counts["train"] == 0)
    in_others = {
        label: {
            split: int(found[label])
            for split, found in counts.items()
            if split != "train"
        }
        for label in missing
    }
    raise_problems(
        f"{what} that are tested but have no example in split train",
        [label for label in missing if any(in_others[label].values())],
        lambda label: (
            f"{_ONE_OF[what]} {names[label]!r}: {in_others[label]}"
            f"{look_alikes.hint(names[label], names)}"
        ),
    )


def without_examples(split, counts, what):
    """Yields a warning about names without an example in a split.

    Args:
        split: str. Name of the split.
        counts: Dict by name of int, its examples.
        what: str. What the names are, in the plural: `classes` or `labels`.

    >>> list(without_examples("test", {"ant": 2, "bee": 0}, "classes"))
    ['split test: no example of 1 of 2 classes: bee.']
    """
    missing = [name for name, count in counts.items() if not count]
    if missing:
        more = len(missing) - _SHOWN
        yield (
            f"split {split}: no example of {len(missing):,} of "
            f"{len(counts):,} {what}: {', '.join(missing[:_SHOWN])}"
            f"{f' and {more:,} more' if more > 0 else ''}."
        )


def check_cut(cut, splits, class_names):
    """Checks that splits cut from the end of `train` have all its classes.

    If the data is sorted by class, such a split has only one or two classes.
    Only classes with at least 100 examples in the rest of `train` are checked:
    a random tenth misses such a class once in 30,000 times.

    Args:
        cut: List of str. Names of the splits that were cut.
        splits: Dict of `Examples` by split, with labels as targets.
        class_names: List of str. Class names in label order.

    Raises:
        DataError: A class is missing in a cut split.
    """
    counts = {
        name: np.bincount(splits[name].targets, minlength=len(class_names))
        for name in ("train", *cut)
    }
    check_counts_of_cut(cut, counts, class_names, "class")


def check_counts_of_cut(cut, counts, names, what):
    """Checks that cut splits have all frequent names, see `check_cut`.

    Args:
        cut: List of str. Names of the splits that were cut.
        counts: Dict by split of int[num_names], the examples of each name.
        names: List of str.
        what: str. What a name is: `class` or `label`.

    Raises:
        DataError: A name is missing in a cut split.
    """
    in_train = counts["train"]
    for name in cut:
        missing = np.flatnonzero((in_train >= 100) & (counts[name] == 0))
        if len(missing):
            raise DataError(
                f"split {name}: was cut from the end of `train` and has no "
                f"example of {what} {names[missing[0]]!r}, but the rest "
                f"of `train` has {in_train[missing[0]]}. The data seems to be "
                f"sorted by {what}: shuffle it, or name another split with "
                f"--config.data.{name}, or `none`."
            )
