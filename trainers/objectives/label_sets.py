"""From the labels of the data to rows of 0 and 1, a column for each label."""

import numpy as np

from trainers.errors import DataError
from trainers.errors import first_of
from trainers.errors import raise_problems
from trainers.objectives import labels as labels_lib
from trainers.objectives.label_rows import LabelSet
from trainers.runtime import look_alikes

_SHOWN = 10


def fit(splits, source_names=None, names=None, columns=()):
    """Converts targets to rows of 0 and 1.

    Args:
        splits: Dict by split of `Examples`. The targets are `LabelSet`s, or
            what sources of images have: 0 and 1 [num_examples, num_labels], or
            a list of positions in `source_names` for each example.
        source_names: List of str. Names of the columns or positions; `None`
            means that the source has none.
        names: List of str. The labels that the model knows; `None` before the
            data is known.
        columns: Tuple of str. The labels, if each has a column of the files.

    Returns:
        List of str, the labels, and a dict by split of uint8[num_examples,
        num_labels].

    Raises:
        DataError: A row has another form, or a label that the model does not
            know.
    """
    kinds = {_kind_of(name, e) for name, e in splits.items()}
    if kinds == {"matrix"}:
        return _from_matrices(splits, source_names, names)
    rows = {
        name: _named(name, e, source_names)
        if _kind_of(name, e) == "positions"
        else _checked(name, e)
        for name, e in splits.items()
    }
    if names is None and kinds == {"positions"}:
        names = source_names
    if names is None:
        names = list(columns) or _names_of(rows)
    return names, {
        name: _to_matrix(name, rows[name], e.places, names)
        for name, e in splits.items()
    }


def count(targets):
    """Returns the number of examples with each label, int64[num_labels].

    Args:
        targets: 0 and 1, uint8[num_examples, num_labels].
    """
    return targets.sum(axis=0, dtype=np.int64)


def check_splits(splits, names, cut=()):
    """Checks that `train` has all labels of the other splits.

    A label without an example in any split is only a warning, see
    `label_card.warnings`.

    Args:
        splits: Dict by split of `Examples` with targets of `fit`.
        names: List of str. The labels.
        cut: Names of the splits that were cut from the end of `train`.

    Raises:
        DataError: `train` has no label, or lacks one.
    """
    counts = {name: count(e.targets) for name, e in splits.items()}
    if not counts["train"].any():
        raise DataError(
            "split train: no example has a label. Received: "
            f"{len(splits['train'])} examples."
        )
    labels_lib.refuse_untrained(counts, names, "labels")
    labels_lib.check_counts_of_cut(cut, counts, names, "label")


def rarest(targets):
    """Returns the rarest label of each row, or an empty text.

    A split that is cut by it has its share of the rare labels, which a random
    split often lacks.

    Args:
        targets: Sequence of `LabelSet`.

    Returns:
        List of str.
    """
    counts = {}
    for row in targets:
        for label in row.labels:
            counts[label] = counts.get(label, 0) + 1
    return [
        min(row.labels, key=lambda label: (counts[label], label), default="")
        for row in targets
    ]


def _kind_of(split, examples):
    targets = examples.targets
    if isinstance(targets, np.ndarray) and targets.dtype != object:
        return "matrix"
    if len(targets) and not isinstance(targets[0], LabelSet):
        return "positions"
    return "rows"


def _from_matrices(splits, source_names, names):
    found = {}
    for split, examples in splits.items():
        found[split] = _checked_matrix(split, examples, source_names or names)
    if names is None:
        width = next(iter(found.values())).shape[1]
        names = source_names or list(map(str, range(width)))
    elif source_names is not None and source_names != names:
        if sorted(source_names) != sorted(names):
            raise DataError(
                "the labels of the data must be those that the model knows, "
                "because 0 in other data says nothing about them. Received: "
                f"{first_of(source_names)}. The model knows: "
                f"{first_of(names)}."
            )
        order = [source_names.index(name) for name in names]
        found = {split: matrix[:, order] for split, matrix in found.items()}
    widths = {split: matrix.shape[1] for split, matrix in found.items()}
    if set(widths.values()) != {len(names)}:
        raise DataError(
            f"each example must have {len(names)} numbers, one for each label. "
            f"Received: {widths}."
        )
    return names, found


def _checked_matrix(split, examples, names):
    matrix = np.asarray(examples.targets)
    if matrix.ndim == 1 and names is not None and len(names) == 1:
        matrix = matrix[:, np.newaxis]
    if matrix.ndim != 2 or matrix.dtype.kind not in "iufb":
        raise DataError(
            f"split {split}: labels must be a row of 0 and 1 for each example, "
            "with a number for each label. Received: shape "
            f"{matrix.shape[1:]} of {matrix.dtype}, {examples.places[0]}: "
            f"{matrix[0]}. For one label an example, set "
            "--config.task.objective=single_label."
        )
    bad = np.flatnonzero(~((matrix == 0) | (matrix == 1)).all(axis=1))
    raise_problems(
        f"examples of split {split} with labels that are not 0 or 1",
        bad,
        lambda row: f"{examples.places[row]}: {matrix[row]}",
    )
    return matrix.astype(np.uint8)


def _named(split, examples, source_names):
    """Returns a `LabelSet` for each list of positions or names."""
    rows, problems = [], []
    for row, found in enumerate(examples.targets):
        found = np.asarray(found).tolist()
        words = found
        if source_names is not None:
            unknown = [x for x in found if not 0 <= x < len(source_names)]
            if unknown:
                problems.append((row, f"no label has the number {unknown[0]}"))
                continue
            words = [source_names[position] for position in found]
        words = [x.decode() if isinstance(x, bytes) else str(x) for x in words]
        if len({*words}) < len(words):
            problems.append((row, f"a label is there twice: {words}"))
            continue
        rows.append(LabelSet(tuple(words), True))
    raise_problems(
        f"examples of split {split} that cannot be used",
        problems,
        lambda problem: f"{examples.places[problem[0]]}: {problem[1]}",
    )
    return rows


def _checked(split, examples):
    """Returns the rows, after a check that each file has one form."""
    first, mixed = {}, []
    names = examples.places.name_of.tolist()
    for row, (name, found) in enumerate(
        zip(names, examples.targets, strict=True)
    ):
        before = first.setdefault(name, row)
        if examples.targets[before].is_list != found.is_list:
            mixed.append((before, row))

    def describe(rows):
        return " but ".join(
            f"{examples.places[row]}: {examples.targets[row].form()}"
            for row in rows
        )

    raise_problems(
        f"rows of split {split} with labels in another form than the first row "
        "of their file",
        mixed,
        describe,
        "\nWrite the labels of all rows of a file as JSON lists, or all as "
        "texts. [] and the empty text mean no label.",
    )
    return list(examples.targets)


def _names_of(rows):
    """Returns the labels of all rows, sorted."""
    found = {x for split in rows.values() for row in split for x in row.labels}
    num_rows = sum(map(len, rows.values()))
    names = labels_lib.sorted_names(found)
    if not names:
        raise DataError(
            f"no label in {num_rows} rows. If another column has the labels, "
            "name it with --config.data.label_column."
        )
    if len(names) > max(num_rows / 2, 10):
        raise DataError(
            f"{len(names)} different labels in {num_rows} rows, such as "
            f"{names[0]!r}: a label needs two examples, or more. If another "
            "column has the labels, name it with --config.data.label_column. "
            "If another text is between the labels, name it with "
            "--config.task.label_separator."
        )
    return names


def _to_matrix(split, rows, places, names):
    """Returns uint8[num_rows, num_labels]; refuses unknown labels."""
    position_of = {name: position for position, name in enumerate(names)}
    unknown = [
        (row, label)
        for row, found in enumerate(rows)
        for label in found.labels
        if label not in position_of
    ]
    raise_problems(
        f"labels of split {split} that the model does not know (it knows "
        f"{', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''})",
        unknown,
        lambda problem: (
            f"{places[problem[0]]}: {problem[1]!r}"
            f"{look_alikes.hint(problem[1], names)}"
        ),
    )
    matrix = np.zeros((len(rows), len(names)), np.uint8)
    for row, found in enumerate(rows):
        matrix[row, [position_of[label] for label in found.labels]] = 1
    return matrix
