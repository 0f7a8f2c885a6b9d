"""The command `check_data`: its warnings, and the report of a wrong metric."""

import json

import command_flags
import pytest

from trainers import flags
from trainers.errors import ConfigError

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check_data(*words):
    """Runs the command in this process."""
    with command_flags.defined("check_data") as module:
        argv = ["check_data", *words]
        given = flags.parse(argv, needs=("config",))
        module["check"](*given)
        module["main"](*given)


def test_settings_without_an_effect_are_named(directory, caplog):
    rows = "".join(f"text {n},{n % 2},1\n" for n in range(20))
    (directory / "a.csv").write_text(f"text,a,b\n{rows}")
    words = (
        "--config=configs/bert_multi_label.py:smoke",
        *(f"--config.data.{x}" for x in ("train=a.csv", "test=none")),
        "--config.data.validation=none",
        "--config.data.cache_dir=none",
        "--config.task.label_columns=a,b",
    )
    check_data(*words)
    before = [record.getMessage() for record in caplog.records]
    caplog.clear()
    check_data(*words, "--config.task.label_separator=,")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("`--config.task.label_separator` has no effect")
    assert lines[1:] == before


def test_a_metric_that_is_not_defined_is_an_error_in_the_report(
    directory, capsys
):
    for name, numbers in (("train", (1, 2)), ("validation", (1, 1))):
        rows = "".join(f"{name} {n},{x}\n" for n, x in enumerate(numbers * 9))
        (directory / f"{name}.csv").write_text(f"text,label\n{rows}")
    words = (
        "--config=configs/bert_regressor.py:smoke",
        *("--config.data.train=train.csv", "--config.data.test=none"),
        "--config.data.validation=validation.csv",
        "--config.data.cache_dir=none",
        "--workdir=run",
    )
    with pytest.raises(ConfigError) as caught:
        check_data(*words, "--config.trainer.best_metric=r2")
    message = str(caught.value)
    assert message.startswith("`--config.trainer.best_metric` must be a metric")
    for text in (
        (directory / "run" / "data_report.json").read_text(),
        capsys.readouterr().out,
    ):
        report = json.loads(text)
        assert report["errors"] == [message]
        assert report["splits"]["train"]["examples"] == 18
    check_data(*words, "--config.trainer.best_metric=loss")
    assert json.loads(capsys.readouterr().out)["errors"] == []
