"""What all kinds of presets have: the flag, a rule, and messages."""

from tfmodels.bert import wordpiece

FLAG = "`--config.model.encoder.preset`"
WHY_ONLY_BERT = (
    "Only BERT and DistilBERT are supported: the tokenizers of other families "
    "(byte-pair, SentencePiece) contain tables that KerasHub cannot export, "
    "so the served model could not read text "
    "(https://github.com/keras-team/keras-hub/issues/2015)"
)


def not_downloaded(place, error):
    """Returns the error of a preset that could not be downloaded.

    Args:
        place: str. Name in the flag of the user.
        error: Exception. The reason.
    """
    return ValueError(
        f"{FLAG}={place} is not on this machine and could not be downloaded; "
        "it needs the network once. A directory with the preset, or "
        f"package://PKG/DIR, works without. {reason(error)}"
    )


def reason(error):
    """Returns an error in one line.

    Args:
        error: Exception.
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def check_vocabulary(vocabulary, config):
    """Checks that the tokenizer can use a vocabulary, with these weights.

    Args:
        vocabulary: List of str. Tokens in the order of their ids.
        config: `EncoderConfig` with the sizes of the preset.

    Raises:
        ValueError: See `wordpiece.check_vocabulary`, or a token has no vector.
    """
    wordpiece.check_vocabulary(vocabulary)
    if len(vocabulary) > config.vocabulary_size:
        raise ValueError(
            f"Its vocabulary has {len(vocabulary)} tokens, but its weights "
            f"have vectors for {config.vocabulary_size}. In transformers, "
            "`model.resize_token_embeddings(len(tokenizer))` adds them."
        )
