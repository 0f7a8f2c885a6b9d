"""BERT's tokenizer as TensorFlow ops, and vocabularies for it.

The ops are the same eagerly, in tf.data and in an exported graph, so that
serving cannot cut a text in another way than training did. All of them are
linked into TensorFlow Serving since 2.18.
"""

import collections
import pathlib
import re

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# What BERT drops; tensorflow_text makes spaces of them, which would cut
# Persian words at their joiners.
_CONTROL_CHARACTERS = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\p{Cf}\p{Co}\x{FFFD}]"
)
# BERT's limit is 100 characters, of at most 4 bytes. With the default, 100
# bytes, most Thai phrases would be `[UNK]`.
_MAX_BYTES_PER_WORD = 400
_MAX_BYTES_PER_TOKEN = 256  # Of tensorflow_text.


class WordPieceTokenizer:
    """Cuts texts into ids of a WordPiece vocabulary, as BERT does.

    Control characters are dropped, white space, punctuation and Chinese
    characters separate words, words are cut greedily from the left; with
    `lowercase`, case is folded and accents are dropped before (as in BERT,
    and as in Unicode's NFKC_Casefold: `ﬁ` is `fi`, `ß` is `ss`). A word of
    more than 400 bytes is `[UNK]`. `[CLS]` in a text is no special token.

    Attributes:
        vocabulary: List of tokens; a token's id is its position.
        pad_id, start_id, end_id: ids of `[PAD]`, `[CLS]` and `[SEP]`.

    References:
        Song et al. 2021, Fast WordPiece Tokenization,
        https://arxiv.org/abs/2012.15524.
    """

    def __init__(self, vocabulary, *, lowercase, max_bytes):
        """Makes the tokenizer.

        Args:
            vocabulary: Tokens in the order of their ids, see
                `check_vocabulary`.
            lowercase: Whether case and accents are dropped.
            max_bytes: int, bytes of a text that are read; a character that
                this cuts in two is dropped.
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
        """Returns `int32[batch, (tokens)]`, ragged, without special tokens.

        Args:
            text: `string[batch]`; bytes that are not UTF-8 are left out.
        """
        return self._tokenizer.tokenize(_clean(text, self.max_bytes))


def _clean(text, max_bytes):
    """Cuts strings, drops control characters and what is not UTF-8."""
    import tensorflow as tf

    text = tf.strings.substr(text, 0, max_bytes)
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="ignore")
    return tf.strings.regex_replace(text, _CONTROL_CHARACTERS, "")


def check_vocabulary(vocabulary):
    """Checks what the tokenizer needs of a vocabulary.

    Raises:
        ValueError: A special token is missing, or a token repeats, is longer
            than 256 bytes or holds a space, tab or NUL.
    """
    missing = [token for token in SPECIAL_TOKENS[:4] if token not in vocabulary]
    if missing:
        raise ValueError(
            f"A WordPiece vocabulary must hold {', '.join(SPECIAL_TOKENS[:4])}."
            f" Received: {len(vocabulary)} tokens without {', '.join(missing)}."
        )
    counts = collections.Counter(vocabulary)
    token, count = counts.most_common(1)[0]
    if count > 1:
        raise ValueError(
            "A WordPiece vocabulary must hold each token once. Received: "
            f"{token!r} {count} times."
        )
    # A token with a space would hide the words that it begins with.
    odd = [t for t in vocabulary if _is_too_long(t) or set(t) & set(" \t\0")]
    if odd:
        raise ValueError(
            "A WordPiece vocabulary must hold tokens of at most "
            f"{_MAX_BYTES_PER_TOKEN} bytes, without spaces. Received: "
            f"{odd[0][:40]!r}."
        )


def _is_too_long(token):
    return len(token.encode("utf-8")) > _MAX_BYTES_PER_TOKEN


def read_vocabulary(path):
    """Reads a file of one token a line, as BERT's `vocab.txt`.

    Raises:
        ValueError: The file cannot be read, or is no vocabulary.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig")
        # Not `splitlines`: some vocabularies hold U+2028 as a token.
        vocabulary = text.rstrip("\n").split("\n")
        check_vocabulary(vocabulary)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    return vocabulary


def learn_vocabulary(texts, *, size, lowercase, max_bytes=100_000):
    """Learns a vocabulary from texts.

    With the trainer of the library `tokenizers`, which takes a second where
    the one of tensorflow_text takes a minute, and comes nearer to the size.

    Args:
        texts: Sequence of UTF-8 bytes.
        size: Most tokens; fewer where the texts do not have so many. Up to a
            half are single characters, the most frequent.
        lowercase: Whether case and accents are dropped before.
        max_bytes: int, bytes of a text that are read.

    Returns:
        Tokens in the order of their ids, the special ones first.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text
    import tokenizers

    # Folded by the tokenizer's own op: BERT's leaves `ß` and the Greek final
    # sigma, so that no word with one would be found again.
    fold = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=lowercase)
    folded = fold.normalize(_clean(tf.constant(list(texts)), max_bytes))
    texts = [text.decode("utf-8") for text in folded.numpy()]
    learner = tokenizers.Tokenizer(tokenizers.models.WordPiece())
    learner.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=False)
    learner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    # Words that the tokenizer makes `[UNK]` of; one of 100,000 letters takes
    # the trainer, and who waits for it, several seconds.
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
            # Given as special ones, characters have the same ids in each run;
            # the trainer numbers them by chance and breaks ties by number.
            special_tokens=[*SPECIAL_TOKENS, *characters],
            limit_alphabet=0,
            show_progress=False,
        ),
    )
    ids = learner.get_vocab()
    # Merged from words that repeat, such as a checksum.
    return [t for t in sorted(ids, key=ids.get) if not _is_too_long(t)]


def _character_tokens(texts, learner, limit):
    """Returns tokens of one character, alone and inside words."""
    counts = collections.Counter()
    for text in texts:
        counts.update(learner.normalizer.normalize_str(text))
    # Of equally frequent ones the lower code point.
    frequent = sorted(counts, key=lambda c: (-counts[c], c))
    tokens = []
    split = learner.pre_tokenizer.pre_tokenize_str
    for character in frequent:
        if not split(character):  # White space.
            continue
        found = [character]
        # The normalizer separates Chinese characters, not the pre-tokenizer.
        word = learner.normalizer.normalize_str(f"a{character}")
        if len(split(word)) == 1:  # It can stand inside a word.
            found.append(f"##{character}")
        if len(tokens) + len(found) > limit:
            break
        tokens += found
    return tokens
