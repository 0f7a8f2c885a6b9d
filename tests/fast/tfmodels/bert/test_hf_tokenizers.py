"""Tokenizers of Hugging Face as they are found: ids of the library, or words.

The reference is the library `tokenizers`, set as the class of `transformers`
sets it.
"""

import json
import random

import numpy as np
import pytest
import tensorflow as tf
import tokenizers
from hf_presets import HF_BERT
from hf_presets import HF_DISTILBERT
from hf_presets import write_hf
from refusals import preset_refusal
from tokenizers import AddedToken
from tokenizers import normalizers
from tokenizers import pre_tokenizers
from tokenizers import processors

from tfmodels.bert import hf_tokenizer_json
from tfmodels.bert import presets
from tfmodels.bert import wordpiece
from tfmodels.bert.config import EncoderConfig
from trainers.serving.proof.fresh_process import SessionModel

SPECIAL = wordpiece.SPECIAL_TOKENS
pytestmark = pytest.mark.usefixtures("eagerly")
FLAG = "`--config.model.encoder.preset`"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
UNCASED = [
    *SPECIAL,
    *("good", "great", "hello", "world", "naive", "cafe", "item", "us"),
    *"0123456789.,!?'",
    *("##" + digit for digit in "0123456789"),
    *LETTERS,
    *("##" + letter for letter in LETTERS),
]
CASED = [
    *SPECIAL,
    *("Hello", "World", "hello", "Good", "good", "US", "us", "é", "##é"),
    *"0123456789.,!?'",
    *LETTERS.upper(),
    *LETTERS,
    *("##" + letter for letter in LETTERS),
]
# bert-base-chinese has lower-case pieces and keeps case.
CHINESE = [
    *SPECIAL,
    *"我爱北京天安门的一是不了人在有。，！？",
    *("##" + character for character in "我爱北京"),
    *("hello", "a", "b", "##a", "##b", "##o", "2008", "##8", "é", "e"),
]


def odd_texts(number=100):
    """Returns texts of words, marks, and characters that need a rule."""
    pieces = [
        *("Hello", "HELLO", "World", "US", "us", "good", "Goods", "naïve"),
        *("nai\u0308ve", "CAFÉ", "É", "item12", "2008", "isn't", "a.b,c!"),
        *("我爱北京", "天安门。", "，", "！", "hello世界", "𠀀", "가", "が"),
        *("[CLS]", "[MASK]", "[UNK]", "##s", "x" * 99, "x" * 101, "ß", "ſ"),
        *("\t", "\n", "\r", "\u00a0", "\u3000", "\u2028", "\x0b", "\x1c"),
        *("\u200b", "\u200c", "\u00ad", "\ufeff", "\x00", "\x7f", "\ufffd"),
        *("ﬁ", "Ａ", "½", "²", "™", "…", "İ", "ı", "ǅ", "Σ", "ΛΌΓΟΣ", "ς"),
        *(
            "😀",
            "👨\u200d👩",
            "🇩🇪",
            "\u0301",
            "ภาษา",
            "हिन्दी",
            "كِتَاب",
            "$",
            "`",
            "-",
        ),
    ]
    rng = random.Random(0)
    return [
        "".join(
            rng.choice(pieces) + rng.choice(("", " ", " "))
            for _ in range(rng.randrange(12))
        )
        for _ in range(number)
    ]


def make_reference(vocabulary, **kwargs):
    """Returns a tokenizer of the library, as of the class `BertTokenizer`."""
    ids = {token: number for number, token in enumerate(vocabulary)}
    model = tokenizers.models.WordPiece(ids, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(**kwargs)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return tokenizer


def write(path, vocabulary, tokenizer_facts=None, fast=None, facts=HF_BERT):
    """Writes a directory.

    Args:
        path: `pathlib.Path` of the directory.
        vocabulary: List of str. Lines of vocab.txt.
        tokenizer_facts: Dict of tokenizer_config.json; `None` for no file.
        fast: Dict of a tokenizer.json, which then is in place of vocab.txt.
        facts: Dict of config.json.

    Returns:
        `path`.
    """
    write_hf(path, facts, vocabulary=vocabulary)
    file = path / "tokenizer_config.json"
    if tokenizer_facts is None:
        file.unlink()
    else:
        file.write_text(json.dumps(tokenizer_facts))
    if fast is not None:
        (path / "vocab.txt").unlink()
        (path / "tokenizer.json").write_text(json.dumps(fast))
    return path


def fast_of(reference, **changes):
    """Returns the dict that the library writes as tokenizer.json."""
    facts = json.loads(reference.to_str())
    for names, value in changes.items():
        part, _, name = names.partition("__")
        if name:
            facts[part][name] = value
        else:
            facts[part] = value
    return facts


def make_tokenizer(path):
    encoder, vocabulary = presets.read(EncoderConfig(preset=str(path)))
    return wordpiece.WordPieceTokenizer(
        vocabulary, lowercase=encoder.lowercase, max_bytes=100_000
    )


def assert_equal_ids(path, reference):
    """Compares the ids of texts with those of the library."""
    texts = odd_texts()
    expected = reference.encode_batch(texts, add_special_tokens=False)
    tokenizer = make_tokenizer(path)
    found = tokenizer(tf.constant(texts)).to_list()
    for text, ids, encoding in zip(texts, found, expected, strict=True):
        assert ids == encoding.ids, repr(text)
    assert len({i for ids in found for i in ids}) > 10


def messages_of(path, caplog):
    caplog.clear()
    presets.read(EncoderConfig(preset=str(path)))
    start = f"{FLAG}={path}: "
    return [message.removeprefix(start) for message in caplog.messages]


BERT = {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}
GENERIC = {"do_lower_case": True, "tokenizer_class": "TokenizersBackend"}
# bert-base-chinese has these two settings.
CHINESE_CONFIG = {"do_lower_case": False, "model_max_length": 512}


@pytest.mark.parametrize(
    "vocabulary, config, lowercase",
    [
        (UNCASED, BERT, True),
        (UNCASED, GENERIC, True),
        (UNCASED, None, True),
        (UNCASED, {"model_max_length": 512}, True),
        (CASED, None, False),
        (CASED, {}, False),
        (CASED, {"do_lower_case": False}, False),
        (CHINESE, CHINESE_CONFIG, False),
    ],
)
@pytest.mark.parametrize("facts", [HF_BERT, HF_DISTILBERT])
def test_ids_are_those_of_the_library(
    vocabulary, config, lowercase, facts, tmp_path
):
    path = write(tmp_path / "x", vocabulary, config, facts=facts)
    assert_equal_ids(path, make_reference(vocabulary, lowercase=lowercase))


@pytest.mark.parametrize(
    "config",
    [
        None,
        {},
        *(
            {"tokenizer_class": name}
            for name in (
                *("BertTokenizer", "BertTokenizerFast", "BertTokenizerLegacy"),
                *("DistilBertTokenizer", "DistilBertTokenizerFast"),
                *("ElectraTokenizerFast", "PreTrainedTokenizerFast"),
                *("TokenizersBackend", "LayoutLMTokenizerFast"),
            )
        ),
    ],
)
def test_tokenizer_json_decides(config, tmp_path):
    """transformers 5 writes it without a vocab.txt."""
    # All lower-case, as the Chinese models are.
    reference = make_reference(UNCASED, lowercase=False)
    path = write(tmp_path / "x", UNCASED, config, fast_of(reference))
    assert_equal_ids(path, reference)


def test_old_forms_of_tokenizer_json_are_read(tmp_path):
    reference = make_reference(UNCASED)
    fast = fast_of(reference)
    # Old versions of the library do not write the kind of a model.
    del fast["model"]["type"]
    fast["normalizer"] = {
        "type": "Sequence",
        "normalizers": [fast["normalizer"]],
    }
    fast["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [fast["pre_tokenizer"]],
    }
    fast["post_processor"] = {
        "type": "BertProcessing",
        "sep": ["[SEP]", 3],
        "cls": ["[CLS]", 2],
    }
    path = write(tmp_path / "x", UNCASED, {}, fast)
    assert_equal_ids(path, reference)


def test_any_number_of_sequences_of_one_part_is_that_part():
    part = {"type": "BertNormalizer"}
    for _ in range(5000):
        part = {"type": "Sequence", "normalizers": [part]}
    found = hf_tokenizer_json.normalizer({"normalizer": part})
    assert found == {"type": "BertNormalizer"}


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({"model__unk_token": "<unk>"}, 'has unk_token="<unk>", not "[UNK]"'),
        (
            {"model__continuing_subword_prefix": "_"},
            'has continuing_subword_prefix="_", not "##"',
        ),
        (
            {"model__max_input_chars_per_word": 200},
            "has max_input_chars_per_word=200, not 100",
        ),
        ({"normalizer": None}, "has no normalizer"),
        ({"normalizer__type": "NFC"}, "has NFC normalizer"),
        ({"normalizer__clean_text": False}, "has clean_text=false, not true"),
        ({"pre_tokenizer": None}, "has no pre_tokenizer"),
        (
            {"pre_tokenizer": {"type": "Whitespace"}},
            "has Whitespace pre_tokenizer",
        ),
        (
            {"post_processor__single": [{"Sequence": {"id": "A"}}]},
            "does not put a text into [CLS] and [SEP]",
        ),
    ],
)
def test_what_bert_does_not_do_is_refused(changes, problem, tmp_path):
    fast = fast_of(make_reference(UNCASED), **changes)
    path = write(tmp_path / "x", UNCASED, GENERIC, fast)
    assert preset_refusal(path) == f"its tokenizer.json {problem}."


@pytest.mark.parametrize("has_kind", [True, False])
@pytest.mark.parametrize("has_lines", [True, False])
@pytest.mark.parametrize(
    "model",
    [
        tokenizers.models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]),
        tokenizers.models.Unigram([("<unk>", 0.0), ("a", -1.0)], 0),
    ],
)
def test_other_models_are_refused_by_name(model, has_lines, has_kind, tmp_path):
    """Also beside a vocab.txt, and in files of old versions."""
    fast = json.loads(tokenizers.Tokenizer(model).to_str())
    if not has_kind:
        del fast["model"]["type"]
    path = write(tmp_path / "x", UNCASED, {}, fast)
    if has_lines:
        (path / "vocab.txt").write_text("".join(f"{t}\n" for t in UNCASED))
    name = type(model).__name__
    assert preset_refusal(path) == (
        f"its tokenizer.json is a {name} model, not WordPiece."
    )


@pytest.mark.parametrize(
    "config, problem",
    [
        (
            {"do_basic_tokenize": False},
            "its tokenizer does not separate punctuation",
        ),
        ({"never_split": ["e-mail"]}, "its tokenizer never splits 'e-mail'"),
        ({"unk_token": "<unk>"}, "its unk_token is '<unk>', not '[UNK]'"),
        (
            {"cls_token": {"content": "<s>", "lstrip": False}},
            "its cls_token is '<s>', not '[CLS]'",
        ),
        (
            {"tokenizer_class": "BertJapaneseTokenizer"},
            "its tokenizer is a BertJapaneseTokenizer, not BERT's",
        ),
        (
            {"tokenizer_class": "XTokenizer"},
            "its tokenizer is a XTokenizer, not BERT's",
        ),
    ],
)
def test_other_settings_are_refused(config, problem, tmp_path):
    path = write(tmp_path / "x", UNCASED, config)
    assert preset_refusal(path) == f"{problem}."


def test_the_class_can_be_in_config_json(tmp_path):
    """So do the Japanese models of 2020 say what they are."""
    facts = HF_BERT | {"tokenizer_class": "BertJapaneseTokenizer"}
    path = write(tmp_path / "x", UNCASED, {"do_lower_case": False}, facts=facts)
    assert preset_refusal(path) == (
        "its tokenizer is a BertJapaneseTokenizer, not BERT's."
    )


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize(
    "name, first",
    [
        ("BertTokenizer", "tokenizer_config.json"),
        ("PreTrainedTokenizerFast", "tokenizer.json"),
    ],
)
def test_of_two_settings_the_one_of_transformers_counts(
    name, first, lowercase, tmp_path, caplog
):
    config = {"tokenizer_class": name, "do_lower_case": lowercase}
    other = make_reference(UNCASED, lowercase=not lowercase)
    path = write(tmp_path / "x", UNCASED, config, fast_of(other))
    is_config = first == "tokenizer_config.json"
    of_first = lowercase if is_config else not lowercase
    second = "tokenizer.json" if is_config else "tokenizer_config.json"
    assert messages_of(path, caplog) == [
        f"{first} and {second} contradict each other about do_lower_case: "
        f"{str(of_first).lower()} and {str(not of_first).lower()}. The first "
        "decides, as in transformers."
    ]
    assert_equal_ids(path, make_reference(UNCASED, lowercase=of_first))


def test_capitals_decide_where_no_file_does(tmp_path, caplog):
    path = write(tmp_path / "x", CASED)
    count = f"30 of its {len(CASED)} tokens have capital letters, such as A, B"
    assert messages_of(path, caplog) == [
        "no file says whether the tokenizer drops case. It keeps case, because "
        f'{count}, C. Write {{"do_lower_case": true}} into '
        "tokenizer_config.json to drop case."
    ]
    # The advice helps.
    file = path / "tokenizer_config.json"
    file.write_text('{"do_lower_case": true}')
    assert_equal_ids(path, make_reference(CASED, lowercase=True))
    assert messages_of(path, caplog) == [
        f"its tokenizer drops case, but {count}, C, which no text then gives. "
        'Write {"do_lower_case": false} into tokenizer_config.json to keep '
        "case."
    ]
    file.write_text('{"do_lower_case": false}')
    assert_equal_ids(path, make_reference(CASED, lowercase=False))
    assert messages_of(path, caplog) == []


def test_special_tokens_are_no_capitals(tmp_path, caplog):
    path = write(tmp_path / "x", [*UNCASED, "[unused1]", "[UNUSED2]", "<S>"])
    assert messages_of(path, caplog) == []
    assert make_tokenizer(path).lowercase


def test_two_vocabularies_must_agree(tmp_path):
    reference = make_reference(UNCASED)
    path = write(tmp_path / "x", UNCASED, {}, fast_of(reference))
    lines = [*UNCASED[:-2], UNCASED[-1], UNCASED[-2]]
    (path / "vocab.txt").write_text("".join(f"{t}\n" for t in UNCASED))
    assert_equal_ids(path, reference)
    (path / "vocab.txt").write_text("".join(f"{t}\n" for t in lines))
    number = len(UNCASED) - 2
    assert preset_refusal(path) == (
        "vocab.txt and tokenizer.json contradict each other: '##z' has the id "
        f"{number}, or {number + 1}. Delete the wrong file."
    )
    (path / "vocab.txt").unlink()
    assert_equal_ids(path, reference)


def test_lines_can_end_as_in_windows(tmp_path):
    path = write(tmp_path / "x", UNCASED, {})
    (path / "vocab.txt").write_bytes(
        b"".join(f"{t}\r\n".encode() for t in UNCASED)
    )
    assert_equal_ids(path, make_reference(UNCASED))


def test_ids_with_holes_keep_their_places(tmp_path):
    ids = {token: number for number, token in enumerate(UNCASED)}
    ids["z"] = len(UNCASED) + 3
    fast = fast_of(make_reference(UNCASED), model__vocab=ids)
    # Four more vectors.
    path = write(tmp_path / "x", [*UNCASED, *"αβγδ"], {}, fast)
    found = make_tokenizer(path).vocabulary
    assert found[-4:] == [
        *(f"[no_token_{number}]" for number in range(len(ids), len(ids) + 3)),
        "z",
    ]
    hole = UNCASED.index("z")
    assert found[hole] == f"[no_token_{hole}]"
    assert_equal_ids(path, tokenizers.Tokenizer.from_str(json.dumps(fast)))
    for number, problem in (
        (10**9, f"Its {len(UNCASED)} tokens have ids up to 1000000000."),
        (
            hole - 1,
            "tokenizer.json must give each token an id of its own. Received: "
            f"'z' with {hole - 1}.",
        ),
    ):
        fast["model"]["vocab"] |= {"z": number}
        (path / "tokenizer.json").write_text(json.dumps(fast))
        with pytest.raises(ValueError) as error:
            make_tokenizer(path)
        assert str(error.value) == f"{FLAG}={path} cannot be used: {problem}"


# --- Added tokens ------------------------------------------------------------

# As users add them: names, marks of entities, words of their field.
NORMALIZED = ["New York", "北京", "@user", "Café", "covid-19", "a.b", "C++"]
IN_TEXT = ["[E1]", "<b>", "<b>x", "FOO", "É", "[unused1]", "$&", "\n"]


def make_reference_with_added(vocabulary, lowercase=True):
    reference = make_reference(vocabulary, lowercase=lowercase)
    reference.add_special_tokens(list(SPECIAL))
    reference.add_tokens([AddedToken(t, normalized=True) for t in NORMALIZED])
    reference.add_special_tokens(
        [AddedToken(t, normalized=False) for t in IN_TEXT]
    )
    return reference


def texts_with_added(number=1000):
    """Returns texts of added tokens, alone, inside of words, side by side."""
    words = [*NORMALIZED, *IN_TEXT, "good", "x", "us", "1", ".", "北", "É", "e"]
    pieces = [
        *words,
        *(word.upper() for word in words),
        *(word.lower() for word in words),
        *("New  York", "New\tYork", "new\u00a0york", "<", "[", "", " ", "  "),
    ]
    rng = random.Random(1)
    return [
        "".join(rng.choice(pieces) for _ in range(rng.randrange(9)))
        for _ in range(number)
    ]


def write_with_added(path, reference, kind, vocabulary):
    """Writes the added tokens into the files of a version of transformers."""
    fast = fast_of(reference)
    size = reference.get_vocab_size()
    # As many vectors as tokens.
    rows = [*vocabulary, *map(str, range(1000, 1000 + size - len(vocabulary)))]
    config = {"do_lower_case": fast["normalizer"]["lowercase"]}
    write(path, rows, config, fast if kind == "tokenizer.json" else None)
    if kind == "tokenizer.json":
        return path
    (path / "vocab.txt").write_text("".join(f"{t}\n" for t in vocabulary))
    added = {str(t.pop("id")): t for t in fast["added_tokens"]}
    if kind == "added_tokens_decoder":
        config[kind] = added
        (path / "tokenizer_config.json").write_text(json.dumps(config))
        return path
    known = set(vocabulary)
    (path / "added_tokens.json").write_text(
        json.dumps(
            {
                t["content"]: int(number)
                for number, t in added.items()
                if t["content"] not in known
            }
        )
    )
    (path / "special_tokens_map.json").write_text(
        json.dumps({"unk_token": "[UNK]", "additional_special_tokens": IN_TEXT})
    )
    return path


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize(
    "kind", ["tokenizer.json", "added_tokens_decoder", "added_tokens.json"]
)
def test_added_tokens_are_those_of_the_library(kind, lowercase, tmp_path):
    vocabulary = [*UNCASED, "[unused1]", "北"]
    reference = make_reference_with_added(vocabulary, lowercase)
    path = write_with_added(tmp_path / "x", reference, kind, vocabulary)
    tokenizer = make_tokenizer(path)
    assert len(tokenizer.vocabulary) == reference.get_vocab_size()
    texts = [*texts_with_added(), *odd_texts()]
    # The characters `[CLS]` in a text are a special token of the library only.
    texts = [t for t in texts if not any(s in t for s in SPECIAL)]
    expected = reference.encode_batch(texts, add_special_tokens=False)
    found = tokenizer(tf.constant(texts)).to_list()
    for text, ids, encoding in zip(texts, found, expected, strict=True):
        assert ids == encoding.ids, repr(text)
    used = {i for ids in found for i in ids}
    assert used > {reference.token_to_id(t) for t in NORMALIZED}
    assert used > {reference.token_to_id(t) for t in IN_TEXT if t != "É"}


def test_added_tokens_are_found_in_the_exported_graph(tmp_path):
    vocabulary = [*UNCASED, "[unused1]", "北"]
    reference = make_reference_with_added(vocabulary)
    path = write_with_added(
        tmp_path / "x", reference, "tokenizer.json", vocabulary
    )
    tokenizer = make_tokenizer(path)
    tf.config.run_functions_eagerly(False)  # As in an export.

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="text")],
        autograph=False,
    )
    def tokenize(text):
        ids = tokenizer(text)
        return {"ids": ids.values, "lengths": ids.row_lengths()}

    module = tf.Module()
    module.tokenize = tokenize
    tf.saved_model.save(
        module, tmp_path / "1", signatures={"serving_default": tokenize}
    )
    served = SessionModel(tmp_path / "1")
    for texts in (
        texts_with_added(),
        ["", ""],
        ["[E1]"],
        [],
        [b"\xff[E1]\xe4\xbd", b"caf\xc3\xa9 \xff"],
    ):
        expected = tokenizer(tf.constant(texts, tf.string))
        answer = served(
            "serving_default", {"text": np.array(texts, dtype=object)}
        )
        np.testing.assert_array_equal(answer["ids"], expected.values)
        np.testing.assert_array_equal(answer["lengths"], expected.row_lengths())
        assert len(answer["lengths"]) == len(texts)


def test_special_tokens_in_a_text_are_words(tmp_path):
    reference = make_reference_with_added(UNCASED)
    path = write_with_added(
        tmp_path / "x", reference, "tokenizer.json", UNCASED
    )
    alone = make_reference(UNCASED)
    for text in ("[CLS]", "a [SEP] b", "[MASK][UNK]"):
        (ids,) = make_tokenizer(path)(tf.constant([text])).to_list()
        assert ids == alone.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"single_word": True}, "its added token '<b>' has single_word=true."),
        ({"lstrip": True}, "its added token '<b>' has lstrip=true."),
        ({"rstrip": True}, "its added token '<b>' has rstrip=true."),
        (
            {"id": 7},
            "its tokens 'hello' and '<b>' have the same id, 7.",
        ),
        ({"content": "good"}, "its added token 'good' has the ids 5 and {id}."),
        (
            {"content": 5},
            "its added tokens cannot be read: ValueError: 5 has the id {id}.",
        ),
        (
            {"id": "7"},
            "its added tokens cannot be read: ValueError: '<b>' has the id "
            "'7'.",
        ),
    ],
)
def test_added_tokens_that_cannot_be_searched_are_refused(
    change, problem, tmp_path
):
    reference = make_reference(UNCASED)
    reference.add_special_tokens([AddedToken("<b>")])
    number = reference.token_to_id("<b>")
    fast = fast_of(reference)
    fast["added_tokens"][0] |= change
    path = write(tmp_path / "x", [*UNCASED, "<b>"], {}, fast)
    assert preset_refusal(path) == problem.format(id=number)


@pytest.mark.parametrize(
    "kind", ["tokenizer.json", "added_tokens_decoder", "added_tokens.json"]
)
@pytest.mark.parametrize(
    "tokens, lowercase",
    [
        (["<B>", "<b>"], True),
        (["qq", "QQ"], True),
        (["Qq", "qQ"], True),  # Neither is as the text is then.
        (["É", "é"], True),
        (["new\tyork", "new york"], False),
    ],
)
def test_added_tokens_that_become_equal_are_refused(
    tokens, lowercase, kind, tmp_path
):
    """The library chooses one at random, so no id is right."""
    reference = make_reference(UNCASED, lowercase=lowercase)
    reference.add_tokens([AddedToken(t, normalized=True) for t in tokens])
    path = write_with_added(tmp_path / "x", reference, kind, UNCASED)
    files = {
        "tokenizer.json": "tokenizer.json",
        "added_tokens_decoder": "tokenizer_config.json",
    }
    file = path / files.get(kind, kind)
    if kind == "added_tokens.json":
        # It names tokens of other tests.
        (path / "special_tokens_map.json").unlink()
    assert preset_refusal(path) == (
        f"its added tokens {tokens[0]!r} and {tokens[1]!r} are the same text "
        "after its tokenizer has normalized them, and the library "
        "`tokenizers` chooses at random. Delete one of them from each file "
        "that contains it."
    )
    # As told.
    facts = json.loads(file.read_text())
    number = reference.token_to_id(tokens[0])
    if kind == "tokenizer.json":
        facts["added_tokens"] = [
            token for token in facts["added_tokens"] if token["id"] != number
        ]
    elif kind == "added_tokens_decoder":
        del facts[kind][str(number)]
    else:
        del facts[tokens[0]]
    file.write_text(json.dumps(facts))
    text = f"good {tokens[0]}{tokens[1]}"
    if not lowercase:
        text = "good new york"
    found = make_tokenizer(path)(tf.constant([text])).to_list()
    last = reference.token_to_id(tokens[1])
    assert found == [[UNCASED.index("good"), *([last] * (1 + lowercase))]]


def test_the_first_ten_problems_are_named(tmp_path):
    names = [f"{letter}{n}" for n in range(2000) for letter in "aA"]
    added = {name: 99 + number for number, name in enumerate(names)}
    path = write(tmp_path / "x", UNCASED, {})
    (path / "added_tokens.json").write_text(json.dumps(added))
    problems = preset_refusal(path).split("; ")
    assert len(problems) == 11
    assert problems[0].startswith("its added tokens 'a0' and 'A0' are the same")
    assert problems[10] == "and 1,990 more problems."


def test_added_tokens_that_differ_in_the_text_are_not_equal(tmp_path):
    """Those that are searched in the text itself, `[CLS]`, and empty ones.

    The library needs memory without end for an empty one.
    """
    reference = make_reference(UNCASED)
    reference.add_special_tokens(
        [AddedToken("[CLS]", normalized=True), AddedToken("<b>")]
    )
    added = ("<B>", "[cls]", "\u0301", "\u200b")
    reference.add_tokens([AddedToken(t, normalized=True) for t in added])
    path = write_with_added(
        tmp_path / "x", reference, "tokenizer.json", UNCASED
    )
    tokenizer = make_tokenizer(path)
    for text, tokens in (
        ("<b><B>good", ["<b>", "<B>", "good"]),
        ("a[cls]", ["a", "[cls]"]),
        ("a\u0301\u200b\u0301e", ["a", "##e"]),
    ):
        (ids,) = tokenizer(tf.constant([text])).to_list()
        assert ids == [reference.token_to_id(token) for token in tokens]


def test_special_tokens_need_an_id(tmp_path):
    config = {"additional_special_tokens": ["[E1]", "good"]}
    path = write(tmp_path / "x", UNCASED, config)
    assert preset_refusal(path) == "its special token '[E1]' has no id."


def test_added_tokens_need_vectors(tmp_path):
    reference = make_reference(UNCASED)
    reference.add_tokens(["covid"])
    path = write(tmp_path / "x", UNCASED, {}, fast_of(reference))
    with pytest.raises(ValueError) as error:
        make_tokenizer(path)
    size = len(UNCASED)
    assert str(error.value) == (
        f"{FLAG}={path} cannot be used: Its vocabulary has {size + 1} tokens, "
        f"but its weights have vectors for {size}. In transformers, "
        "`model.resize_token_embeddings(len(tokenizer))` adds them."
    )
