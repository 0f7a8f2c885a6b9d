"""Rows whose text is a list of words, as Hugging Face has them."""

from trainers.data.texts import sentences


def to_text(values, columns):
    """Returns the values of a row with a text in place of its words.

    >>> from trainers.data.texts import columns as columns_lib
    >>> columns = columns_lib.Columns({"text": "tokens", "label": "ner_tags"})
    >>> row = {"text": ["In", "Paris"], "label": ["O", "B-LOC"]}
    >>> to_text(row, columns)["text"]
    'In Paris'
    >>> to_text(row, columns)["label"]
    {'words': [[0, 2], [3, 8]], 'tags': ['O', 'B-LOC']}

    Args:
        values: Dict by field. `text` is a list; `label`, if it is there, should
            be a list of the tags of its words.
        columns: `Columns`.

    Raises:
        ValueError: A word is empty or no text, or there is no tag, a name, for
            each of them. Its argument is the problem.
    """
    words = values["text"]
    for number, word in enumerate(words, 1):
        if not isinstance(word, str) or not word.strip():
            raise ValueError(
                f"{columns['text']!r} must be a text, or a list of words. Word "
                f"{number} is {word!r}"
            )
    text, places = sentences.join(words)
    found = values | {"text": text}
    if "label" not in values:
        return found
    name, tags = columns["label"], values["label"]
    if not isinstance(tags, list | tuple) or len(tags) != len(words):
        has = f"{len(tags)} of them" if isinstance(tags, list) else repr(tags)
        raise ValueError(
            f"{name!r} ({columns.flag('label')}) must be a list with a tag for "
            f"each of the {len(words)} words in {columns['text']!r}. Received: "
            f"{has[:40]}"
        )
    for number, tag in enumerate(tags, 1):
        if not isinstance(tag, str):
            raise ValueError(
                f"{name!r} must be a list of names of tags. Tag {number} is "
                f"{tag!r}. Parquet and Arrow files of `datasets` know the "
                "names of its numbers"
            )
    return found | {"label": {"words": places, "tags": list(tags)}}
