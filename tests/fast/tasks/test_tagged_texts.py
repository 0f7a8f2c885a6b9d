"""Tagged texts as inputs: from documents to windows with targets."""

import dataclasses
import json

import numpy as np
import pytest
import taggers
import tensorflow as tf

from trainers import tasks
from trainers.data.texts import loading
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.objectives import tag_columns

pytestmark = pytest.mark.usefixtures("eagerly")
PER, INSIDE = 3, 4


def write(directory, texts):
    """Writes texts with spans of PER, and returns the experiment on them."""
    for name in ("train", "validation", "test"):
        rows = [{"text": text, "label": spans} for text, spans in texts]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (directory / f"{name}.jsonl").write_text(lines)
    config = taggers.make_config(sequence_length=6)
    for name in ("train", "validation", "test"):
        setattr(config.data, name, str(directory / f"{name}.jsonl"))
    config.data.cache_dir = str(directory / "cache")
    vocabulary = directory / "vocabulary.txt"
    vocabulary.write_text("\n".join(taggers.VOCABULARY) + "\n")
    config.model.encoder.vocabulary = str(vocabulary)
    return config


def load(config):
    return tasks.load_splits(tasks.make_task(config), config, None)


# Seven pieces, in windows of four. `##x` continues `a`.
LONG = ("ax n a.z i f", [[0, 4, "PER"], [5, 8, "LOC"]])


def test_a_long_text_becomes_windows_in_which_each_token_is_scored_once(
    tmp_path,
):
    _, splits = load(write(tmp_path, [("b e", [[2, 3, "PER"]]), LONG]))
    train = splits.train
    words = [taggers.VOCABULARY[i] for i in train.features["token_ids"].values]
    lengths = train.features["token_ids"].lengths().tolist()
    # `a`, `##x`, `n`, `a`, `.`, `z`, `i`, `f`: windows at 0, 2 and 4.
    assert lengths == [2, 4, 4, 4]
    assert words == "b e a ##x n a n a . z . z i f".split()
    tag, document, token, is_word = np.transpose(train.targets.values)
    none = tag_columns.NOT_SCORED
    assert train.targets.row_splits.tolist() == [0, 2, 6, 10, 14]
    assert tag.tolist() == [
        *(0, PER),
        *(PER, none, INSIDE, none),
        *(none, 1, 2, none),
        *(none, 2, 0, 0),
    ]
    assert document.tolist() == [0] * 2 + [1] * 12
    assert token.tolist() == [0, 1, 0, 0, 1, 2, 1, 2, 3, 4, 3, 4, 5, 6]
    # Where the file has spans, each token is a word.
    assert is_word.tolist() == [1] * 3 + [0] + [1] * 10
    assert [train.places[n] for n in range(4)] == [
        f"{tmp_path}/train.jsonl, line {line}" for line in (1, 2, 2, 2)
    ]
    facts = splits.report["splits"]["train"]
    assert (facts["examples"], facts["windows"]) == (2, 4)
    assert facts["texts_of_several_windows"] == 1
    assert "truncated_share" not in facts


def test_batches_have_targets_of_the_shape_of_the_ids(tmp_path):
    config = write(tmp_path, [("b e", [[2, 3, "PER"]]), LONG])
    task, splits = load(config)
    ids, targets = (
        tf.RaggedTensor.from_row_splits(x.values, x.row_splits)
        for x in (splits.train.features["token_ids"], splits.train.targets)
    )
    features = task.inputs.preprocess_for_training({"token_ids": ids})
    targets = task.inputs.pad_targets(targets, features)
    assert features["token_ids"].shape == (4, 6)
    assert targets.shape == (4, 6, tag_columns.NUM_TARGET_COLUMNS)
    none = [tag_columns.NOT_SCORED, 0, 0, 0]
    assert targets[0].numpy().tolist() == [
        none,
        [0, 0, 0, 1],
        [PER, 0, 1, 1],
        none,
        none,
        none,
    ]
    expected = splits.train.targets[3].tolist()
    assert targets[3].numpy().tolist() == [none, *expected, none]


def test_windows_are_cut_from_stored_tokens(tmp_path, monkeypatch):
    """Another length needs no other tokens."""
    config = write(tmp_path, [LONG, LONG])
    _, splits = load(config)
    monkeypatch.setattr(
        loading, "_prepare", lambda *_: pytest.fail("must be stored")
    )
    longer = dataclasses.replace(config.data, sequence_length=9)
    _, again = load(dataclasses.replace(config, data=longer))
    assert (len(splits.train), len(again.train)) == (6, 4)
    assert again.train.features["token_ids"].lengths().tolist() == [7] * 4


def test_a_split_and_a_file_are_loaded_as_in_training(tmp_path):
    config = write(tmp_path, [("b e", [[2, 3, "PER"]]), LONG])
    task, splits = load(config)
    for name in ("test", str(tmp_path / "test.jsonl")):
        found = task.inputs.load_one(config.data, name, task.objective)
        assert found.sha256() == splits.test.sha256()
    raw = task.inputs.load_raw(config.data, "test", task.objective)
    request, fed = task.inputs.request_of(raw.features)
    assert (request, fed["text"]) == ("tags", [b"b e", LONG[0].encode()])
    assert task.inputs.repeated(raw.features)[0] == {"text": "b e"}


def test_empty_texts_and_texts_of_no_token_are_windows_without_pieces(
    tmp_path,
):
    texts = [("", []), ("a", [[0, 1, "PER"]]), ("\u200d", []), ("b", [])]
    _, splits = load(write(tmp_path, texts))
    lengths = splits.train.features["token_ids"].lengths()
    assert lengths.tolist() == [0, 1, 0, 1]
    document = splits.train.targets.values[:, tag_columns.DOCUMENT]
    assert document.tolist() == [1, 3]


def test_tags_behind_the_bytes_that_are_read_are_refused(tmp_path, caplog):
    text = "é" * 30 + " a"
    config = write(
        tmp_path, [("b", [[0, 1, "PER"]]), (text, [[31, 32, "PER"]])]
    )
    config.data.max_bytes = 40
    with pytest.raises(DataError) as caught:
        load(config)
    assert str(caught.value) == (
        f"1 texts whose tags cannot be used:\n  {tmp_path}/train.jsonl, line "
        "2: the text has 62 bytes, and `--config.data.max_bytes` must be at "
        "least that, because there are tags from character 31 on. Received: 40"
    )
    config.data.max_bytes = 62
    _, splits = load(config)
    assert splits.train.targets[-1][-1].tolist()[0] == 1
    assert splits.report["splits"]["train"]["alignment"]["cut"] == 0
    # A text without tags there has its first bytes alone.
    config = write(tmp_path, [("a", [[0, 1, "PER"]]), (text, [[0, 1, "PER"]])])
    config.data.misaligned = "expand"
    config.data.max_bytes = 40
    _, splits = load(config)
    assert splits.report["splits"]["train"]["alignment"] == {
        "cut": 1,
        "expanded": 1,
        "untagged": 0,
    }
    cut, moved = (
        w for w in splits.report["warnings"] if w.startswith("split test: 1 ")
    )
    assert cut == (
        "split test: 1 texts have more bytes than --config.data.max_bytes: "
        "what is behind them is neither learned nor measured."
    )
    assert "--config.data.misaligned=expand" in moved
    # `evaluate` says the same of its file.
    task, _ = load(config)
    caplog.clear()
    task.inputs.load_one(config.data, "test", task.objective)
    assert [record.getMessage() for record in caplog.records] == [cut, moved]


def test_the_scheme_is_in_the_report_and_logged_each_time(tmp_path, caplog):
    config = write(tmp_path, [("a", [])])
    for name in ("train", "validation", "test"):
        file = tmp_path / f"{name}.conll"
        file.write_text("a B-PER\nb I-LOC\n")
        setattr(config.data, name, str(file))
    caplog.set_level("INFO")
    lines = [
        f"split {name}: the tags of 2 words have the scheme iob2"
        for name in ("train", "validation", "test")
    ]
    reports = []
    for _ in range(2):  # The second time, the tokens are stored.
        caplog.clear()
        task, splits = load(config)
        logged = [record.getMessage() for record in caplog.records]
        assert [line for line in logged if "scheme" in line] == lines
        reports.append(splits.report)
    assert reports[0] == reports[1]
    facts = reports[0]["splits"]["train"]
    assert (facts["scheme"], facts["stray_tags"]) == ("iob2", 1)
    caplog.clear()
    task.inputs.load_one(config.data, "test", task.objective)
    logged = [record.getMessage() for record in caplog.records]
    assert logged[0] == lines[2]
    assert logged[1].startswith("split test: 1 words have a tag that continues")


def test_added_tokens_are_refused(tmp_path):
    from tfmodels.bert.added_tokens import AddedToken
    from tfmodels.bert.added_tokens import Vocabulary

    config = taggers.make_config()
    config.model.encoder.preset = "some/preset"
    words = Vocabulary(taggers.VOCABULARY, [AddedToken("<user>", 5, False)])
    task = tasks.make_task(config)
    with pytest.raises(ConfigError) as caught:
        type(task.inputs)(config, config.model.encoder, words)
    assert str(caught.value) == (
        "`--config.model.encoder.preset` must have no added tokens for tagged "
        "texts, because their places in a text are not known. Received: "
        "'some/preset', with 1 added tokens, the first is '<user>'."
    )


def test_a_restored_run_reads_windows_as_before(tmp_path):
    task, splits = load(write(tmp_path, [LONG, LONG]))
    for name, text in task.inputs.assets().items():
        (tmp_path / name).write_text(text)
    again = type(task.inputs)(task.inputs._config).restored(tmp_path)
    assert again.window_size == 4
    raw = [LONG[0].encode()]
    found = again.tokenizer(tf.constant(raw)).to_list()
    assert found == task.inputs.tokenizer(tf.constant(raw)).to_list()
