"""What makes two runs the same run."""

import copy
import importlib
import json
import os
import shutil
import sys

import hf_presets
import numpy as np
import own_kinds
import pytest

import tfmodels
from trainers.config import experiment
from trainers.config import tree
from trainers.config.data import TextDataConfig
from trainers.data.examples import Examples
from trainers.data.examples import Splits
from trainers.data.places import Places
from trainers.errors import ConfigError
from trainers.run import contents
from trainers.run import identity as identity_lib
from trainers.runtime.columns import Ragged

START = (
    "`--workdir` 'run' contains a run that differs, and a run can only resume "
    "unchanged. Undo the differences, or choose another --workdir:"
)


def make_examples(count=4, start=0):
    images = np.arange(start, start + count * 4, dtype=np.uint8)
    labels = np.arange(count, dtype=np.int32) % 2
    return Examples(
        {"image": images.reshape(-1, 2, 2)},
        labels,
        Places.numbered("row ", range(len(labels))),
    )


def make_splits(**splits):
    found = {"train": make_examples(), "validation": None, "test": None}
    return Splits(**found | splits)


def make_config(**changes):
    config = experiment.ExperimentConfig()
    for name, value in changes.items():
        *parts, leaf = name.split("__")
        part = config
        for branch in parts:
            part = getattr(part, branch)
        setattr(part, leaf, value)
    return config


def identity(
    config=None,
    splits=None,
    assets=(),
    num_replicas=1,
    state=("cat", "dog"),
):
    return identity_lib.identity(
        config or make_config(),
        splits or make_splits(),
        state if isinstance(state, dict) else list(state),
        dict(assets),
        num_replicas,
    )


def differences(then, now):
    """Returns the lines of the refusal, `[]` if there is none."""
    # A checkpoint has it as JSON.
    then = json.loads(json.dumps(then))
    before = copy.deepcopy(now)
    try:
        identity_lib.refuse(identity_lib.differences(then, now), "run")
    except ConfigError as error:
        start, *lines = str(error).splitlines()
        assert start == START
        assert lines != []
        return lines
    finally:
        assert now == before
    return []


def test_the_same_run_is_the_same():
    splits = {"validation": make_examples(2), "test": make_examples(3)}
    first, second = (
        identity(
            make_config(model__hidden_dims=(3, 2)),
            make_splits(**copy.deepcopy(splits)),
            {"vocabulary.txt": "a\nb\n"},
            2,
        )
        for _ in range(2)
    )
    assert first == second
    assert differences(first, second) == []


def test_an_identity_is_what_it_says():
    found = identity(assets={"vocabulary.txt": "a"}, num_replicas=3)
    assert json.loads(json.dumps(found)) == {
        "config": json.loads(experiment.to_json(make_config())),
        "data": {
            "train": {
                "examples": 4,
                "sha256": found["data"]["train"]["sha256"],
            }
        },
        "classes": ["cat", "dog"],
        "assets": {
            "vocabulary.txt": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e"
            "72b9807785afee48bb"
        },
        "replicas": 3,
    }
    assert len(found["data"]["train"]["sha256"]) == 64


@pytest.mark.parametrize(
    "changes, lines",
    [
        ({"seed": 7}, ["`--config.seed` was 42. Received: 7."]),
        (
            {"model__hidden_dims": ()},
            ["`--config.model.hidden_dims` was (64, 64). Received: ()."],
        ),
        (
            {"optimizer__learning_rate": np.nextafter(1e-3, 1).item()},
            [
                "`--config.optimizer.learning_rate` was 0.001. "
                "Received: 0.0010000000000000002."
            ],
        ),
        (
            {"trainer__jit_compile": "always", "trainer__epochs": 11},
            [
                "`--config.trainer.epochs` was 10. Received: 11.",
                "`--config.trainer.jit_compile` was 'auto'. "
                "Received: 'always'.",
            ],
        ),
        (
            {"trainer__deterministic_ops": "never"},
            [
                "`--config.trainer.deterministic_ops` was 'auto'. "
                "Received: 'never'."
            ],
        ),
        (
            {"export__name": "other"},
            ["`--config.export.name` was 'model'. Received: 'other'."],
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_another_setting_is_named(changes, lines):
    then, now = make_config(), make_config(**changes)
    assert sorted(differences(identity(then), identity(now))) == sorted(lines)
    with pytest.raises(ConfigError) as error:
        identity_lib.check_same_config(then, now, "run")
    start, *found = str(error.value).splitlines()
    assert start == START
    assert sorted(found) == sorted(lines)


def test_equal_data_at_another_path_is_the_same():
    then, now = make_config(), make_config(data__path="/mnt/other")
    assert differences(identity(then), identity(now)) == []
    identity_lib.check_same_config(then, now, "run")
    assert not identity_lib.is_same(then, now)


def test_other_data_at_another_path_is_named_with_the_path():
    now = make_config(data__path="other")
    other = make_splits(train=make_examples(start=1))
    assert differences(identity(), identity(now, other)) == [
        "`--config.data.path` was ''. Received: 'other'.",
        "the split train had 4 examples. Received: 4 examples, other ones.",
    ]


def make_texts_config(preset):
    return experiment.ExperimentConfig(
        data=TextDataConfig(),
        model=tfmodels.BertClassifierConfig(
            tfmodels.EncoderConfig(preset=str(preset))
        ),
    )


NAME = "config.model.encoder.preset"
_CHANGED_FILES = {
    "vocab.txt": "\n".join([*hf_presets.VOCABULARY[:-1], "z"]),
    "added_tokens.json": "{}",
    "special_tokens_map.json": "{}",
    "tokenizer_config.json": '{"do_lower_case": false}',
    "config.json": json.dumps(hf_presets.HF_BERT | {"hidden_act": "relu"}),
}


def write_preset(folder, facts=hf_presets.HF_BERT):
    return hf_presets.write_hf(folder, facts)


def write_keras_preset(folder):
    (folder / "assets" / "tokenizer").mkdir(parents=True)
    for name in ("tokenizer.json", "model.weights.h5"):
        (folder / name).write_text("1")
    (folder / "config.json").write_text('{"class_name": "BertBackbone"}')
    (folder / "assets" / "tokenizer" / "vocabulary.txt").write_text("1")
    return folder


def add_files_that_are_not_read(folder):
    """Adds what is beside the files of a preset, in copies or downloads."""
    for name in ("README.md", "pytorch_model.bin", "tf_model.h5", "x.msgpack"):
        (folder / name).write_text("1")
    for name in (".cache", "onnx", "1_Pooling"):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text("1")
    (folder / "task.json").write_text("{}")
    (folder / "link").symlink_to(folder)
    os.mkfifo(folder / "model.pipe")
    # Nobody writes into it: a start that read it would never end.
    os.mkfifo(folder / "onnx" / "pipe")


@pytest.mark.parametrize("write_fn", [write_preset, write_keras_preset])
def test_a_preset_with_equal_files_at_another_path_is_the_same(
    write_fn, tmp_path
):
    first, second = write_fn(tmp_path / "a"), write_fn(tmp_path / "b")
    add_files_that_are_not_read(second)
    then, now = (identity(make_texts_config(p)) for p in (first, second))
    assert then["files"].keys() == {NAME}
    assert then["files"] == now["files"]
    assert differences(then, now) == []


def test_a_snapshot_in_a_cache_is_the_same_as_its_copy(tmp_path):
    snapshots = tmp_path / "models--someone--tiny" / "snapshots"
    first = write_preset(snapshots / "0a1b")
    second = shutil.copytree(first, tmp_path / "copied")
    found = [
        identity(make_texts_config(p))["files"]
        for p in (snapshots.parent, first, second)
    ]
    assert found[0] == found[1] == found[2]


def assert_named(first, second):
    then, now = (identity(make_texts_config(p)) for p in (first, second))
    assert differences(then, now) == [
        f"`--{NAME}` was {str(first)!r}. Received: {str(second)!r}."
    ]


@pytest.mark.parametrize("name", _CHANGED_FILES)
def test_a_preset_with_another_file_is_named(name, tmp_path):
    first, second = write_preset(tmp_path / "a"), write_preset(tmp_path / "b")
    (second / name).write_text(_CHANGED_FILES[name])
    assert_named(first, second)


def test_a_preset_with_other_weights_is_named(tmp_path):
    first, second = write_preset(tmp_path / "a"), write_preset(tmp_path / "b")
    weights, _ = hf_presets.hf_weights(hf_presets.HF_BERT)
    weights["pooler.dense.bias"][0] += 1
    hf_presets.write_weights(second, weights)
    assert_named(first, second)
    # Other shards, with the same index.
    index = {"weight_map": {name: "1.safetensors" for name in weights}}
    for folder in (first, second):
        (folder / "model.safetensors").rename(folder / "1.safetensors")
        file = folder / "model.safetensors.index.json"
        file.write_text(json.dumps(index))
    assert_named(first, second)


@pytest.mark.parametrize(
    "name",
    ["tokenizer.json", "model.weights.h5", "assets/tokenizer/vocabulary.txt"],
)
def test_a_preset_of_kerashub_with_another_file_is_named(name, tmp_path):
    first = write_keras_preset(tmp_path / "a")
    second = write_keras_preset(tmp_path / "b")
    (second / name).write_text("2")
    assert_named(first, second)


def write_folder(folder, weights=b"123"):
    (folder / "inside").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "inside" / "model.safetensors").write_bytes(weights)
    return folder


def test_another_folder_is_the_same_with_its_regular_files(tmp_path):
    """As of a setting of an own kind, or a preset that only it can read."""
    first, second = write_folder(tmp_path / "a"), write_folder(tmp_path / "b")
    (second / "README.md").write_text("copied")
    (second / ".cache").mkdir()
    (second / ".cache" / "lock").write_text("")
    os.mkfifo(second / "pipe")
    (second / "inside" / "link").symlink_to(second)
    # Behind a link are the same files.
    (second / "inside").rename(tmp_path / "elsewhere")
    (second / "inside").symlink_to(tmp_path / "elsewhere")
    then, now = (identity(make_texts_config(p)) for p in (first, second))
    assert then["files"] == now["files"]


@pytest.mark.parametrize(
    "change_fn",
    [
        lambda folder: write_folder(folder, b"124"),
        lambda folder: write_folder(folder).joinpath("x").write_text(""),
        lambda folder: (write_folder(folder) / "config.json").unlink(),
        lambda folder: folder.mkdir(),
    ],
    ids=["weights", "more", "less", "empty"],
)
def test_another_folder_is_named(change_fn, tmp_path):
    first, second = write_folder(tmp_path / "a"), tmp_path / "b"
    change_fn(second)
    assert_named(first, second)


def test_other_content_at_the_same_path_is_named(tmp_path):
    config = make_texts_config(write_preset(tmp_path / "a"))
    then = identity(config)
    (file,) = (tmp_path / "a").rglob("model.safetensors")
    file.write_bytes(b"124")
    assert differences(then, identity(config)) == [
        f"the content of `--{NAME}` '{tmp_path}/a' has changed."
    ]


def test_a_path_of_the_data_that_names_no_examples_is_compared(tmp_path):
    """Its content can change what `preprocess` makes of equal examples."""
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("the\n")
    second.write_text("a\n")

    def identity_of(path):
        config = make_config()
        config.data = own_kinds.StopWordsConfig(stop_words=str(path))
        return identity(config)

    assert differences(identity_of(first), identity_of(second)) == [
        f"`--config.data.stop_words` was '{first}'. Received: '{second}'."
    ]
    then = identity_of(first)
    second.write_text("the\n")
    assert differences(then, identity_of(second)) == []
    first.write_text("an\n")
    assert differences(then, identity_of(first)) == [
        f"the content of `--config.data.stop_words` '{first}' has changed."
    ]


def test_a_name_or_a_lost_folder_is_compared_by_its_text(tmp_path):
    folder = write_preset(tmp_path / "a")
    then = identity(make_texts_config(folder))
    now = identity(make_texts_config("bert_tiny_en_uncased"))
    assert "files" not in now
    line = f"`--{NAME}` was {str(folder)!r}. Received: 'bert_tiny_en_uncased'."
    assert differences(then, now) == [line]
    # As in runs of older versions.
    old = {name: part for name, part in then.items() if name != "files"}
    moved = folder.rename(tmp_path / "b")
    assert differences(old, identity(make_texts_config(folder))) == []
    assert differences(old, identity(make_texts_config(moved))) == [
        f"`--{NAME}` was {str(folder)!r}. Received: {str(moved)!r}."
    ]


def test_an_old_run_has_a_path_before_its_home_was_found(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    then = make_texts_config("~/minilm")
    now = make_texts_config("/home/me/minilm")
    assert differences(identity(then), identity(now)) == []


def test_files_of_a_run_keep_the_paths_of_its_start():
    saved = make_texts_config("old/minilm")
    now = make_texts_config("/mnt/minilm")
    now.data.train = "/mnt/a.csv"
    kept = contents.with_paths_of(now, saved)
    assert kept.model.encoder.preset == "old/minilm"
    assert kept.data.train == "/mnt/a.csv"
    texts = {"encoder.json": '{"preset": "/mnt/minilm", "num_layers": 2}'}
    assert contents.with_texts_of(texts, now, saved) == {
        "encoder.json": '{"preset": "old/minilm", "num_layers": 2}'
    }
    # A path that is a word of other settings.
    now = make_texts_config("bert")
    texts = {"encoder.json": '{"preset": "bert", "family": "bert"}'}
    assert contents.with_texts_of(texts, now, saved) == {
        "encoder.json": '{"preset": "old/minilm", "family": "bert"}'
    }


def test_a_list_is_the_same_as_a_tuple():
    then = make_config(model__hidden_dims=[3, 2])
    now = make_config(model__hidden_dims=(3, 2))
    assert differences(identity(then), identity(now)) == []
    identity_lib.check_same_config(then, now, "run")


MAY_CHANGE = {
    "config.trainer.resume": "must",
    "config.trainer.save_every_steps": 7,
    "config.trainer.save_every_seconds": 0.5,
    "config.trainer.keep_checkpoints": 9,
    "config.trainer.start_timeout_seconds": 7.0,
    "config.trainer.log_reports": True,
    "config.trainer.trackers": ("csv", "my.module:Mine"),
    "config.export.check": "serving_2_20",
    "config.model.encoder.recompute_activations": True,
    "config.export.allowed_batch_sizes": (1, 3),
    "config.export.max_entities": 7,
}


def test_what_may_change_is_this_alone():
    texts = experiment.ExperimentConfig(
        data=TextDataConfig(),
        model=tfmodels.BertClassifierConfig(),
    )
    found = {
        name
        for config in (make_config(), texts)
        for name, field, _ in tree.leaves(config)
        if field.metadata["may_change"]
    }
    assert found == {*MAY_CHANGE, "config.data.cache_dir"}


@pytest.mark.parametrize("name", MAY_CHANGE)
def test_what_no_result_depends_on_may_change(name):
    leaf = name.removeprefix("config.").replace(".", "__")

    def make(**change):
        if ".encoder." in name:
            change = {"model": tfmodels.BertClassifierConfig()} | change
        return make_config(**change)

    then, now = make(), make(**{leaf: MAY_CHANGE[name]})
    assert then != now
    assert differences(identity(then), identity(now)) == []
    identity_lib.check_same_config(then, now, "run")


def test_another_kind_of_model_is_named_by_its_settings():
    now = make_config()
    now.model = tfmodels.BertClassifierConfig()
    lines = differences(identity(), identity(now))
    assert lines.pop(0) == (
        "`config.model` was MnistMlpConfig. Received: BertClassifierConfig."
    )
    names = [line.split("`")[1].removeprefix("--config.") for line in lines]
    assert all(name.startswith("model.") for name in names)
    assert (
        "`--config.model.hidden_dims` was (64, 64). Received: nothing." in lines
    )
    assert "`--config.model.pooling` was nothing. Received: 'pooled'." in lines
    assert len(names) == len(set(names))


def test_a_setting_younger_than_the_run_keeps_its_default():
    then = json.loads(json.dumps(identity()))
    for part, name in (
        ("optimizer", "ema_momentum"),
        ("optimizer", "plateau_patience"),
        ("trainer", "deterministic_ops"),
        ("trainer", "resume"),
    ):
        del then["config"][part][name]
    assert differences(then, identity()) == []
    now = make_config(optimizer__ema_momentum=0.5)
    assert differences(then, identity(now)) == [
        "`--config.optimizer.ema_momentum` was 0.0. Received: 0.5."
    ]


@pytest.mark.parametrize(
    "state, line",
    [
        (("dog", "cat"), "the classes were cat, dog. Received: dog, cat."),
        (("cat",), "the classes were cat, dog. Received: cat."),
        (
            ("cat", "dog", "猫"),
            "the classes were cat, dog. Received: cat, dog, 猫.",
        ),
        # The state of an objective of a user.
        ({"mean": 2.5}, "the classes were cat, dog. Received: {'mean': 2.5}."),
        ((1, None), "the classes were cat, dog. Received: 1, None."),
        (
            (["a", 2], {"b": 3}),
            "the classes were cat, dog. Received: ['a', 2], {'b': 3}.",
        ),
    ],
)
def test_other_classes_are_named(state, line):
    assert differences(identity(), identity(state=state)) == [line]


@pytest.fixture
def user_code(tmp_path, monkeypatch):
    """The directory of a user's package, and a config with its kinds."""
    directory = tmp_path / "code_of_user"
    directory.mkdir()
    (directory / "__init__.py").write_text("")
    (directory / "helpers.py").write_text("FACTOR = 1\n")
    (directory / "kinds.py").write_text(
        "import own_kinds\n"
        "class Mine(own_kinds.OwnObjectiveConfig):\n"
        "    def make_objective(self):\n"
        "        from code_of_user import helpers\n"
        "        return super().make_objective()\n"
        "def open_source(data, image_shape, decode_fn): ...\n"
    )
    (directory / "shown.py").write_text(
        "from trainers.training.trackers.tracker import Tracker\n"
        "class Shown(Tracker): ...\n"
    )
    (directory / "source.py").write_text("def open_source(*args): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("code_of_user.kinds")
    config = make_config(
        task=module.Mine(),
        data__source="code_of_user.source:open_source",
        trainer__trackers=("code_of_user.shown:Shown",),
    )
    yield directory, config
    for name in [n for n in sys.modules if n.startswith("code_of_user")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["kinds", "helpers", "source"])
def test_changed_code_of_the_user_is_named(name, user_code):
    directory, config = user_code
    before = identity(config)
    assert sorted(before["code"]) == [
        "code_of_user",
        "code_of_user.helpers",
        "code_of_user.kinds",
        "code_of_user.source",
        "own_kinds",
    ]
    assert differences(before, identity(config)) == []
    with (directory / f"{name}.py").open("a") as file:
        file.write("x = 1\n")
    assert differences(before, identity(config)) == [
        f"the code of the module code_of_user.{name} has changed."
    ]


def test_a_changed_tracker_changes_no_run(user_code):
    directory, config = user_code
    before = identity(config)
    (directory / "shown.py").write_text("")
    assert identity(config) == before


def test_an_older_run_has_no_code_to_compare(user_code):
    directory, config = user_code
    before = identity(config)
    del before["code"]
    assert differences(before, identity(config)) == []
    assert "code" not in identity()


def test_another_objective_is_named_by_its_name_and_its_settings():
    now = make_config(task=own_kinds.OwnObjectiveConfig())
    assert differences(identity(), identity(now)) == [
        "`--config.task.objective` was 'single_label'. Received: "
        "'own_kinds:OwnObjectiveConfig'.",
        "`--config.task.label_smoothing` was 0.0. Received: 0.25.",
        "`--config.task.class_weights` was 'none'. Received: nothing.",
        "`--config.task.focal_gamma` was 0.0. Received: nothing.",
        "`--config.task.margin` was nothing. Received: 1.0.",
    ]


@pytest.mark.parametrize(
    "then, now, lines",
    [
        ({"v.txt": "a"}, {"v.txt": "a"}, []),
        (
            {"v.txt": "a"},
            {"v.txt": "b"},
            ["v.txt has changed."],
        ),
        ({"v.txt": "a"}, {}, ["v.txt has changed."]),
        ({}, {"v.txt": ""}, ["v.txt has changed."]),
        (
            {"b.txt": "a", "c.txt": "x"},
            {"a.txt": "a", "c.txt": "x"},
            [
                "a.txt has changed.",
                "b.txt has changed.",
            ],
        ),
    ],
    ids=["same", "changed", "gone", "new", "renamed"],
)
def test_another_vocabulary_is_named(then, now, lines):
    assert differences(identity(assets=then), identity(assets=now)) == lines


@pytest.mark.parametrize(
    "then, now, line",
    [
        (
            {"train": make_examples(4)},
            {"train": make_examples(4, start=1)},
            "the split train had 4 examples. Received: 4 examples, other ones.",
        ),
        (
            {"train": make_examples(4)},
            {"train": make_examples(5)},
            "the split train had 4 examples. Received: 5 examples, not the "
            "same.",
        ),
        (
            {"validation": make_examples(2)},
            {},
            "the split validation had 2 examples. Received: no examples, not "
            "the same.",
        ),
        (
            {},
            {"test": make_examples(2)},
            "the split test had no examples. Received: 2 examples, not the "
            "same.",
        ),
    ],
    ids=["others", "more", "gone", "new"],
)
def test_other_data_is_named(then, now, line):
    then = identity(splits=make_splits(**then))
    now = identity(splits=make_splits(**now))
    assert differences(then, now) == [line]


def test_large_counts_can_be_read():
    many = Examples(
        {"x": np.zeros(1234567, bool)},
        np.zeros(1234567, "i4"),
        Places.numbered("row ", range(1234567)),
    )
    splits = make_splits(train=many)
    assert differences(identity(splits=splits), identity()) == [
        "the split train had 1,234,567 examples. Received: 4 examples, not "
        "the same."
    ]


def test_an_empty_split_is_as_none():
    empty = make_splits(test=make_examples(0))
    assert differences(identity(splits=empty), identity()) == []


def test_another_number_of_devices_is_named():
    assert differences(identity(num_replicas=2), identity()) == [
        "the run was on 2 replicas. Received: 1. Give it as many: GPUs with "
        "CUDA_VISIBLE_DEVICES, workers with --num_workers or TF_CONFIG."
    ]


def test_all_differences_are_named_together():
    now = identity(
        make_config(seed=1),
        make_splits(train=make_examples(1)),
        {"v.txt": ""},
        8,
        ["a", "b"],
    )
    assert differences(identity(), now) == [
        "`--config.seed` was 42. Received: 1.",
        "the classes were cat, dog. Received: a, b.",
        "v.txt has changed.",
        "the split train had 4 examples. Received: 1 examples, not the same.",
        "the run was on 1 replicas. Received: 8. Give it as many: GPUs with "
        "CUDA_VISIBLE_DEVICES, workers with --num_workers or TF_CONFIG.",
    ]


def sum_of(features, labels=(0, 1)):
    examples = Examples(
        features,
        np.array(labels, np.int32),
        Places.numbered("row ", range(len(labels))),
    )
    found = identity(splits=make_splits(train=examples))["data"]["train"]
    assert found["examples"] == len(labels)
    return found["sha256"]


def ragged(values, splits):
    return Ragged(np.array(values, np.int32), np.array(splits, np.int64))


def test_every_difference_in_the_arrays_gives_another_sum():
    array = np.arange(8, dtype=np.uint8).reshape(2, 4)
    other = array.copy()
    other[1, 3] ^= 1
    sums = [
        sum_of({"x": array}),
        sum_of({"x": other}),
        sum_of({"x": array[::-1]}),
        sum_of({"x": array.T.reshape(2, 4)}),
        sum_of({"x": array.reshape(2, 2, 2)}),
        sum_of({"x": array.astype(np.int8)}),
        sum_of({"x": array.astype(np.float32)}),
        sum_of({"y": array}),
        sum_of({"x": array, "y": array}),
        sum_of({"x": array[:, :2], "y": array[:, 2:]}),
        sum_of({"x": array}, (1, 0)),
        sum_of({"x": array}, (0, 2)),
        sum_of({}),
    ]
    assert len(set(sums)) == len(sums)


def test_how_the_arrays_lie_in_memory_makes_no_difference():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    wide = np.zeros((2, 3, 8), np.float32)
    wide[..., ::2] = array
    expected = sum_of({"a": array, "b": array})
    assert sum_of({"b": array, "a": array}) == expected
    assert sum_of({"a": np.asfortranarray(array), "b": array}) == expected
    assert sum_of({"a": wide[..., ::2], "b": array}) == expected
    assert not wide[..., ::2].flags.c_contiguous


@pytest.mark.parametrize(
    "shape", [(0,), (0, 28, 28), (2, 0), (2, 0, 3)], ids=repr
)
def test_arrays_of_nothing_have_a_sum(shape):
    labels = np.zeros(shape[0], np.int32)
    sums = {
        sum_of({"x": np.zeros(shape, dtype)}, labels)
        for dtype in ("uint8", "float32")
        if shape[0]
    }
    assert len(sums) == (2 if shape[0] else 0)
    examples = Examples(
        {"x": np.zeros(shape, np.uint8)},
        labels,
        Places.numbered("row ", range(len(labels))),
    )
    assert len(examples.sha256()) == 64


def test_ragged_texts_differ_by_their_tokens_and_by_their_lengths():
    first = ragged([1, 2, 3], [0, 1, 3])
    sums = [
        sum_of({"token_ids": first}),
        sum_of({"token_ids": ragged([1, 2, 4], [0, 1, 3])}),
        sum_of({"token_ids": ragged([1, 2, 3], [0, 2, 3])}),
        sum_of({"token_ids": ragged([1, 2, 3], [0, 0, 3])}),
        sum_of({"token_ids": ragged([], [0, 0, 0])}),
        sum_of({"token_ids": ragged([1, 2, 3, 0], [0, 1, 4])}),
        sum_of({"token_ids": np.array([[1, 2], [3, 0]], np.int32)}),
    ]
    assert len(set(sums)) == len(sums)
    again = ragged([1, 2, 3], [0, 1, 3])
    assert sum_of({"token_ids": again}) == sums[0]


def test_part_of_a_ragged_array_is_what_it_holds():
    """A slice of a split has the values of its rows alone."""
    whole = ragged([9, 9, 1, 2, 3], [0, 2, 3, 5])
    part = whole.take(np.array([1, 2]))
    assert sum_of({"token_ids": part}) == sum_of(
        {"token_ids": ragged([1, 2, 3], [0, 1, 3])}
    )
