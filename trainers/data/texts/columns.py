"""Which columns of a file are read, and what to say of missing ones."""

from trainers.errors import ConfigError

_SHOWN = 20


def unlabelled(data):
    """Returns `{setting: column}` for texts alone."""
    return {"text_column": data.text_column}


def labelled(data, with_split):
    """Returns `{setting: column}`, the text first, for labelled rows.

    Args:
        data: `TextDataConfig`.
        with_split: Whether the rows say which split they belong to.

    Raises:
        ConfigError: Two settings name the same column.
    """
    columns = {**unlabelled(data), "label_column": data.label_column}
    if with_split:
        columns["split_column"] = data.split_column
    taken = {}
    for field, name in columns.items():
        if name in taken:
            raise ConfigError(
                f"`--config.data.{field}` must be another column than "
                f"--config.data.{taken[name]}. Received: {name!r} for both."
            )
        taken[name] = field
    return columns


def missing(field, name, file, names, hint=""):
    """Returns the error for a column that is not there."""
    return ConfigError(
        f"`--config.data.{field}` must be a column of {file}. Received: "
        f"{name!r}. Choices: {quoted(names)}.{hint}"
    )


def quoted(names):
    """Returns the first names in quotes, long ones cut off."""
    shown = [
        repr(name if len(name) <= 40 else name[:37] + "...")
        for name in list(names)[:_SHOWN]
    ]
    more = len(names) - _SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
