"""One class for each example: for images what it is for texts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from trainers import tasks
from trainers.config import ExperimentConfig
from trainers.config import TextDataConfig
from trainers.data.examples import Examples
from trainers.data.places import Places
from trainers.errors import ConfigError
from trainers.objectives.single_label import SingleLabel
from trainers.objectives.single_label import SingleLabelConfig

NAMES = ["cat", "dog", "猫"]
LOGITS = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0], [0, 0, 0]], np.float32)
TARGETS = np.array([0, 2, 2], np.int32)


def make_objective(config, names=NAMES, targets=TARGETS):
    return SingleLabel(config, names).for_training(targets)


def losses(config, logits=LOGITS):
    return make_objective(config).example_losses(TARGETS, logits).numpy()


def make_experiment(inputs, settings):
    """Returns a config on images or texts."""
    config = ExperimentConfig(task=SingleLabelConfig(**settings))
    if inputs == "texts":
        config.data = TextDataConfig(train="unused.csv")
        config.model = tfmodels.BertClassifierConfig()
    return config


def make_examples(targets):
    targets = np.asarray(targets, None if len(targets) else object)
    places = Places.numbered("row ", range(len(targets)))
    return Examples({}, targets, places)


# The loss.


def test_the_loss_is_the_cross_entropy_to_the_bit():
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(TARGETS, LOGITS)
    np.testing.assert_array_equal(losses(SingleLabelConfig()), expected)


def test_smoothing_mixes_the_loss_with_that_of_all_classes():
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    right = log_p[np.arange(3), TARGETS]
    np.testing.assert_allclose(
        losses(SingleLabelConfig(label_smoothing=0.2)),
        -0.8 * right - 0.2 * log_p.mean(axis=1),
        rtol=1e-5,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("text", ["none", "dog=3,cat=0.7"])
def test_without_gamma_no_bit_differs_from_older_versions(smoothing, text):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (200, 3)).astype(np.float32)
    targets = rng.integers(0, 3, 200).astype(np.int32)
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    if smoothing:
        uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
        expected = (1 - smoothing) * expected + smoothing * uniform
    if text != "none":
        expected *= np.array([0.7, 3, 1], np.float32)[targets]
    config = SingleLabelConfig(smoothing, text, focal_gamma=0.0)
    got = make_objective(config).example_losses(targets, logits)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("inputs", ["images", "texts"])
@pytest.mark.parametrize(
    "settings",
    [
        {"focal_gamma": 2.0},
        {"focal_gamma": 0.5},
        {"focal_gamma": 1.0, "label_smoothing": 0.2},
        {"focal_gamma": 2.0, "class_weights": "dog=3,cat=0.5"},
        {
            "focal_gamma": 5.0,
            "label_smoothing": 0.1,
            "class_weights": "balanced",
        },
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_the_focal_loss_is_that_of_keras(inputs, settings):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (50, 3)).astype(np.float32)
    targets = rng.integers(0, 3, 50).astype(np.int32)
    reference = keras.losses.CategoricalFocalCrossentropy(
        alpha=1.0,
        gamma=settings["focal_gamma"],
        label_smoothing=settings.get("label_smoothing", 0.0),
        from_logits=True,
        reduction=None,
    )
    expected = reference(np.eye(3, dtype=np.float32)[targets], logits).numpy()
    if settings.get("class_weights") == "balanced":
        expected *= (50 / 3 / np.bincount(targets))[targets]
    elif "class_weights" in settings:
        expected *= np.array([0.5, 3, 1])[targets]
    task = tasks.make_task(make_experiment(inputs, settings))
    objective = task.objective.restored(NAMES).for_training(targets)
    got = objective.example_losses(targets, logits)
    assert got.dtype == tf.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-7)
    plain = dict(settings, focal_gamma=0.0)
    objective = make_objective(SingleLabelConfig(**plain), targets=targets)
    assert (
        np.abs(objective.example_losses(targets, logits) - got) > 1e-3
    ).any()


@pytest.mark.parametrize(
    "settings",
    [{}, {"label_smoothing": 0.2}, {"class_weights": "balanced"}],
    ids=str,
)
@pytest.mark.parametrize("inputs", ["images", "texts"])
def test_images_and_texts_have_one_loss(inputs, settings):
    task = tasks.make_task(make_experiment(inputs, settings))
    objective = task.objective.restored(NAMES).for_training(TARGETS)
    found = objective.example_losses(TARGETS, LOGITS).numpy()
    expected = losses(SingleLabelConfig(focal_gamma=0.0, **settings))
    np.testing.assert_array_equal(found, expected)
    if settings:
        assert (found != losses(SingleLabelConfig())).any()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 100.0])
def test_answers_without_doubt_have_finite_losses_and_gradients(
    gamma, smoothing
):
    objective = make_objective(SingleLabelConfig(smoothing, "none", gamma))
    # Right, wrong, and undecided.
    logits = tf.constant([[200.0, 0, 0], [0, 200, 0], [0, 0, 0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        found = objective.example_losses(TARGETS, logits)
    assert np.isfinite(found).all()
    assert np.isfinite(tape.gradient(found, logits)).all()
    if not smoothing:
        np.testing.assert_allclose(found[:2], [0, 200], atol=1e-4)


def test_the_focal_loss_is_float32_with_any_dtype_of_the_model():
    objective = make_objective(SingleLabelConfig(focal_gamma=2.0))
    logits = tf.constant(LOGITS * 10, tf.float16)
    found = objective.example_losses(TARGETS, logits)
    assert found.dtype == tf.float32
    expected = objective.example_losses(TARGETS, tf.cast(logits, tf.float32))
    np.testing.assert_array_equal(found, expected)


# Targets.


def test_what_is_fitted_is_another_objective():
    before = SingleLabel(SingleLabelConfig(class_weights="dog=3"))
    words = make_examples(np.array(["猫", "cat", "dog", "cat"] * 3, object))
    after, targets = before.fitted({"train": words})
    assert before.names is None
    assert (after.names, after.num_outputs) == (NAMES, 3)
    assert targets["train"].tolist() == [2, 0, 1, 0] * 3
    assert words.targets.tolist() == ["猫", "cat", "dog", "cat"] * 3
    after = after.for_training(targets["train"])
    target = np.array([1], np.int32)
    ratio = after.example_losses(target, LOGITS[:1]) / SingleLabel(
        SingleLabelConfig(), NAMES
    ).example_losses(target, LOGITS[:1])
    np.testing.assert_allclose(ratio, [3], rtol=1e-6)
    with pytest.raises(ConfigError, match="Names: ham, spam"):
        before.restored(["ham", "spam"]).for_training(TARGETS)


def test_numbers_of_a_source_get_its_names():
    before = SingleLabel(SingleLabelConfig())
    splits = {"train": make_examples([1, 0, 1]), "test": make_examples([1])}
    after, targets = before.fitted(splits, ["no", "yes"])
    assert after.names == ["no", "yes"]
    assert [t.tolist() for t in targets.values()] == [[1, 0, 1], [1]]
    # The order of a model that was trained before.
    after, targets = before.restored(["yes", "no"]).fitted(
        splits, ["no", "yes"]
    )
    assert after.names == ["yes", "no"]
    assert [t.tolist() for t in targets.values()] == [[0, 1, 0], [0]]


def test_a_label_of_a_file_has_no_white_space_around_it():
    objective = SingleLabel(SingleLabelConfig())
    assert objective.parse({"label": " a b\t"}) == "a b"
    for label in ("", " \n"):
        with pytest.raises(ValueError, match="^the label is empty$"):
            objective.parse({"label": label})
    assert objective.target_columns(TextDataConfig(label_column="kind")) == {
        "label": "kind"
    }
    assert objective.strata(("a", "b", "a")) == ["a", "b", "a"]


def test_the_state_is_the_names():
    objective = SingleLabel(SingleLabelConfig(), NAMES)
    assert objective.state() == NAMES
    assert SingleLabel(SingleLabelConfig()).restored(NAMES).names == NAMES


# Metrics.


def test_perfect_answers_give_the_best_metrics():
    names = ["cat", "dog", "owl"]
    objective = SingleLabel(SingleLabelConfig(), names)
    targets = np.array([0, 1, 2, 2, 1, 0], np.int32)
    logits = np.eye(3, dtype=np.float32)[targets] * 100
    batches = [
        objective.summarize(targets[rows], logits[rows])
        for rows in (slice(4), slice(4, 6))
    ]
    metrics = objective.measure(iter(batches))
    assert metrics["loss"] == pytest.approx(0)
    for name in ("accuracy", "macro_f1", "roc_auc", "pr_auc"):
        assert metrics[name] == 1.0
        assert objective.scalar(metrics, name) == 1.0
        assert not objective.is_better_low(name)
    assert objective.is_better_low("loss")
    assert objective.scalar(metrics, "per_class/owl/recall") == 1.0
    assert metrics["num_examples"] == 6
    assert "owl" in objective.text_report(metrics)
    (picture,) = objective.pictures(metrics).values()
    assert picture.dtype == np.uint8
    assert [objective.describe(target) for target in targets[:3]] == names


def test_a_metric_of_a_class_needs_the_class_once_the_data_is_known():
    before = SingleLabel(SingleLabelConfig())
    after = before.restored(["a/b", "c"])
    for name in ("loss", "roc_auc", "per_class/a/b/f1", "per_class/c/recall"):
        assert before.metric_problem(name) is None
        assert after.metric_problem(name) is None
    assert before.metric_problem("per_class/eggs/f1") is None
    assert after.metric_problem("per_class/eggs/f1") == (
        "per_class/NAME/METRIC with a class of the data. Received: "
        "'per_class/eggs/f1'. Choices: a/b, c."
    )
    expected = f"one of {before.metric_words()}. Received: 'f1'."
    assert before.metric_problem("f1") == expected
    assert after.metric_problem("f1") == expected


# Answers.


def test_answers_are_long_or_short():
    objective = SingleLabel(SingleLabelConfig(), NAMES)
    outputs = {
        k: v.numpy() for k, v in objective.outputs(tf.constant(LOGITS)).items()
    }
    long = list(objective.answers(outputs))
    assert [list(answer) for answer in long] == [
        ["label", "class_id", "probabilities", "logits"]
    ] * 3
    assert [answer["label"] for answer in long] == ["dog", "猫", "cat"]
    assert [answer["class_id"] for answer in long] == [1, 2, 0]
    assert [answer["logits"] for answer in long] == LOGITS.tolist()
    short = list(objective.answers(outputs, is_short=True))
    assert short == [
        {
            "label": answer["label"],
            "probability": max(answer["probabilities"]),
        }
        for answer in long
    ]
    scored = list(objective.answers(outputs, is_short=True, scores=True))
    assert scored == [
        answer
        | {"scores": dict(zip(NAMES, full["probabilities"], strict=True))}
        for answer, full in zip(short, long, strict=True)
    ]
    # A short answer needs these outputs alone.
    del outputs["class_id"], outputs["logits"]
    assert list(objective.answers(outputs, is_short=True)) == short


# Words.


def test_a_split_without_a_class_is_suspicious():
    objective = SingleLabel(SingleLabelConfig(), NAMES)
    facts = objective.counts(np.array([1, 1, 0], np.int32))
    assert facts == {"examples_by_class": {"cat": 1, "dog": 2, "猫": 0}}
    for split in ("train", "test"):
        assert list(objective.warnings(split, facts)) == [
            f"split {split}: no example of 1 of 3 classes: 猫."
        ]


def test_a_model_card_names_classes_and_the_weakest_of_them():
    objective = SingleLabel(SingleLabelConfig(), NAMES)
    assert objective.purpose("texts") == (
        "Classifies texts into 3 classes: `cat`, `dog`, `猫`"
    )
    targets = np.array([0, 1, 1], np.int32)
    logits = np.eye(3, dtype=np.float32)[[0, 1, 0]]
    metrics = objective.measure([objective.summarize(targets, logits)])
    (overall, of_class) = objective.quality(metrics)
    assert overall[0] == [
        "accuracy",
        "macro F1",
        "ROC-AUC",
        "PR-AUC",
        "log loss",
    ]
    assert overall[1][0][0] == metrics["accuracy"] == pytest.approx(2 / 3)
    assert [row[0] for row in of_class[1]] == NAMES
    assert [row[-1] for row in of_class[1]] == [1, 2, 0]
    assert len(objective.limits(None, None)) == 2
    assert objective.limits("test", metrics)[2] == (
        "Weakest classes on the split test: `cat` (F1 0.6667), `dog` "
        "(F1 0.6667)."
    )
    assert objective.limits("test", metrics)[3:] == [
        "Not measured, because the split test has no example: `猫` (1 classes)."
    ]


def test_a_class_derived_from_it_stays_what_it_is():
    class Quiet(SingleLabel):
        """Learns nothing."""

        def example_losses(self, targets, logits):
            return tf.zeros(len(targets))

    first = Quiet(SingleLabelConfig())
    examples = Examples(
        {}, np.array(["a", "b"], object), Places.numbered("row ", range(2))
    )
    fitted, targets = first.fitted({"train": examples})
    again = first.restored(fitted.state())
    for objective in (fitted, fitted.for_training(targets["train"]), again):
        assert type(objective) is Quiet
        assert objective.names == ["a", "b"]


def test_a_model_card_of_many_classes_stays_short():
    names = [f"class {i}" for i in range(10_000)]
    objective = SingleLabel(SingleLabelConfig(), names)
    purpose = objective.purpose("texts")
    assert purpose.startswith("Classifies texts into 10,000 classes: `class 0`")
    assert purpose.endswith(
        "`class 9`, ... (the manifest of the version names all of them)"
    )
    targets = np.arange(100, dtype=np.int32)
    logits = np.zeros((100, 10_000), np.float32)
    logits[targets, targets] = 1
    metrics = objective.measure([objective.summarize(targets, logits)])
    _, (header, rows) = objective.quality(metrics)
    assert header[0] == "class, lowest and highest F1 of 10,000"
    assert [row[0] for row in rows] == names[:20] + names[80:100]
    assert objective.limits("test", metrics)[3:] == [
        "Not measured, because the split test has no example: "
        + ", ".join(f"`class {i}`" for i in range(100, 110))
        + ", ... (9,900 classes)."
    ]


def test_a_message_about_many_classes_stays_short():
    names = [f"c{i}" for i in range(10_000)]
    objective = SingleLabel(SingleLabelConfig(class_weights="d=2"), names)
    problem = objective.metric_problem("per_class/d/f1")
    assert problem.endswith("c28, c29, ... (10,000 in all).")
    with pytest.raises(ConfigError) as error:
        objective.for_training(TARGETS)
    assert str(error.value).endswith("c28, c29, ... (10,000 in all).")


def test_a_metric_that_a_split_cannot_define_is_known():
    objective = SingleLabel(SingleLabelConfig(), NAMES)
    one_class = np.array([1, 1], np.int32)
    assert objective.why_undefined("roc_auc", one_class) == (
        "has only examples of the class 'dog'"
    )
    assert objective.why_undefined("per_class/猫/f1", one_class) == (
        "has no example of the class '猫'"
    )
    assert objective.why_undefined("macro_f1", one_class) is None
