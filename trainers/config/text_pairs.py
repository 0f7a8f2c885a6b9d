"""Settings of pairs of texts."""

import dataclasses
import typing

from tfmodels.settings import setting
from trainers.config.data import FILES
from trainers.config.data import TFDS
from trainers.config.data import TextDataConfig


@dataclasses.dataclass(slots=True)
class TextPairDataConfig(TextDataConfig):
    """Where labelled pairs of texts come from: two columns of a table.

    >>> data = TextPairDataConfig(train="questions.csv", text_column="a")
    >>> data.text_column, data.text_pair_column
    ('a', 'text_pair')
    """

    inputs: typing.ClassVar[str] = "trainers.tasks.inputs.text_pairs:TextPairs"

    source: str = setting(
        "files",
        "Kind of `train`, `validation` and `test`. `files` selects the kind by "
        "the name: .csv, .tsv, .jsonl, .json, .parquet, .arrow, .tfrecord. "
        "Files of lines can be packed: .gz, .bz2, .xz, .zip.",
        choices=(
            *(name for name in FILES if name != "text_folder"),
            *TFDS,
        ),
        or_own=True,
    )
    text_column: str = setting("text", "Column or feature with the first text.")
    text_pair_column: str = setting(
        "text_pair", "Column or feature with the second text."
    )
    sequence_length: int = setting(
        128,
        "Largest number of tokens of both texts together, including the three "
        "special tokens around them. Of longer pairs, the longer text is cut "
        "until both fit.",
        at_least=5,
    )

    def problems(self, model):
        """Yields the broken rules between several settings.

        Args:
            model: Config of a model with `encoder`.
        """
        yield from TextDataConfig.problems(self, model)
        if self.text_pair_column in ("", self.text_column):
            yield (
                "`--config.data.text_pair_column` must name the column with "
                "the second text, another one than "
                "--config.data.text_column. Received: "
                f"{self.text_pair_column!r}."
            )
