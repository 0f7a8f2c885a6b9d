"""The objective of a tag for each token."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.errors import DataError
from trainers.objectives import entity_spans
from trainers.objectives import raw_tags
from trainers.objectives import tag_columns
from trainers.objectives.tags import Tags
from trainers.objectives.tags import TagsConfig
from trainers.runtime.columns import Ragged

pytestmark = pytest.mark.usefixtures("eagerly")


def words(tags):
    """Returns a document with a tag for each word of one letter."""
    places = [(2 * n, 2 * n + 1) for n, _ in enumerate(tags.split())]
    return raw_tags.RawTags(places, tags.split(), True)


def spans(*found, **settings):
    places = [place for *place, _ in found]
    tags = [tag for *_, tag in found]
    return raw_tags.RawTags(places, tags, False, **settings)


def examples(*documents):
    texts = np.array([b"text"] * len(documents), object)
    targets = np.empty(len(documents), object)
    targets[:] = documents
    places = Places.numbered("a.conll, line ", range(1, len(documents) + 1))
    return Examples({"text": texts}, targets, places)


def fitted(scheme="auto", model=None, **splits):
    """Returns the objective, and the items of each split as lists."""
    objective = model or TagsConfig(scheme=scheme).make_objective()
    found, targets = objective.fitted(
        {name: examples(*documents) for name, documents in splits.items()}
    )
    return found, {name: column.to_list() for name, column in targets.items()}


def refusal(scheme="auto", model=None, **splits):
    with pytest.raises(DataError) as error:
        fitted(scheme, model, **splits)
    return str(error.value)


# --- Targets -----------------------------------------------------------------


def test_words_and_spans_become_items():
    tags, items = fitted(
        train=[words("B-PER I-PER O"), spans((4, 9, "LOC"), (10, 12, "PER"))],
        test=[spans()],
    )
    assert tags.names == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert tags.types == ["LOC", "PER"] and not tags.is_plain
    assert items == {
        "train": [
            [[0, 1, 3], [2, 3, 4], [4, 5, 0]],
            [[4, 9, -2], [10, 12, -4]],
        ],
        "test": [[]],
    }


def test_plain_tags_are_learned_as_they_are():
    tags, items = fitted(train=[words("O A"), words("C nn-tl B")])
    assert tags.names == ["A", "B", "C", "O", "nn-tl"]
    assert tags.is_plain and tags.types == []
    assert items["train"][1] == [[0, 1, 2], [2, 3, 4], [4, 5, 1]]
    assert list(tags.warnings("train", {})) == []


def test_tags_of_entities_can_be_learned_as_plain_tags():
    tags, _ = fitted("plain", train=[words("O B-X I-X")])
    assert tags.names == ["B-X", "I-X", "O"] and tags.is_plain


def test_bare_b_and_i_are_plain_with_a_warning():
    tags, _ = fitted(train=[words("O B I")])
    assert tags.names == ["B", "I", "O"] and tags.is_plain
    (warning,) = tags.warnings("train", {})
    assert warning.startswith("the tags B, I, O are learned as plain tags")


def test_names_that_look_alike_are_a_warning():
    tags, _ = fitted(train=[words("B-PER B-Per B-LOC")])
    assert list(tags.warnings("train", {})) == [
        "types that look alike but are different: 'PER' and 'Per'. Write each "
        "in one way."
    ]
    tags, _ = fitted(train=[words("noun Noun verb")])
    assert list(tags.warnings("train", {})) == [
        "tags that look alike but are different: 'Noun' and 'noun'. Write each "
        "in one way."
    ]


def test_tags_in_another_form_of_entities_are_plain_with_a_warning():
    for text, first, better in (
        ("O B_PER I_PER", "B_PER", "B-PER"),
        ("O PER-B PER-I LOC-B", "LOC-B", "B-LOC"),
        ("o b-per i-per", "b-per", "B-per"),
        ("O B:geo-loc", "B:geo-loc", "B-geo-loc"),
    ):
        tags, _ = fitted(train=[words(text)])
        assert tags.is_plain
        (warning,) = tags.warnings("train", {})
        count = len(text.split()) - 1
        assert warning == (
            f"{count} tags such as {first!r} are learned as plain tags. If "
            f"they mark entities, write {better} in place of {first}, and O "
            "for no entity."
        )
    for plain in ("O A B", "NN nn-tl VB", "B_PER NN", "nn-i nn-x", "O"):
        tags, _ = fitted(train=[words(plain)])
        assert list(tags.warnings("train", {})) == []
    tags, _ = fitted("plain", train=[words("O B-X I-X")])
    assert list(tags.warnings("train", {})) == []


def test_labels_of_spans_that_look_like_tags_of_words_are_a_warning():
    tags, _ = fitted(
        train=[
            spans((0, 1, "LOC")),
            spans((0, 1, "LOC"), (2, 3, "B-PER"), (4, 5, "I-PER")),
            words("B-PER I-PER"),
        ]
    )
    assert list(tags.warnings("train", {})) == [
        "split train: 2 spans have labels that look like tags of words. A span "
        "is a whole entity, so its label has no B- or I-: 'B-PER' is learned "
        "as a type of its own, not as 'PER'. The first is in a.conll, line 2, "
        "span 2."
    ]
    tags, _ = fitted(train=[spans((0, 1, "E-mail"), (2, 3, "U-Bahn"))])
    assert list(tags.warnings("train", {})) == []


def test_a_metric_of_entities_is_refused_for_tags_that_are_plain():
    tags, _ = fitted(train=[words("NN VB O")])
    problem = tags.metric_problem("entity_f1")
    assert problem.startswith("one of loss, token_accuracy, word_accuracy, ")
    assert problem.endswith(
        "Received: 'entity_f1', but the tags of the data were read as plain: "
        "they mark no entities, as B-X and I-X do. They are NN, O, VB. Set "
        "--config.trainer.best_metric=word_accuracy for plain tags."
    )
    assert tags.metric_problem("word_accuracy") is None
    assert tags.metric_problem("f1").endswith("Received: 'f1'.")


def test_splits_without_ends_have_one_scheme():
    """Alone, validation looks like IOB1, in which I-X begins an entity."""
    tags, items = fitted(
        train=[words("B-X O B-X")],
        validation=[words("O I-X"), words("B-X I-X"), words("O I-X")],
        test=[words("S-X I-X")],
    )
    assert [tags.facts(name)["scheme"] for name in items] == [
        *("iob2", "iob2", "bioes")
    ]
    (stray,) = tags.warnings("validation", {})
    assert stray.startswith("split validation: 2 words have a tag that ")


def test_lines_that_can_be_meant_otherwise_are_a_warning():
    uneven = dataclasses.replace(words("O B-X"), num_uneven=1)
    hashes = dataclasses.replace(uneven, num_hashes=1)
    tags, _ = fitted(train=[words("O"), uneven, hashes])
    assert tags.facts("train") == {
        "scheme": "iob2",
        "stray_tags": 0,
        "entities_without_end": 0,
        "uneven_lines": 2,
    }
    assert list(tags.warnings("train", {})) == [
        "split train: 2 lines have another number of columns than most. Their "
        "last column is read as the tag. The first of these sentences is "
        "a.conll, line 2.",
        "split train: 1 sentences begin with the word '#', because this line "
        "has as many columns as most. Remove these lines if they are comments. "
        "The first of these sentences is a.conll, line 3.",
    ]


def test_the_scheme_is_a_fact_and_odd_tags_are_warnings():
    tags, items = fitted(
        train=[words("B-X I-X"), words("O I-X"), words("B-X O")],
        validation=[words("S-X B-X"), words("B-Y E-Y")],
        test=[spans((0, 2, "X"), num_trimmed=1)],
    )
    odd = ("stray_tags", "entities_without_end")
    assert {name: tags.facts(name) for name in items} == {
        "train": {"scheme": "iob2"} | dict(zip(odd, (1, 0), strict=True)),
        "validation": {"scheme": "bioes"} | dict(zip(odd, (0, 1), strict=True)),
        "test": {"trimmed_spans": 1},
    }
    plain, _ = fitted(train=[words("A B")])
    assert plain.facts("train") == {"scheme": "plain"}
    assert items["train"][1] == [[0, 1, 0], [2, 3, 1]]
    assert list(tags.warnings("train", {})) == [
        "split train: 1 words have a tag that continues an entity, but the "
        "word before is in no such entity. Each begins an entity. The first is "
        "'I-X' in a.conll, line 2, word 2."
    ]
    assert list(tags.warnings("validation", {})) == [
        "split validation: 1 entities have no word with the tag of an end (E, "
        "L, S or U). They end where the tags end.",
        "split validation: has types that split train does not have: Y. The "
        "model cannot learn them.",
    ]
    assert list(tags.warnings("test", {})) == [
        "split test: 1 spans began or ended with white space, which is no "
        "longer in them; the first is in a.conll, line 1."
    ]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (
            {"train": [words("B-X I-X O"), words("O PER B-X")]},
            "3 words have tags such as B-X and I-X, and 1 words have tags that "
            "are neither these nor O: 'PER'. The first is a.conll, line 2, "
            "word 2: 'PER'. Correct these tags, or set "
            "--config.task.scheme=plain to learn all tags as they are.",
        ),
        (
            {"train": [words("A B"), spans((0, 1, "X"))]},
            "a.conll, line 2, span 1: spans mark entities, and cannot be used "
            "because other rows have words with plain tags. Received: the span "
            "'X'.",
        ),
        (
            {"train": [words("B-X E-X")], "scheme": "iob2"},
            "a.conll, line 1, word 2: 'E-X' is no tag of iob2. Set "
            "--config.task.scheme=auto, or that of the file.",
        ),
        (
            {"train": [words("A O")], "scheme": "iob2"},
            "1 tags that mark no entities, as B-X and I-X do; set "
            "--config.task.scheme=plain if they are plain:\n"
            "  a.conll, line 1, word 1: 'A'",
        ),
        (
            {"train": [spans((0, 1, "X"))], "scheme": "plain"},
            "because --config.task.scheme=plain. Received: the span 'X'.",
        ),
    ],
)
def test_mixtures_are_refused(splits, message):
    assert message in refusal(**splits)


def test_a_model_refuses_tags_that_it_does_not_know():
    model, _ = fitted(train=[words("B-PER O")])
    assert refusal(model=model, test=[words("B-Per B-PER"), words("O")]) == (
        "1 tags of split test that the model does not know (it knows O, B-PER, "
        "I-PER):\n  a.conll, line 1, word 1: 'B-Per' (looks like 'B-PER', and "
        "is written 'B-Per')"
    )
    assert refusal(model=model, test=[words("A O")]).startswith(
        "1 tags of split test that mark no entities, but those of the model do:"
    )
    # A file without an entity is no file of plain tags.
    assert fitted(model=model, test=[words("O O")])[1]["test"] == [
        [[0, 1, 0], [2, 3, 0]]
    ]
    plain, _ = fitted(train=[words("A O")])
    assert "the model has plain tags" in refusal(
        model=plain, test=[spans((0, 1, "X"))]
    )
    assert "does not know (it knows A, O)" in refusal(
        model=plain, test=[words("B O")]
    )


def test_train_must_have_something_to_learn():
    tags, _ = fitted(train=[words("B-X O")])
    _, targets = tags.fitted({"train": examples(words("O O"))})
    train = Examples({}, targets["train"], Places.numbered("", [1]))
    with pytest.raises(DataError, match="at least one entity. Received: 1 te"):
        tags.check_splits({"train": train})
    plain, _ = fitted(train=[words("O O")])
    _, targets = plain.fitted({"train": examples(words("O O"))})
    train = Examples({}, targets["train"], Places.numbered("", [1]))
    with pytest.raises(DataError, match="at least two tags. Received: only O"):
        plain.check_splits({"train": train})


def test_counts_are_entities_or_words():
    tags, _ = fitted(train=[words("B-PER I-PER B-PER"), spans((0, 1, "LOC"))])
    _, targets = tags.fitted(
        {"train": examples(words("B-PER I-PER O"), spans((0, 1, "LOC")))}
    )
    assert tags.counts(targets["train"]) == {
        "words": 3,
        "spans": 1,
        "examples_by_class": {"LOC": 1, "PER": 1},
    }
    described = [tags.describe(row) for row in targets["train"]]
    assert described == ["B-PER I-PER O", "0-1 LOC"]
    plain, _ = fitted(train=[words("A O")])
    _, targets = plain.fitted({"train": examples(words("O A O"))})
    assert plain.counts(targets["train"])["examples_by_class"] == {
        "A": 1,
        "O": 2,
    }


def test_long_targets_are_described_in_short():
    tags, _ = fitted(train=[words("B-X O")])
    columns = [
        tags.fitted({"a": examples(words("O " * 200 + last))})[1]["a"][0]
        for last in ("O", "B-X", "B-X")
    ]
    one, two, three = map(tags.describe, columns)
    assert one != two == three
    assert len(one) < 140


def test_the_state_is_that_of_a_finished_run():
    tags, _ = fitted(train=[words("B-X O")])
    state = tags.state()
    assert state == {"names": ["O", "B-X", "I-X"], "is_plain": False}
    again = TagsConfig().make_objective().restored(state)
    assert (again.state(), again.num_outputs) == (state, 3)
    for wrong in (
        ["O"],
        {"names": ["O", "B-X"], "is_plain": False},
        {"names": ["O", "O"], "is_plain": True},
        {"names": 7, "is_plain": True},
    ):
        with pytest.raises(ValueError):
            tags.restored(wrong)


# --- Learning ----------------------------------------------------------------

NAMES = entity_spans.tag_names(["LOC", "PER"])
# Two windows: one of four pieces, three of them scored, and one of one piece.
TARGETS = np.zeros((2, 4, tag_columns.NUM_TARGET_COLUMNS), np.int32)
TARGETS[:, :, tag_columns.TAG] = [[3, -1, 4, 0], [-1, 1, -1, -1]]
TARGETS[:, :, tag_columns.DOCUMENT] = [[5], [6]]
TARGETS[:, :, tag_columns.TOKEN] = [[0, 0, 1, 2], [0, 8, 9, 9]]
TARGETS[:, :, tag_columns.IS_WORD] = [[1, 0, 0, 1], [0, 1, 1, 0]]


def tags_of(**settings):
    return Tags(TagsConfig(**settings), NAMES, is_plain=False)


def test_losses_are_means_over_scored_tokens():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 5)).astype(np.float32)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    # What is not scored does not count, whatever it is.
    logits[0, 1] = np.inf
    chosen = [[log_p[0, 0, 3], log_p[0, 2, 4], log_p[0, 3, 0]]]
    expected = [-np.mean(chosen), -log_p[1, 1, 1]]
    tags = tags_of()
    losses = tags.example_losses(tf.constant(TARGETS), tf.constant(logits))
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    weights = tags.example_weights(tf.constant(TARGETS))
    assert weights.numpy().tolist() == [3.0, 1.0]
    kept = tags.summarize(tf.constant(TARGETS), tf.constant(logits))
    np.testing.assert_allclose(
        kept["loss"], [3 * expected[0], expected[1]], rtol=1e-6
    )
    smoothed = tags_of(label_smoothing=0.2).example_losses(
        tf.constant(TARGETS[1:]), tf.constant(logits[1:])
    )
    np.testing.assert_allclose(
        smoothed, [0.8 * expected[1] - 0.2 * log_p[1, 1].mean()], rtol=1e-6
    )


def test_a_window_without_scored_tokens_has_no_loss_and_no_weight():
    targets = tf.constant(TARGETS[:1, 1:2])
    logits = tf.zeros([1, 1, 5])
    assert tags_of().example_losses(targets, logits).numpy().tolist() == [0.0]
    assert tags_of().example_weights(targets).numpy().tolist() == [0.0]


def test_right_answers_have_the_best_metrics():
    tags = tags_of()
    logits = 50 * tf.one_hot(TARGETS[:, :, tag_columns.TAG], 5)
    kept = {
        name: value.numpy()
        for name, value in tags.summarize(tf.constant(TARGETS), logits).items()
    }
    metrics = tags.measure([kept])
    assert metrics["num_examples"] == 2
    assert metrics["loss"] == pytest.approx(0.0, abs=1e-12)
    for name in tags.metrics[1:]:
        assert metrics[name] == 1.0, name
        assert tags.scalar(metrics, name) == 1.0
    assert tags.scalar(metrics, "per_class/PER/span_f1") == 1.0
    (metric,) = tags.make_train_metrics()
    metric.update_state(
        tf.constant(TARGETS), logits, tags.example_weights(TARGETS)
    )
    assert (metric.name, float(metric.result())) == ("accuracy", 1.0)
    metric.update_state(
        tf.constant(TARGETS),
        tf.zeros([2, 4, 5]),  # The answer O, right for one of four.
        tags.example_weights(TARGETS),
    )
    assert float(metric.result()) == pytest.approx((4 + 1) / 8)


def test_metrics_are_known_by_name():
    tags = tags_of()
    for name in ("entity_f1", "loss", "per_class/PER/f1", "word_accuracy"):
        assert tags.metric_problem(name) is None
    assert "one of loss, entity_precision" in tags.metric_problem("f1")
    assert tags.metric_problem("per_class/per/f1") == (
        "per_class/NAME/METRIC with a type of the data. Received: "
        "'per_class/per/f1' (looks like 'PER', and is written 'per'). Choices: "
        "LOC, PER."
    )
    plain = Tags(TagsConfig(), ["A", "O"], is_plain=True)
    assert plain.metric_problem("word_accuracy") is None
    assert plain.metric_problem("per_class/A/f1") is None
    assert "one of loss, token_accuracy" in plain.metric_problem("entity_f1")
    # Before the data is known, it can be of both kinds.
    unknown = TagsConfig().make_objective()
    for name in ("entity_f1", "per_class/A/f1", "per_class/A/span_f1"):
        assert unknown.metric_problem(name) is None
    plain = TagsConfig(scheme="plain").make_objective()
    assert plain.metric_problem("per_class/A/f1") is None
    assert plain.metric_problem("per_class/A/span_f1") == (
        "one of loss, token_accuracy, word_accuracy, macro_precision, "
        "macro_recall, macro_f1, weighted_precision, weighted_recall, "
        "weighted_f1, or per_class/NAME/METRIC with one of precision, recall, "
        "f1. Received: 'per_class/A/span_f1'."
    )


def test_a_metric_of_what_a_split_does_not_have_is_undefined():
    targets = Ragged(TARGETS[0], np.array([0, 4]))
    tags = tags_of()
    assert tags.why_undefined("entity_f1", targets) is None
    assert tags.why_undefined("per_class/PER/f1", targets) is None
    assert tags.why_undefined("per_class/LOC/f1", targets) == (
        "has no entity of the type 'LOC'"
    )
    empty = Ragged(TARGETS[0, 3:], np.array([0, 1]))
    assert tags.why_undefined("entity_f1", empty) == "has no entity"
    assert tags.why_undefined("word_accuracy", empty) is None


# --- Answers -----------------------------------------------------------------


def test_answers_are_what_the_reader_reads():
    text = "Angela Merkel saw Paris"
    outputs = {
        "tag": [[b"B-PER", b"I-PER", b"I-LOC", b"B-LOC", b""]],
        "start": np.array([[0, 7, 14, 18, -1]]),
        "end": np.array([[6, 13, 17, 23, -1]]),
        "score": np.array([[0.5, 0.75, 1.0, 0.25, 0.0]], np.float32),
    }
    (answer,) = tags_of().answers(outputs)
    assert answer == {
        "label": [[0, 13, "PER"], [18, 23, "LOC"]],
        "score": [0.625, 0.25],
    }
    assert raw_tags.parse(answer["label"], text) == raw_tags.RawTags(
        [(0, 13), (18, 23)], ["PER", "LOC"], False
    )
    (short,) = tags_of().answers(outputs, is_short=True)
    assert short == {"label": answer["label"]}
    plain = Tags(TagsConfig(), ["A", "O"], is_plain=True)
    outputs["tag"] = [[b"A", b"A", b"O", b"A", b""]]
    (answer,) = plain.answers(outputs, is_short=True, scores=True)
    assert answer == {
        "label": {
            "words": [[0, 6], [7, 13], [14, 17], [18, 23]],
            "tags": ["A", "A", "O", "A"],
        },
        "score": [0.5, 0.75, 1.0, 0.25],
    }
    assert raw_tags.parse(answer["label"], text).tags == ["A", "A", "O", "A"]


def test_an_answer_says_if_entities_are_missing():
    outputs = {
        "entity_label": [[b"PER"], [b""]],
        "entity_start": np.array([[0], [-1]]),
        "entity_end": np.array([[6], [-1]]),
        "entity_score": np.array([[0.5], [0.0]], np.float32),
        "num_entities": np.array([3, 0]),
    }
    assert list(tags_of().answers(outputs, is_short=True)) == [
        {"label": [[0, 6, "PER"]], "num_entities": 3},
        {"label": []},
    ]


# --- Words -------------------------------------------------------------------


def test_the_card_names_types_or_tags():
    tags = tags_of()
    assert tags.purpose("texts") == (
        "Finds entities of 2 types in texts: `LOC`, `PER`"
    )
    plain = Tags(TagsConfig(), ["A", "O"], is_plain=True)
    assert plain.purpose("texts") == (
        "Gives each token of texts one of 2 tags: `A`, `O`"
    )
    logits = tf.zeros([2, 4, 5])
    kept = tags.summarize(tf.constant(TARGETS), logits)
    metrics = tags.measure([{n: v.numpy() for n, v in kept.items()}])
    tables = tags.quality(metrics)
    assert [table[0][0] for table in tables] == [
        "entities of",
        "word accuracy",
        "type",
    ]
    for header, rows in tables:
        assert {len(row) for row in rows} == {len(header)}
    assert any("`LOC` (F1 0.0000)" in x for x in tags.limits("test", metrics))
    assert "f1_by_type" in tags.pictures(metrics)


def test_padding_does_not_count_when_two_types_are_compared():
    targets = np.zeros((1, 4, 4), np.int32)
    targets[0, [0, 3], tag_columns.TAG] = tag_columns.NOT_SCORED
    objective = (
        TagsConfig()
        .make_objective()
        .restored({"names": ["O", "A"], "is_plain": True})
    )
    logits = np.array([[[9, 0], [0, 9], [9, 0], [0, 9]]], np.float32)
    found = objective.compared(targets, tf.constant(logits))
    assert found["tag_id"].numpy().tolist() == [[0, 1, 0, 0]]
    is_zero = (found["probabilities"].numpy() == 0).all(axis=-1)
    assert is_zero.tolist() == [[True, False, False, True]]
