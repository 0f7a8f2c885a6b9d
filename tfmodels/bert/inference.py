"""The mathematics of a BERT classifier, arranged for answering.

The Keras network computes on padding as on words, and multiplies each word by
queries, keys and values one after the other. Here padding takes part in the
attention alone, and the three are one product: the same numbers but for
rounding, in about two thirds of the time where texts of many lengths stand in
a batch. `benchmarks/serving.py` measures it.
"""

import math

import numpy as np
import tensorflow as tf

from tfmodels.bert import fused_ops
from tfmodels.bert.config import EPSILON


class BertInference:
    """Calls a classifier's weights; variables of plain TensorFlow ops.

    It takes what the network takes and returns the same logits; dropout is
    off.
    """

    def __init__(self, network, config):
        """Takes the weights as they are now.

        Args:
            network: From `bert_classifier.make_bert_classifier`.
            config: Its `BertClassifierConfig`.
        """
        self._config = config
        encoder = config.encoder
        self._num_heads = encoder.num_heads
        self._head_dim = encoder.hidden_dim // encoder.num_heads
        self._weights = {v.path: v.value for v in network.variables}
        positions = self._weights.pop("position_embedding/embeddings").numpy()
        if encoder.family == "bert":
            # A single text is segment 0.
            segments = self._weights.pop("segment_embedding/embeddings")
            positions = positions + segments[0].numpy()
        self._positions = _variable(positions, "position_embedding")
        together = [("query", "key", "value")]
        groups = [together] * encoder.num_layers
        if config.pooling == "pooled":
            # In the last layer only [CLS] asks.
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
        """Returns logits `float32[batch, num_classes]`.

        Args:
            features: `token_ids` and `padding_mask: int32[batch,
                sequence_length]`; of each row, one position or more counts,
                the first among them.
            training: False; as Keras networks have it.
        """
        assert not training
        ids, mask = features["token_ids"], features["padding_mask"]
        words = _Words(mask)
        x = self._embed(words, ids)  # [num_words, hidden_dim]
        for index, projections in enumerate(self._projections):
            prefix = f"transformer_layer_{index}"
            asking = x if len(projections) == 1 else tf.gather(x, words.firsts)
            attended = self._attend(words, x, asking, projections)
            x = self._add(
                f"{prefix}/self_attention_layer",
                asking,
                self._attention_output(prefix, attended),
            )
            x = self._add(
                f"{prefix}/feedforward_layer", x, self._feedforward(prefix, x)
            )
        return self._dense("logits", self._pool(words, x))

    def _fuse(self, prefix, names):
        """Returns one kernel `[hidden_dim, n * hidden_dim]`, and bias, of n."""
        dim = self._config.encoder.hidden_dim
        kernels, biases = [], []
        for name in names:
            kernel = self._weights.pop(f"{prefix}{name}/kernel").numpy()
            bias = self._weights.pop(f"{prefix}{name}/bias").numpy()
            # The scale of the scores, once and for all.
            scale = 1 / math.sqrt(self._head_dim) if name == "query" else 1.0
            kernels.append(kernel.reshape(dim, dim) * scale)
            biases.append(bias.reshape(dim) * scale)
        return (
            _variable(
                np.concatenate(kernels, axis=1), f"{prefix}{name}_kernel"
            ),
            _variable(np.concatenate(biases), f"{prefix}{name}_bias"),
        )

    def _embed(self, words, ids):
        flat = tf.gather(tf.reshape(ids, [-1]), words.places)
        x = tf.gather(self._weights["token_embedding/embeddings"], flat)
        x += tf.gather(self._positions, words.columns)
        return self._normalize("embeddings_layer_norm", x)

    def _attend(self, words, x, asking, projections):
        """Returns `[len(asking), hidden_dim]`, what each finds in its text."""
        if asking is x:
            ((kernel, bias),) = projections
            rows = tf.gather(_project(x, kernel, bias), words.of_places)
            query, key, value = self._heads(words.shape, rows, 3)
        else:
            (kernel, bias), (kernels, biases) = projections
            single = _project(asking, kernel, bias)
            (query,) = self._heads([words.shape[0], 1], single, 1)
            rows = tf.gather(_project(x, kernels, biases), words.of_places)
            key, value = self._heads(words.shape, rows, 2)
        scores = tf.matmul(query, key, transpose_b=True) + words.masked
        found = tf.matmul(tf.nn.softmax(scores), value)
        found = tf.transpose(found, (0, 2, 1, 3))
        found = tf.reshape(found, (-1, self._config.encoder.hidden_dim))
        return tf.gather(found, words.places) if asking is x else found

    def _heads(self, shape, rows, count):
        return fused_ops.split_heads(rows, shape, count, self._num_heads)

    def _attention_output(self, prefix, x):
        name = f"{prefix}/self_attention_layer/attention_output"
        kernel = self._weights[f"{name}/kernel"]  # [heads, head_dim, dim]
        kernel = tf.reshape(kernel, (-1, self._config.encoder.hidden_dim))
        return _project(x, kernel, self._weights[f"{name}/bias"])

    def _feedforward(self, prefix, x):
        x = self._dense(f"{prefix}/feedforward_intermediate_dense", x)
        x = fused_ops.activate(x, self._config.encoder.activation)
        return self._dense(f"{prefix}/feedforward_output_dense", x)

    def _pool(self, words, x):
        """Returns `[batch, hidden_dim]`, what stands for a text.

        Args:
            words: `_Words`.
            x: `[num_words, hidden_dim]`, or `[batch, hidden_dim]` of [CLS].
        """
        if self._config.pooling == "mean":
            sums = tf.math.segment_sum(x, words.rows)
            return sums / words.counts
        is_bert = self._config.encoder.family == "bert"
        activation = tf.nn.tanh if is_bert else tf.nn.relu
        return activation(self._dense("pooled_dense", x))

    def _add(self, name, x, y):
        return self._normalize(f"{name}_norm", x + y)

    def _dense(self, name, x):
        kernel = self._weights[f"{name}/kernel"]
        return _project(x, kernel, self._weights[f"{name}/bias"])

    def _normalize(self, name, x):
        """Returns x with mean 0 and variance 1 a word, scaled and shifted."""
        mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
        factor = tf.math.rsqrt(variance + EPSILON)
        factor *= self._weights[f"{name}/gamma"]
        return x * factor + (self._weights[f"{name}/beta"] - mean * factor)


class _Words:
    """Where the words of a batch stand among its places, padding included."""

    def __init__(self, mask):
        """Takes `padding_mask: int32[batch, sequence_length]`."""
        self.shape = tf.unstack(tf.shape(mask))
        length = self.shape[1]
        flat = tf.reshape(mask, [-1])
        # int32[num_words], in order.
        self.places = tf.cast(tf.where(flat > 0)[:, 0], tf.int32)
        self.rows = self.places // length
        self.columns = self.places % length
        # int32[batch * sequence_length]: the word of a place; of padding,
        # the first, which nobody looks at.
        self.of_places = tf.cumsum(flat, exclusive=True) * flat
        self.firsts = tf.reshape(self.of_places, self.shape)[:, 0]
        # [batch, 1, 1, sequence_length], [batch, 1]
        self.masked = fused_ops.padding_scores(mask)
        counted = tf.cast(mask, tf.float32)
        self.counts = tf.reduce_sum(counted, axis=1, keepdims=True)


def _project(x, kernel, bias):
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _variable(value, name):
    return tf.Variable(
        value.astype(np.float32), trainable=False, name=name.replace("/", "_")
    )
