"""The check as a whole: what stops an export, and what does not."""

import exported_models
import numpy as np
import pytest
import tensorflow as tf

from trainers.errors import RunError
from trainers.serving import warmup
from trainers.serving.proof import checker


@pytest.fixture
def exported(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec((None,), name="x")])
    def half(x):
        return {"y": x / 2}

    rows = {"x": np.arange(100, dtype=np.float32)}
    return exported_models.save(
        tmp_path, {"serving_default": half}, {"serving_default": rows}
    )


def check(exported):
    checker.check(exported.path, exported.functions, exported.inputs)


def write_warmup(exported, rows):
    inputs = {"serving_default": {"x": np.array(rows, np.float32)}}
    warmup.write(exported.path, inputs, [1, 2], model_name="half")


def test_an_export_passes_without_and_with_a_warm_up_file(exported):
    check(exported)
    write_warmup(exported, [1, 2])
    check(exported)


def test_a_warm_up_record_that_is_none_stops_the_export(exported):
    write_warmup(exported, [1, 2])
    file = exported.path / warmup.FILE
    good = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in (*good, b""):
            writer.write(record)
    with pytest.raises(RunError) as error:
        check(exported)
    start, problem = str(error.value).splitlines()
    assert start == "the export would not serve; no version was published:"
    assert problem.startswith("  warm-up record 3: ")


def test_a_warm_up_answer_that_is_no_number_stops_the_export(exported):
    write_warmup(exported, [np.inf, np.inf])
    with pytest.raises(RunError) as error:
        check(exported)
    assert str(error.value).splitlines()[1:] == [
        f"  warm-up record {number}: signature `serving_default`: `y` is not "
        "finite"
        for number in (1, 2)
    ]


def test_variables_of_the_users_process_do_not_decide(
    exported, tmp_path, monkeypatch
):
    """Of modules in the current directory, the check imports none."""
    # Only a new process imports modules.
    monkeypatch.setattr(checker, "_run", checker._run.__wrapped__)
    (tmp_path / "numpy.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    check(exported)
    # $PYTHONPATH is the user's word on where packages are.
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RunError) as error:
        check(exported)
    assert str(error.value).splitlines()[0] == (
        "the export failed its check in a fresh process; no version was "
        "published. Exit code 9."
    )
