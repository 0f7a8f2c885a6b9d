"""BERT and DistilBERT encoders as functional Keras models.

`presets.py` loads pretrained weights into them.
"""

from tfmodels.bert.config import EPSILON


def make_encoder(config, *, only_first=False):
    """Builds the encoder with random weights.

    The layers have the names and variables of `keras_nlp.models.BertBackbone`
    and `DistilBertBackbone`, whose weights `presets.load_weights` copies.

    Args:
        config: `EncoderConfig`. If it has a preset, it must be the result of
            `presets.read`.
        only_first: bool. Whether the model needs only the vector of `[CLS]`.

    Returns:
        `keras.Model` from `{"token_ids", "padding_mask": int32[batch,
        sequence_length]}` to `float32[batch, sequence_length, hidden_dim]`.
        With `only_first`, the result can have only the first position. If
        `config.has_segment_ids`, it also takes `segment_ids` of the same shape
        and type: 0 for the tokens of the first text and 1 for the second.
    """
    import keras

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    padding_mask = keras.Input((None,), dtype="int32", name="padding_mask")
    inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
    segment_ids = None
    if config.has_segment_ids:
        segment_ids = keras.Input((None,), dtype="int32", name="segment_ids")
        inputs["segment_ids"] = segment_ids
    # [batch, sequence_length, hidden_dim]
    x = _embed(token_ids, segment_ids, config)
    for index in range(config.num_layers):
        is_last = index == config.num_layers - 1
        layer = _make_layer(
            config,
            name=f"transformer_layer_{index}",
            only_first=only_first and is_last,
        )
        x = layer(x, padding_mask=padding_mask)
    encoder = keras.Model(inputs, x, name="encoder")
    _freeze(encoder, config)
    return encoder


def _make_layer(config, *, name, only_first):
    """Returns a transformer layer, the fast one or KerasHub's."""
    shared = {
        "intermediate_dim": config.intermediate_dim,
        "num_heads": config.num_heads,
        "dropout": config.dropout,
        "kernel_initializer": _initializer(),
        "name": name,
    }
    if config.implementation == "fast":
        from tfmodels.bert import fast_layer

        return fast_layer.FastTransformerEncoder(
            activation=config.activation,
            only_first=only_first,
            recompute_activations=config.recompute_activations,
            **shared,
        )
    import keras_nlp

    return keras_nlp.layers.TransformerEncoder(
        activation=_activation(config.activation),
        layer_norm_epsilon=EPSILON,
        **shared,
    )


def _embed(token_ids, segment_ids, config):
    """Returns the normalized sum of token, position and segment vectors."""
    import keras
    import keras_nlp

    x = keras.layers.Embedding(
        config.vocabulary_size,
        config.hidden_dim,
        embeddings_initializer=_initializer(),
        name="token_embedding",
    )(token_ids)
    parts = [
        x,
        keras_nlp.layers.PositionEmbedding(
            config.max_sequence_length,
            initializer=_initializer(),
            name="position_embedding",
        )(x),
    ]
    if config.family == "bert":
        if segment_ids is None:  # A single text is segment 0.
            segment_ids = keras.ops.zeros_like(token_ids)
        parts.append(
            keras.layers.Embedding(
                2,
                config.hidden_dim,
                embeddings_initializer=_initializer(),
                name="segment_embedding",
            )(segment_ids)
        )
    x = keras.layers.Add(name="embeddings_add")(parts)
    x = keras.layers.LayerNormalization(
        epsilon=EPSILON, name="embeddings_layer_norm"
    )(x)
    return make_dropout(config.dropout, config, name="embeddings_dropout")(x)


def make_dropout(rate, config, *, name):
    """Returns a dropout layer for the vectors of tokens.

    Args:
        rate: float. Share of the units that training drops.
        config: `EncoderConfig`, which says the implementation.
        name: str.

    Returns:
        `keras.layers.Layer`, the fast one or Keras's.
    """
    if config.implementation == "fast":
        from tfmodels.bert import fast_layer

        return fast_layer.FastDropout(rate, name=name)
    import keras

    return keras.layers.Dropout(rate, name=name)


def _initializer():
    """Returns a new initializer: one object repeats its values."""
    import keras

    return keras.initializers.TruncatedNormal(stddev=0.02)


def _activation(name):
    """Returns an activation that Keras can save; a partial it cannot."""
    if name == "gelu_approximate":
        from tfmodels.bert.fast_layer import gelu_approximate

        return gelu_approximate
    return name


def _freeze(encoder, config):
    """Excludes the lowest layers from training."""
    if config.frozen_layers == 0:
        return
    above = range(
        config.num_layers
        if config.frozen_layers == -1
        else config.frozen_layers,
        config.num_layers,
    )
    trained = {f"transformer_layer_{index}" for index in above}
    for layer in encoder.layers:
        layer.trainable = layer.name in trained
