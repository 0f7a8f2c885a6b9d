"""Settings of pairs of texts."""

import dataclasses
import typing

from tfmodels.settings import setting
from trainers.config.data import TextDataConfig


@dataclasses.dataclass(slots=True)
class TextPairDataConfig(TextDataConfig):
    """Where labelled pairs of texts come from: two columns of a table.

    >>> data = TextPairDataConfig(train="questions.csv", text_column="a")
    >>> data.text_column, data.text_pair_column
    ('a', 'text_pair')
    """

    inputs: typing.ClassVar[str] = "trainers.tasks.inputs.text_pairs:TextPairs"

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
        if self.source == "text_folder":
            yield (
                "`--config.data.source` must be a table for pairs of texts: a "
                "file of a folder is one text. Received: 'text_folder'."
            )
