"""What all inputs have: from raw features to what a network takes."""

from trainers.errors import ConfigError


class Inputs:
    """From the data to model inputs, in training, evaluation and serving.

    Inputs know pixels and tokens, and no targets. They do not change: `load`
    and `restored` return other inputs. The methods that raise
    `NotImplementedError` must be written; the others have a useful default.

    Attributes:
        model_config: Config of the model, for texts with the sizes of the
            vocabulary and of the preset.
        num_draws: int. Random numbers that `augment` takes for each example;
            0 means that nothing is augmented.
        eval_batch_size: int. Number of rows in a batch of evaluation, on each
            replica.
        accelerator_batch_size: int. The same, where replicas are GPUs or TPU
            cores; `None` means `eval_batch_size`.
        row_request: str. The signature that `predict` sends a row of a file
            to. Its inputs have the names of `example_features`.
        example_features: Tuple of str. Features of a `tf.Example` that
            `classify` and `regress` read, each with one `bytes` value.
        answers_are_short: bool. Whether `predict` prints few numbers for each
            row, because people read thousands of rows.
    """

    num_draws = 0
    eval_batch_size = 256
    accelerator_batch_size = None
    row_request = "serving_default"
    example_features = ("text",)
    answers_are_short = True

    def __init__(self, config):
        """Makes the inputs, before the data is known.

        Args:
            config: `ExperimentConfig`.
        """
        self.model_config = config.model

    def load(self, data, objective):
        """Loads and checks the splits of a run.

        The targets are those of `targets.fit`, which asks the objective
        and checks its answer.

        Args:
            data: Data part of an `ExperimentConfig`.
            objective: `Objective`, before its data is known.

        Returns:
            `(inputs, objective, splits)`: both for this data, and `Splits`.

        Raises:
            DataError, ConfigError: The data cannot be used.
        """
        raise NotImplementedError

    def load_raw(self, data, split, objective, run_data=None):
        """Loads one split as it was read, with the targets of the objective.

        Args:
            data: Data part of an `ExperimentConfig`.
            split: str. Name or specification of a split.
            objective: `Objective` of the run.
            run_data: Data part of the run that trained the model; `None` means
                `data`.

        Returns:
            `Examples`.

        Raises:
            DataError, ConfigError: The data cannot be used.
        """
        raise NotImplementedError

    def load_one(self, data, split, objective, run_data=None):
        """Loads one split, prepared for the model.

        Args:
            data, split, objective, run_data: As for `load_raw`.

        Returns:
            `Examples`.

        Raises:
            DataError, ConfigError: The data cannot be used.
        """
        return self.load_raw(data, split, objective, run_data)

    def assets(self):
        """Returns what `restored` needs besides configuration and weights.

        Returns:
            Dict from the name of a file in the work directory to its text.
        """
        return {}

    def restored(self, directory):
        """Returns the inputs of a finished run.

        Args:
            directory: `pathlib.Path` of the work directory.

        Raises:
            ConfigError: A file is missing or damaged.
        """
        return self

    def resumed(self, directory):
        """Returns inputs whose `load` gives what it gave at the start of a run.

        A newer version of the code can load data in another way.

        Args:
            directory: `pathlib.Path` of the work directory, with a checkpoint.
        """
        return self

    def preprocess(self, features):
        """Returns model inputs. Training, evaluation and exports call it.

        Args:
            features: Dict of tensors by name, a batch of the features of
                `Examples`.

        Returns:
            Dict of tensors by name: the inputs of the network. The ops are
            stateless, and a row does not depend on the others.
        """
        raise NotImplementedError

    def preprocess_for_training(self, features):
        """Returns model inputs of a training batch, in one of few shapes.

        Args:
            features: As for `preprocess`.

        Returns:
            As `preprocess`; more padding can be the difference.
        """
        return self.preprocess(features)

    def pad_targets(self, targets, inputs):
        """Returns targets of a batch in the shapes of its model inputs.

        XLA and TPUs need it for targets of tokens: a ragged batch has its own
        shape each time.

        Args:
            targets: Batch of a column of targets: a tensor with the rows
                first, or a `tf.RaggedTensor`.
            inputs: Dict of tensors. The result of `preprocess` or
                `preprocess_for_training` for the batch.

        Returns:
            Tensor with the rows first, or `tf.RaggedTensor`. The objective
            gets it in place of the targets.
        """
        return targets

    def training_lengths(self, examples):
        """Returns the lengths of training batches, the most frequent first.

        They are all sizes that `preprocess_for_training` gives to dimensions
        other than the rows. XLA compiles a step for each.

        Args:
            examples: `Examples` of the training split.

        Returns:
            List of int; empty if all batches have one shape.
        """
        return []

    def augment(self, features, draws):
        """Changes features at random, before `preprocess`, in training only.

        Args:
            features: Dict of tensors by name, a batch of the features of
                `Examples`.
            draws: float32[batch, num_draws]. From 0 to 1.

        Returns:
            Dict of tensors by name.
        """
        return features

    def lengths(self, examples):
        """Returns the lengths by which batches are made, or `None`.

        Args:
            examples: `Examples`.

        Returns:
            `int64[num_examples]`; `None` if all examples have the same size.
        """
        return None

    def padding_share(self, examples, *, batch_size, seed):
        """Returns the share of padding in the first epoch, or `None`.

        Args:
            examples: `Examples`.
            batch_size: int. Number of rows in a batch, over all replicas.
            seed: int. Seed of the run.

        Returns:
            float from 0 to 1; `None` if examples are not padded.
        """
        return None

    def make_inference(self, network):
        """Returns the function for the logits of an export.

        The export compares its answers with those of the network.

        Args:
            network: `keras.Model`.

        Returns:
            The network, or a faster function of the same features.
        """
        return self.model_config.make_inference(network)

    def signatures(self):
        """Returns the signatures that answer with the outputs of the objective.

        Returns:
            Dict from the name of a signature to a list of the `tf.TensorSpec`
            of each input, and the function from these inputs to features of
            the network. The first dimension of an input is the batch. One
            signature is `serving_default`, and one is `row_request`.
        """
        raise NotImplementedError

    def other_signatures(self):
        """Returns the signatures that do not use the network.

        Returns:
            Dict from the name of a signature to a `tf.function`.
        """
        return {}

    def from_example(self, *values):
        """Returns the features of a network for examples of `classify`.

        Args:
            *values: string[batch] for each of `example_features`.
        """
        raise NotImplementedError

    def make_signatures(self, objective, network, *, with_doubt=False):
        """Returns the serving functions of a task.

        These are `signatures`, which answer with the outputs of the objective,
        `other_signatures`, `classify` if the objective ranks its answers, and
        `regress` if its answer is a number.

        Args:
            objective: `Objective` of the task.
            network: Function from preprocessed features to logits, for example
                a `keras.Model`.
            with_doubt: bool. Whether answers can have a further output,
                `rounding.IN_DOUBT: bool[batch]`, see `Objective.is_in_doubt`.
                The check of an export does not compare these rows.

        Returns:
            Dict from the name of a signature to a `tf.function`.
        """
        # Here: settings of own inputs import this module, and flags are
        # checked before TensorFlow is imported.
        from trainers.tasks import signatures

        return signatures.make(self, objective, network, with_doubt)

    def make_check_inputs(self, seed):
        """Returns 100 rows of inputs for the check of an export.

        The rows contain edge cases. The warm-up file contains some of them.

        Args:
            seed: int. Determines random values.

        Returns:
            Dict by signature of dicts by input of arrays with 100 rows. In
            place of `classify` and `regress`, there is `examples`: the inputs
            of both, see `example_signatures.check_inputs`.
        """
        raise NotImplementedError

    @classmethod
    def read_rows(cls, file, data):
        """Yields the rows of a file without targets, for `predict`.

        Args:
            file: str. Path of the file; `-` is stdin.
            data: Data part of an `ExperimentConfig`.

        Yields:
            `(place, row)`: a dict that names the place of the row in the
            answer, and a dict by input of `row_request` of bytes.

        Raises:
            DataError: A row cannot be read. The rows before it are yielded
                first.
        """
        raise NotImplementedError

    @classmethod
    def settings_of_files(cls, data, encoding):
        """Returns the settings for the files of `predict`.

        Args:
            data: Data part of an `ExperimentConfig`.
            encoding: str. Encoding of the texts in the files; `None` if it is
                not given.

        Raises:
            ConfigError: Its files have no encoding.
        """
        if encoding is not None:
            raise ConfigError(
                f"`--encoding` is for models of texts. Received: {encoding!r}."
            )
        return data

    @classmethod
    def refused_row(cls, place):
        """Returns the error for a row that the model refuses.

        Args:
            place: dict. From `read_rows`.

        Returns:
            `DataError`, or `None` if the refusal has other reasons.
        """
        return None

    def request_of(self, features):
        """Returns the request for a batch of raw features, for `predict`.

        Args:
            features: Dict of columns, features of the `Examples` of
                `load_raw`.

        Returns:
            Name of a signature, and the dict of its inputs.
        """
        raise NotImplementedError

    def repeated(self, features):
        """Returns what `predict` repeats of each row of a split.

        Args:
            features: As for `request_of`.

        Returns:
            List of dict, one for each row, ready for JSON.
        """
        (num_rows,) = {len(column) for column in features.values()}
        return [{}] * num_rows

    def describe(self):
        """Returns the inputs in words for the model card, in the plural."""
        raise NotImplementedError

    def limits(self):
        """Returns what users of a model must know, for the model card.

        Returns:
            List of str in Markdown.
        """
        return []
