"""Tokens that users of `transformers` add to the vocabulary of a checkpoint.

They are searched in a text before the text is cut into words: first in the
text itself, then in the text without case and accents.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """An added token.

    Attributes:
        content: str.
        id: int.
        normalized: bool. Whether it is searched after case and accents are
            dropped, and without its own.
    """

    content: str
    id: int
    normalized: bool


class Vocabulary(list):
    """The tokens in the order of their ids, as str; some can be added tokens.

    In place of an added token, the list has a token that no text gives.

    >>> from tfmodels.bert.added_tokens import AddedToken, Vocabulary
    >>> vocabulary = Vocabulary(["a", "[added]"], [AddedToken("<b>", 1, False)])
    >>> len(vocabulary), vocabulary.added_tokens[0].content
    (2, '<b>')

    Attributes:
        added_tokens: Tuple of `AddedToken` that are searched in texts.
    """

    def __init__(self, tokens, added_tokens=()):
        """Makes the vocabulary.

        Args:
            tokens: Sequence of str.
            added_tokens: Sequence of `AddedToken`.

        Raises:
            ValueError: An added token is no text, or has no id of a token.
        """
        super().__init__(tokens)
        self.added_tokens = tuple(added_tokens)
        for token in self.added_tokens:
            is_id = type(token.id) is int and 0 <= token.id < len(self)
            if not (isinstance(token.content, str) and token.content and is_id):
                raise ValueError(
                    "`added_tokens` must have a text and an id of the "
                    f"vocabulary. Received: {token}."
                )


class Search:
    """Finds added tokens as the library `tokenizers` does.

    The leftmost token wins, and of two that begin at the same place the longer.
    """

    def __init__(self, tokens, normalize_fn):
        """Makes the search.

        Args:
            tokens: Sequence of `AddedToken`.
            normalize_fn: Function from string[n] to string[n] that drops what
                the tokenizer drops.
        """
        import tensorflow as tf

        self._normalize = normalize_fn
        self._in_text, self._in_normalized = {}, {}
        for token in tokens:
            if not token.normalized:
                self._in_text[token.content] = token.id
                continue
            text = _one_space(normalize_fn(tf.constant([token.content])))
            if content := text.numpy()[0].decode("utf-8"):
                # `hf_added_tokens` refuses two that become equal.
                self._in_normalized.setdefault(content, token.id)

    def tokenize(self, text, tokenize_words_fn):
        """Returns the ids of texts.

        Args:
            text: string[batch].
            tokenize_words_fn: Function from normalized texts, string[n], to
                `int32[n, (tokens)]`, ragged. It gets what is between the added
                tokens.

        Returns:
            `int32[batch, (tokens)]`, ragged.
        """

        def tokenize_rest(text):
            text = self._normalize(text)
            if self._in_normalized:
                text = _one_space(text)
            return _cut(text, self._in_normalized, tokenize_words_fn)

        return _cut(text, self._in_text, tokenize_rest)


def _one_space(text):
    """Replaces white space by spaces, as BERT does."""
    import tensorflow as tf

    return tf.strings.regex_replace(text, r"[\t\n\r\p{Z}]", " ")


def _cut(text, ids, tokenize_rest_fn):
    """Returns the ids of texts: those of added tokens, and of the rest."""
    if not ids:
        return tokenize_rest_fn(text)
    import tensorflow as tf
    import tensorflow_text as tf_text

    # The op reads a text up to the first NUL. The tokenizer drops both.
    text = tf.strings.regex_replace(text, r"\x00", "\x01")
    contents = sorted(ids, key=len, reverse=True)
    pattern = "|".join(map(_quoted, contents))
    parts = tf_text.regex_split(text, pattern, pattern)  # [batch, (parts)]
    is_token = tf.strings.regex_full_match(parts.values, pattern)
    found = tf.boolean_mask(parts.values, is_token)
    # The ids of the parts that are tokens, and 0 for others behind them.
    numbers = tf.constant([ids[content] for content in contents], tf.int32)
    equal = found[:, tf.newaxis] == tf.constant(contents)
    numbers = tf.gather(numbers, tf.argmax(tf.cast(equal, tf.int32), axis=1))
    numbers = tf.concat([numbers, [0]], axis=0)
    place = tf.cumsum(tf.cast(is_token, tf.int32), exclusive=True)
    # A Chinese character has one id, which is replaced.
    rest = tokenize_rest_fn(tf.where(is_token, "一", parts.values))
    part = rest.value_rowids()
    values = tf.where(
        tf.gather(is_token, part),
        tf.gather(numbers, tf.gather(place, part)),
        rest.values,
    )
    return parts.with_values(rest.with_values(values)).merge_dims(1, 2)


def _quoted(content):
    """Returns a pattern of RE2 that matches exactly a str."""
    return "".join(
        c if c.isalnum() or ord(c) > 127 else rf"\x{{{ord(c):x}}}"
        for c in content
    )
