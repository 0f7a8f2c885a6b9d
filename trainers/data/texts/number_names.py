"""The names of classes that files give to the numbers in a column of labels."""

import logging

from trainers.data.texts import rows
from trainers.data.texts.columns import Columns
from trainers.errors import DataError
from trainers.errors import first_of


def check(files, data, objective):
    """Checks that the files of a run name numbers in one way; logs the names.

    If the files disagree, a number or a name would mean two classes.

    Args:
        files: List of `(file, kind)` pairs.
        data: `TextDataConfig`.
        objective: `Objective`, which knows the columns of targets.

    Raises:
        DataError: The names of two files differ, or only one file has names.
    """
    columns = Columns(
        objective.target_columns(data), takes_json=objective.takes_json
    )
    found = {}
    for file, kind in files:
        names_fn = rows.load_format(kind).number_names
        if names_fn is None:
            continue
        for column, names in names_fn(file, columns).items():
            found.setdefault(column, {}).setdefault(names, file)
    for column, file_of in found.items():
        if len(file_of) > 1:
            words = [_described(f, n) for n, f in list(file_of.items())[:3]]
            raise DataError(
                f"the numbers in the column {column!r} must have the same "
                f"names in all files of a run. Received: {'; '.join(words)}. "
                "Write the files again with one order of the names, for "
                "example with `align_labels_with_mapping` or `cast_column` of "
                "`datasets`."
            )
        ((names, file),) = file_of.items()
        if names:
            logging.getLogger(__name__).info(
                "the numbers in the column %r are read as the classes that %s "
                "names: %s",
                *(column, file, first_of(names)),
            )


def _described(file, names):
    return f"{file}: {first_of(names) or 'no names'}"
