"""What every model with a BERT encoder has: files, sizes, weights."""

import dataclasses
import pathlib

from tfmodels.bert import presets
from tfmodels.bert import wordpiece
from tfmodels.bert.config import EncoderConfig
from tfmodels.model_config import ModelConfig


@dataclasses.dataclass(slots=True)
class BertModelConfig(ModelConfig):
    """Settings of a model with a BERT encoder.

    >>> config = BertModelConfig(EncoderConfig(hidden_dim=10, num_heads=3))
    >>> len(list(config.problems()))
    1
    """

    encoder: EncoderConfig = dataclasses.field(default_factory=EncoderConfig)

    def problems(self):
        """Yields the broken rules between several settings."""
        encoder = self.encoder
        if encoder.preset:
            return  # It has its own sizes. `settled` checks them.
        if encoder.hidden_dim % encoder.num_heads:
            yield (
                "`--config.model.encoder.hidden_dim` must be a multiple of "
                "--config.model.encoder.num_heads. Received: "
                f"{encoder.hidden_dim} and {encoder.num_heads}."
            )
        yield from _frozen_problems(encoder)

    def check_files(self):
        """Checks that preset and vocabulary exist.

        Raises:
            ValueError: A file, directory or package does not exist, or a
                preset contains an encoder of another family.
        """
        preset, vocabulary = self.encoder.preset, self.encoder.vocabulary
        if preset:
            presets.check(preset)
        elif vocabulary and not pathlib.Path(vocabulary).is_file():
            raise ValueError(
                "`--config.model.encoder.vocabulary` must be a file of "
                f"WordPieces. Received: {vocabulary!r}."
            )

    def settled(self):
        """Returns the config with the sizes that its files decide.

        Returns:
            The config, for a preset with its sizes, and the vocabulary as a
            list of str; `None` if no file of the model contains one.

        Raises:
            ValueError: A file cannot be read, or a setting does not fit its
                sizes.
        """
        encoder, vocabulary = self.encoder, None
        if encoder.preset:
            encoder, vocabulary = presets.read(encoder)
            for problem in _frozen_problems(encoder):
                raise ValueError(problem)
        elif encoder.vocabulary:
            try:
                vocabulary = wordpiece.read_vocabulary(encoder.vocabulary)
            except ValueError as error:
                raise ValueError(
                    "`--config.model.encoder.vocabulary` cannot be used: "
                    f"{error}"
                ) from error
        return dataclasses.replace(self, encoder=encoder), vocabulary

    def load_pretrained(self, network):
        """Loads the weights of the preset, if there is one.

        Args:
            network: `keras.Model` from `build`.

        Raises:
            ValueError: The weights cannot be loaded or downloaded, or do not
                fit the network.
        """
        if self.encoder.preset:
            presets.load_weights(network, self.encoder)


def _frozen_problems(encoder):
    if encoder.frozen_layers > encoder.num_layers:
        yield (
            "`--config.model.encoder.frozen_layers` must be at most "
            f"{encoder.num_layers}, the layers that the encoder has. "
            f"Received: {encoder.frozen_layers}."
        )
