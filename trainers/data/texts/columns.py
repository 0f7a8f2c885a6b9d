"""The columns of a file that are read, and the error for a missing one."""

from trainers.errors import ConfigError

_SHOWN = 20


def unlabelled(data):
    """Returns the columns of unlabelled rows.

    Args:
        data: `TextDataConfig`.

    Returns:
        Dict with the name of a column for `text`.
    """
    return {"text": data.text_column}


def labelled(data, objective, with_split):
    """Returns the columns of labelled rows.

    Args:
        data: `TextDataConfig`.
        objective: `Objective`, which knows the columns of targets.
        with_split: bool. Whether a column contains the split of each row.

    Returns:
        Dict with the name of a column for `text`, for each target such as
        `label` and, if wanted, for `split`. The setting of `text` is
        `text_column`, and so on.

    Raises:
        ConfigError: Two settings name the same column.
    """
    columns = unlabelled(data) | objective.target_columns(data)
    if with_split:
        columns["split"] = data.split_column
    field_of = {}
    for field, name in columns.items():
        if name in field_of:
            raise ConfigError(
                f"`--config.data.{field}_column` must be another column than "
                f"--config.data.{field_of[name]}_column. Received: {name!r} "
                "for both."
            )
        field_of[name] = field
    return columns


def missing(field, name, file, names, hint=""):
    """Returns the error for a missing column.

    Args:
        field: str. `text`, `label` or `split`.
        name: str. Name of the column.
        file: Path of the file.
        names: List of str. The columns of the file.
        hint: str. A sentence after the message.

    Returns:
        `ConfigError`.
    """
    return ConfigError(
        f"`--config.data.{field}_column` must be a column of {file}. "
        f"Received: {name!r}. Choices: {quoted(names)}.{hint}"
    )


def quoted(names):
    """Returns the first 20 names in quotes. Long names are cut.

    Args:
        names: Collection of str.

    Returns:
        str.
    """
    shown = [
        repr(name if len(name) <= 40 else name[:37] + "...")
        for name in list(names)[:_SHOWN]
    ]
    more = len(names) - _SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
