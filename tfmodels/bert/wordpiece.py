"""BERT's tokenizer as TensorFlow ops, and vocabularies for it.

The same ops run eagerly, in tf.data and in an exported graph. Serving
therefore splits a text exactly as training does. TensorFlow Serving contains
all of these ops since 2.18.
"""

import collections
import pathlib
import re

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# BERT drops these characters. tensorflow_text replaces them by spaces, which
# would split Persian words at their joiners.
_CONTROL_CHARACTERS = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\p{Cf}\p{Co}\x{FFFD}]"
)
# BERT's limit is 100 characters of at most 4 bytes. tensorflow_text's default
# is 100 bytes, which would turn most Thai phrases into `[UNK]`.
_MAX_BYTES_PER_WORD = 400
_MAX_BYTES_PER_TOKEN = 256  # The limit of tensorflow_text.


class WordPieceTokenizer:
    """Splits texts into ids of a WordPiece vocabulary, like BERT's tokenizer.

    The tokenizer drops control characters. White space, punctuation and
    Chinese characters separate words. The longest matching token is taken
    from the left of a word, repeatedly. With `lowercase`, case is folded and
    accents are dropped first (as in BERT, and as in Unicode's NFKC_Casefold:
    `ﬁ` becomes `fi`, `ß` becomes `ss`). A word of more than 400 bytes is
    `[UNK]`. The characters `[CLS]` in a text are not a special token.

    >>> vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "read"]
    >>> tokenizer = WordPieceTokenizer(
    ...     [*vocabulary, "##er"], lowercase=True, max_bytes=1000
    ... )
    >>> tokenizer(["Reader read", "other"]).to_list()
    [[5, 6, 5], [1]]

    Attributes:
        vocabulary: List of str. The id of a token is its position.
        lowercase: bool. Whether the tokenizer drops case and accents.
        max_bytes: int. Number of bytes of a text that the tokenizer reads.
        pad_id, start_id, end_id: int. Ids of `[PAD]`, `[CLS]` and `[SEP]`.

    References:
        Song et al. 2021, Fast WordPiece Tokenization,
        https://arxiv.org/abs/2012.15524.
    """

    def __init__(self, vocabulary, *, lowercase, max_bytes):
        """Makes the tokenizer.

        Args:
            vocabulary: Sequence of str. Tokens in the order of their ids, see
                `check_vocabulary`.
            lowercase: bool. Whether the tokenizer drops case and accents.
            max_bytes: int. Number of bytes of a text that the tokenizer
                reads. It drops a character that this limit cuts in two.

        Raises:
            ValueError: The vocabulary breaks a rule of `check_vocabulary`.
        """
        import tensorflow as tf
        import tensorflow_text as tf_text

        check_vocabulary(vocabulary)
        self.vocabulary = list(vocabulary)
        self.lowercase = lowercase
        self.max_bytes = max_bytes
        self.pad_id = self.vocabulary.index("[PAD]")
        self.start_id = self.vocabulary.index("[CLS]")
        self.end_id = self.vocabulary.index("[SEP]")
        self._tokenizer = tf_text.FastBertTokenizer(
            vocab=self.vocabulary,
            max_bytes_per_word=_MAX_BYTES_PER_WORD,
            token_out_type=tf.int32,
            lower_case_nfd_strip_accents=lowercase,
        )

    def __call__(self, text):
        """Returns the token ids of texts, without special tokens.

        Args:
            text: string[batch]. The tokenizer ignores bytes that are not
                UTF-8.

        Returns:
            `int32[batch, (tokens)]`, ragged.
        """
        return self._tokenizer.tokenize(_clean(text, self.max_bytes))


def _clean(text, max_bytes):
    """Cuts strings and drops control characters and invalid UTF-8."""
    import tensorflow as tf

    text = tf.strings.substr(text, 0, max_bytes)
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="ignore")
    return tf.strings.regex_replace(text, _CONTROL_CHARACTERS, "")


def check_vocabulary(vocabulary):
    """Checks that the tokenizer can use a vocabulary.

    Args:
        vocabulary: Sequence of str. Tokens in the order of their ids.

    Raises:
        ValueError: A special token is missing, or a token occurs twice, is
            longer than 256 bytes or contains a space, tab or NUL.
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
    # A token with a space would hide the words at its beginning.
    odd = [t for t in vocabulary if _is_too_long(t) or set(t) & set(" \t\0")]
    if odd:
        raise ValueError(
            "A WordPiece vocabulary must contain tokens of at most "
            f"{_MAX_BYTES_PER_TOKEN} bytes, without spaces. Received: "
            f"{odd[0][:40]!r}."
        )


def _is_too_long(token):
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


def learn_vocabulary(texts, *, size, lowercase, max_bytes=100_000):
    """Learns a vocabulary from texts.

    The trainer is that of the library `tokenizers`. It takes a second where
    the trainer of tensorflow_text takes a minute, and comes closer to the
    wanted size.

    Args:
        texts: Sequence of bytes in UTF-8.
        size: int. Maximum number of tokens. The result is smaller if the
            texts have fewer. Up to half of the tokens are single characters,
            the most frequent ones.
        lowercase: bool. Whether case and accents are dropped first.
        max_bytes: int. Number of bytes of a text that are read.

    Returns:
        List of str. Tokens in the order of their ids, special tokens first.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text
    import tokenizers

    # Fold with the op of the tokenizer. The library's normalizer keeps `ß` and
    # the Greek final sigma, so the tokenizer would never match a word with
    # one of them.
    fold = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=lowercase)
    folded = fold.normalize(_clean(tf.constant(list(texts)), max_bytes))
    texts = [text.decode("utf-8") for text in folded.numpy()]
    learner = tokenizers.Tokenizer(tokenizers.models.WordPiece())
    learner.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=False)
    learner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    # The tokenizer maps these words to `[UNK]`. A word of 100,000 letters costs
    # the trainer several seconds.
    too_long = re.compile(rf"\w{{{_MAX_BYTES_PER_WORD},}}")
    texts = [
        too_long.sub(" ", learner.normalizer.normalize_str(text))
        for text in texts
    ]
    characters = _character_tokens(texts, learner, size // 2)
    learner.train_from_iterator(
        texts,
        tokenizers.trainers.WordPieceTrainer(
            vocab_size=size,
            # As special tokens, the characters have the same ids in each run.
            # Otherwise the trainer numbers them at random, and it breaks ties
            # by number.
            special_tokens=[*SPECIAL_TOKENS, *characters],
            limit_alphabet=0,
            show_progress=False,
        ),
    )
    ids = learner.get_vocab()
    # The trainer merges a repeated word, such as a checksum, into a long token.
    return [t for t in sorted(ids, key=ids.get) if not _is_too_long(t)]


def _character_tokens(texts, learner, limit):
    """Returns tokens of one character, alone and after the start of a word."""
    counts = collections.Counter()
    for text in texts:
        counts.update(learner.normalizer.normalize_str(text))
    # Among equally frequent characters, the lower code point comes first.
    frequent = sorted(counts, key=lambda c: (-counts[c], c))
    tokens = []
    split = learner.pre_tokenizer.pre_tokenize_str
    for character in frequent:
        if not split(character):  # White space.
            continue
        found = [character]
        # The normalizer, not the pre-tokenizer, separates Chinese characters.
        word = learner.normalizer.normalize_str(f"a{character}")
        if len(split(word)) == 1:  # It can occur inside a word.
            found.append(f"##{character}")
        if len(tokens) + len(found) > limit:
            break
        tokens += found
    return tokens
