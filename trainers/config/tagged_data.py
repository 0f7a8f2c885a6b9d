"""Settings of texts in which each token has a tag."""

import dataclasses
import typing

from tfmodels.settings import setting
from trainers.config.data import TextDataConfig


@dataclasses.dataclass(slots=True)
class TaggedTextDataConfig(TextDataConfig):
    """Where tagged texts come from, how they are split, read and batched.

    A file contains words with tags, or texts with spans of characters. Texts
    of up to `max_bytes` are read: a long one becomes several windows.

    >>> data = TaggedTextDataConfig(train="tweets.conll", sequence_length=64)
    >>> data.misaligned
    'error'
    """

    inputs: typing.ClassVar[str] = (
        "trainers.tasks.inputs.tagged_texts:TaggedTexts"
    )
    per_token: typing.ClassVar[bool] = True

    source: str = setting(
        "files",
        "Kind of `train`, `validation` and `test`. `files` selects the kind by "
        "the name: .conll, .iob, .iob2, .bio, .bioes (words with tags), "
        ".conllu, or texts with spans: .jsonl, .json, .parquet, .arrow. Files "
        "of lines can be packed: .gz, .bz2, .xz, .zip.",
        choices=(
            *("files", "conll", "conllu"),
            *("jsonl", "json", "parquet", "arrow"),
        ),
        or_own=True,
    )
    text_column: str = setting(
        "text",
        "Column with the text, or with a list of words; `data.text` is `text` "
        "inside of `data`. In CoNLL files, the number of the column with the "
        "word, from 0; `text` means the first. CoNLL-U does not need it.",
    )
    label_column: str = setting(
        "label",
        "Column with the spans, or with a list of the tags of the words; dots "
        "as in `text_column`. In CoNLL files, the number of the column with "
        "the tag, from 0; `label` means the last. In CoNLL-U files upos, xpos, "
        "or a key of the column MISC.",
    )
    misaligned: str = setting(
        "error",
        "What happens if a span or a word begins or ends inside of a token. "
        "`error` names it. `expand` moves the border of a span to that of the "
        "token; a token of several words gets the tag of the first of them.",
        choices=("error", "expand"),
    )
    sequence_length: int = setting(
        128,
        "Number of tokens that the network reads at once, including the two "
        "special tokens. A longer text is read in windows that overlap by "
        "half, up to `max_bytes`.",
        at_least=4,
    )
