"""Entities, their scores and the schemes of tags, against seqeval's rules.

seqeval does not install with newer build tools, so its rules are written here
in a few lines: those of `seqeval.scheme` with `mode="strict"`, and those of
`get_entities`, which are conlleval's. seqeval 1.2.2 itself gave the same
precision, recall and F1, micro, macro, weighted and by type, in 1,000 cases
like these, to 4e-16.
"""

import random

import numpy as np
import pytest

from trainers.objectives import entity_spans
from trainers.objectives import tag_metrics
from trainers.objectives import tag_report
from trainers.objectives import tag_schemes

TYPES = ["LOC", "PER", "geo-loc"]
NAMES = entity_spans.tag_names(TYPES)


def strict_iob2(tags):
    """Returns the entities of seqeval's IOB2: B-X, then I-X."""
    found, start, kind = set(), None, None
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if start is not None and not (prefix == "I" and name == kind):
            found.add((start, place - 1, kind))
            start = None
        if prefix == "B":
            start, kind = place, name
    return found


def conlleval(tags):
    """Returns the entities of conlleval: I-X after another tag begins one."""
    found, start, kind = set(), None, None
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if start is not None and (prefix in ("O", "B") or name != kind):
            found.add((start, place - 1, kind))
            start = None
        if prefix != "O" and start is None:
            start, kind = place, name
    return found


def scores(true, answers, entities_of, kind=None):
    """Returns precision, recall and F1 of lists of tags, by counting."""
    right = num_true = num_answers = 0
    for one, other in zip(true, answers, strict=True):
        one, other = (
            {x for x in entities_of(tags) if kind in (None, x[2])}
            for tags in (one, other)
        )
        right += len(one & other)
        num_true += len(one)
        num_answers += len(other)
    return (
        right / num_answers if num_answers else 0.0,
        right / num_true if num_true else 0.0,
        2 * right / (num_true + num_answers) if num_true + num_answers else 0.0,
    )


def tokens_of(true, answers, is_word=None, names=NAMES):
    """Returns documents as the tokens of a split."""
    flat = [tag for tags in true for tag in tags]
    return tag_metrics.Tokens(
        np.repeat(np.arange(len(true)), [len(tags) for tags in true]),
        np.array([names.index(tag) for tag in flat], np.int32),
        np.array([names.index(t) for tags in answers for t in tags], np.int32),
        np.ones(len(flat), bool) if is_word is None else np.array(is_word),
        0.5,
    )


def random_case(rng):
    kinds = rng.sample(TYPES, rng.randint(1, 3))
    tags = ["O", "O", *(f"{p}-{kind}" for p in "BI" for kind in kinds)]
    true = [
        [rng.choice(tags) for _ in range(rng.randint(1, 12))] for _ in range(5)
    ]
    answers = [
        [rng.choice(tags) if rng.random() < 0.4 else tag for tag in row]
        for row in true
    ]
    return true, answers


def test_scores_are_those_of_seqeval_in_1000_random_cases():
    rng = random.Random(0)
    for _ in range(1000):
        true, answers = random_case(rng)
        found = tag_metrics.measure(tokens_of(true, answers), NAMES, False)
        for prefix, entities_of in (
            ("entity", strict_iob2),
            ("lenient", conlleval),
            ("span", strict_iob2),  # Each token is a word here.
        ):
            expected = scores(true, answers, entities_of)
            numbers = [found[f"{prefix}_{s}"] for s in tag_metrics.SCORES]
            assert numbers == pytest.approx(expected, abs=1e-12)
            start = "" if prefix == "entity" else f"{prefix}_"
            for kind in TYPES:
                expected = scores(true, answers, entities_of, kind)
                numbers = [
                    found["per_class"][kind][f"{start}{s}"]
                    for s in tag_metrics.SCORES
                ]
                assert numbers == pytest.approx(expected, abs=1e-12)


def test_averages_are_over_types_that_occur_and_by_support():
    true = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC"]]
    answers = [["B-PER", "I-PER", "O", "O"], ["B-PER"]]
    found = tag_metrics.measure(tokens_of(true, answers), NAMES, False)
    # PER: one right of 2 answers and of 2; LOC: none of 0 and of 1.
    assert found["macro_f1"] == pytest.approx((0.5 + 0.0) / 2)
    assert found["weighted_f1"] == pytest.approx((2 * 0.5 + 1 * 0.0) / 3)
    assert found["per_class"]["geo-loc"] == {
        **dict.fromkeys(tag_metrics.PER_TYPE.metrics, 0.0),
        "support": 0,
    }
    assert found["token_accuracy"] == pytest.approx(3 / 5)
    assert (found["num_tokens"], found["num_words"]) == (5, 5)


def test_words_count_by_their_first_token_and_spans_by_all():
    # The word `U.N.` has four tokens, and the answer misses the last of them.
    true = [["B-LOC", "I-LOC", "I-LOC", "I-LOC", "O"]]
    answers = [["B-LOC", "I-LOC", "I-LOC", "O", "O"]]
    is_word = [True, False, False, False, True]
    found = tag_metrics.measure(tokens_of(true, answers, is_word), NAMES, False)
    assert (found["entity_f1"], found["lenient_f1"]) == (1.0, 1.0)
    assert (found["span_f1"], found["word_accuracy"]) == (0.0, 1.0)
    assert found["token_accuracy"] == pytest.approx(4 / 5)


def test_a_split_without_entities_has_scores_of_0():
    found = tag_metrics.measure(tokens_of([["O"]], [["O"]]), NAMES, False)
    assert (found["entity_f1"], found["macro_f1"]) == (0.0, 0.0)
    assert found["token_accuracy"] == 1.0


def test_plain_tags_have_scores_of_words():
    names = ["A", "B", "O"]
    true = [["O", "A", "A", "B"]]
    answers = [["O", "A", "B", "O"]]
    tokens = tokens_of(true, answers, [True, True, True, False], names)
    found = tag_metrics.measure(tokens, names, True)
    assert found.keys() == {
        *tag_metrics.PLAIN_METRICS,
        *("num_tokens", "num_words", "per_class"),
    }
    assert found["word_accuracy"] == pytest.approx(2 / 3)
    assert found["token_accuracy"] == pytest.approx(1 / 2)
    assert found["per_class"] == {
        "A": {
            "precision": 1.0,
            "recall": 0.5,
            "f1": pytest.approx(2 / 3),
            "support": 2,
        },
        "B": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
        "O": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
    }
    assert found["macro_recall"] == pytest.approx((0.5 + 0 + 1) / 3)


def test_windows_are_put_together_in_the_order_of_documents():
    def batch(document, token, tag, answer):
        columns = np.array([document, token, tag, answer], np.int32)
        return dict(
            zip(("document", "token", "tag", "answer"), columns, strict=True),
            is_word=np.ones_like(columns[0]),
            loss=np.array([0.5, 1.0], np.float32),
        )

    # 0 is no tag: nothing is scored there.
    found = tag_metrics.gather(
        [
            batch(
                [[1, 1, 0], [0, 0, 0]],
                [[0, 1, 0], [2, 3, 0]],
                [[2, 1, 0], [3, 3, 0]],
                [[1, 0, 0], [2, 2, 0]],
            ),
            batch(
                [[0, 0], [1, 1]],
                [[0, 1], [2, 3]],
                [[1, 1], [0, 3]],
                [[0, 0], [0, 2]],
            ),
        ]
    )
    assert found.documents.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert found.true.tolist() == [0, 0, 2, 2, 1, 0, 2]
    assert found.answers.tolist() == [0, 0, 2, 2, 1, 0, 2]
    assert found.loss == pytest.approx(3.0 / 7)
    assert found.num_documents == 2


# --- Entities ----------------------------------------------------------------


def test_no_entity_goes_over_the_end_of_a_document():
    tags = np.array([NAMES.index(x) for x in ("B-PER", "I-PER", "I-PER")])
    found = entity_spans.decode(tags, np.array([0, 0, 1]))
    assert found.first.tolist() == [0, 2]
    assert found.last.tolist() == [1, 2]
    assert found.is_strict.tolist() == [True, False]


def test_names_of_tags_are_numbers_of_types_and_back():
    tags = np.arange(len(NAMES))
    assert entity_spans.types_of(NAMES) == TYPES
    assert entity_spans.type_ids(tags).tolist() == [-1, 0, 0, 1, 1, 2, 2]
    assert entity_spans.is_begin(tags).tolist() == [
        tag.startswith("B-") for tag in NAMES
    ]
    inside = [NAMES[x] for x in entity_spans.inside_of(tags)]
    assert inside == [tag.replace("B-", "I-") for tag in NAMES]


# --- Schemes -----------------------------------------------------------------


def converted(text, scheme="auto"):
    """Returns documents such as `B-X I-X|O` as IOB2, and what was found."""
    rows = [row.split() for row in text.split("|")]
    firsts = np.array([n == 0 for row in rows for n, _ in enumerate(row)])
    words = tag_schemes.Words([tag for row in rows for tag in row], firsts)
    if scheme == "auto":
        (scheme,) = tag_schemes.recognize([words])
    kinds, types, found = tag_schemes.convert(words, scheme)
    tags = [
        kind if name is None else f"{kind}-{name}"
        for kind, name in zip(kinds, types, strict=True)
    ]
    return " ".join(tags), found


@pytest.mark.parametrize(
    ("text", "scheme", "expected"),
    [
        ("I-X I-X B-X|I-X", "iob1", "B-X I-X B-X B-X"),
        ("I-X I-Y O I-Y", "iob1", "B-X B-Y O B-Y"),
        ("B-X I-X B-X|B-X", "iob2", "B-X I-X B-X B-X"),
        ("B-geo-loc I-geo-loc", "iob2", "B-geo-loc I-geo-loc"),
        ("B-X E-X S-X O B-X I-X E-X", "bioes", "B-X I-X B-X O B-X I-X I-X"),
        ("B-X L-X U-X O", "bioes", "B-X I-X B-X O"),
        ("B-X M-X E-X S-X", "bioes", "B-X I-X I-X B-X"),
        ("O O", "iob2", "O O"),
    ],
)
def test_a_scheme_is_recognized_and_converted(text, scheme, expected):
    tags, found = converted(text)
    assert tags == expected
    assert found == tag_schemes.Found(scheme)
    assert converted(text, scheme)[0] == expected


def test_tags_that_continue_nothing_are_counted_and_begin_entities():
    tags, found = converted("B-X O I-X B-Y I-X|I-Y B-X B-Y")
    assert tags == "B-X O B-X B-Y B-X B-Y B-X B-Y"
    assert found == tag_schemes.Found("iob2", num_strays=3, first_stray=2)
    tags, found = converted("B-X O I-X E-X S-X I-X B-Y")
    assert tags == "B-X O B-X I-X B-X B-X B-Y"
    # B-X without E-X, I-X after S-X, and B-Y.
    assert found == tag_schemes.Found("bioes", 2, 2, num_open=3)


def test_bioes_of_random_entities_keeps_all_of_them():
    rng = random.Random(0)
    for _ in range(100):
        tags, expected = [], set()
        while len(tags) < 10:
            size, kind = rng.randint(0, 3), rng.choice(TYPES)
            start = len(tags)
            if not size:
                tags.append("O")
                continue
            inner = [f"I-{kind}"] * (size - 2)
            tags += (
                [f"S-{kind}"]
                if size == 1
                else [f"B-{kind}", *inner, f"E-{kind}"]
            )
            expected.add((start, start + size - 1, kind))
        found, facts = converted(" ".join(tags), "bioes")
        assert strict_iob2(found.split()) == expected
        assert (facts.num_strays, facts.num_open) == (0, 0)


def test_a_tag_of_another_scheme_is_refused():
    with pytest.raises(ValueError) as error:
        converted("B-X O E-X", "iob2")
    assert error.value.args == ("'E-X' is no tag of iob2", 2)


# --- Report ------------------------------------------------------------------


def test_the_report_has_the_numbers_of_the_metrics():
    true = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC"]]
    answers = [["B-PER", "I-PER", "O", "O"], ["B-PER"]]
    names = entity_spans.tag_names(["LOC", "PER"])
    metrics = tag_metrics.measure(
        tokens_of(true, answers, names=names), names, False
    )
    lines = tag_report.text_report(metrics, False).splitlines()
    assert [line.split() for line in lines if line] == [
        ["precision", "recall", "f1-score", "support"],
        ["LOC", "0.0000", "0.0000", "0.0000", "1"],
        ["PER", "0.5000", "0.5000", "0.5000", "2"],
        ["micro", "avg", "0.5000", "0.3333", "0.4000", "3"],
        ["macro", "avg", "0.2500", "0.2500", "0.2500", "3"],
        ["weighted", "avg", "0.3333", "0.3333", "0.3333", "3"],
        ["lenient", "0.5000", "0.3333", "0.4000", "3"],
        ["of", "tokens", "0.5000", "0.3333", "0.4000", "3"],
        ["word", "accuracy", "0.6000", "5"],
        ["token", "accuracy", "0.6000", "5"],
    ]
    assert len({len(line) for line in lines if line}) == 1
    picture = tag_report.picture(metrics)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert picture.std() > 10


def test_a_report_of_many_types_has_the_worst_and_the_best():
    types = [f"T{number:02}" for number in range(60)]
    names = entity_spans.tag_names(types)
    tags = [[f"B-{kind}"] for kind in types]
    metrics = tag_metrics.measure(
        tokens_of(tags, tags, names=names), names, False
    )
    report = tag_report.text_report(metrics, False)
    assert "20 of 60 are left out" in report
    rows = [line.split()[0] for line in report.splitlines()[2:43]]
    assert rows == [*types[:20], "...", *types[40:]]
    assert tag_report.picture(metrics).shape[0] < 1400
