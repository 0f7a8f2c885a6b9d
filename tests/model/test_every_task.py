"""What every pair of inputs and an objective must do.

A new kind of data or of objective needs an entry in `CASES` and nothing else
here. Four of the cases are of a package of a user, `tests/own_package`.
"""

import copy
import dataclasses
import itertools
import shutil
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_runs
import worker_runs
from repository import ROOT

import tfmodels
from trainers import config as c
from trainers import tasks
from trainers.config import kinds
from trainers.config import rules as config_rules
from trainers.data import pipeline
from trainers.distribution.workers import ALONE
from trainers.evaluation import evaluator as evaluator_lib
from trainers.evaluation.evaluator import Evaluator
from trainers.objectives import tag_columns
from trainers.objectives import tag_metrics
from trainers.runtime import columns
from trainers.serving import exporter
from trainers.serving.proof import checker
from trainers.serving.proof import rules
from trainers.training import checkpointing
from trainers.training import fitting
from trainers.training import state
from trainers.training import steps as steps_lib

CLASSES = ("ant", "bee", "cat")
# With batches of 4: 4 steps, and a row that fills the last one.
NUM_TRAIN, NUM_VALIDATION = tiny_runs.NUM_EXAMPLES, 6
BATCH_SIZE = tiny_runs.BATCH_SIZE


def outputs_of_logits(loaded, logits):
    return loaded.task.objective.outputs(logits)


@dataclasses.dataclass(frozen=True)
class Case:
    """A tiny experiment on files.

    Attributes:
        make_config: Function from a directory to an `ExperimentConfig`. It
            writes `NUM_TRAIN` examples for train and `NUM_VALIDATION` each for
            validation and test, of all classes.
        right_logits: Function from a column of targets and the number of
            outputs to logits that answer them with certainty.
        best: The best value of each metric, for logits of `right_logits`.
        words: The first five targets of train in words; `None` if there are
            no targets.
        num_test: Number of examples of test that metrics name. A long text is
            one, but several rows of a batch.
        outputs_fn: Function from `Loaded` and the logits of test to what its
            raw examples are answered with.
    """

    make_config: Callable
    right_logits: Callable
    best: dict
    words: tuple | None = ("ant", "bee", "cat", "ant", "bee")
    num_test: int = NUM_VALIDATION
    outputs_fn: Callable = outputs_of_logits


def one_hot(targets, num_outputs):
    return np.where(np.eye(num_outputs)[targets], 50.0, -50.0)


def signs(targets, num_outputs):
    return np.where(targets, 50.0, -50.0)


def standardized(targets, num_outputs):
    assert num_outputs == 1
    return targets[:, np.newaxis]


def tag_counts(targets, num_outputs):
    return np.array([np.bincount(x, minlength=num_outputs) for x in targets])


def tags_of_pieces(targets, num_outputs):
    """As the network gives them: with [CLS], [SEP] and padding."""
    logits = np.zeros((len(targets), 8, num_outputs))
    for row, pieces in enumerate(targets):
        tags = pieces[:, tag_columns.TAG]
        logits[row, 1 : len(tags) + 1] = one_hot(tags, num_outputs)
    return logits


def outputs_of_windows(loaded, logits):
    """Puts the scored tokens of the windows of test together.

    Each word of these texts is a token, and a space is between two words.
    """
    texts = {}
    for pieces, row in zip(loaded.splits.test.targets, logits, strict=True):
        for (tag, document, token, _), x in zip(pieces, row[1:], strict=False):
            if tag != tag_columns.NOT_SCORED:
                texts.setdefault(document, {})[token] = tf.nn.softmax(x).numpy()
    raw = loaded.task.inputs.load_raw(
        loaded.config.data, "test", loaded.task.objective
    )
    shape = len(texts), max(map(len, texts.values()))
    found = {
        "tag": np.full(shape, b"", object),
        "start": np.full(shape, -1, np.int32),
        "end": np.full(shape, -1, np.int32),
        "score": np.zeros(shape, np.float32),
    }
    for document, text in enumerate(raw.features["text"]):
        words = text.split(b" ")
        ends = np.cumsum([len(word) + 1 for word in words]) - 1
        for token, (word, end) in enumerate(zip(words, ends, strict=True)):
            scores = texts[document].pop(token)
            tag = loaded.task.objective.names[scores.argmax()].encode()
            values = tag, end - len(word), end, scores.max()
            for name, value in zip(found, values, strict=True):
                found[name][document, token] = value
        assert not texts[document]
    return {name: tf.constant(values) for name, values in found.items()}


def ones(targets, num_outputs):
    assert targets is None
    return np.ones((6, num_outputs))


SCORES = ("precision", "recall", "f1")
ONE_LABEL = dict.fromkeys(
    (
        *("accuracy", "macro_precision", "macro_recall", "macro_f1"),
        *("micro_precision", "micro_recall", "micro_f1"),
        *("weighted_precision", "weighted_recall", "weighted_f1"),
        *("roc_auc", "pr_auc"),
    ),
    1.0,
) | {"loss": 0.0}
# Samples without labels have no label that could be found.
MANY_LABELS = dict.fromkeys(
    (
        *(f"{a}_{s}" for a in ("micro", "macro", "weighted") for s in SCORES),
        *("subset_accuracy", "lrap", "map"),
    ),
    1.0,
) | dict.fromkeys((f"samples_{s}" for s in SCORES), 5 / 6)
MANY_LABELS |= {"loss": 0.0, "hamming_loss": 0.0}
NUMBER = {
    **dict.fromkeys(("loss", "mse", "mae"), 0.0),
    **dict.fromkeys(("r2", "pearson", "spearman"), 1.0),
}
# The targets of train, whose mean is 0 and whose deviation is 1.
NUMBERS = (2, -1, 0.5, -1, 1, -1, 1, -0.5, 1, -1, 1, -1, 0.5, -0.5, -1)
NUMBERS_IN_WORDS = ("2", "-1", "0.5", "-1", "1")
ANY_LABELS = {"loss": 0.0, "subset_accuracy": 1.0, "micro_f1": 1.0}


def with_settings(data, model, task=None):
    """Returns an experiment that `tiny_runs` can run."""
    return c.ExperimentConfig(
        data=data,
        task=task or c.SingleLabelConfig(label_smoothing=0.1),
        model=model,
        optimizer=c.OptimizerConfig(learning_rate=0.01),
        trainer=c.TrainerConfig(
            epochs=tiny_runs.EPOCHS,
            save_every_seconds=0.0,
            steps_per_execution=1,
        ),
    )


def make_images(directory):
    rng = np.random.default_rng(0)
    arrays = {}
    for name, size in (("train", 15), ("validation", 6), ("test", 6)):
        arrays[f"x_{name}"] = rng.integers(0, 256, (size, 4, 4), np.uint8)
        arrays[f"y_{name}"] = np.arange(size) % len(CLASSES)
    np.savez(directory / "a.npz", class_names=np.array(CLASSES), **arrays)
    return with_settings(
        c.ImageDataConfig(
            source="npz",
            path=str(directory / "a.npz"),
            random_shift=0.25,
            global_batch_size=BATCH_SIZE,
        ),
        tfmodels.MnistMlpConfig(
            image_shape=(4, 4), hidden_dims=(8,), dropout=0.25
        ),
    )


def make_images_with_labels(directory):
    from team.multi_label import MultiLabelConfig

    config = make_images(directory)
    config.task = MultiLabelConfig()
    with np.load(directory / "a.npz") as archive:
        arrays = dict(archive)
    for name in ("y_train", "y_validation", "y_test"):
        bits = np.arange(len(arrays[name]))[:, np.newaxis] >> np.arange(3)
        arrays[name] = bits & 1
    np.savez(directory / "a.npz", **arrays)
    return config


def make_images_with_many_labels(directory):
    config = make_images_with_labels(directory)
    config.task = c.MultiLabelConfig(positive_weights="balanced")
    return config


def make_images_with_numbers(directory):
    config = make_images(directory)
    config.task = c.RegressionConfig()
    with np.load(directory / "a.npz") as archive:
        arrays = dict(archive)
    del arrays["class_names"]
    for name in ("y_train", "y_validation", "y_test"):
        arrays[name] = np.array(NUMBERS[: len(arrays[name])], np.float32)
    np.savez(directory / "a.npz", **arrays)
    return config


def write_texts(directory, label_of, data_class=c.TextDataConfig):
    """Writes texts of several lengths, and returns settings for them."""
    rng = np.random.default_rng(0)
    fields = ["text"]
    if data_class is c.TextPairDataConfig:
        fields.append("text_pair")
    for name, size in (("train", 15), ("validation", 6), ("test", 6)):
        lines = [",".join([*fields, "label"])]
        for number in range(size):
            cells = [
                " ".join(rng.choice(["red", "blue", "sky", "sea"], count))
                for count in (number % 9 + 1, number % 4)[: len(fields)]
            ]
            cells[0] += f" {name}"
            lines.append(",".join([*cells, str(label_of(number))]))
        (directory / f"{name}.csv").write_text("\n".join(lines) + "\n")
    data = data_class(
        train=str(directory / "train.csv"),
        validation=str(directory / "validation.csv"),
        test=str(directory / "test.csv"),
        sequence_length=8,
        global_batch_size=BATCH_SIZE,
        cache_dir="none",
    )
    model = tfmodels.BertClassifierConfig(
        encoder=tfmodels.EncoderConfig(
            vocabulary_size=100,
            num_layers=1,
            num_heads=2,
            hidden_dim=8,
            intermediate_dim=16,
        ),
        pooling="mean",
    )
    return data, model


def make_texts(directory):
    return with_settings(
        *write_texts(directory, lambda number: CLASSES[number % 3])
    )


def make_texts_with_labels(directory):
    from team.multi_label import MultiLabelConfig

    def label_of(number):
        return ";".join(x for i, x in enumerate(CLASSES) if number >> i & 1)

    return with_settings(
        *write_texts(directory, label_of), task=MultiLabelConfig()
    )


def make_texts_with_many_labels(directory):
    config = make_texts_with_labels(directory)
    config.task = c.MultiLabelConfig()
    return config


def make_texts_with_numbers(directory):
    return with_settings(
        *write_texts(directory, NUMBERS.__getitem__),
        task=c.RegressionConfig(loss="huber", huber_delta=2.0),
    )


def make_pairs(directory):
    return with_settings(
        *write_texts(
            directory,
            lambda number: CLASSES[number % 3],
            c.TextPairDataConfig,
        )
    )


def make_pairs_with_many_labels(directory):
    def label_of(number):
        return ";".join(x for i, x in enumerate(CLASSES) if number >> i & 1)

    return with_settings(
        *write_texts(directory, label_of, c.TextPairDataConfig),
        task=c.MultiLabelConfig(),
    )


def make_pairs_with_numbers(directory):
    return with_settings(
        *write_texts(directory, NUMBERS.__getitem__, c.TextPairDataConfig),
        task=c.RegressionConfig(clip_to_training_range=True),
    )


def make_tagged_texts(directory):
    """Words with tags; a text of seven tokens becomes two windows."""
    for name, long in (
        ("train", (6, 11)),
        ("validation", (3,)),
        ("test", (3,)),
    ):
        blocks = []
        for number in range(5 if len(long) == 1 else 13):
            words = 7 if number in long else number % 4 + 1
            kind, start = CLASSES[number % 3], number % 2
            tags = ["O"] * start + [f"B-{kind}", f"I-{kind}"]
            tags = (tags + ["O"] * words)[:words]
            letters = (name[:2] + "cdefgh")[-words:]
            pairs = zip(letters, tags, strict=True)
            blocks.append("\n".join(map(" ".join, pairs)))
        file = directory / f"{name}.conll"
        file.write_text("\n\n".join(blocks) + "\n")
    data, model = write_texts(directory, str)
    settings = {
        field.name: getattr(data, field.name)
        for field in dataclasses.fields(data)
    }
    for name in ("train", "validation", "test"):
        settings[name] = str(directory / f"{name}.conll")
    return with_settings(
        c.TaggedTextDataConfig(**settings),
        tfmodels.BertTaggerConfig(encoder=model.encoder),
        c.TagsConfig(label_smoothing=0.1),
    )


def make_images_without_targets(directory):
    from team.one_class import OneClassConfig

    config = make_images(directory)
    config.task = OneClassConfig()
    return config


def make_vectors(
    directory, label_of=lambda number: CLASSES[number % 3], task=None
):
    from team.vectors import LinearConfig
    from team.vectors import VectorDataConfig

    rng = np.random.default_rng(0)
    for name, size in (("train", 15), ("validation", 6), ("test", 6)):
        lines = [
            f"{a:.3f},{b:.3f},{label_of(number)}\n"
            for number, (a, b) in enumerate(rng.normal(size=(size, 2)))
        ]
        (directory / f"{name}.csv").write_text("".join(lines))
    return with_settings(
        VectorDataConfig(
            train=str(directory / "train.csv"),
            validation=str(directory / "validation.csv"),
            test=str(directory / "test.csv"),
            global_batch_size=BATCH_SIZE,
        ),
        LinearConfig(num_features=2),
        task,
    )


def make_vectors_with_tags(directory):
    from team.tag_counts import TagCountsConfig

    def tags_of(number):
        return " ".join(CLASSES[i % 3] for i in range(number, number * 2 % 7))

    return make_vectors(directory, tags_of, TagCountsConfig())


CASES = {
    ("images", "single_label"): Case(make_images, one_hot, ONE_LABEL),
    ("images", "own"): Case(
        make_images_with_labels,
        signs,
        ANY_LABELS,
        ("none", "ant", "bee", "ant, bee", "cat"),
    ),
    ("images", "regression"): Case(
        make_images_with_numbers, standardized, NUMBER, NUMBERS_IN_WORDS
    ),
    ("texts", "single_label"): Case(make_texts, one_hot, ONE_LABEL),
    ("texts", "regression"): Case(
        make_texts_with_numbers, standardized, NUMBER, NUMBERS_IN_WORDS
    ),
    ("text_pairs", "single_label"): Case(make_pairs, one_hot, ONE_LABEL),
    ("text_pairs", "multi_label"): Case(
        make_pairs_with_many_labels,
        signs,
        MANY_LABELS,
        ("none", "ant", "bee", "ant, bee", "cat"),
    ),
    ("text_pairs", "regression"): Case(
        make_pairs_with_numbers, standardized, NUMBER, NUMBERS_IN_WORDS
    ),
    ("texts", "own"): Case(
        make_texts_with_labels,
        signs,
        ANY_LABELS,
        ("none", "ant", "bee", "ant, bee", "cat"),
    ),
    ("images", "multi_label"): Case(
        make_images_with_many_labels,
        signs,
        MANY_LABELS,
        ("none", "ant", "bee", "ant, bee", "cat"),
    ),
    ("texts", "multi_label"): Case(
        make_texts_with_many_labels,
        signs,
        MANY_LABELS,
        ("none", "ant", "bee", "ant, bee", "cat"),
    ),
    ("tagged_texts", "tags"): Case(
        make_tagged_texts,
        tags_of_pieces,
        dict.fromkeys(tag_metrics.ENTITY_METRICS, 1.0) | {"loss": 0.0},
        ("B-ant", "O B-bee", "B-cat I-cat O", "O B-ant I-ant O", "B-bee"),
        num_test=5,
        outputs_fn=outputs_of_windows,
    ),
    ("own", "own_ragged"): Case(
        make_vectors_with_tags,
        tag_counts,
        {"loss": 0.0, "exact": 1.0},
        ("none", "bee", "cat ant", "ant bee cat", "none"),
    ),
    ("images", "own_without_targets"): Case(
        make_images_without_targets, ones, {"loss": 0.0}, None
    ),
    ("own", "single_label"): Case(make_vectors, one_hot, ONE_LABEL),
}
# Each kind of inputs and each objective once, for what takes seconds and does
# not depend on which of them come together.
COVER = (
    ("images", "single_label"),
    ("texts", "multi_label"),
    ("text_pairs", "regression"),
    ("tagged_texts", "tags"),
    ("images", "own"),
    ("own", "own_ragged"),
    ("images", "own_without_targets"),
)
each_part_once = pytest.mark.parametrize(
    "loaded", COVER, ids=" of ".join, indirect=True
)


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A case after its data is loaded, with a network of random weights."""

    case: Case
    config: c.ExperimentConfig
    task: tasks.Task
    splits: object
    network: object


@pytest.fixture(scope="module", autouse=True)
def own_package():
    """The package `team` can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tests" / "own_package")
        yield


@pytest.fixture(scope="module", params=CASES, ids=" of ".join)
def loaded(request, own_package, tmp_path_factory):
    case = CASES[request.param]
    config = case.make_config(tmp_path_factory.mktemp("data"))
    c.experiment.validate(config)
    task, splits = tasks.load_splits(tasks.make_task(config), config, None)
    network = fitting.make_network(
        config, task.objective.num_outputs, task.inputs.model_config
    )
    return Loaded(case, config, task, splits, network)


def collected(batches):
    """Returns the summaries in the order of the examples."""
    numbers, summaries = zip(*batches, strict=True)
    order = np.argsort(np.concatenate(numbers))
    assert np.concatenate(numbers)[order].tolist() == list(range(len(order)))
    return {
        name: np.concatenate([as_wide(found[name]) for found in summaries])[
            order
        ]
        for name in summaries[0]
    }


def as_wide(column):
    """Returns rows of any length as rows of 9, filled as batches are."""
    if isinstance(column, columns.Ragged):
        return as_wide(as_tensor(column).to_tensor(-1).numpy() + 1)
    if column.ndim == 2:
        return np.pad(column, [(0, 0), (0, 9 - column.shape[1])])
    return column


def test_every_pair_has_a_case():
    """But for an objective that refuses some inputs, see its `problems`."""
    for pair in itertools.product(kinds.KINDS["data"], kinds.KINDS["task"]):
        data, task = (
            kinds.load(part, name, "")()
            for part, name in zip(("data", "task"), pair, strict=True)
        )
        config = c.ExperimentConfig(data=data, task=task)
        refused = [*config_rules.mismatches(config), *task.problems(config)]
        assert pair in CASES or refused, pair


def test_the_cover_has_each_part_of_the_cases():
    for part in (0, 1):
        assert {x[part] for x in COVER} == {x[part] for x in CASES}


def test_targets_are_what_the_files_say(loaded):
    train = loaded.splits.train
    assert (len(train), len(loaded.splits.validation)) == (15, 6)
    words = loaded.case.words
    if words is None:
        assert train.targets is None
    else:
        found = [loaded.task.objective.describe(x) for x in train.targets]
        assert tuple(found[:5]) == words
    # In text files, the first row is the column names.
    assert train.places[4][-1] in "456"


def test_right_answers_give_the_best_value_of_each_metric(loaded):
    objective, targets = loaded.task.objective, loaded.splits.test.targets
    logits = loaded.case.right_logits(targets, objective.num_outputs)
    padded = loaded.task.inputs.preprocess(
        {n: as_tensor(x) for n, x in loaded.splits.test.features.items()}
    )
    if targets is not None:
        targets = as_tensor(targets)
        targets = loaded.task.inputs.pad_targets(targets, padded)
    summary = objective.summarize(targets, tf.constant(logits, tf.float32))
    batch = {name: as_column(value) for name, value in summary.items()}
    metrics = evaluator_lib.checked(objective, objective.measure([batch]))
    assert metrics["num_examples"] == loaded.case.num_test
    for name, value in loaded.case.best.items():
        assert metrics[name] == pytest.approx(value, abs=1e-12), name
        assert objective.metric_problem(name) is None
        assert objective.scalar(metrics, name) == metrics[name]
    # No other metric can select the best epoch of this split.
    for name, value in metrics.items():
        if isinstance(value, float) and name not in loaded.case.best:
            assert objective.metric_problem(name)


def test_an_evaluation_counts_each_example_once(loaded, monkeypatch):
    """Neither rows that fill a batch nor padding change a result."""
    task, examples = loaded.task, loaded.splits.train
    found = []
    # Once in one batch, then in batches of 4: a row fills the last of them.
    for size in (15, 4):
        monkeypatch.setattr(task.inputs, "eval_batch_size", size)
        evaluator = Evaluator(loaded.network, task, examples)
        found.append(collected(evaluator.batches()))
    for name, values in found[0].items():
        assert len(values) == 15
        np.testing.assert_allclose(found[1][name], values, atol=1e-6)
    for number in (0, 14):
        alone = examples.take(np.array([number]))
        one = collected(Evaluator(loaded.network, task, alone).batches())
        for name, values in found[0].items():
            np.testing.assert_allclose(one[name][0], values[number], atol=1e-6)


def test_a_training_step_ignores_rows_that_fill_a_batch(loaded):
    """Whatever is in them, loss and weights have the same bits."""
    task, config = loaded.task, loaded.config
    dataset = fitting.make_dataset(
        config, task, loaded.splits.train, BATCH_SIZE, start_step=0
    )
    batches = list(itertools.islice(dataset, 4))
    numbers = [int((weights > 0).numpy().sum()) for *_, weights in batches]
    assert sum(numbers) == 15 and sorted(numbers) == [3, 4, 4, 4]
    features, targets, weights = batches[numbers.index(3)]
    (filler,) = np.flatnonzero(weights.numpy() == 0)
    network = fitting.make_network(
        config, task.objective.num_outputs, task.inputs.model_config
    )
    model = fitting.make_training_model(
        network, config, task, steps_lib.Steps(BATCH_SIZE, 1, 1)
    )
    start = {name: x.copy() for name, x in state.read(model).items()}
    ends = []
    # The batch itself; the same with an example in place of the filler; and,
    # to see that an example does count, the same with that as an example.
    for source, weight in ((filler, 0.0), (filler - 1, 0.0), (filler - 1, 1.0)):
        rows = np.arange(BATCH_SIZE)
        rows[filler] = source
        batch = (
            {name: tf.gather(x, rows) for name, x in features.items()},
            None if targets is None else tf.gather(targets, rows),
            tf.where(np.arange(BATCH_SIZE) == filler, weight, weights),
        )
        state.write(model, start, ALONE)
        dataset = tf.data.Dataset.from_tensors(batch)
        logs = model.fit(dataset, shuffle=False, verbose=0).history
        weights_after = [x.tolist() for x in network.get_weights()]
        ends.append((logs, weights_after))
    assert ends[0] == ends[1]
    assert ends[0] != ends[2]


def test_eager_tf_data_and_exports_preprocess_alike(loaded, tmp_path):
    """And the export answers what the network in memory answers."""
    task, test = loaded.task, loaded.splits.test
    eager = task.inputs.preprocess(
        {name: as_tensor(column) for name, column in test.features.items()}
    )
    (batch,) = pipeline.make_eval_dataset(
        test, batch_size=6, preprocess_fn=task.inputs.preprocess
    )
    for name, values in eager.items():
        assert values.numpy().tolist() == batch[0][name].numpy().tolist()
    functions = task.make_signatures(loaded.network)
    raw = task.inputs.load_raw(loaded.config.data, "test", task.objective)
    signature, fed = task.inputs.request_of(raw.features)
    served = functions[signature](*map(tf.constant, fed.values()))
    logits = loaded.network(eager, training=False)
    expected = loaded.case.outputs_fn(loaded, logits)
    assert served.keys() == expected.keys()
    for name, values in expected.items():
        if values.dtype == tf.string:
            assert served[name].numpy().tolist() == values.numpy().tolist()
        else:
            np.testing.assert_allclose(served[name], values, atol=1e-6)
    # In a session, as TensorFlow Serving runs it, and within its rules.
    exporter.write_saved_model(tmp_path, functions)
    assert rules.lint(tmp_path) == []
    names = set(rules.signatures(rules.read(tmp_path)))
    assert names == functions.keys()
    assert {"serving_default", task.inputs.row_request} <= names
    assert ("classify" in names) == task.objective.ranks
    inputs = task.make_check_inputs(0)
    assert inputs.keys() == names
    checker.check(tmp_path, functions, inputs)


def as_column(value):
    if isinstance(value, tf.RaggedTensor):
        return columns.Ragged(value.values.numpy(), value.row_splits.numpy())
    return np.asarray(value)


def as_tensor(column):
    if column is None:
        return None
    if isinstance(column, columns.Ragged):
        return tf.RaggedTensor.from_row_splits(column.values, column.row_splits)
    return tf.constant(column)


def weights_after_four_steps(loaded, accumulation_steps, strategy):
    """Returns loss and weights after each example counted once."""
    config, task = copy.deepcopy(loaded.config), loaded.task
    config.optimizer = c.OptimizerConfig(
        name="sgd", learning_rate=0.5, accumulation_steps=accumulation_steps
    )
    model_config = copy.deepcopy(task.inputs.model_config)
    # Each replica and each part has a mask of its own.
    for part in (model_config, getattr(model_config, "encoder", None)):
        if hasattr(part, "dropout"):
            part.dropout = 0.0
    with strategy.scope():
        network = fitting.make_network(
            config, task.objective.num_outputs, model_config
        )
        model = fitting.make_training_model(
            network, config, task, steps_lib.Steps(BATCH_SIZE, 4, 1)
        )
    batches_fn = fitting.make_batches_fn(
        strategy,
        lambda start_step, shard: fitting.make_dataset(
            config, task, loaded.splits.train, BATCH_SIZE, start_step, shard
        ),
    )
    logs = model.fit(
        batches_fn(0), steps_per_epoch=4, shuffle=False, verbose=0
    ).history
    return logs["loss"], network.get_weights()


@each_part_once
def test_replicas_and_parts_train_like_one(loaded, two_replicas):
    """Whatever targets are: numbers, rows of different lengths, or nothing."""
    one = tf.distribute.get_strategy()
    expected = weights_after_four_steps(loaded, 1, one)
    found = weights_after_four_steps(loaded, 2, two_replicas)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    for x, y in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


def test_a_new_network_begins_with_the_initial_logits(loaded, two_replicas):
    run = fitting.Run(
        loaded.config,
        loaded.task,
        loaded.splits,
        steps_lib.Steps(BATCH_SIZE, 4, 1),
        two_replicas,
        ALONE,
        None,
    )
    network, _ = fitting.make_models(run)
    expected = loaded.task.objective.initial_logits()
    bias = network.layers[-1].bias.numpy()
    if expected is None:
        expected = np.zeros(loaded.task.objective.num_outputs)
    assert bias.tolist() == expected.tolist()


@pytest.fixture(scope="module")
def two_replicas():
    """One strategy: the collective operations of two would get mixed up."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def test_two_replicas_measure_what_one_measures(loaded, two_replicas):
    task, examples = loaded.task, loaded.splits.train
    one = collected(Evaluator(loaded.network, task, examples).batches())
    with two_replicas.scope():
        network = fitting.make_network(
            loaded.config, task.objective.num_outputs, task.inputs.model_config
        )
    network.set_weights(loaded.network.get_weights())
    evaluator = Evaluator(network, task, examples, two_replicas)
    two = collected(evaluator.batches())
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, atol=1e-6)


class Copy(keras.callbacks.Callback):
    """Copies a work directory as a kill after step 7 would leave it."""

    def __init__(self, workdir, copy):
        super().__init__()
        self._workdir = workdir
        self._copy = copy
        self._step = 0

    def on_train_batch_end(self, batch, logs=None):
        self._step += 1
        if self._step == 7:
            saved = self._workdir / "checkpoints" / "step-00000006"
            # A thread writes it, and nothing after it until step 8.
            worker_runs.wait_until(saved.exists)
            shutil.copytree(self._workdir, self._copy)


@each_part_once
def test_a_resumed_run_is_the_uninterrupted_run(loaded, tmp_path):
    """Bit for bit, from a checkpoint inside of the second epoch."""
    config = copy.deepcopy(loaded.config)
    config.trainer.save_every_steps = 6
    config.trainer.keep_checkpoints = 100
    parts = {"loaded": (loaded.task, loaded.splits)}
    directories = tmp_path / "whole", tmp_path / "part"
    whole = tiny_runs.live(
        config, directories[0], further=[Copy(*directories)], **parts
    )
    rest = tiny_runs.live(config, directories[1], **parts)
    assert rest.restored == checkpointing.Position(1, 2)
    tiny_runs.assert_same_end(rest, whole)


def test_a_finished_run_gives_the_task_back(loaded):
    """With the names and vocabulary that the data has decided."""
    task = loaded.task
    objective = tasks.make_task(loaded.config).objective
    again = objective.restored(task.objective.state())
    assert again.state() == task.objective.state()
    assert again.num_outputs == task.objective.num_outputs
    card = again.purpose(task.inputs.describe())
    assert card and not card.endswith(".")
    assert all(isinstance(line, str) for line in task.inputs.limits())
