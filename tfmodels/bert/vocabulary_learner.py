"""Learns a WordPiece vocabulary from texts."""

import collections
import re

from tfmodels.bert import normalization
from tfmodels.bert import wordpiece


def learn_vocabulary(
    texts, *, size, lowercase, max_bytes=100_000, normalizer=normalization.BERT
):
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
        normalizer: str. That of the tokenizer.

    Returns:
        List of str. Tokens in the order of their ids, special tokens first.
    """
    import tensorflow as tf
    import tokenizers

    # With the ops of the tokenizer. The tables of the library are older.
    folded = normalization.normalize(
        tf.strings.substr(tf.constant(list(texts)), 0, max_bytes),
        lowercase=lowercase,
        normalizer=normalizer,
    )
    texts = [text.decode("utf-8") for text in folded.numpy()]
    learner = tokenizers.Tokenizer(tokenizers.models.WordPiece())
    learner.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=False)
    learner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    # The tokenizer maps these words to `[UNK]`. A word of 100,000 letters costs
    # the trainer several seconds.
    longest = wordpiece.MAX_CHARACTERS_PER_WORD + 1
    if normalizer == normalization.NFKC:
        longest = wordpiece.MAX_BYTES_PER_WORD
    too_long = re.compile(rf"\w{{{longest},}}")
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
            special_tokens=[*wordpiece.SPECIAL_TOKENS, *characters],
            limit_alphabet=0,
            show_progress=False,
        ),
    )
    ids = learner.get_vocab()
    # The trainer merges a repeated word, such as a checksum, into a long token.
    return [t for t in sorted(ids, key=ids.get) if not wordpiece.is_too_long(t)]


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
