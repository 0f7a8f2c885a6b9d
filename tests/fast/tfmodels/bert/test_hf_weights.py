"""Weights of Hugging Face as they are found: names, files, types, extras."""

import json
import logging
import pathlib
import shlex
import shutil

import hf_presets
import keras
import ml_dtypes
import numpy as np
import pytest
from hf_presets import HF_BERT
from hf_presets import HF_DISTILBERT
from hf_presets import hf_weights
from hf_presets import write_hf
from hf_presets import write_weights
from refusals import preset_refusal
from safetensors import numpy as safetensors

from tfmodels.bert import presets
from tfmodels.bert.config import EncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig

pytestmark = pytest.mark.usefixtures("eagerly")
FLAG = "`--config.model.encoder.preset`"
TORCH_FILES = pathlib.Path(__file__).with_name("torch_files")
POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    f"oid sha256:{'4d7a2146' * 8}\nsize 12345\n"
)


@pytest.fixture(params=[HF_BERT, HF_DISTILBERT], ids=["bert", "distilbert"])
def facts(request):
    return request.param


@pytest.fixture
def path(facts, tmp_path):
    return write_hf(tmp_path / "x", facts)


def config_of(path, pooling="pooled"):
    encoder, _ = presets.read(EncoderConfig(preset=str(path)))
    return BertClassifierConfig(encoder=encoder, pooling=pooling)


def load(path, pooling="pooled"):
    """Returns the weights of a classifier that starts from a directory."""
    config = config_of(path, pooling)
    keras.utils.set_random_seed(2)
    network = config.build(3)
    config.load_pretrained(network)
    return {v.path: v.numpy() for v in network.weights}


def assert_loaded(path, facts):
    """Compares all weights of a classifier with those that were written."""
    found = hf_presets.load(config_of(path))
    _, ours = hf_weights(facts)
    for name in ours:
        value = found[name].reshape(ours[name].shape)
        np.testing.assert_array_equal(value, ours[name], err_msg=name)


def test_a_file_of_pytorch_alone_is_read(facts, path):
    """PyTorch 2.14 wrote bert.bin, and distilbert.bin in the old format.

    bert.bin has the names of 2018, those of a head, and `position_ids`;
    distilbert.bin has no prefix.
    """
    (path / "model.safetensors").unlink()
    file = TORCH_FILES / f"{facts['model_type']}.bin"
    shutil.copy(file, path / "pytorch_model.bin")
    assert_loaded(path, facts)


def test_names_without_and_with_other_prefixes_are_read(facts, path):
    theirs, _ = hf_weights(facts)
    family = facts["model_type"]
    for prefix in ("", f"{family}.", f"module.{family}.", "0.auto_model."):
        write_weights(
            path,
            {
                prefix + name.removeprefix(f"{family}."): value
                for name, value in theirs.items()
            },
        )
        assert_loaded(path, facts)


def test_names_of_2018_are_read(tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    theirs, _ = hf_weights(HF_BERT)
    new, old = ("LayerNorm.weight", "LayerNorm.bias"), ("gamma", "beta")
    write_weights(
        path,
        {
            k.replace(new[0], f"LayerNorm.{old[0]}").replace(
                new[1], f"LayerNorm.{old[1]}"
            ): v
            for k, v in theirs.items()
        },
    )
    assert_loaded(path, HF_BERT)


def test_a_head_and_buffers_are_left_out(tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    theirs, _ = hf_weights(HF_BERT)
    tensors = {f"bert.{name}": value for name, value in theirs.items()}
    head = {
        "bert.embeddings.position_ids": np.arange(16)[np.newaxis],
        "bert.embeddings.token_type_ids": np.zeros((1, 16), np.int64),
        "cls.predictions.bias": np.zeros(11, np.float32),
        "cls.seq_relationship.weight": np.zeros((2, 8), np.float32),
        "classifier.weight": np.zeros((2, 8), np.float32),
    }
    write_weights(path, tensors | head)
    assert_loaded(path, HF_BERT)


def test_token_vectors_of_a_tied_head_are_read(facts, path):
    theirs, _ = hf_weights(facts)
    tensors = {
        f"bert.{name}" if facts is HF_BERT else name: value
        for name, value in theirs.items()
    }
    (name,) = (n for n in tensors if n.endswith("word_embeddings.weight"))
    head = {
        "bert": "cls.predictions.decoder.weight",
        "distilbert": "vocab_projector.weight",
    }
    tensors[head[facts["model_type"]]] = tensors.pop(name)
    write_weights(path, tensors)
    assert_loaded(path, facts)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_floating_point_types_become_float32(dtype, tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    theirs, ours = hf_weights(HF_BERT)
    numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    write_weights(path, {k: v.astype(numpy_dtype) for k, v in theirs.items()})
    found = load(path)
    for name, value in ours.items():
        rounded = value.astype(numpy_dtype).astype(np.float32)
        np.testing.assert_array_equal(
            found[name].reshape(value.shape), rounded, err_msg=name
        )
        assert found[name].dtype == np.float32


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(value, tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    theirs, _ = hf_weights(HF_BERT)
    name = "encoder.layer.1.output.dense.weight"
    damaged = theirs[name].copy()
    damaged[0, 0] = value
    write_weights(path, theirs | {name: damaged})
    with pytest.raises(ValueError) as error:
        load(path)
    assert str(error.value) == (
        f"{FLAG} does not fit: transformer_layer_1/feedforward_output_dense/"
        f"kernel (12, 8) is not finite (NaN or infinity) in {str(path)!r}."
    )


def test_quantized_weights_are_refused(tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    theirs, _ = hf_weights(HF_BERT)
    name = "encoder.layer.1.output.dense.weight"
    write_weights(path, theirs | {name: theirs[name].astype(np.int8)})
    with pytest.raises(ValueError) as error:
        load(path)
    assert str(error.value) == (
        f"{FLAG} does not fit: transformer_layer_1/feedforward_output_dense/"
        f"kernel (12, 8) is of the type int8 in {str(path)!r}."
    )
    # bitsandbytes adds the scales.
    write_weights(path, theirs | {f"{name[:-6]}SCB": np.ones(8, np.float32)})
    assert preset_refusal(path) == (
        "its weights contain tensors that an encoder of this family does not "
        "have: encoder.layer.1.output.dense.SCB."
    )


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layer.0.attention.self.query.lora_A.weight",
        "encoder.layer.1.attention.self.distance_embedding.weight",
        "embeddings_project.weight",
    ],
)
def test_what_belongs_to_the_encoder_is_never_left_out(name, tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    theirs, _ = hf_weights(HF_BERT)
    other = np.zeros((8, 8), np.float32)
    write_weights(path, theirs | {name: other})
    message = (
        "its weights contain tensors that an encoder of this family does not "
        f"have: {name}"
    )
    assert preset_refusal(path) == f"{message}."
    write_weights(path, theirs | {name: other, f"{name}_2": other})
    assert preset_refusal(path) == f"{message} and 1 more."


def test_shards_are_read(facts, path):
    theirs, _ = hf_weights(facts)
    names = sorted(theirs)
    shards = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for file, part in shards.items():
        write_weights(path, {name: theirs[name] for name in part})
        (path / "model.safetensors").rename(path / file)
    places = {name: file for file, part in shards.items() for name in part}
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert_loaded(path, facts)
    (path / "model-00002-of-00002.safetensors").unlink()
    assert preset_refusal(path) == (
        "it has no model-00002-of-00002.safetensors, which "
        "model.safetensors.index.json names."
    )


@pytest.mark.parametrize("place", ["..", "absolute"])
def test_an_index_cannot_name_files_outside_of_the_directory(place, tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    (path / "model.safetensors").rename(tmp_path / "1.safetensors")
    parent = tmp_path if place == "absolute" else place
    index = {"weight_map": {"a": f"{parent}/1.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert preset_refusal(path) == (
        f"model.safetensors.index.json names '{parent}/1.safetensors', which "
        "is outside of the directory."
    )
    assert presets.files(str(path)) == {}


@pytest.mark.parametrize("pooling", ["mean", "pooled"])
def test_a_pooler_is_needed_for_pooled_only(pooling, tmp_path, caplog):
    path = write_hf(tmp_path / "x", HF_BERT)
    theirs, ours = hf_weights(HF_BERT)
    tensors = {k: v for k, v in theirs.items() if not k.startswith("pooler")}
    write_weights(path, tensors)
    found = load(path, pooling)
    for name in set(ours) - {"pooled_dense/kernel", "pooled_dense/bias"}:
        np.testing.assert_array_equal(
            found[name].reshape(ours[name].shape), ours[name]
        )
    messages = [r.getMessage() for r in caplog.records if "pooler" in r.msg]
    if pooling == "mean":
        assert not messages
        return
    # Of the seed, so another process gets the same.
    again = load(path)["pooled_dense/kernel"]
    np.testing.assert_array_equal(found["pooled_dense/kernel"], again)
    assert np.any(again != ours["pooled_dense/kernel"])
    assert messages[0] == (
        f"{FLAG}={path} has no pooler: the layer `pooled_dense` starts from "
        "random weights of the seed. --config.model.pooling=mean needs none."
    )


def test_fewer_layers_than_the_file_has_are_used(facts, path, caplog):
    file = path / "config.json"
    name = "num_hidden_layers" if facts is HF_BERT else "n_layers"
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: 1}))
    with caplog.at_level(logging.WARNING):
        found = load(path)
    assert not [n for n in found if n.startswith("transformer_layer_1")]
    assert (
        f"{FLAG}={path}: its weights have 2 layers. The lowest 1 are used, as "
        "config.json says."
    ) in caplog.messages


@pytest.mark.parametrize("rows", [1, 2, 16])
def test_the_number_of_kinds_of_segments_can_differ(rows, tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    theirs, _ = hf_weights(HF_BERT)
    name = "embeddings.token_type_embeddings.weight"
    value = np.arange(rows * 8, dtype=np.float32).reshape(rows, 8)
    write_weights(path, theirs | {name: value})
    found = load(path)["segment_embedding/embeddings"]
    # A text is segment 0.
    np.testing.assert_array_equal(found[0], value[0])
    np.testing.assert_array_equal(found[1], value[min(rows - 1, 1)])


@pytest.mark.parametrize(
    "changes, problem",
    [
        (
            {"vocab_size": 12},
            "config.json says 12 tokens, but its weights have vectors for 11.",
        ),
        (
            {"max_position_embeddings": 10},
            "config.json says 10 positions, but its weights have vectors for "
            "16.",
        ),
        (
            {"num_hidden_layers": 3},
            "config.json says 3 layers, but its weights have 2.",
        ),
        (
            {"vocab_size": "11", "num_attention_heads": 0},
            "config.json must have positive whole numbers as vocab_size, "
            "num_attention_heads.",
        ),
        (
            {"num_attention_heads": 3},
            "config.json must have a multiple of the number of heads as the "
            "size of a vector. Received: 3 and 8.",
        ),
    ],
)
def test_sizes_that_the_weights_do_not_have_are_refused(
    changes, problem, tmp_path
):
    path = write_hf(tmp_path / "x", HF_BERT, **changes)
    assert preset_refusal(path) == problem


@pytest.mark.parametrize(
    "name, content, problem",
    [
        (
            "tokenizer.json",
            '{"model": {"vocab": {"a": 0}}, "normalizer": [1]}',
            "its files cannot be read: AttributeError: 'list' object has no "
            "attribute 'get'.",
        ),
        (
            "tokenizer_config.json",
            '{"never_split": 3}',
            "its files cannot be read: TypeError: 'int' object is not "
            "iterable.",
        ),
        (
            "tokenizer_config.json",
            '{"do_lower_case": "false"}',
            "tokenizer_config.json must have true or false as do_lower_case. "
            'Received: "false".',
        ),
        (
            "tokenizer_config.json",
            "[1]",
            "tokenizer_config.json must be a JSON object.",
        ),
        (
            "vocab.txt",
            "\xff",
            "{path}/vocab.txt: 'utf-8' codec can't decode byte 0xff in "
            "position 0: invalid start byte.",
        ),
    ],
)
def test_damaged_files_give_one_line(name, content, problem, tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    (path / name).write_text(content, encoding="latin-1")
    assert preset_refusal(path) == problem.format(path=path)


def test_a_number_in_place_of_vectors_is_refused(path, facts):
    theirs, _ = hf_weights(facts)
    (name,) = (n for n in theirs if n.endswith("position_embeddings.weight"))
    scalar = np.array(1, np.float32)
    safetensors.save_file({name: scalar}, path / "model.safetensors")
    assert preset_refusal(path) == (
        f"config.json says {facts['model_type']}, but the names of its weights "
        "say neither BERT nor DistilBERT."
    )
    tensors = {k: np.ascontiguousarray(v) for k, v in theirs.items()}
    safetensors.save_file(tensors | {name: scalar}, path / "model.safetensors")
    assert preset_refusal(path) == (
        "its files cannot be read: IndexError: tuple index out of range."
    )


def test_several_encoders_are_refused(tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    theirs, _ = hf_weights(HF_BERT)
    tensors = {
        f"{name}.{k}": v
        for name in ("query", "answer")
        for k, v in theirs.items()
    }
    write_weights(path, tensors)
    assert preset_refusal(path) == (
        "its weights contain 2 encoders: 'answer.', 'query.'."
    )


def test_other_weights_are_refused(path, facts):
    write_weights(path, {"wte.weight": np.zeros((2, 2), np.float32)})
    assert preset_refusal(path) == (
        "its weights contain no embeddings.position_embeddings.weight of an "
        "encoder, but wte.weight."
    )
    other = HF_DISTILBERT if facts is HF_BERT else HF_BERT
    write_weights(path, hf_weights(other)[0])
    assert preset_refusal(path) == (
        f"config.json says {facts['model_type']}, but the names of its weights "
        f"say {other['model_type']}."
    )


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "pytorch_model.bin", "vocab.txt", "tokenizer.json"],
)
def test_a_pointer_of_git_lfs_is_said_to_be_one(name, tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    (path / "model.safetensors").unlink(missing_ok="bin" in name)
    if "model" not in name:
        write_weights(path, hf_weights(HF_BERT)[0])
    (path / name).write_text(POINTER)
    assert preset_refusal(path) == (
        f"{name} is a pointer of Git LFS, not the file itself. "
        f"Run `git -C {path} lfs pull`."
    )


def test_a_pointer_can_be_in_place_of_every_file(tmp_path):
    path = write_hf(tmp_path / "it's", HF_BERT)
    (path / "config.json").write_text(POINTER)
    with pytest.raises(ValueError) as error:
        presets.check(str(path))
    command = str(error.value).split("`")[-2]
    # A shell reads the directory of the command as it is.
    assert shlex.split(command) == ["git", "-C", str(path), "lfs", "pull"]
    assert str(error.value) == (
        f"{FLAG} must be a directory with the files of an encoder. Received: "
        f"{str(path)!r}: config.json is a pointer of Git LFS, not the file "
        f"itself. Run `{command}`."
    )


def test_missing_and_damaged_weights_are_refused(path):
    file = path / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert preset_refusal(path) == (
        "model.safetensors cannot be read: Error while deserializing header: "
        "incomplete metadata, file not fully covered."
    )
    file.unlink()
    none = "it has no model.safetensors or pytorch_model.bin"
    assert preset_refusal(path) == f"{none}."
    (path / "tf_model.h5").write_bytes(b"")
    (path / "adapter_model.safetensors").write_bytes(b"")
    assert preset_refusal(path) == (
        f"{none}, but adapter_model.safetensors, tf_model.h5."
    )
    file.symlink_to("../blobs/0123")
    assert preset_refusal(path) == (
        "model.safetensors is a link to ../blobs/0123, which does not exist. "
        "Copy the file itself, or download it again."
    )


def without_model_type(path, **changes):
    file = path / "config.json"
    facts = json.loads(file.read_text()) | changes
    del facts["model_type"]
    file.write_text(json.dumps(facts))


def test_names_of_weights_replace_a_missing_model_type(facts, path):
    without_model_type(path)
    assert_loaded(path, facts)
    encoder, _ = presets.read(EncoderConfig(preset=str(path)))
    assert encoder.family.replace("_", "") == facts["model_type"]


@pytest.mark.parametrize("changes", [{"architectures": ["ElectraModel"]}, {}])
def test_other_models_have_names_like_these(changes, tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    without_model_type(path, **changes)
    if not changes:
        theirs, _ = hf_weights(HF_BERT)
        write_weights(path, {f"roberta.{k}": v for k, v in theirs.items()})
    with pytest.raises(ValueError) as error:
        presets.check(str(path))
    assert str(error.value).startswith(
        f"{FLAG} must contain a BERT or DistilBERT encoder. Received: "
        f"{str(path)!r} with None. "
    )


def test_a_directory_of_the_cache_is_found(facts, tmp_path):
    """There, files are links into `blobs/`, and `refs/main` names a commit."""
    cache = tmp_path / "models--someone--tiny"
    for name in ("0a1b", "2c3d"):
        path = write_hf(cache / "snapshots" / name, facts)
        for file in path.iterdir():
            blob = cache / "blobs" / f"{name}-{file.name}"
            blob.parent.mkdir(exist_ok=True)
            file.rename(blob)
            file.symlink_to(pathlib.Path("../../blobs") / blob.name)
    with pytest.raises(ValueError) as error:
        presets.check(str(cache))
    options = " or ".join(
        f"--config.model.encoder.preset={cache / 'snapshots' / name}"
        for name in ("0a1b", "2c3d")
    )
    assert str(error.value) == (
        f"{FLAG} must be a directory with the files of an encoder. Received: "
        f"{str(cache)!r}: it has no config.json. Set {options}"
    )
    for word in options.split(" or "):
        place = word.split("=")[1]
        assert presets.check(place) == place
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("2c3d")
    assert presets.check(str(cache)) == str(cache / "snapshots" / "2c3d")
    assert_loaded(cache, facts)
    shutil.rmtree(cache / "snapshots" / "2c3d")
    assert presets.check(str(cache)) == str(cache / "snapshots" / "0a1b")


def test_a_file_in_place_of_its_directory_is_refused_with_it(path):
    for name in ("config.json", "model.safetensors"):
        file = path / name
        with pytest.raises(ValueError) as error:
            presets.check(str(file))
        message, _, place = str(error.value).rpartition("=")
        assert message == (
            f"{FLAG} must be a directory. Received: {str(file)!r}, a file. Set "
            "--config.model.encoder.preset"
        )
        assert presets.check(place) == str(path)
