"""The columns of a file that are read, and the error for a missing one."""

from trainers.errors import ConfigError

# The fields whose values are texts. A pair of texts has both.
TEXTS = ("text", "text_pair")
_SHOWN = 20


class Columns(dict):
    """The name of a column for each field, such as `text`.

    >>> columns = Columns({"text": "body"}, flags={"stars": "--stars"})
    >>> columns.flag("text"), columns.flag("stars")
    ('--config.data.text_column', '--stars')

    Attributes:
        flags: Dict by field of the flags that are not
            `--config.data.FIELD_column`.
        takes_json: bool. Whether the values of targets can be any JSON; else
            they are words.
        takes_words: bool. Whether the text of an object can be a list of words,
            and the target a list of their tags.
    """

    def __init__(
        self, names, flags=None, *, takes_json=False, takes_words=False
    ):
        """Makes the columns.

        Args:
            names: Dict by field of str.
            flags: Dict by field of str, or `None`.
            takes_json, takes_words: bool.
        """
        super().__init__(names)
        self.flags = flags or {}
        self.takes_json = takes_json
        self.takes_words = takes_words

    def flag(self, field):
        """Returns the flag that names the column of a field.

        Args:
            field: str.
        """
        return self.flags.get(field, f"--config.data.{field}_column")


def unlabelled(data):
    """Returns the columns of unlabelled rows.

    Args:
        data: `TextDataConfig`.

    Returns:
        `Columns` for `text` and, if the settings name one, for `text_pair`.
    """
    names = {field: getattr(data, f"{field}_column", None) for field in TEXTS}
    return Columns(
        {field: name for field, name in names.items() if name},
        takes_words=data.per_token,
    )


def labelled(data, objective, with_split):
    """Returns the columns of labelled rows.

    Args:
        data: `TextDataConfig`.
        objective: `Objective`, which knows the columns of targets.
        with_split: bool. Whether a column contains the split of each row.

    Returns:
        `Columns` for the texts, for each target such as `label` and, if
        wanted, for `split`.

    Raises:
        ConfigError: Two settings name the same column.
    """
    targets = objective.target_columns(data)
    names = unlabelled(data) | targets
    if with_split:
        names["split"] = data.split_column
    columns = Columns(
        names,
        {field: objective.column_flag(field) for field in targets},
        takes_json=objective.takes_json,
        takes_words=data.per_token,
    )
    field_of = {}
    for field, name in columns.items():
        if name in field_of:
            raise ConfigError(
                f"`{columns.flag(field)}` must be another column than "
                f"{columns.flag(field_of[name])}. Received: {name!r} "
                "for both."
            )
        field_of[name] = field
    return columns


def missing(columns, field, file, names, hint=""):
    """Returns the error for a missing column.

    Args:
        columns: `Columns`.
        field: str. `text`, `label` or `split`.
        file: Path of the file.
        names: List of str. The columns of the file.
        hint: str. A sentence after the message.

    Returns:
        `ConfigError`.
    """
    return ConfigError(
        f"`{columns.flag(field)}` must be a column of {file}. "
        f"Received: {columns[field]!r}. Choices: {quoted(names)}.{hint}"
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
