"""The tags of one document as a file has them, and the JSON forms of spans.

Words with tags are `{"words": [[start, end], ...], "tags": [str, ...]}`.
Readers of CoNLL files make this form. Spans are a list, in one of these forms:

- `[start, end, label]`, as doccano and spaCy write them;
- `{"start": 0, "end": 5, "label": "PER"}`, with `start_offset` and `end_offset`
  for doccano, and with `labels: ["PER"]` for Label Studio's JSON_MIN;
- the `annotations` of Label Studio: `[{"result": [{"value": {...}}]}]`. Its
  results without a place and a label, such as relations and choices, are no
  tags and are skipped. Labels of HTML, dialogues and other contents are
  refused.

Places are in code points, and the end is exclusive. If a span has its `text`,
the text at the place must be equal.
"""

import dataclasses
import itertools

from trainers.objectives import entity_spans

_STARTS = ("start", "start_offset")
_ENDS = ("end", "end_offset")
_LABELS = ("label", "labels")
_FORMS = (
    "a list of spans: [start, end, label], or objects with start, end and label"
)
# The end of the types of Label Studio's results that mark a place. Places in a
# text have the type `labels` alone.
_LABEL_STUDIO = "labels"
# What readers of CoNLL files count.
_ODD = {"num_uneven", "num_hashes"}
_SHOWN = 40


@dataclasses.dataclass(frozen=True)
class RawTags:
    """The words or the spans of a document, in the order of the text.

    Attributes:
        places: List of `(start, end)`, int, in code points.
        tags: List of str. The tag of each word, or the type of each span.
        is_words: bool. Whether these are all words of the document.
        num_trimmed: int. Spans that began or ended with white space.
        num_uneven: int. Words whose line in a CoNLL file has another number of
            columns than most, so that the tag is in another one.
        num_hashes: int. 1 if the first word of a CoNLL sentence is `#`, which
            can begin a comment.
    """

    places: list
    tags: list
    is_words: bool
    num_trimmed: int = 0
    num_uneven: int = 0
    num_hashes: int = 0


def parse(value, text):
    """Returns the tags of a document.

    Args:
        value: JSON-like. One of the forms above.
        text: str. The document.

    Returns:
        `RawTags`.

    Raises:
        ValueError: It has another form, or does not fit the text.
    """
    if isinstance(value, dict) and value.keys() >= {"words", "tags"}:
        found = _parse_words(value["words"], value["tags"], text)
        for name in value.keys() & _ODD:
            if not _is_whole(value[name]):
                raise ValueError(
                    f"{name!r} must be a whole number. Received: "
                    f"{_short(value[name])}"
                )
            found = dataclasses.replace(found, **{name: int(value[name])})
        return found
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise ValueError(f"must be {_FORMS}. Received: {_short(value)}")
    spans = [_parse_span(span, text) for span in _without_wrapping(value)]
    trimmed = [_trimmed(start, end, text) for start, end, _ in spans]
    for (start, end), span in zip(trimmed, spans, strict=True):
        if start >= end:
            raise ValueError(f"the span {words(*span, text)} is white space")
    found = sorted(
        (*place, label)
        for place, (_, _, label) in zip(trimmed, spans, strict=True)
    )
    for one, two in itertools.pairwise(found):
        if one == two:
            raise ValueError(f"the span {words(*one, text)} occurs twice")
        if two[0] < one[1]:
            raise ValueError(
                f"the spans {words(*one, text)} and {words(*two, text)} "
                "overlap, but a token has one tag"
            )
    num_trimmed = sum(
        place != span[:2] for place, span in zip(trimmed, spans, strict=True)
    )
    places = [span[:2] for span in found]
    return RawTags(places, [span[2] for span in found], False, num_trimmed)


def words(start, end, label, text):
    """Returns a span in words, for messages.

    Args:
        start: int. In code points.
        end: int. Exclusive.
        label: str. Its type.
        text: str. The document.
    """
    inside = text[start:end]
    if len(inside) > _SHOWN:
        inside = inside[: _SHOWN - 3] + "..."
    return f"[{start}, {end}, {label!r}] ({inside!r})"


def _parse_words(places, tags, text):
    for name, found in (("words", places), ("tags", tags)):
        if not isinstance(found, list | tuple):
            raise ValueError(
                f"{name!r} must be a list. Received: {_short(found)}"
            )
    if len(places) != len(tags):
        raise ValueError(
            f"there must be a tag for each word. Received: {len(places)} words "
            f"and {len(tags)} tags"
        )
    before = 0
    for place, tag in zip(places, tags, strict=True):
        is_pair = isinstance(place, list | tuple) and len(place) == 2
        if not is_pair or not all(map(_is_whole, place)):
            raise ValueError(
                "a word must be [start, end], its first and last code point. "
                f"Received: {_short(place)}"
            )
        if not isinstance(tag, str) or not tag:
            raise ValueError(
                f"a tag must be text. Received: {_short(tag)} at {place}"
            )
        if not before <= place[0] < place[1] <= len(text):
            raise ValueError(
                f"words must be in the order of the text of {len(text)} "
                f"characters, and not empty. Received: {list(place)} after "
                f"{before}"
            )
        before = place[1]
    return RawTags([(start, end) for start, end in places], list(tags), True)


def _without_wrapping(value):
    """Returns the list of spans inside of the forms of Label Studio."""
    if not value or not all(
        isinstance(one, dict) and "result" in one for one in value
    ):
        return value
    results = []
    for one in value:
        if one.get("was_cancelled"):
            continue
        result = one["result"]
        if not isinstance(result, list):
            raise ValueError(
                f"`result` must be a list. Received: {_short(result)}"
            )
        found = [
            _value_of(x)
            for x in result
            if not isinstance(x, dict) or _is_span(x)
        ]
        if found not in results:
            results.append(found)
    if len(results) != 1:
        raise ValueError(
            "there must be one annotation of a text that was not cancelled. "
            f"Received: {len(results)} different ones. Keep one of them in "
            "Label Studio, or export only annotated tasks"
        )
    return results[0]


def _value_of(result):
    """Returns the span of a result, which can be the result itself."""
    value = result.get("value") if isinstance(result, dict) else None
    return value if isinstance(value, dict) else result


def _is_span(result):
    """Returns whether a result of Label Studio is a span.

    Other programs write other types than `labels`, or none. Their spans are
    known by their keys. Relations and choices do not have these keys.

    Raises:
        ValueError: It marks a place that is not in a text.
    """
    kind = str(result.get("type") or _LABEL_STUDIO).lower()
    _refuse_other_labels(kind)
    value = _value_of(result)
    has_place = any(name in value for name in (*_STARTS, *_ENDS))
    has_label = any(name in value for name in _LABELS)
    return kind == _LABEL_STUDIO or (has_place and has_label)


def _refuse_other_labels(kind):
    if kind != _LABEL_STUDIO and kind.endswith(_LABEL_STUDIO):
        raise ValueError(
            f"{kind!r} of Label Studio cannot be read, because their places "
            "are not those of characters in a text. Label the plain text, "
            "with <Text> and <Labels> in Label Studio"
        )


def _parse_span(span, text):
    """Returns `(start, end, label)`, checked against the text."""
    said = None
    if isinstance(span, list | tuple):
        if len(span) != 3:
            raise ValueError(
                f"a span must be [start, end, label]. Received: {_short(span)}"
            )
        start, end, label = span
    elif isinstance(span, dict):
        if not any(name in span for name in _LABELS):
            for name in span:
                _refuse_other_labels(str(name).lower())
        start, end, label = (
            _value(span, names) for names in (_STARTS, _ENDS, _LABELS)
        )
        said = span.get("text")
    else:
        raise ValueError(f"must be {_FORMS}. Received: {_short(span)}")
    if isinstance(label, list | tuple) and len(label) == 1:
        (label,) = label
    if not isinstance(label, str) or not label.strip():
        raise ValueError(
            f"the label of a span must be a name. Received: {_short(label)}"
        )
    label = label.strip()
    if label == entity_spans.OUTSIDE:
        raise ValueError(
            f"the label {label!r} means outside of all spans. Received: "
            f"{_short(span)}"
        )
    if not _is_whole(start) or not _is_whole(end):
        raise ValueError(
            "start and end of a span must be whole numbers. Received: "
            f"{_short(span)}"
        )
    start, end = int(start), int(end)
    if not 0 <= start < end <= len(text):
        raise ValueError(
            "a span must begin before its end and inside of the text of "
            f"{len(text)} characters. Received: [{start}, {end}, {label!r}]"
            f"{_units(start, end, text, said)}"
        )
    if isinstance(said, str) and said and said != text[start:end]:
        raise ValueError(
            f"the span {words(start, end, label, text)} has the text "
            f"{said[:_SHOWN]!r}{_units(start, end, text, said)}"
        )
    return start, end, label


def _value(span, names):
    found = [span[name] for name in names if name in span]
    if not found:
        raise ValueError(
            f"a span must have {' or '.join(names)}. Received: {_short(span)}"
        )
    return found[0]


def _units(start, end, text, said):
    """Returns which other unit fits a span with a text, in words, or nothing.

    JavaScript counts units of UTF-16, and Go counts bytes.
    """
    for name, encoding, size in (
        ("bytes of UTF-8", "utf-8", 1),
        ("units of UTF-16", "utf-16-le", 2),
    ):
        content = text.encode(encoding)[start * size : end * size]
        try:
            is_equal = bool(said) and content.decode(encoding) == said
        except UnicodeDecodeError:
            continue
        if is_equal:
            return f". The places seem to be in {name}; count code points"
    return ""


def _trimmed(start, end, text):
    inside = text[start:end]
    start += len(inside) - len(inside.lstrip())
    return start, start + len(inside.strip())


def _is_whole(value):
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (
        isinstance(value, float) and value.is_integer()
    )


def _short(value):
    found = repr(value)
    return found if len(found) <= 80 else found[:77] + "..."
