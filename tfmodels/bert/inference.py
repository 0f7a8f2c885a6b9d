"""BERT classifiers and taggers, computed in a faster order for inference.

The Keras network computes every layer on padding, too, and computes queries,
keys and values in three matrix products. Here only the attention contains
padding, and one product computes all three. The results are equal up to
rounding. A batch with texts of many lengths takes about two thirds of the
time. `benchmarks/serving.py` measures it.
"""

import math

import numpy as np
import tensorflow as tf

from tfmodels.bert import fused_formulas
from tfmodels.bert import fused_ops
from tfmodels.bert.config import EPSILON


class BertInference:
    """A function from token ids to logits, with copies of a network's weights.

    It takes the inputs of the network and returns the same logits, up to
    rounding. Dropout is off.

    >>> import numpy as np
    >>> from tfmodels import BertClassifierConfig, EncoderConfig, make_network
    >>> encoder = EncoderConfig(
    ...     vocabulary_size=100, num_layers=1, num_heads=2, hidden_dim=8,
    ...     intermediate_dim=16, max_sequence_length=4,
    ... )
    >>> config = BertClassifierConfig(encoder=encoder)
    >>> network = make_network(config, num_outputs=3)
    >>> features = {
    ...     "token_ids": np.array([[2, 7, 3, 0]], np.int32),
    ...     "padding_mask": np.array([[1, 1, 1, 0]], np.int32),
    ... }
    >>> logits = BertInference(network, config)(features)
    >>> logits.shape
    TensorShape([1, 3])
    >>> np.allclose(logits, network(features), atol=1e-5)
    True
    """

    def __init__(self, network, config):
        """Copies the current weights of a network.

        Args:
            network: `keras.Model` from `build` of the config.
            config: The config of the network: a `BertClassifierConfig`, for
                `BertTaggerInference` a `BertTaggerConfig`.
        """
        self._config = config
        encoder = config.encoder
        self._num_heads = encoder.num_heads
        self._head_dim = encoder.hidden_dim // encoder.num_heads
        self._weights = {v.path: v.value for v in network.variables}
        positions = self._weights.pop("position_embedding/embeddings").numpy()
        if encoder.family == "bert":
            segments = self._weights.pop("segment_embedding/embeddings")
            # The sums of each segment with all positions. A single text is
            # segment 0.
            count = 2 if encoder.has_segment_ids else 1
            positions = np.concatenate(
                [positions + segments[i].numpy() for i in range(count)]
            )
        self._positions = _variable(positions, "position_embedding")
        together = [("query", "key", "value")]
        groups = [together] * encoder.num_layers
        if self._needs_first_alone:
            # In the last layer, only the query of [CLS] is needed.
            groups[-1] = [("query",), ("key", "value")]
        self._projections = [
            [
                self._fuse(
                    f"transformer_layer_{index}/self_attention_layer/", x
                )
                for x in names
            ]
            for index, names in enumerate(groups)
        ]

    def __call__(self, features, training=False):
        """Returns the logits of a batch.

        Args:
            features: Dict of `token_ids` and `padding_mask`, both int32[batch,
                sequence_length], and `segment_ids` of pairs. The first position
                of each row must not be padding.
            training: bool. Must be False. Keras networks have this argument.

        Returns:
            `float32[batch, num_classes]`.
        """
        assert not training
        ids, mask = features["token_ids"], features["padding_mask"]
        tokens = _Tokens(mask)
        # [num_tokens, hidden_dim]
        x = self._embed(tokens, ids, features.get("segment_ids"))
        for index, projections in enumerate(self._projections):
            prefix = f"transformer_layer_{index}"
            queries = x
            if len(projections) > 1:
                queries = tf.gather(x, tokens.first_tokens)
            attended = self._attend(tokens, x, queries, projections)
            x = self._add(
                f"{prefix}/self_attention_layer",
                queries,
                self._attention_output(prefix, attended),
            )
            x = self._add(
                f"{prefix}/feedforward_layer", x, self._feedforward(prefix, x)
            )
        return self._answer(tokens, x)

    @property
    def _needs_first_alone(self):
        """Whether the logits are those of `[CLS]` alone."""
        return self._config.pooling == "pooled"

    def _answer(self, tokens, x):
        """Returns the logits for vectors `[num_tokens, hidden_dim]`."""
        return self._dense("logits", self._pool(tokens, x))

    def _fuse(self, prefix, names):
        """Returns one kernel and one bias, concatenated over the names."""
        dim = self._config.encoder.hidden_dim
        kernels, biases = [], []
        for name in names:
            kernel = self._weights.pop(f"{prefix}{name}/kernel").numpy()
            bias = self._weights.pop(f"{prefix}{name}/bias").numpy()
            # Contains the scale of the attention scores.
            scale = 1 / math.sqrt(self._head_dim) if name == "query" else 1.0
            kernels.append(kernel.reshape(dim, dim) * scale)
            biases.append(bias.reshape(dim) * scale)
        return (
            _variable(
                np.concatenate(kernels, axis=1), f"{prefix}{name}_kernel"
            ),
            _variable(np.concatenate(biases), f"{prefix}{name}_bias"),
        )

    def _embed(self, tokens, ids, segment_ids):
        flat = tf.gather(tf.reshape(ids, [-1]), tokens.positions)
        x = tf.gather(self._weights["token_embedding/embeddings"], flat)
        rows = tokens.columns
        if self._config.encoder.has_segment_ids:
            segments = tf.gather(
                tf.reshape(segment_ids, [-1]), tokens.positions
            )
            rows += segments * self._config.encoder.max_sequence_length
        x += tf.gather(self._positions, rows)
        return self._normalize("embeddings_layer_norm", x)

    def _attend(self, tokens, x, queries, projections):
        """Returns the attention result `[len(queries), hidden_dim]`."""
        if queries is x:
            ((kernel, bias),) = projections
            rows = tf.gather(_project(x, kernel, bias), tokens.of_positions)
            query, key, value = self._heads(tokens.shape, rows, 3)
        else:
            (kernel, bias), (kernels, biases) = projections
            single = _project(queries, kernel, bias)
            (query,) = self._heads([tokens.shape[0], 1], single, 1)
            rows = tf.gather(_project(x, kernels, biases), tokens.of_positions)
            key, value = self._heads(tokens.shape, rows, 2)
        scores = tf.matmul(query, key, transpose_b=True)
        scores += tokens.padding_scores
        attended = tf.matmul(tf.nn.softmax(scores), value)
        attended = tf.transpose(attended, (0, 2, 1, 3))
        attended = tf.reshape(attended, (-1, self._config.encoder.hidden_dim))
        if queries is x:
            attended = tf.gather(attended, tokens.positions)
        return attended

    def _heads(self, shape, rows, count):
        return fused_ops.split_heads(rows, shape, count, self._num_heads)

    def _attention_output(self, prefix, x):
        name = f"{prefix}/self_attention_layer/attention_output"
        kernel = self._weights[f"{name}/kernel"]  # [heads, head_dim, dim]
        kernel = tf.reshape(kernel, (-1, self._config.encoder.hidden_dim))
        return _project(x, kernel, self._weights[f"{name}/bias"])

    def _feedforward(self, prefix, x):
        x = self._dense(f"{prefix}/feedforward_intermediate_dense", x)
        x = fused_formulas.activate(x, self._config.encoder.activation)
        return self._dense(f"{prefix}/feedforward_output_dense", x)

    def _pool(self, tokens, x):
        """Returns one vector for each text, `[batch, hidden_dim]`.

        Args:
            tokens: `_Tokens`.
            x: `[num_tokens, hidden_dim]`, or `[batch, hidden_dim]` of [CLS].
        """
        if self._config.pooling == "mean":
            sums = tf.math.segment_sum(x, tokens.rows)
            return sums / tokens.counts
        is_bert = self._config.encoder.family == "bert"
        activation = tf.nn.tanh if is_bert else tf.nn.relu
        return activation(self._dense("pooled_dense", x))

    def _add(self, name, x, y):
        return self._normalize(f"{name}_norm", x + y)

    def _dense(self, name, x):
        kernel = self._weights[f"{name}/kernel"]
        return _project(x, kernel, self._weights[f"{name}/bias"])

    def _normalize(self, name, x):
        """Returns the layer normalization of x over its last axis."""
        mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
        factor = tf.math.rsqrt(variance + EPSILON)
        factor *= self._weights[f"{name}/gamma"]
        return x * factor + (self._weights[f"{name}/beta"] - mean * factor)


class BertTaggerInference(BertInference):
    """The same for a tagger: logits of each token.

    >>> import numpy as np
    >>> from tfmodels import BertTaggerConfig, EncoderConfig, make_network
    >>> encoder = EncoderConfig(
    ...     vocabulary_size=100, num_layers=1, num_heads=2, hidden_dim=8,
    ...     intermediate_dim=16, max_sequence_length=4,
    ... )
    >>> config = BertTaggerConfig(encoder=encoder)
    >>> network = make_network(config, num_outputs=3)
    >>> features = {
    ...     "token_ids": np.array([[2, 7, 3, 0]], np.int32),
    ...     "padding_mask": np.array([[1, 1, 1, 0]], np.int32),
    ... }
    >>> logits = BertTaggerInference(network, config)(features)
    >>> logits.shape
    TensorShape([1, 4, 3])
    >>> logits[0, 3].numpy().tolist()  # padding
    [0.0, 0.0, 0.0]
    """

    _needs_first_alone = False

    def _answer(self, tokens, x):
        """Returns logits `[batch, sequence_length, num_outputs]`."""
        logits = self._dense("logits", x)
        positions = tf.reshape(tokens.positions, (-1, 1))
        size = [tokens.shape[0] * tokens.shape[1], logits.shape[1]]
        logits = tf.scatter_nd(positions, logits, size)
        return tf.reshape(logits, (*tokens.shape, logits.shape[1]))


class _Tokens:
    """Positions of real tokens in a padded batch.

    A position is a number below `batch * sequence_length`.
    """

    def __init__(self, mask):
        """Takes `padding_mask: int32[batch, sequence_length]`."""
        self.shape = tf.unstack(tf.shape(mask))
        length = self.shape[1]
        flat = tf.reshape(mask, [-1])
        # int32[num_tokens], in order.
        self.positions = tf.cast(tf.where(flat > 0)[:, 0], tf.int32)
        self.rows = self.positions // length
        self.columns = self.positions % length
        # int32[batch * sequence_length]: number of the token at a position.
        # Padding has token 0, which the mask hides.
        self.of_positions = tf.cumsum(flat, exclusive=True) * flat
        self.first_tokens = tf.reshape(self.of_positions, self.shape)[:, 0]
        # [batch, 1, 1, sequence_length], [batch, 1]
        self.padding_scores = fused_ops.padding_scores(mask)
        counted = tf.cast(mask, tf.float32)
        self.counts = tf.reduce_sum(counted, axis=1, keepdims=True)


def _project(x, kernel, bias):
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _variable(value, name):
    return tf.Variable(
        value.astype(np.float32), trainable=False, name=name.replace("/", "_")
    )
