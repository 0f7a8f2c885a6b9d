"""`trainers.predict` answers alike, in process and from a server."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from repository import ROOT

from trainers.config.data import ImageDataConfig
from trainers.config.data import TextDataConfig
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.prediction import rows
from trainers.prediction.rest import ServerError
from trainers.run.workdir import Workdir


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    file = tmp_path_factory.mktemp("texts") / "texts.txt"
    file.write_bytes(
        "A chess game\n\n\ufffd broken\n中\n".encode() + b"long " * 9_000
    )
    return file


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    directory = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    files = [directory / f"{n}.png" for n in range(3)]
    for file in files:
        image = rng.integers(0, 256, (28, 28, 1), np.uint8)
        file.write_bytes(tf.io.encode_png(image).numpy())
    return files


def assert_alike(answers, expected):
    """Compares the lines that are written: numbers within 1e-6."""
    for answer, wanted in zip(answers, expected, strict=True):
        assert list(answer) == list(wanted)
        for name, value in wanted.items():
            if name == "scores":
                assert list(answer[name]) == list(value)
            if name in ("scores", "probability"):
                assert answer[name] == pytest.approx(value, rel=0, abs=1e-6)
            elif name in ("probabilities", "logits"):
                assert answer[name] == pytest.approx(value, rel=0, abs=1e-5)
            else:
                assert answer[name] == value


@pytest.mark.parametrize("scores", [False, True])
def test_texts_are_answered_alike(text_export, served_text, texts, scores):
    files = [str(texts)]
    local = rows.predict(text_export, None, files=files, scores=scores)
    served = rows.predict(served_text, None, files=files, scores=scores)
    local, served = list(local), list(served)
    assert len(served) == 5
    assert ("scores" in served[0]) is scores
    assert_alike(served, local)


def test_images_are_answered_alike(image_export, served_image, images):
    local = list(rows.predict(image_export, None, files=images))
    served = list(rows.predict(served_image, None, files=images))
    assert [answer["file"] for answer in served] == list(map(str, images))
    assert_alike(served, local)


@pytest.mark.parametrize("kind", ["text", "image"])
def test_the_best_weights_of_a_run_answer_as_its_export(request, kind, texts):
    """In float32 they do, and in bfloat16 almost."""
    export = request.getfixturevalue(f"{kind}_export")
    workdir = export.parents[1]
    config = Workdir(workdir).read_config()
    asked, name = {"split": "test[:20]"}, "probabilities"
    if kind == "text":
        asked, name = {"files": [str(texts)], "scores": True}, "probability"
    expected = list(rows.predict(export, None, **asked))
    found = rows.predict_best(config, workdir, dtype_policy="float32", **asked)
    assert_alike(found, expected)
    found = rows.predict_best(
        config, workdir, dtype_policy="mixed_bfloat16", **asked
    )
    differences = []
    for answer, wanted in zip(found, expected, strict=True):
        assert list(answer) == list(wanted)
        assert answer["example"] == wanted["example"]
        assert answer.get("true_label") == wanted.get("true_label")
        difference = np.subtract(answer[name], wanted[name])
        differences.append(np.abs(difference).max())
    assert 0 < max(differences) < 0.05


def test_an_image_that_is_none_is_named_without_an_export(
    smoke_workdir, tmp_path
):
    file = tmp_path / "a.png"
    file.write_bytes(b"no image")
    config = Workdir(smoke_workdir).read_config()
    answers = rows.predict_best(
        config, smoke_workdir, dtype_policy="mixed_bfloat16", files=[str(file)]
    )
    with pytest.raises(DataError) as error:
        next(answers)
    assert str(error.value) == (
        f"{file}: is not a complete PNG, JPEG, BMP or GIF image."
    )


def test_the_command_needs_no_export_in_another_type(
    run_command, smoke_workdir, images, tmp_path
):
    workdir = shutil.copytree(
        smoke_workdir, tmp_path / "run", ignore=lambda *_: ["export"]
    )
    words = ["trainers.predict", f"--workdir={workdir}", str(images[0])]
    run = run_command(*words, "--dtype_policy=mixed_bfloat16")
    assert (run.returncode, run.stderr) == (0, "")
    answer = json.loads(run.stdout)
    assert answer["file"] == str(images[0])
    assert list(answer)[1:] == ["label", "class_id", "probabilities", "logits"]
    run = run_command(*words)
    assert (run.returncode, run.stdout) == (2, "")
    assert "with an export" in run.stderr


def test_columns_are_named_by_settings(served_text, tmp_path):
    file = tmp_path / "new.csv"
    file.write_text("id,body\n7,A chess game\n")
    data = TextDataConfig(text_column="body")
    (answer,) = rows.predict(served_text, data, files=[str(file)])
    assert answer["example"] == f"{file}, line 2"
    # The settings of an image model have no text column.
    data = ImageDataConfig()
    with pytest.raises(ConfigError, match="text_column.* Received: 'text'"):
        list(rows.predict(served_text, data, files=[str(file)]))


@pytest.mark.parametrize("where", ["export", "server"])
def test_texts_in_another_encoding_need_the_setting(
    text_export, served_text, where, tmp_path
):
    where = text_export if where == "export" else served_text
    lines = ["Ein Café mit Gästen", "Größe und Übung"]
    plain, packed = tmp_path / "plain.txt", tmp_path / "cp1252.txt"
    plain.write_text("\n".join(lines), encoding="utf-8")
    packed.write_text("\n".join(lines), encoding="cp1252")
    with pytest.raises(DataError) as caught:
        list(rows.predict(where, None, files=[str(packed)]))
    assert str(caught.value).startswith(
        f"{packed}, line 1: is not UTF-8: byte 0xe9 at position 8. {packed} "
        "seems to be cp1252, which reads "
    )
    assert "set --encoding=cp1252." in str(caught.value)
    expected = list(rows.predict(where, None, files=[str(plain)]))
    found = rows.predict(where, None, files=[str(packed)], encoding="cp1252")
    for answer, wanted in zip(found, expected, strict=True):
        assert answer["label"] == wanted["label"]
        assert answer["probability"] == pytest.approx(
            wanted["probability"], abs=1e-6
        )


def test_the_encoding_of_labelled_files_is_not_that_of_others(
    text_export, tmp_path
):
    file = tmp_path / "a.txt"
    file.write_text("größe", encoding="utf-8")
    data = TextDataConfig(encoding="cp1252")
    (answer,) = rows.predict(text_export, data, files=[str(file)])
    (expected,) = rows.predict(text_export, None, files=[str(file)])
    assert answer == expected


def test_images_have_no_encoding(image_export, images):
    with pytest.raises(ConfigError) as caught:
        list(
            rows.predict(
                image_export, None, files=[str(images[0])], encoding="cp1252"
            )
        )
    assert str(caught.value) == (
        "`--encoding` is for models of texts. Received: 'cp1252'."
    )


def test_what_a_server_cannot_decode_is_named(served_image, images, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(images[0].read_bytes()[:100])
    answers = rows.predict(served_image, None, files=[images[0], broken])
    assert next(answers)["file"] == str(images[0])
    with pytest.raises(DataError) as error:
        next(answers)
    assert str(error.value).startswith(f"{broken}: the server answered 400: ")


def test_a_split_is_not_for_servers(served_text):
    with pytest.raises(ConfigError) as error:
        rows.predict(served_text, None, split="test")
    assert str(error.value) == (
        "`--split` works with an export only; a served model takes files. "
        f"Received: 'test' for {served_text!r}."
    )


def test_a_wrong_model_name_is_said_by_the_server(served_text):
    with pytest.raises(ServerError) as error:
        rows.predict(f"{served_text}x", None, files=["a.txt"])
    assert error.value.status == 404


def test_the_command_asks_a_server(
    run_command, served_text, text_export, texts
):
    run = run_command(
        "trainers.predict", f"--server={served_text}", "--scores", str(texts)
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert_alike(
        [json.loads(line) for line in run.stdout.splitlines()],
        rows.predict(text_export, None, files=[str(texts)], scores=True),
    )


def test_the_command_sends_the_token_of_the_environment(
    run_command, start_server, image_export, images, user_env, monkeypatch
):
    url = start_server(image_export, TFMODELS_TOKEN="s3cret")
    words = ["trainers.predict", f"--server={url}", str(images[0])]
    run = run_command(*words)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: the server answered 401: ")
    monkeypatch.setitem(user_env, "TFMODELS_TOKEN", "s3cret")
    run = run_command(*words)
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout)["file"] == str(images[0])


@pytest.mark.parametrize(
    "words, line",
    [
        (
            ["--server=localhost:8501/v1/models/m", "a.txt"],
            "`--server` must be like http://HOST:PORT/v1/models/NAME. "
            "Received: 'localhost:8501/v1/models/m'.",
        ),
        (
            ["--server=http://localhost:8501/v1/models/m"],
            "give files, and no `--split`, with `--server`: a served model has "
            "no splits. Received: 0 files and --split=None.",
        ),
        (
            [
                "--server=http://localhost/v1/models/m",
                "--encoding=hex",
                "a.txt",
            ],
            "`--encoding` must be an encoding of texts that Python knows, such "
            "as utf-8, utf-16, cp1252. Received: 'hex'.",
        ),
        (
            ["--model_dir=x", "--encoding=cp1252", "--split=test"],
            "`--encoding` is for files of texts; for --split, "
            "--config.data.encoding sets the encoding of texts. Received: "
            "'cp1252'.",
        ),
        (
            [
                "--config=configs/bert_classifier.py:smoke",
                "--server=http://localhost/v1/models/m",
                # The default is refused as well.
                "--config.data.encoding=utf-8",
                "a.txt",
            ],
            "`--config.data.encoding` is for the examples of --split. "
            "Received: 'utf-8' for files. Set --encoding=utf-8.",
        ),
        (
            ["a.txt"],
            "`--workdir` must name the directory of a run, `--model_dir` an "
            "export, or `--server` a served model. Received: none.",
        ),
    ],
    ids=["address", "no_files", "encoding", "encoding_of_split"]
    + ["encoding_of_files", "no_model"],
)
def test_the_command_says_what_is_wrong(run_command, words, line):
    run = run_command("trainers.predict", *words)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"error: {line}\n"


@pytest.mark.parametrize("kind", ["text", "image"])
def test_files_and_splits_can_be_inside_of_a_package(
    request, kind, run_command, images, tmp_path
):
    export = request.getfixturevalue(f"{kind}_export")
    package = tmp_path / "some_files"
    package.mkdir()
    package.joinpath("__init__.py").touch()
    package.joinpath("a.txt").write_text("A chess game")
    package.joinpath("a.png").write_bytes(images[0].read_bytes())
    name = "a.txt" if kind == "text" else "a.png"
    run = run_command(
        "trainers.predict",
        f"--model_dir={export}",
        f"package://some_files/{name}",
        cwd=tmp_path,
    )
    assert run.stderr == ""
    (expected,) = rows.predict(export, None, files=[str(package / name)])
    expected.pop("example", None), expected.pop("file", None)
    answer = json.loads(run.stdout)
    assert answer | expected == answer
    missing = run_command(
        "trainers.predict", f"--model_dir={export}", "package://no_such/a"
    )
    assert missing.returncode == 2
    assert missing.stderr.startswith("error: `FILE`")
    assert "package" in missing.stderr


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_split_can_be_a_file_of_a_package(
    command, run_command, text_export, tmp_path
):
    package = tmp_path / "some_files"
    package.mkdir()
    package.joinpath("__init__.py").touch()
    package.joinpath("a.csv").write_text("text,label\n")
    where = f"--model_dir={text_export}"
    if command == "evaluate":
        shutil.copytree(ROOT / "tests/old_runs/texts", tmp_path / "run")
        where = "--workdir=run"
    run = run_command(
        f"trainers.{command}",
        where,
        "--split=package://some_files/a.csv",
        cwd=tmp_path,
    )
    assert run.stderr == f"error: {package / 'a.csv'}: has no rows.\n"
