"""BERT's tokenizer as TensorFlow ops, and the rules of its vocabulary.

The same ops run eagerly, in tf.data and in an exported graph. Serving
therefore splits a text exactly as training does. TensorFlow Serving contains
all of these ops since 2.18.
"""

import collections
import functools
import pathlib

from tfmodels.bert import added_tokens
from tfmodels.bert import normalization

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# BERT's limit. A longer word is `[UNK]`.
MAX_CHARACTERS_PER_WORD = 100
# tensorflow_text has a limit in bytes. A character has at most 4.
MAX_BYTES_PER_WORD = 400
_MAX_BYTES_PER_TOKEN = 256  # The limit of tensorflow_text.


class WordPieceTokenizer:
    """Splits texts into ids of a WordPiece vocabulary, like BERT's tokenizer.

    The ids are those of the library `tokenizers` with BERT's normalizer. The
    tokenizer drops control characters and, with `lowercase`, case and accents.
    White space, punctuation and Chinese characters separate words. The longest
    matching token is taken from the left of a word, repeatedly. A word of more
    than 100 characters is `[UNK]`. Added tokens of the vocabulary are searched
    before. The characters `[CLS]` in a text are not a special token. Characters
    that Unicode 9 or a later version added or changed can give other ids,
    because the library has older tables.

    >>> vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "read"]
    >>> tokenizer = WordPieceTokenizer(
    ...     [*vocabulary, "##er"], lowercase=True, max_bytes=1000
    ... )
    >>> tokenizer(["Reader read", "other"]).to_list()
    [[5, 6, 5], [1]]

    Attributes:
        vocabulary: List of str. The id of a token is its position.
        added_tokens: Tuple of `AddedToken`, see `added_tokens.Vocabulary`.
        lowercase: bool. Whether the tokenizer drops case and accents.
        max_bytes: int. Number of bytes of a text that the tokenizer reads.
        normalizer: str. `normalization.BERT`; or `normalization.NFKC` for a
            run that an older version began, which has a limit of 400 bytes in
            place of 100 characters.
        pad_id, start_id, end_id: int. Ids of `[PAD]`, `[CLS]` and `[SEP]`.
        begins_word: bool[vocabulary_size]. Whether a token is the first of a
            word, a Chinese character or a punctuation mark: all but those with
            `##`.

    References:
        Song et al. 2021, Fast WordPiece Tokenization,
        https://arxiv.org/abs/2012.15524.
    """

    def __init__(
        self, vocabulary, *, lowercase, max_bytes, normalizer=normalization.BERT
    ):
        """Makes the tokenizer.

        Args:
            vocabulary: Sequence of str. Tokens in the order of their ids, see
                `check_vocabulary`. A `Vocabulary` can have added tokens.
            lowercase: bool. Whether the tokenizer drops case and accents.
            max_bytes: int. Number of bytes of a text that the tokenizer
                reads. It drops a character that this limit cuts in two.
            normalizer: str. See the attribute.

        Raises:
            ValueError: The vocabulary breaks a rule of `check_vocabulary`.
        """
        import numpy as np
        import tensorflow as tf
        import tensorflow_text as tf_text

        check_vocabulary(vocabulary)
        self.vocabulary = list(vocabulary)
        self.added_tokens = getattr(vocabulary, "added_tokens", ())
        self.lowercase = lowercase
        self.max_bytes = max_bytes
        self.normalizer = normalizer
        self.pad_id = self.vocabulary.index("[PAD]")
        self.start_id = self.vocabulary.index("[CLS]")
        self.end_id = self.vocabulary.index("[SEP]")
        self._unknown_id = self.vocabulary.index("[UNK]")
        is_inside = np.array(
            [t.startswith("##") and len(t) > 2 for t in self.vocabulary]
        )
        lengths = np.array([len(t) for t in self.vocabulary], np.int32)
        self.begins_word = ~is_inside
        self._num_characters = lengths - np.int32(2) * is_inside
        # `FastBertTokenizer` would normalize a second time.
        self._tokenizer = tf_text.FastWordpieceTokenizer(
            vocab=self.vocabulary,
            max_bytes_per_word=MAX_BYTES_PER_WORD,
            token_out_type=tf.int32,
        )
        self._search = added_tokens.Search(self.added_tokens, self._normalize)

    def __call__(self, text):
        """Returns the token ids of texts, without special tokens.

        Args:
            text: string[batch]. The tokenizer ignores bytes that are not
                UTF-8.

        Returns:
            `int32[batch, (tokens)]`, ragged.
        """
        import tensorflow as tf

        text = tf.convert_to_tensor(text, tf.string)
        if tf.config.functions_run_eagerly():
            return self._ids_of(text)
        return self._function(text)

    @functools.cached_property
    def _function(self):
        """The tokenizer as a graph, traced once for all datasets.

        A trace takes a tenth of a second, as long as the ids of thousands of
        texts.
        """
        import tensorflow as tf

        with tf.init_scope():
            # A call of the `tf.function` would warn of tracing after five
            # tokenizers.
            return tf.function(
                self._ids_of, autograph=False
            ).get_concrete_function(tf.TensorSpec([None], tf.string))

    def _ids_of(self, text):
        """Returns the ids of texts of any length."""
        import tensorflow as tf

        text = tf.strings.substr(text, 0, self.max_bytes)
        return self._search.tokenize(text, self._tokenize_words)

    def _tokenize_words(self, text):
        """Returns the ids of normalized texts without added tokens."""
        ids = self._tokenizer.tokenize(text)
        if self.normalizer == normalization.NFKC:
            return ids
        return self._with_unknown_words(ids)[0]

    def tokenize_with_offsets(self, text):
        """Returns the token ids of texts, and the characters of each token.

        This takes two to three times as long as the ids alone.

        Args:
            text: string[batch].

        Returns:
            `(ids, starts, ends)`, each `int32[batch, (tokens)]`, ragged. A
            token begins at the character `starts` of the text, and ends before
            the character `ends`. They count the code points of the text
            without bytes that are not UTF-8.

        Raises:
            ValueError: The vocabulary has added tokens, which are searched in
                a text that is cut and normalized before; or the normalizer is
                not `normalization.BERT`.
        """
        import tensorflow as tf

        if self.added_tokens or self.normalizer != normalization.BERT:
            raise ValueError(
                "The tokenizer has offsets only without added tokens and with "
                f"the normalizer {normalization.BERT!r}. Received: "
                f"{len(self.added_tokens)} added tokens and "
                f"{self.normalizer!r}."
            )
        text = tf.strings.substr(text, 0, self.max_bytes)
        characters = tf.strings.unicode_split(
            normalization.valid_utf8(text), "UTF-8"
        )
        # A text has few distinct characters.
        distinct, index = tf.unique(characters.values)
        distinct = self._normalize(distinct)
        sizes = tf.gather(tf.strings.length(distinct), index)
        normalized = characters.with_values(tf.gather(distinct, index))
        ids, starts, ends = self._tokenizer.tokenize_with_offsets(
            tf.strings.reduce_join(normalized, axis=-1)
        )
        # Positions in the concatenation of all normalized texts, in bytes.
        ends_of_characters = tf.cumsum(tf.cast(sizes, tf.int64))
        first_character = tf.gather(characters.row_splits, ids.value_rowids())
        first_byte = tf.gather(
            tf.concat([[0], ends_of_characters], axis=0), first_character
        )

        def character_at(byte, side):
            found = tf.searchsorted(
                ends_of_characters,
                tf.cast(byte.values, tf.int64) + first_byte,
                side=side,
                out_type=tf.int64,
            )
            return tf.cast(found - first_character, tf.int32)

        return self._with_unknown_words(
            ids,
            ids.with_values(character_at(starts, "right")),
            ids.with_values(character_at(ends, "left") + 1),
        )

    def _normalize(self, text):
        return normalization.normalize(
            text, lowercase=self.lowercase, normalizer=self.normalizer
        )

    def _with_unknown_words(self, ids, *offsets):
        """Replaces the tokens of each word that is too long by one `[UNK]`.

        Args:
            ids: `int32[batch, (tokens)]`, ragged.
            *offsets: Nothing, or `starts` and `ends`, ragged like `ids`.

        Returns:
            Tuple of `ids` and the offsets.
        """
        import tensorflow as tf

        begins_word = tf.gather(self.begins_word, ids.values)
        first = tf.where(begins_word)[:, 0]  # [num_words]
        end = tf.concat([first[1:], [tf.size(begins_word, tf.int64)]], axis=0)
        # Few words have so many tokens that they can be too long.
        longest = int(self._num_characters.max())
        words = tf.where(end - first > MAX_CHARACTERS_PER_WORD // longest)
        words = words[:, 0]
        tokens = tf.ragged.range(tf.gather(first, words), tf.gather(end, words))
        word = tokens.value_rowids()
        num_characters = tf.math.segment_sum(
            tf.gather(
                self._num_characters, tf.gather(ids.values, tokens.values)
            ),
            word,
        )
        is_too_long = num_characters > MAX_CHARACTERS_PER_WORD

        def replaced():
            inside = tf.scatter_nd(
                tokens.values[:, tf.newaxis],
                tf.gather(is_too_long, word),
                tf.shape(ids.values, tf.int64),
            )
            values = [tf.where(inside, self._unknown_id, ids.values)]
            if offsets:
                starts, ends = (x.values for x in offsets)
                # A word ends where its last token does.
                word_of = tf.cumsum(tf.cast(begins_word, tf.int32)) - 1
                last = tf.gather(ends, end - 1)
                last = tf.gather(last, word_of)
                values += [starts, tf.where(inside, last, ends)]
            is_kept = ~inside | begins_word
            num_kept = tf.cumsum(tf.cast(is_kept, tf.int64))
            row_splits = tf.gather(
                tf.concat([[0], num_kept], axis=0), ids.row_splits
            )
            kept = tf.where(is_kept)[:, 0]
            return row_splits, *(tf.gather(v, kept) for v in values)

        row_splits, *values = tf.cond(
            tf.reduce_any(is_too_long),
            replaced,
            lambda: (ids.row_splits, *(x.values for x in (ids, *offsets))),
        )
        return tuple(
            tf.RaggedTensor.from_row_splits(v, row_splits, validate=False)
            for v in values
        )


def check_vocabulary(vocabulary):
    """Checks that the tokenizer can use a vocabulary.

    Args:
        vocabulary: Sequence of str. Tokens in the order of their ids.

    Raises:
        ValueError: A special token is missing, or a token occurs twice, is
            longer than 256 bytes or contains a space, tab, NUL or U+0011.
    """
    missing = [token for token in SPECIAL_TOKENS[:4] if token not in vocabulary]
    if missing:
        raise ValueError(
            "A WordPiece vocabulary must contain "
            f"{', '.join(SPECIAL_TOKENS[:4])}. Received: {len(vocabulary)} "
            f"tokens without {', '.join(missing)}."
        )
    counts = collections.Counter(vocabulary)
    token, count = counts.most_common(1)[0]
    if count > 1:
        raise ValueError(
            "A WordPiece vocabulary must contain each token once. Received: "
            f"{token!r} {count} times."
        )
    # A token with a space would hide the words at its beginning. NUL and U+0011
    # have a meaning in the tables of tensorflow_text.
    odd_characters = set(" \t\0\x11")
    odd = [t for t in vocabulary if is_too_long(t) or odd_characters & set(t)]
    if odd:
        raise ValueError(
            "A WordPiece vocabulary must contain tokens of at most "
            f"{_MAX_BYTES_PER_TOKEN} bytes, without spaces. Received: "
            f"{odd[0][:40]!r}."
        )


def is_too_long(token):
    """Returns whether a token is longer than the tokenizer can have.

    Args:
        token: str.
    """
    return len(token.encode("utf-8")) > _MAX_BYTES_PER_TOKEN


def read_vocabulary(path):
    """Reads a file with one token on each line, such as BERT's `vocab.txt`.

    Args:
        path: str or `pathlib.Path`.

    Returns:
        List of str. Tokens in the order of their ids.

    Raises:
        ValueError: The file cannot be read or is not a vocabulary.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig")
        # Not `splitlines`: some vocabularies contain U+2028 as a token.
        vocabulary = text.rstrip("\n").split("\n")
        check_vocabulary(vocabulary)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    return vocabulary
