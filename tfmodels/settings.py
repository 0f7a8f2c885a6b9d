"""A setting of a config dataclass: its default, meaning and rule."""

import dataclasses
import typing

from tfmodels import local_paths


def setting(
    default,
    doc,
    *,
    choices=None,
    or_own=False,
    above=None,
    at_least=None,
    below=None,
    at_most=None,
    only_with=None,
    may_change=False,
    refused=None,
    is_path=False,
    schemes=(),
):
    """Returns a dataclass field that contains its documentation and rule.

    `broken_rule` enforces the rule, and `--help` prints the documentation.
    Both are therefore written once.

    Args:
        default: Immutable default value. Its type is the annotation of the
            field.
        doc: str. One sentence with the unit; `--help` prints it.
        choices: Tuple of allowed values, or of allowed elements of a tuple;
            `None` allows every value.
        or_own: bool. Whether `MODULE:NAME`, an object in a package of the
            user, is allowed besides `choices`.
        above, at_least, below, at_most: int or float. Bounds of a number, or
            of each number in a tuple; `None` means unbounded.
        only_with: Pair of the name of another setting of the dataclass and a
            tuple of its values. This setting has an effect only with these
            values. `None` means always.
        may_change: bool. Whether a run can resume with another value. Results
            must not depend on such a setting.
        refused: Dict from a value that users may expect among the choices to
            the reason why it is refused; `None` means no such value.
        is_path: bool. Whether a text, or each text of a tuple, can be a path
            on this machine. `~` in it then becomes the home directory, and an
            address such as `gs://bucket` is refused. A run can resume if the
            path has changed, but not what is there.
        schemes: Tuple of str. Addresses that are allowed all the same, such as
            `package`.

    Returns:
        `dataclasses.Field`.
    """
    rule = {
        "choices": choices,
        "above": above,
        "at_least": at_least,
        "below": below,
        "at_most": at_most,
    }
    rule = {name: bound for name, bound in rule.items() if bound is not None}
    return dataclasses.field(
        default=default,
        metadata={
            "doc": doc,
            "rule": rule,
            "or_own": or_own,
            "only_with": only_with,
            "may_change": may_change,
            "refused": refused or {},
            "is_path": is_path,
            "schemes": schemes,
        },
    )


def named(field, name, kind):
    """Returns a setting outside of a dataclass, with its name and type.

    Args:
        field: `dataclasses.Field` from `setting`.
        name: str.
        kind: Type of the setting.
    """
    field.name, field.type = name, kind
    return field


def type_words(field):
    """Returns the type of a setting in words, for example "a number".

    Args:
        field: `dataclasses.Field` from `setting`.
    """
    return _TYPES[field.type]


_TYPES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    tuple[int, ...]: "whole numbers, like 64,64",
    tuple[str, ...]: "names, separated by commas",
}


def declaration_problem(kind):
    """Returns why the fields of a dataclass are no settings, or `None`.

    Each field must be made by `setting` and have a type that a flag can have,
    or be a dataclass of such fields.

    Args:
        kind: Class. A dataclass.

    >>> @dataclasses.dataclass
    ... class Mine:
    ...     margin: float = 1.0
    >>> print(declaration_problem(Mine)[:43])
    `Mine.margin` must be made by `setting(1.0,
    """
    for base in kind.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, dataclasses.Field):
                return (
                    f"`{base.__name__}` must have the decorator "
                    f"`@dataclasses.dataclass`, as `{name}` is a setting"
                )
    for field in dataclasses.fields(kind):
        if problem := _field_problem(field):
            return f"`{kind.__name__}.{field.name}` must {problem}"
        if dataclasses.is_dataclass(field.type):
            if problem := declaration_problem(field.type):
                return problem
    return None


def _field_problem(field):
    if isinstance(field.type, str):
        return (
            f"have a type in place of the text {field.type!r}: remove `from "
            "__future__ import annotations` from its file"
        )
    if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
        if field.default_factory is not dataclasses.MISSING:
            return None
        return (
            "be made by `dataclasses.field(default_factory="
            f"{field.type.__name__})`"
        )
    # A generic alias such as `dict[str, int]` can be compared, too.
    if field.type not in list(_TYPES):
        return (
            "have a type that a flag can have, one of "
            f"{', '.join(map(_type_name, _TYPES))}, and not "
            f"{_type_name(field.type)}"
        )
    if not {"doc", "rule"} <= field.metadata.keys():
        default = field.default
        if default is dataclasses.MISSING:
            default = field.type() if isinstance(field.type, type) else ()
        return (
            f'be made by `setting({default!r}, "meaning")` of tfmodels.settings'
        )
    return None


def _type_name(kind):
    is_plain = type(kind) is type
    return kind.__name__ if is_plain else str(kind)


def choice_words(field):
    """Returns the choices of a setting in words, such as "a, b".

    Args:
        field: `dataclasses.Field` from `setting`.

    Returns:
        str, or `None` for a setting without choices.
    """
    choices = field.metadata["rule"].get("choices")
    if choices is None:
        return None
    words = ", ".join(choices)
    if field.metadata["or_own"]:
        words += ", or MODULE:NAME of your own"
    return words


def is_own(text):
    """Returns whether a text is `MODULE:NAME`.

    Args:
        text: str.

    >>> is_own("my_package.curves:MyTracker"), is_own("csv")
    (True, False)
    """
    module, _, name = text.partition(":")
    return all(
        word.isidentifier() for word in [*module.split("."), *name.split(".")]
    )


def parse(text, kind):
    """Converts the text of a flag to the type of its setting.

    Args:
        text: str. The part of `--config.NAME=VALUE` after the `=`.
        kind: Type of the setting. Commas separate the elements of a tuple;
            brackets around them are optional. An empty text is the empty
            tuple of names.

    Returns:
        The value, or `None` if the text is not of this type.
    """
    try:
        if kind is bool:
            return _BOOLEANS.get(text.lower())
        if kind is int:
            return _parse_int(text)
        if typing.get_origin(kind) is tuple:
            return _parse_tuple(text, typing.get_args(kind)[0])
        return kind(text)
    except ValueError:
        return None


# The words that absl accepts for its boolean flags.
_BOOLEANS = dict.fromkeys(("true", "t", "1"), True) | dict.fromkeys(
    ("false", "f", "0"), False
)


def _parse_int(text):
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


def _parse_tuple(text, element):
    inside = text.strip()
    if inside[:1] + inside[-1:] in ("()", "[]"):
        inside = inside[1:-1].strip()
        if not inside:
            return ()
    if element is str and not inside:
        return ()
    words = inside.removesuffix(",").split(",")
    return tuple(parse(word.strip(), element) for word in words)


def has_type(value, kind):
    """Returns whether a value has the type of a setting.

    An int is a valid float; a bool is not a valid int.

    Args:
        value: Any object.
        kind: Type of the setting.
    """
    if typing.get_origin(kind) is tuple:
        element = typing.get_args(kind)[0]
        return isinstance(value, (tuple, list)) and all(
            has_type(v, element) for v in value
        )
    if isinstance(value, bool):  # In Python, a bool is an int, too.
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def with_home(field, value):
    """Returns a value with the home directory in place of `~` in a path.

    Args:
        field: `dataclasses.Field` from `setting`.
        value: Any object.
    """
    if not field.metadata["is_path"] or not has_type(value, field.type):
        return value
    if isinstance(value, str):
        return local_paths.expanded(value)
    return tuple(map(local_paths.expanded, value))


def broken_rule(field, value):
    """Returns the rule that a value breaks, in words, or `None`.

    Args:
        field: `dataclasses.Field` from `setting`.
        value: Any object.
    """
    if not has_type(value, field.type):
        return type_words(field)
    rule = dict(field.metadata["rule"])
    choices = rule.pop("choices", None)
    elements = value if isinstance(value, (tuple, list)) else (value,)
    for element in elements if choices is not None else ():
        is_allowed_own = field.metadata["or_own"] and is_own(element)
        if element not in choices and not is_allowed_own:
            is_tuple = typing.get_origin(field.type) is tuple
            start = "names from" if is_tuple else "one of"
            words = f"{start} {choice_words(field)}"
            reason = field.metadata["refused"].get(element)
            return f"{words}: {reason}" if reason else words
    for element in elements if field.metadata["is_path"] else ():
        schemes = field.metadata["schemes"]
        if problem := local_paths.problem(element, schemes):
            return problem
    if field.type in (str, bool, tuple[str, ...]):
        return None
    numbers = elements
    # NaN, infinity and numbers that do not fit into int64 break every rule.
    sized = all(abs(number) < 2**63 for number in numbers)
    if sized and all(
        _BOUNDS[key][1](number, bound)
        for number in numbers
        for key, bound in rule.items()
    ):
        return None
    words = [f"{_BOUNDS[key][0]} {bound}" for key, bound in rule.items()]
    if not sized and not rule.keys() & {"below", "at_most"}:
        words.append("below 2**63")
    return " and ".join(words)


_BOUNDS = {
    "above": ("above", lambda value, bound: value > bound),
    "at_least": ("at least", lambda value, bound: value >= bound),
    "below": ("below", lambda value, bound: value < bound),
    "at_most": ("at most", lambda value, bound: value <= bound),
}
