"""What every model config has: the network, its files, its weights."""

import typing


class ModelConfig:
    """Settings of a network, which they can build.

    The settings of a model are a dataclass of this class, see
    `tfmodels.mnist_mlp`. The module of a model does not import Keras at its
    top: config files import it, and wrong flags are reported before Keras is
    imported, which takes seconds.

    Attributes:
        per_token: bool. Whether the network gives logits for each token of a
            text, `float32[batch, sequence_length, num_outputs]`.
    """

    __slots__ = ()
    per_token: typing.ClassVar[bool] = False

    def problems(self):
        """Yields the broken rules between several settings, a line for each."""
        return ()

    def check_files(self):
        """Checks that the files in the settings exist; imports no Keras.

        Raises:
            ValueError: A file, directory or package does not exist.
        """

    def build(self, num_outputs):
        """Builds the network with random weights.

        Args:
            num_outputs: int. Number of logits of an example.

        Returns:
            `keras.Model`, functional, from a dict of model inputs to logits
            `float32[batch, num_outputs]`.
        """
        raise NotImplementedError

    def settled(self):
        """Returns the config with the sizes that its files decide.

        Models for texts are asked, before their vocabulary is known.

        Returns:
            The config, and the vocabulary of its files as a list of str, or
            `None`: it is learned from the training texts. A list of the class
            `tfmodels.bert.added_tokens.Vocabulary` can have added tokens.

        Raises:
            ValueError: A file cannot be read, or does not fit a setting.
        """
        return self, None

    def make_inference(self, network):
        """Returns the function for the logits of an export.

        Args:
            network: `keras.Model` from `build`, with trained weights.

        Returns:
            The network, or a faster function from the same inputs. An export
            compares the answers of both.
        """
        return network

    def load_pretrained(self, network):
        """Loads the pretrained weights that the settings name, if any.

        Args:
            network: `keras.Model` from `build`.

        Raises:
            ValueError: The weights cannot be loaded or downloaded, or do not
                fit the network.
        """
