"""The columns of a file that are read, and the error for a missing one."""

from trainers.errors import ConfigError

_SHOWN = 20


def unlabelled(data):
    """Returns the columns of unlabelled rows.

    Args:
        data: `TextDataConfig`.

    Returns:
        Dict from the name of a setting to the name of a column.
    """
    return {"text_column": data.text_column}


def labelled(data, with_split):
    """Returns the columns of labelled rows, the text first.

    Args:
        data: `TextDataConfig`.
        with_split: bool. Whether a column contains the split of each row.

    Returns:
        Dict from the name of a setting to the name of a column.

    Raises:
        ConfigError: Two settings name the same column.
    """
    columns = {**unlabelled(data), "label_column": data.label_column}
    if with_split:
        columns["split_column"] = data.split_column
    field_of = {}
    for field, name in columns.items():
        if name in field_of:
            raise ConfigError(
                f"`--config.data.{field}` must be another column than "
                f"--config.data.{field_of[name]}. Received: {name!r} for both."
            )
        field_of[name] = field
    return columns


def missing(field, name, file, names, hint=""):
    """Returns the error for a missing column.

    Args:
        field: str. Name of the setting that names the column.
        name: str. Name of the column.
        file: Path of the file.
        names: List of str. The columns of the file.
        hint: str. A sentence after the message.

    Returns:
        `ConfigError`.
    """
    return ConfigError(
        f"`--config.data.{field}` must be a column of {file}. Received: "
        f"{name!r}. Choices: {quoted(names)}.{hint}"
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
