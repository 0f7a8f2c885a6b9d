"""Each message that names a flag is provoked, and the flag is then set.

The test reads the settings from the message itself, `--config.NAME=VALUE`.
Where a message names only the flag, the case has the value.
"""

import dataclasses
import json
import pathlib
import re
import shlex

import numpy as np
import pyarrow
import pytest
import single_labels
from pyarrow import feather
from pyarrow import parquet

from tfmodels.bert import wordpiece
from tfmodels.bert.config import EncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig
from tfmodels.bert_tagger import BertTaggerConfig
from tfmodels.mnist_mlp import MnistMlpConfig
from trainers import tasks
from trainers.config import experiment
from trainers.config.data import ImageDataConfig
from trainers.config.data import TextDataConfig
from trainers.config.tagged_data import TaggedTextDataConfig
from trainers.data import split_specs
from trainers.data.texts import loading
from trainers.data.texts import reading
from trainers.objectives.tags import TagsConfig

pytestmark = pytest.mark.usefixtures("eagerly")
ROOT = pathlib.Path(__file__).resolve().parents[3]
ROWS = [(f"text {n}, größe", "ab"[n % 2]) for n in range(40)]


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclasses.dataclass(frozen=True)
class Case:
    """A message and its cure.

    Attributes:
        files: Dict by name of str, bytes, or a function that writes the file.
        words: str. Part of the message.
        settings: Dict of the settings that provoke it, without `data.`.
        follow: Dict of what the message leaves open.
    """

    files: dict
    words: str
    settings: dict = dataclasses.field(default_factory=dict)
    follow: dict = dataclasses.field(default_factory=dict)


def table(delimiter=",", header=("text", "label"), rows=ROWS, quote='"'):
    def line(cells):
        cells = [quote + cell + quote for cell in cells]
        return delimiter.join(cells) + "\n"

    return "".join(map(line, [header, *rows] if header else rows))


def jsonl(text="text", label="label"):
    return "".join(json.dumps({text: t, label: x}) + "\n" for t, x in ROWS)


def arrow_table():
    texts, labels = zip(*ROWS, strict=True)
    return pyarrow.table({"text": texts, "label": labels})


def write_parquet(file):
    parquet.write_table(arrow_table(), file)


def write_arrow(file):
    feather.write_feather(arrow_table(), file)


PLAIN = [(t.replace(",", ""), x) for t, x in ROWS]
FOLDER = {f"d/{x}/{n}.txt": t for n, (t, x) in enumerate(ROWS)}
CASES = {
    # Kinds of files.
    "a table of tabs as .txt": Case(
        {"a.txt": table("\t")}, "It seems to be tsv"
    ),
    "a table without suffix": Case({"a": table()}, "It seems to be csv"),
    "objects as .txt": Case({"a.txt": jsonl()}, "It seems to be jsonl"),
    "an array as .data": Case(
        {"a.data": json.dumps([{"text": t, "label": x} for t, x in ROWS])},
        "It seems to be json",
    ),
    "Parquet as .csv": Case(
        {"a.csv": write_parquet}, "is a file of the kind parquet"
    ),
    "Arrow as .data": Case({"a.data": write_arrow}, "It seems to be arrow"),
    "objects as .csv": Case({"a.csv": jsonl()}, "seems to be jsonl"),
    "an array as .jsonl": Case(
        {"a.jsonl": json.dumps([{"text": t, "label": x} for t, x in ROWS])},
        "a JSON array begins",
    ),
    "a folder as CSV": Case(
        FOLDER,
        "which is a folder",
        {"source": "csv", "train": "d"},
    ),
    "CSV as a folder": Case(
        {"a.csv": table()}, "which is a file", {"source": "text_folder"}
    ),
    # Columns.
    "semicolons": Case({"a.csv": table(";", quote="")}, "seems to be ';'"),
    "semicolons and quotes": Case({"a.csv": table(";")}, "seems to be ';'"),
    "tabs": Case({"a.csv": table("\t", quote="")}, "seems to be '\\t'"),
    "tabs and quotes": Case({"a.csv": table("\t")}, "seems to be '\\t'"),
    "bars": Case({"a.csv": table("|", quote="", rows=PLAIN)}, "to be '|'"),
    "a wrong delimiter": Case(
        {"a.csv": table(quote="", rows=PLAIN)},
        "seems to be ','",
        {"delimiter": ";"},
    ),
    "no header": Case(
        {"a.csv": table(header=None)},
        "If its first row is an example",
        follow={"label_column": "1"},
    ),
    "no names": Case(
        {"a.csv": table(header=None)},
        "Without a header",
        {"header": False},
        {"label_column": "1"},
    ),
    "other case": Case(
        {"a.csv": table(header=("Text", " LABEL"))}, "Set --config"
    ),
    "names in a comment": Case(
        {"a.csv": "# " + table(quote="", rows=PLAIN)},
        "Set --config.data.text_column='# text'",
    ),
    "a column of another name": Case(
        {"a.csv": table(header=("text", "class"))},
        "`--config.data.label_column` must be a column of a.csv",
        {"text_column": "text"},
        {"label_column": "class"},
    ),
    "objects with other keys": Case(
        {"a.jsonl": jsonl("body")},
        "has no 'text' (--config.data.text_column), but 'body', 'label'",
        follow={"text_column": "body"},
    ),
    "an array with other keys": Case(
        {"a.json": json.dumps([{"text": t, "class": x} for t, x in ROWS])},
        "has no 'label' (--config.data.label_column)",
        follow={"label_column": "class"},
    ),
    "columns of Parquet": Case(
        {"a.parquet": write_parquet},
        "`--config.data.text_column` must be a column of a.parquet",
        {"text_column": "body"},
        {"text_column": "text"},
    ),
    "one column for both": Case(
        {"a.csv": table()},
        "`--config.data.label_column` must be another column",
        {"label_column": "text"},
        {"label_column": "label", "text_column": "text"},
    ),
    "a column of texts as labels": Case(
        {"a.csv": table()},
        "name it with --config.data.label_column",
        {"label_column": "text", "text_column": "label"},
        {"label_column": "label", "text_column": "text"},
    ),
    # Quotes and bytes.
    "quotes as characters": Case(
        {
            "a.tsv": table(
                "\t", rows=[('5" pipe ' + t, x) for t, x in ROWS], quote=""
            ).replace("5", '"5', 1)
        },
        "if quotes are ordinary characters",
    ),
    "backslashes": Case(
        {"a.csv": table(rows=[(f'\\"{t}\\" said', x) for t, x in ROWS])},
        'if \\" is a quote inside of a cell',
    ),
    "cp1252": Case({"a.csv": table().encode("cp1252")}, "seems to be cp1252"),
    "UTF-16": Case({"a.csv": table().encode("utf-16")}, "seems to be utf-16"),
    "UTF-8 with another setting": Case(
        {"a.csv": table()}, "seems to be utf-8", {"encoding": "cp1251"}
    ),
    # Splits.
    "too few rows": Case(
        {"a.csv": table(rows=ROWS[:2])},
        "`--config.data.test` must be a file, or none",
        {"validation": "", "test": ""},
        {"validation": "none", "test": "none"},
    ),
    "fractions": Case(
        {"a.csv": table()},
        "must be below 1 together",
        {
            "validation": "",
            "test": "",
            "validation_fraction": 0.5,
            "test_fraction": 0.5,
        },
        {"validation_fraction": "0.2", "test_fraction": "0.2"},
    ),
    "a column of splits and a file": Case(
        {
            "a.csv": "text,label,part\n"
            + "".join(
                f"{t} {n},a,train\n{t} b,b,train\n" for n, t in enumerate("xy")
            )
        },
        "`--config.data.validation` must be empty where",
        {"split_column": "part", "test": ""},
        {"validation": "", "split_column": "part"},
    ),
    "a column of splits and a folder": Case(
        FOLDER,
        "`--config.data.split_column` must be empty for a folder",
        {
            "train": "d",
            "split_column": "part",
            "validation": "",
            "test": "",
        },
        {"split_column": ""},
    ),
    "no train": Case(
        {"mails.csv": table()},
        "`--config.data.train` must name a file",
        {"train": ""},
        {"train": "mails.csv"},
    ),
    "a wrong path": Case(
        {"a.csv": table()},
        "`--config.data.train` must be a file, folder or pattern that exists",
        {"train": "b.csv"},
        {"train": "*.csv"},
    ),
}


def write(files):
    for name, content in files.items():
        file = pathlib.Path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(str(file))
        elif isinstance(content, str):
            file.write_text(content, encoding="utf-8")
        else:
            file.write_bytes(content)


def config_of(files, settings):
    settings = {"train": next(iter(files)), "validation": "none"} | settings
    return experiment.ExperimentConfig(
        data=TextDataConfig(**{"test": "none", "cache_dir": "none"} | settings),
        model=BertClassifierConfig(),
    )


def read(config):
    """Reads and fits, as a run does before it makes tokens."""
    splits, _ = reading.read_splits(config.data, single_labels.unfitted())
    objective, _ = single_labels.unfitted().fitted(splits)
    assert objective.names
    return splits


def settings_in(message):
    """Returns the settings that a message advises, by name."""
    found = re.findall(r"--(config\.[\w.]+)=((?:'[^']*'|\S)+)", message)
    return {
        name: "".join(shlex.split(value.rstrip(".,"))) for name, value in found
    }


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_following_the_advice_helps(case):
    write(case.files)
    config = config_of(case.files, case.settings)
    with pytest.raises(ValueError) as caught:
        read(config)
    message = str(caught.value)
    assert case.words in message
    # The second of two encodings is not advised first.
    advised = settings_in(message.partition(" Or ")[0])
    advised |= {f"config.data.{name}": v for name, v in case.follow.items()}
    assert advised
    config = config.with_overrides(advised)
    experiment.validate(config)
    splits = read(config)
    total = sum(map(len, splits.values()))
    assert total in (2, 4, len(ROWS))
    texts = {t.decode() for e in splits.values() for t in e.features["text"]}
    assert any("text" in t or t[0] in "xy" for t in texts)


# --- Rules of settings -------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words", "follow"),
    [
        (
            {"delimiter": "::"},
            "`--config.data.delimiter` must be one character, or tab",
            {"delimiter": "tab"},
        ),
        (
            {"encoding": "hex"},
            "`--config.data.encoding` must be an encoding of texts that Python "
            "knows, such as utf-8, utf-16, cp1252",
            {"encoding": "cp1252"},
        ),
        (
            {"validation_fraction": 0.6, "test_fraction": 0.6},
            "their sum must be below 1",
            {"validation_fraction": "0.1", "test_fraction": "0.1"},
        ),
        (
            {"sequence_length": 1000},
            "`--config.data.sequence_length` must be at most "
            "--config.model.encoder.max_sequence_length",
            {"sequence_length": "128"},
        ),
        (
            {"source": "tfds"},
            "`--config.data.path` must name the data set",
            {"path": "imdb_reviews"},
        ),
        ({"train": "none"}, "--config.data.train=mails.csv", {}),
        (
            {"text_column": ""},
            "`--config.data.text_column` must name the column with the text. "
            "Received: ''.",
            {"text_column": "text"},
        ),
    ],
)
def test_following_a_rule_of_settings_helps(settings, words, follow):
    config = config_of({"a.csv": ""}, settings)
    with pytest.raises(ValueError) as caught:
        experiment.validate(config)
    message = str(caught.value)
    assert words in message
    advised = settings_in(message) if not follow else {}
    advised |= {f"config.data.{name}": v for name, v in follow.items()}
    experiment.validate(config.with_overrides(advised))


# --- Other places ------------------------------------------------------------


def load(config, longest=None):
    splits, _, _ = loading.load(
        config.data,
        single_labels.unfitted(),
        make_tokenizer_fn=lambda texts: wordpiece.WordPieceTokenizer(
            [*wordpiece.SPECIAL_TOKENS, "word"],
            lowercase=True,
            max_bytes=100_000,
        ),
        tokenizer_facts=[],
        longest=longest,
    )
    return splits


def test_the_length_that_a_warning_names_cuts_one_text_in_ten_at_most():
    rows = [("word " * (10 + n), "ab"[n % 2]) for n in range(40)]
    write({"a.csv": table(rows=rows)})
    config = config_of({"a.csv": ""}, {"sequence_length": 8})
    warnings = load(config).report["warnings"]
    (warning,) = (w for w in warnings if "lose their end" in w)
    length = re.search(
        r"have at most (\d+): --config.data.sequence_length", warning
    )
    config = config.with_overrides({"data.sequence_length": length[1]})
    assert load(config).report["warnings"] == []
    # If the encoder cannot read so many, the warning says so.
    config = config.with_overrides({"data.sequence_length": 8})
    (warning,) = load(config, longest=20).report["warnings"]
    assert warning.endswith(
        f"have at most {length[1]}: --config.data.sequence_length, which can "
        "be at most 20. Without a preset, "
        "--config.model.encoder.max_sequence_length sets this limit."
    )
    config = dataclasses.replace(
        config, model=BertClassifierConfig(encoder=EncoderConfig())
    ).with_overrides(
        {
            "model.encoder.max_sequence_length": length[1],
            "data.sequence_length": length[1],
        }
    )
    experiment.validate(config)


def test_another_cache_directory_helps(caplog):
    write({"a.csv": table(), "file": "no directory"})
    config = config_of({"a.csv": ""}, {"cache_dir": "file"})
    load(config)
    (record,) = [r for r in caplog.records if "cache" in r.getMessage()]
    assert "--config.data.cache_dir" in record.getMessage()
    caplog.clear()
    load(config.with_overrides({"data.cache_dir": "other"}))
    assert caplog.records == []
    assert list(pathlib.Path("other").iterdir())


def test_a_split_that_is_named_as_advised_is_there():
    sizes = {"training": 20}
    data = ImageDataConfig(path="x", train="training")
    config = experiment.ExperimentConfig(data=data)
    for _ in range(2):  # Validation, then test.
        with pytest.raises(ValueError) as caught:
            split_specs.resolve_all(config.data, sizes)
        config = config.with_overrides(settings_in(str(caught.value)))
    assert split_specs.resolve_all(config.data, sizes) == {
        "train": "training[:90%]",
        "validation": "training[90%:]",
        "test": "training[90%:]",
    }


def images_of_sorted_classes():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (240, 4, 4), np.uint8)
    np.savez("a.npz", x_train=images, y_train=np.arange(240) // 120)
    return experiment.ExperimentConfig(
        data=ImageDataConfig(source="npz", path="a.npz"),
        model=MnistMlpConfig(image_shape=(4, 4)),
    )


def test_without_the_splits_that_are_sorted_images_are_read():
    config = images_of_sorted_classes()

    def load_images(config):
        task = tasks.make_task(config)
        return tasks.load_splits(task, config, None)

    for name in ("validation", "test"):
        with pytest.raises(ValueError) as caught:
            load_images(config)
        assert f"--config.data.{name}, or `none`" in str(caught.value)
        config = config.with_overrides({f"data.{name}": "none"})
    _, splits = load_images(config)
    assert len(splits.train) == 240


def test_a_name_of_a_class_that_a_message_shows_is_accepted():
    labels = np.array([0, 1], np.int32)
    names = ["cafe\u0301", "a,b"]
    config = experiment.ExperimentConfig(
        data=TextDataConfig(train="a.csv"), model=BertClassifierConfig()
    ).with_overrides({"task.class_weights": "café=2"})
    objective = config.task.make_objective().restored(names)
    with pytest.raises(ValueError) as caught:
        objective.for_training(labels)
    message = str(caught.value)
    assert "(looks like 'cafe\\u0301', and is written 'café')" in message
    config = config.with_overrides(
        {"task.class_weights": f"{names[0]}=2,a,b=3"}
    )
    objective = config.task.make_objective().restored(names)
    objective.for_training(labels)


# --- Tags --------------------------------------------------------------------

_WORDS = "".join(f"{n}\tw{n}\t_\tX\t_\t_\t_\t_\t_\t_\n" for n in (1, 2))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.jsonl",
            '{"text": "in Paris", "label": [[4, 8, "LOC"]]}\n',
            "begins inside of the token",
        ),
        (
            "a.conll",
            "w1 B-X\nw2 I-X\nw3 Y\n",
            "2 words have tags such as B-X and I-X, and 1 words",
        ),
        (
            "a.conll",
            "w1\tB-X\t\nw2\tO\t\n",
            "has no tag in the last column, which is empty",
        ),
        ("a.conllu", _WORDS + "\n" + _WORDS.replace("X", "Y"), "must be upos"),
        ("a.txt", "w1 B-X\nw2 O\n", "It seems to be conll"),
        (
            "a.jsonl",
            '{"text": "in Paris", "ner": [[3, 8, "LOC"]], "lead_time": 1}\n',
            "If 'ner' has the labels, set --config.data.label_column=ner",
        ),
        (
            "a.jsonl",
            '{"text": "in Paris", "label": [[3, 8, "LOC"]]}\n' * 2,
            "and `--config.data.max_bytes` must be at least that",
        ),
    ],
    ids=[
        *("misaligned", "a mixture", "empty", "columns", "suffix", "key"),
        "max_bytes",
    ],
)
def test_following_the_advice_for_tags_helps(name, content, words):
    write({name: content})
    config = experiment.ExperimentConfig(
        data=TaggedTextDataConfig(
            train=name,
            validation="none",
            test="none",
            cache_dir="none",
            max_bytes=5 if "max_bytes" in words else 100,
        ),
        task=TagsConfig(),
        model=BertTaggerConfig(encoder=EncoderConfig(vocabulary_size=100)),
    )

    def load_tags(config):
        _, splits = tasks.load_splits(tasks.make_task(config), config, None)
        return splits

    with pytest.raises(ValueError) as caught:
        load_tags(config)
    message = str(caught.value)
    assert words in message
    advised = settings_in(message)
    if length := re.search(r"the text has ([\d,]+) bytes", message):
        advised = {"config.data.max_bytes": length[1].replace(",", "")}
    config = config.with_overrides(advised)
    experiment.validate(config)
    assert len(load_tags(config).train)


def test_the_metric_that_is_advised_for_plain_tags_is_accepted():
    write({"a.conll": "w1 NN\nw2 VB\n"})
    config = experiment.ExperimentConfig(
        data=TaggedTextDataConfig(
            train="a.conll", validation="a.conll", test="none", cache_dir="none"
        ),
        task=TagsConfig(),
        model=BertTaggerConfig(encoder=EncoderConfig(vocabulary_size=100)),
    )
    config.trainer.best_metric = "entity_f1"
    experiment.validate(config)
    task, splits = tasks.load_splits(tasks.make_task(config), config, None)
    with pytest.raises(ValueError) as caught:
        tasks.check_best_metric(task.objective, config, splits, None)
    advised = settings_in(str(caught.value))
    assert advised == {"config.trainer.best_metric": "word_accuracy"}
    config = config.with_overrides(advised)
    tasks.check_best_metric(task.objective, config, splits, None)


def assert_learned(config, objective):
    """Follows the advice of the error, and loads the 40 rows."""

    def load(config):
        _, splits = tasks.load_splits(tasks.make_task(config), config, None)
        return splits

    with pytest.raises(ValueError) as caught:
        load(config)
    advised = settings_in(str(caught.value))
    assert advised == {"config.task.objective": objective}
    config = config.with_overrides(advised)
    experiment.validate(config)
    assert len(load(config).train) == 40


@pytest.mark.parametrize(
    ("label", "other", "objective"),
    [(["x", "y"], ["x"], "multi_label"), (0.5, 1.5, "regression")],
)
def test_a_target_that_is_no_class_is_learned_as_advised(
    label, other, objective
):
    rows = [
        {"text": f"text {n}", "label": [label, other][n % 2]} for n in range(40)
    ]
    write({"a.jsonl": "".join(json.dumps(row) + "\n" for row in rows)})
    config = config_of({"a.jsonl": ""}, {"validation": "none", "test": "none"})
    assert_learned(config, objective)


@pytest.mark.parametrize(
    ("labels", "objective"),
    [
        (["0.5", "1.5"], "regression"),
        ([str(n / 4) for n in range(40)], "regression"),
        (["x;y", "", "x", "y"], "multi_label"),
        ([f"x{n % 8};y{n // 8}" for n in range(40)], "multi_label"),
    ],
    ids=["fractions", "all differ", "empty", "lists"],
)
def test_a_cell_that_is_no_class_is_learned_as_advised(labels, objective):
    labels = labels * (40 // len(labels))
    rows = [(f"text {n}", label) for n, label in enumerate(labels)]
    write({"a.csv": table(rows=rows)})
    config = config_of({"a.csv": ""}, {})
    assert_learned(config, objective)


def test_empty_labels_beside_words_are_no_lists():
    write({"a.csv": table(rows=[*ROWS, ("text", "")])})
    with pytest.raises(ValueError) as caught:
        read(config_of({"a.csv": ""}, {}))
    assert str(caught.value).endswith(", line 42: the label is empty")


# --- All of them -------------------------------------------------------------

# Flags that messages of the data name, and the tests beside this file that
# provoke them: sources of TFDS and images need data of their own.
ELSEWHERE = {
    "image_column": "images/test_sources.py",
    "path": "images/test_sources.py",
    "data_dir": "images/test_sources.py",
    "max_bytes": "../tasks/test_tagged_texts.py",
    "misaligned": "../tasks/test_tagged_texts.py",
    "text_pair_column": "../test_advice.py",
}


def test_every_flag_that_a_message_names_is_in_a_test():
    code = [
        file.read_text(encoding="utf-8")
        for room in ("data", "objectives", "tasks")
        for file in (ROOT / "trainers" / room).rglob("*.py")
    ]
    named = set(re.findall(r"--config\.data\.([a-z]\w*)", "\n".join(code)))
    assert len(named) > 15
    here = pathlib.Path(__file__).read_text(encoding="utf-8")
    tested = here.partition("# --- All of them")[0]
    tested += " quoting backslash_escapes"  # Read from the messages.
    missing = {n for n in named if n not in tested and n not in ELSEWHERE}
    assert missing == set()
