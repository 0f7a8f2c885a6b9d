"""BERT's normalization of texts as TensorFlow ops.

The ops are those of TensorFlow Serving since 2.18. Their result does not depend
on the locale of the process.
"""

# How case and accents are dropped:
# `BERT` as BERT does, by NFD: `，` and `½` keep their tokens.
# `NFKC` as Unicode's NFKC_Casefold: `，` becomes `,`. Runs that older versions
# began use it.
BERT = "bert"
NFKC = "nfkc"
# BERT drops these characters. tensorflow_text replaces them by spaces, which
# would split Persian words at their joiners.
_CONTROL_CHARACTERS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\p{Cf}\p{Co}\x{FFFD}"


def normalize(text, *, lowercase, normalizer=BERT):
    """Drops control characters and invalid UTF-8, and case and accents.

    With `BERT`, the result is the same for each character alone, but
    for the order of a few musical signs.

    Args:
        text: string[...], any bytes.
        lowercase: bool. Whether case and accents are dropped.
        normalizer: str. `BERT` or `NFKC`.

    Returns:
        string[...], valid UTF-8.
    """
    if lowercase and normalizer == BERT:
        return _fold(text)
    import tensorflow as tf
    import tensorflow_text as tf_text

    text = tf.strings.regex_replace(
        valid_utf8(text), f"[{_CONTROL_CHARACTERS}]", ""
    )
    if not lowercase:
        return text
    fold = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=True)
    return fold.normalize(text)


def valid_utf8(text):
    """Returns texts without the bytes that are not UTF-8.

    Args:
        text: string[...].
    """
    import tensorflow as tf

    return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="ignore")


def _fold(text):
    """Drops control characters, invalid UTF-8, case and accents."""
    import tensorflow as tf
    import tensorflow_text as tf_text

    # The Unicode form of `lower` reads a text up to the first NUL.
    text = tf.strings.regex_replace(text, r"\x00", "")
    # It obeys the locale of the process: in Turkish, `I` becomes `ı`. The ASCII
    # form does not. All other effects of a locale are accents, which are
    # dropped below.
    text = tf.strings.lower(text)
    # BERT does not know the final sigma `ς` of Greek.
    text = tf.strings.regex_replace(text, "Σ", "σ")
    # Replaces invalid UTF-8 by U+FFFD, which is dropped below. This takes a
    # sixth of the time of `valid_utf8`.
    text = tf.strings.lower(text, "utf-8")
    text = tf_text.normalize_utf8(text, "NFD")
    return tf.strings.regex_replace(
        text, rf"[{_CONTROL_CHARACTERS}\p{{Mn}}]", ""
    )
