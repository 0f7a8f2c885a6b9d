"""Spans and words of one document: the forms of JSON, and the tokens."""

import collections

import numpy as np
import pytest

from trainers.objectives import entity_spans
from trainers.objectives import raw_tags
from trainers.objectives import tag_alignment

TEXT = "Angela 😀 Merkel visited Paris."
PER, LOC = (0, 15), (24, 29)
FOUND = raw_tags.RawTags([PER, LOC], ["PER", "LOC"], False)
VALUE = {"start": 0, "end": 15, "text": "Angela 😀 Merkel", "labels": ["PER"]}


@pytest.mark.parametrize(
    "value",
    [
        [[24, 29, "LOC"], [0, 15, "PER"]],
        [{"start": 0, "end": 15, "label": "PER"}, [24, 29, "LOC"]],
        [
            {"id": 7, "start_offset": 0, "end_offset": 15, "label": "PER"},
            {"id": 8, "start_offset": 24, "end_offset": 29, "label": "LOC"},
        ],
        [VALUE, {"start": 24.0, "end": 29.0, "labels": ["LOC"]}],
        [
            {"result": [], "was_cancelled": True},
            {
                "result": [
                    {"type": "labels", "value": VALUE},
                    {"type": "relation", "from_id": "a", "to_id": "b"},
                    {"value": {"start": 24, "end": 29, "labels": ["LOC"]}},
                ]
            },
        ],
    ],
    ids=["spaCy", "mixed", "doccano", "JSON_MIN", "Label Studio"],
)
def test_forms_of_spans_are_equal(value):
    assert raw_tags.parse(value, TEXT) == FOUND


@pytest.mark.parametrize("kind", ["ner", "Labels", "sequence", None])
def test_results_of_any_type_with_a_place_and_a_label_are_spans(kind):
    results = [
        {"type": kind, "value": VALUE},
        {
            "type": kind,
            "start": 24,
            "end": 29,
            "label": "LOC",
            "value": "Paris",
        },
    ]
    assert raw_tags.parse([{"result": results}], TEXT) == FOUND


def test_results_without_a_place_or_a_label_are_no_spans():
    results = [
        {"type": "relation", "from_id": "a", "to_id": "b", "labels": ["of"]},
        {"type": "choices", "value": {"choices": ["good"]}},
        {"type": "choices", "value": {"start": 0, "end": 6, "choices": ["x"]}},
        {"type": "rating", "value": None},
    ]
    found = raw_tags.parse([{"result": results}], TEXT)
    assert found == raw_tags.RawTags([], [], False)


def test_a_span_with_a_label_can_have_any_other_key():
    spans = [VALUE | {"sublabels": []}, [24, 29, "LOC"]]
    assert raw_tags.parse(spans, TEXT) == FOUND


def test_white_space_at_the_ends_of_a_span_is_not_in_it():
    found = raw_tags.parse([[0, 16, "PER"], [23, 29, "LOC"]], TEXT)
    assert found.places == [PER, LOC]
    assert found.num_trimmed == 2


def test_a_text_can_have_no_span():
    assert raw_tags.parse([], TEXT) == raw_tags.RawTags([], [], False)


def test_words_are_read_as_they_are():
    value = {"words": [[0, 6], [7, 8]], "tags": ["B-PER", "O"]}
    assert raw_tags.parse(value, TEXT) == raw_tags.RawTags(
        [(0, 6), (7, 8)], ["B-PER", "O"], True
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be a list of spans: [start, end, label], or objects with"),
        ("PER", "must be a list of spans"),
        ([7], "must be a list of spans"),
        ([[0, 6]], "a span must be [start, end, label]. Received: [0, 6]"),
        ([{"end": 6, "label": "A"}], "a span must have start or start_offset."),
        ([[0, 6, ""]], "the label of a span must be a name. Received: ''"),
        ([[0, 6, "O"]], "the label 'O' means outside of all spans."),
        ([[0, 6.5, "A"]], "must be whole numbers. Received: [0, 6.5, 'A']"),
        (
            [[24, 99, "A"]],
            "a span must begin before its end and inside of the text of 30 "
            "characters. Received: [24, 99, 'A']",
        ),
        ([[6, 6, "A"]], "a span must begin before its end"),
        ([[6, 7, "A"]], "the span [6, 7, 'A'] (' ') is white space"),
        (
            [[0, 15, "A"], [9, 20, "B"]],
            "the spans [0, 15, 'A'] ('Angela 😀 Merkel') and [9, 20, 'B'] "
            "('Merkel visi') overlap, but a token has one tag",
        ),
        (
            [[0, 6, "A"], [0, 6, "A"]],
            "the span [0, 6, 'A'] ('Angela') occurs twice",
        ),
        (
            [{"start": 25, "end": 30, "label": "A", "text": "Paris"}],
            "the span [25, 30, 'A'] ('aris.') has the text 'Paris'. The places "
            "seem to be in units of UTF-16; count code points",
        ),
        (
            [{"start": 27, "end": 32, "label": "A", "text": "Paris"}],
            "Received: [27, 32, 'A']. The places seem to be in bytes of UTF-8",
        ),
        (
            [{"result": [VALUE]}, {"result": []}],
            "there must be one annotation of a text that was not cancelled. "
            "Received: 2 different ones.",
        ),
        ([{"result": 7}], "`result` must be a list. Received: 7"),
        (
            [{"result": [{"type": "hypertextlabels", "value": VALUE}]}],
            "'hypertextlabels' of Label Studio cannot be read, because their "
            "places are not those of characters in a text. Label the plain "
            "text, with <Text> and <Labels> in Label Studio",
        ),
        (
            [{"result": [{"type": "paragraphlabels", "value": {}}]}],
            "'paragraphlabels' of Label Studio cannot be read",
        ),
        (
            [{"start": "/p[1]", "end": "/p[1]", "hypertextlabels": ["A"]}],
            "'hypertextlabels' of Label Studio cannot be read",
        ),
        (
            [{"result": [{"type": "ner", "value": {"end": 6, "label": "A"}}]}],
            "a span must have start or start_offset.",
        ),
        (
            [{"result": [{"type": None, "value": {"start": 0, "end": 6}}]}],
            "a span must have label or labels.",
        ),
        ({"words": 7, "tags": []}, "'words' must be a list. Received: 7"),
        ({"words": [], "tags": None}, "'tags' must be a list. Received: None"),
        ({"words": "ab", "tags": "OO"}, "'words' must be a list."),
        ({"words": [[0, 1]], "tags": "O"}, "'tags' must be a list."),
        (
            {"words": [], "tags": [], "num_uneven": "x"},
            "'num_uneven' must be a whole number. Received: 'x'",
        ),
        ({"words": [[0, 6]], "tags": []}, "Received: 1 words and 0 tags"),
        ({"words": [[0, 6]], "tags": [""]}, "a tag must be text."),
        ({"words": [[6, 0]], "tags": ["A"]}, "Received: [6, 0] after 0"),
        ({"words": [7], "tags": ["A"]}, "a word must be [start, end]"),
    ],
)
def test_other_forms_are_refused(value, message):
    with pytest.raises(ValueError) as error:
        raw_tags.parse(value, TEXT)
    assert message in str(error.value)


# --- Tokens ------------------------------------------------------------------

NAMES = entity_spans.tag_names(["LOC", "PER"])
TAG = {name: number for number, name in enumerate(NAMES)}


def aligned(text, tokens, items, is_plain=False, **settings):
    """Returns tags and first tokens of words, and notes.

    Args:
        text: str.
        tokens: str. The tokens with spaces between them, in order.
        items: List of `(start, end, tag)`; the tag of a span begins with `~`.
    """
    starts, end = [], 0
    for token in tokens.split():
        starts.append(text.index(token, end))
        end = starts[-1] + len(token)
    ends = [s + len(t) for s, t in zip(starts, tokens.split(), strict=True)]
    rows = [
        (start, end, -1 - TAG[tag[1:]] if tag[0] == "~" else TAG[tag])
        for start, end, tag in items
    ]
    notes = collections.Counter()
    tags, is_first = tag_alignment.token_tags(
        np.array(rows, np.int32).reshape(-1, 3),
        starts,
        ends,
        text,
        NAMES,
        is_plain=is_plain,
        notes=notes,
        **settings,
    )
    assert tags.dtype == np.int32
    return [NAMES[x] for x in tags], is_first.astype(int).tolist(), +notes


def random_spans(rng, length, most):
    """Returns places that do not overlap, int32[num_spans, 2]."""
    count = min(length + 1, 2 * rng.integers(0, most + 1)) // 2 * 2
    borders = np.sort(rng.permutation(length + 1)[:count])
    return borders.reshape(-1, 2).astype(np.int32)


def test_each_token_is_in_the_first_item_that_touches_it():
    rng = np.random.default_rng(0)
    for _ in range(300):
        length = int(rng.integers(0, 20))
        tokens, spans = (random_spans(rng, length, n) for n in (5, 4))
        items = np.pad(spans, [(0, 0), (0, 1)], constant_values=-4)
        notes = collections.Counter()
        settings = {"is_plain": True, "expands": True, "notes": notes}
        tags, _ = tag_alignment.token_tags(
            items, tokens[:, 0], tokens[:, 1], "x" * length, NAMES, **settings
        )
        owners = [
            next((n for n, (a, b) in enumerate(spans) if a < e and b > s), None)
            for s, e in tokens
        ]
        assert tags.tolist() == [0 if x is None else 3 for x in owners]
        assert notes["untagged"] == len(spans) - len({*owners} - {None})
        assert notes["expanded"] == sum(
            any(s < a < e or s < b < e for s, e in tokens) for a, b in spans
        )


def test_the_first_token_of_a_word_begins_the_entity():
    tags, is_first, notes = aligned(
        "U.N. in Paris",
        "U . N . in Paris",
        [(0, 4, "B-PER"), (5, 7, "O"), (8, 13, "B-LOC")],
    )
    assert tags == ["B-PER", "I-PER", "I-PER", "I-PER", "O", "B-LOC"]
    assert is_first == [1, 0, 0, 0, 1, 1]
    assert notes == {}


def test_tokens_outside_of_all_spans_are_o():
    spans = [(0, 4, "~B-PER"), (4, 7, "~B-PER"), (11, 16, "~B-LOC")]
    tags, is_first, _ = aligned(
        "U.N.USA in Paris", "U . N . USA in Paris", spans
    )
    assert tags == [
        *("B-PER", "I-PER", "I-PER", "I-PER", "B-PER", "O", "B-LOC")
    ]
    assert is_first == [1] * 7
    assert aligned("a b", "a b", [])[0] == ["O", "O"]
    assert aligned("", "", [])[0] == []


def test_a_plain_tag_is_that_of_all_tokens_of_a_word():
    tags, is_first, _ = aligned(
        "U.N. x", "U . N . x", [(0, 4, "B-LOC"), (5, 6, "O")], is_plain=True
    )
    assert tags == ["B-LOC"] * 4 + ["O"]
    assert is_first == [1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            [(9, 13, "~B-LOC")],
            "the span [9, 13, 'LOC'] ('aris') begins inside of the token "
            "'Paris', which is from 8 to 13. Move the border to 8 or 13, or "
            "set --config.data.misaligned=expand",
        ),
        (
            [(5, 12, "~B-LOC")],
            "the span [5, 12, 'LOC'] ('in Pari') ends inside of the token "
            "'Paris', which is from 8 to 13.",
        ),
        (
            [(0, 4, "O"), (5, 7, "O"), (8, 10, "O"), (10, 13, "B-LOC")],
            "the word [8, 10, 'O'] ('Pa') ends inside of the token 'Paris'",
        ),
    ],
)
def test_a_border_inside_of_a_token_is_refused(items, message):
    with pytest.raises(ValueError) as error:
        aligned("U.N. in Paris", "U . N . in Paris", items)
    assert message in str(error.value)


def test_a_border_inside_of_a_token_can_move():
    tags, _, notes = aligned(
        "U.N. in Paris", "U . N . in Paris", [(5, 12, "~B-LOC")], expands=True
    )
    assert tags == ["O", "O", "O", "O", "B-LOC", "I-LOC"]
    assert notes == {"expanded": 1}


def test_the_first_word_in_a_token_gives_it_its_tag():
    tags, is_first, notes = aligned(
        "I cannot go",
        "I cannot go",
        [(0, 1, "O"), (2, 5, "B-PER"), (5, 8, "O"), (9, 11, "B-LOC")],
        expands=True,
    )
    assert tags == ["O", "B-PER", "B-LOC"]
    assert is_first == [1, 1, 1]
    assert notes == {"expanded": 2, "untagged": 1}


def test_a_word_that_the_tokenizer_drops_is_counted():
    # The begin of the entity is a zero-width space.
    tags, is_first, notes = aligned(
        "x \u200b y z",
        "x y z",
        [(0, 1, "O"), (2, 3, "B-PER"), (4, 5, "I-PER"), (6, 7, "I-PER")],
    )
    assert tags == ["O", "B-PER", "I-PER"]
    assert is_first == [1, 1, 1]
    assert notes == {"untagged": 1}


@pytest.mark.parametrize("tag", ["B-PER", "~B-PER"])
def test_an_entity_without_a_token_is_refused(tag):
    items = [(2, 3, tag)]
    if tag[0] != "~":
        items = [(0, 1, "O"), *items]
    with pytest.raises(ValueError) as error:
        aligned("x \u200b", "x", items)
    assert "has no token of its own" in str(error.value)
    assert "[2, 3, " in str(error.value)


def test_words_must_be_all_words_of_a_text():
    with pytest.raises(ValueError) as error:
        aligned("go home", "go home", [(0, 2, "O")])
    assert str(error.value) == (
        "'home' at 3 is in no word, but words with tags must be all words of a "
        "text"
    )
