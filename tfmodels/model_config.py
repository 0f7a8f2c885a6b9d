"""What every model config has: the network, its files, its weights."""


class ModelConfig:
    """Settings of a network, which they can build.

    The settings of a model are a dataclass of this class, see
    `tfmodels.mnist_mlp`. The module of a model does not import Keras at its
    top: config files import it, and wrong flags are reported before Keras is
    imported, which takes seconds.
    """

    __slots__ = ()

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

    def load_pretrained(self, network):
        """Loads the pretrained weights that the settings name, if any.

        Args:
            network: `keras.Model` from `build`.

        Raises:
            ValueError: The weights cannot be loaded or downloaded, or do not
                fit the network.
        """
