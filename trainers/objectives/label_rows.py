"""The labels of one row of a file: a text, a JSON list, or a column a label."""

import ast
import dataclasses
import json
import math

# In lower case, and without white space around it.
_YES_NO = {"0": False, "1": True, "false": False, "true": True}


@dataclasses.dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of a row, and the form in which the file has them.

    Attributes:
        labels: Tuple of str, all different; empty means no label.
        is_list: bool. Whether the labels were a JSON list.
    """

    labels: tuple[str, ...]
    is_list: bool = False

    def form(self):
        """Returns in words how the file has the labels."""
        if self.is_list:
            return f"the list {json.dumps(self.labels, ensure_ascii=False)}"
        return f"the text with the labels {', '.join(self.labels) or 'none'}"


def parse(value, separator):
    """Returns the labels of a column with all labels of a row.

    Args:
        value: str with `separator` between the labels, or a JSON list of
            texts, whole numbers, true and false.
        separator: str. White space around a label is no part of it. Nothing
            between two separators is no label.

    Returns:
        `LabelSet`.

    Raises:
        ValueError: The value has another form, or has a label twice.

    >>> parse("sport; politics", ";").labels
    ('sport', 'politics')
    """
    if isinstance(value, str):
        _refuse_list_in_text(value)
        words = [word.strip() for word in value.split(separator)]
        labels = [word for word in words if word]
    elif isinstance(value, list):
        labels = [_label_of(element) for element in value]
    else:
        raise ValueError(
            "the labels must be a list, or a text with "
            f"{separator!r} between them; [] and the empty text mean no label. "
            f"Received: {_shown(value)}"
        )
    repeated = sorted({x for x in labels if labels.count(x) > 1})
    if repeated:
        raise ValueError(f"the label {repeated[0]!r} is there twice")
    return LabelSet(tuple(labels), isinstance(value, list))


def parse_columns(values):
    """Returns the labels of a row with a column for each label.

    Args:
        values: Dict by label of what its column has: 0, 1, true or false, as
            text in any case or as a number.

    Returns:
        `LabelSet`.

    Raises:
        ValueError: A value has another form.
    """
    return LabelSet(
        tuple(label for label, value in values.items() if _is_yes(label, value))
    )


def _is_yes(label, value):
    if isinstance(value, list) and len(value) == 1:
        (value,) = value  # TFRecord has lists of values.
    word = value if isinstance(value, str) else _shown(value)
    found = _YES_NO.get(word.strip().lower())
    if found is None:
        # Programs write a column of whole numbers with gaps as 0.0 and 1.0.
        try:
            found = {0.0: False, 1.0: True}.get(float(word))
        except ValueError:
            found = None
    if found is None:
        raise ValueError(
            f"{label!r} must be 0, 1, true or false. Received: {word[:40]!r}"
        )
    return found


def _label_of(element):
    """Returns an element of a list as a label."""
    if isinstance(element, str):
        label = element.strip()
    elif isinstance(element, int):  # Or bool, a subclass of int.
        label = json.dumps(element)
    else:
        raise ValueError(
            "each label of a list must be a text, a whole number, true or "
            f"false. Received: {_shown(element)}"
        )
    if not label:
        raise ValueError("a label of the list is empty; [] means no label")
    return label


def _refuse_list_in_text(text):
    """Refuses the text of a list, as pandas writes lists into a CSV file."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, list):
            raise ValueError(
                f"the labels are the text of a list, {text[:40]!r}. Write "
                "them without brackets and quotes, with the text of "
                "--config.task.label_separator between them, or as JSON lists "
                "in a .jsonl file"
            )


def _shown(value):
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, default=str, ensure_ascii=False)[:40]
