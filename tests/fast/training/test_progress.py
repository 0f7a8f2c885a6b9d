"""What a person sees: lines in a file, a bar on a terminal."""

import contextlib
import io
import os
import re
import termios

import pytest

from trainers.training.progress import Progress

LOGS = {
    "loss": 0.25,
    "accuracy": 0.98765,
    "val_loss": 0.5,
    "val_accuracy": 0.9,
    "val_macro_precision": 0.1,
    "val_macro_recall": 0.1,
    "val_macro_f1": 0.8,
    "seconds": 1.25,
    "examples_per_second": 12345.6,
    "input_wait_share": 0.01,
}
SHOWN = ("loss", "accuracy", "macro_f1")
LINE = (
    "epoch 2/10: loss 0.2500 accuracy 0.9877 val_loss 0.5000 "
    "val_accuracy 0.9000 val_macro_f1 0.8000 (1.2 s, 12,346 examples/s)"
)


@contextlib.contextmanager
def terminal(columns=80, lines=24):
    """Yields a stream that is a terminal, and a function of what it shows."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (lines, columns))
    os.set_blocking(master, False)
    shown = bytearray()

    def read():
        with contextlib.suppress(BlockingIOError):
            while data := os.read(master, 65536):
                shown.extend(data)
        return shown.decode()

    with open(slave, "w") as stream:
        yield stream, read
    os.close(master)


def run_until_shown(progress, read, pattern):
    """Makes steps until the bar, drawn ten times a second, shows a pattern."""
    progress.on_epoch_begin(1)
    for batch in range(3_000_000):
        progress.on_train_batch_end(batch, {"loss": 0.25, "accuracy": 1})
        if batch % 1000 == 0 and re.search(pattern, read()):
            return
    pytest.fail(f"{pattern} was not shown: {read()[-500:]}")


def test_without_a_terminal_an_epoch_is_a_line():
    stream = io.StringIO()
    progress = Progress(10, 3, SHOWN, stream=stream)
    progress.on_epoch_begin(1)
    for batch in range(3):
        progress.on_train_batch_end(batch, {"loss": 0.3})
    assert stream.getvalue() == ""
    progress.on_epoch_end(1, LOGS)
    assert stream.getvalue() == LINE + "\n"
    progress.close()
    assert stream.getvalue() == LINE + "\n"


def test_without_validation_the_line_is_shorter():
    stream = io.StringIO()
    progress = Progress(epochs=1, steps_per_epoch=3, stream=stream)
    progress.on_epoch_begin(0)
    logs = {"loss": 1e-5, "seconds": 100.0, "examples_per_second": 0.4}
    progress.on_epoch_end(0, logs)
    assert stream.getvalue() == (
        "epoch 1/1: loss 1e-05 (100.0 s, 0 examples/s)\n"
    )


def test_the_metric_that_chooses_the_epoch_is_shown_as_well():
    stream = io.StringIO()
    progress = Progress(10, 3, {*SHOWN, "roc_auc"}, stream=stream)
    progress.on_epoch_begin(1)
    progress.on_epoch_end(1, LOGS | {"val_roc_auc": 0.75, "val_pr_auc": 0.5})
    assert (
        stream.getvalue()
        == LINE.replace(
            "val_macro_f1 0.8000", "val_macro_f1 0.8000 val_roc_auc 0.7500"
        )
        + "\n"
    )


def test_of_an_objective_without_more_the_loss_is_shown():
    stream = io.StringIO()
    progress = Progress(epochs=10, steps_per_epoch=3, stream=stream)
    progress.on_epoch_end(1, LOGS)
    assert (
        stream.getvalue()
        == LINE.replace(" val_accuracy 0.9000 val_macro_f1 0.8000", "") + "\n"
    )


def test_progress_goes_to_stderr(capsys):
    progress = Progress(10, 3, SHOWN)
    progress.on_epoch_begin(1)
    progress.on_epoch_end(1, LOGS)
    assert capsys.readouterr() == ("", LINE + "\n")


@pytest.mark.parametrize("columns, lines", [(80, 24), (0, 0)])
def test_a_terminal_shows_a_bar_with_loss_and_eta(columns, lines):
    with terminal(columns, lines) as (stream, read):
        progress = Progress(10, 3_000_000, SHOWN, stream=stream)
        # `\r`, percentage, bar, steps, ETA, metrics.
        run_until_shown(
            progress,
            read,
            r"\repoch 2/10: +\d+%\|.{10}\| \d+/3000000 "
            r"ETA [\d:]*\d, loss=0.2500, accuracy=1",
        )
        progress.on_epoch_end(1, LOGS)
        # The bar is wiped, and the line stays.
        assert re.search(r"\r +\r" + re.escape(LINE) + "\r\n$", read())


def test_an_interrupted_bar_is_wiped():
    with terminal() as (stream, read):
        progress = Progress(10, 3_000_000, SHOWN, stream=stream)
        run_until_shown(progress, read, "loss=0.2500")
        progress.close()
        assert re.search(r"\r +\r$", read())
        length = len(read())
        progress.close()
        assert len(read()) == length


def test_each_epoch_has_a_bar_that_starts_at_zero():
    with terminal() as (stream, read):
        progress = Progress(epochs=2, steps_per_epoch=8, stream=stream)
        for epoch in range(2):
            progress.on_epoch_begin(epoch)
            # Keras calls once an execution, with the last of its steps.
            for batch in (3, 7):
                progress.on_train_batch_end(batch, {"loss": 0.5})
            progress.on_epoch_end(epoch, LOGS)
        for epoch in (1, 2):
            assert re.search(rf"\repoch {epoch}/2: +0%\|.*\| 0/8 ", read())
        assert read().count(" examples/s)\r\n") == 2


def test_the_bar_of_a_resumed_epoch_starts_where_it_was():
    with terminal() as (stream, read):
        progress = Progress(epochs=2, steps_per_epoch=8, stream=stream)
        progress.on_epoch_begin(1, {"first_batch": 6})
        assert re.search(r"\repoch 2/2: +75%\|.*\| 6/8 ", read())
        progress.on_train_batch_end(6, {"loss": 0.5})
        assert progress._bar.n == 7
        progress.on_train_batch_end(7, {"loss": 0.5})
        assert progress._bar.n == 8
        progress.on_epoch_end(1, LOGS)
        progress.on_epoch_begin(2, {"first_batch": 0})
        assert re.search(r"\repoch 3/2: +0%\|.*\| 0/8 ", read())
        progress.close()


def test_an_epoch_of_which_only_the_validation_is_left_has_a_full_bar():
    with terminal() as (stream, read):
        progress = Progress(epochs=2, steps_per_epoch=8, stream=stream)
        progress.on_epoch_begin(1, {"first_batch": 8})
        assert re.search(r"\repoch 2/2: +100%\|.*\| 8/8 ", read())
        progress.on_epoch_end(1, LOGS)
        assert read().count(" examples/s)\r\n") == 1
