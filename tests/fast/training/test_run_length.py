"""Settings that do not fit the length of a run."""

import itertools
import re

import pytest

from trainers.config.experiment import ExperimentConfig
from trainers.training import run_length
from trainers.training import steps as steps_lib

# 100 examples in batches of 10 are 10 steps an epoch; 4 epochs are 40 steps.
SETTINGS = {"data.global_batch_size": 10, "trainer.epochs": 4}


def warnings_of(settings, has_validation=True):
    config = ExperimentConfig().with_overrides(SETTINGS | settings)
    steps = steps_lib.plan(config, num_examples=100, num_replicas=1)
    return list(run_length.warnings(config, steps, has_validation))


CASES = {
    "batch": (
        {"data.global_batch_size": 128, "trainer.epochs": 4},
        "`--config.data.global_batch_size=128` is more than the split train "
        "has: a batch is 100 rows, with all examples, and an epoch is one "
        "step. Set it to 100 or less.",
    ),
    "warm-up": (
        {"optimizer.warmup_steps": 80},
        "`--config.optimizer.warmup_steps=80` is not below the 40 steps of the "
        "run: the learning rate rises until the end, to 0.0005 of 0.001. Set "
        "it to a tenth of the steps, 4, or train for more epochs.",
    ),
    "warm-up to the end": (
        {"optimizer.warmup_steps": 40},
        "`--config.optimizer.warmup_steps=40` is not below the 40 steps of the "
        "run: the learning rate rises until the end, to 0.001 of 0.001. Set it "
        "to a tenth of the steps, 4, or train for more epochs.",
    ),
    "warm-up of nothing": (
        {"optimizer.warmup_fraction": 0.01},
        "`--config.optimizer.warmup_fraction=0.01` of the 40 steps of the run "
        "is less than one step: there is no warm-up. Set it to 0.025 or more.",
    ),
    "checkpoints": (
        {"trainer.save_every_steps": 1000},
        "`--config.trainer.save_every_steps=1000` has no effect: the run saves "
        "after each epoch of 10 steps. Set it to less than that, or to 0.",
    ),
    "checkpoints at the ends of epochs": (
        {"trainer.save_every_steps": 20},
        "`--config.trainer.save_every_steps=20` has no effect: the run saves "
        "after each epoch of 10 steps. Set it to less than that, or to 0.",
    ),
    "average": (
        {"optimizer.ema_momentum": 0.999},
        "`--config.optimizer.ema_momentum=0.999` is too high for 40 steps: the "
        "weights after the first step are 96 % of the average that is "
        "validated and exported. Set it to 0.975 or less.",
    ),
    "early stopping": (
        {"trainer.early_stopping_patience": 3},
        "`--config.trainer.early_stopping_patience=3` has no effect: it acts "
        "after 4 epochs at the earliest, and the run has 4. Set it to 2 or "
        "less, or train for more epochs.",
    ),
    "plateau": (
        {"optimizer.plateau_patience": 10},
        "`--config.optimizer.plateau_patience=10` has no effect: it acts after "
        "11 epochs at the earliest, and the run has 4. Set it to 2 or less, or "
        "train for more epochs.",
    ),
    "plateau after the stop": (
        {
            "trainer.early_stopping_patience": 2,
            "optimizer.plateau_patience": 2,
        },
        # A longer patience of early stopping would have no effect.
        "`--config.optimizer.plateau_patience=2` has no effect: "
        "--config.trainer.early_stopping_patience=2 ends the run before. Set "
        "it to 1 or less.",
    ),
    "plateau after the stop of a longer run": (
        {
            "trainer.epochs": 5,
            "trainer.early_stopping_patience": 2,
            "optimizer.plateau_patience": 2,
        },
        "`--config.optimizer.plateau_patience=2` has no effect: "
        "--config.trainer.early_stopping_patience=2 ends the run before. Set "
        "it to 1 or less, or that one to 3 or more.",
    ),
    "plateau after the stop and the end": (
        {
            "trainer.early_stopping_patience": 2,
            "optimizer.plateau_patience": 9,
        },
        "`--config.optimizer.plateau_patience=9` has no effect: it acts after "
        "10 epochs at the earliest, and the run has 4. Set it to 1 or less, or "
        "train for more epochs.",
    ),
    "average of ten steps": (
        {"trainer.epochs": 1, "optimizer.ema_momentum": 0.95},
        "`--config.optimizer.ema_momentum=0.95` is too high for 10 steps: the "
        "weights after the first step are 63 % of the average that is "
        "validated and exported. Set it to 0.9 or less.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_setting_without_effect_is_one_warning_that_names_the_flag(name):
    settings, expected = CASES[name]
    assert warnings_of(settings) == [expected]


@pytest.mark.parametrize("name", CASES)
def test_the_advice_helps(name):
    settings, text = CASES[name]
    flag = re.match("`--config.([a-z._]*)=", text)[1]
    advice = re.search(
        r"Set it to (?:a tenth of the steps, |less than that, or to )?([0-9.]+)"
        r"(?: or|,|\.)",
        text,
    )[1]
    assert warnings_of(settings | {flag: advice.rstrip(".")}) == []


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"data.global_batch_size": 100},
        {"optimizer.warmup_steps": 39},
        {"optimizer.warmup_fraction": 0.025},
        {"trainer.save_every_steps": 15},
        {"optimizer.ema_momentum": 0.97},
        {"trainer.early_stopping_patience": 2},
        {"optimizer.plateau_patience": 2},
        {
            "trainer.early_stopping_patience": 2,
            "optimizer.plateau_patience": 1,
        },
        {"trainer.best_metric": "accuracy"},
    ],
    ids=str,
)
def test_a_setting_that_fits_is_no_warning(settings):
    assert warnings_of(settings) == []


def test_a_run_of_one_epoch_has_no_patience():
    settings = {"trainer.epochs": 1, "trainer.early_stopping_patience": 1}
    assert warnings_of(settings) == [
        "`--config.trainer.early_stopping_patience=1` has no effect: it acts "
        "after 2 epochs at the earliest, and the run has 1. Set it to 0, or "
        "train for more epochs."
    ]


def test_a_metric_without_validation_selects_nothing():
    settings = {"trainer.best_metric": "macro_f1"}
    assert warnings_of(settings, has_validation=False) == [
        "`--config.trainer.best_metric=macro_f1` has no effect without a "
        "validation split: the weights of the last epoch are kept. Name a "
        "split with --config.data.validation."
    ]
    assert warnings_of({}, has_validation=False) == []


def test_an_extension_is_as_long_as_what_it_adds():
    """Two epochs of 10 steps; the finished run had two."""
    config = ExperimentConfig().with_overrides(
        SETTINGS | {"optimizer.warmup_steps": 20}
    )
    steps = steps_lib.plan(
        config, num_examples=100, num_replicas=1, first_epoch=2
    )
    (line,) = run_length.warnings(config, steps, has_validation=True)
    assert "warmup_steps=20` is not below the 20 steps of the run" in line


@pytest.mark.parametrize(
    "stop, lower, words",
    [
        # Epochs 3 to 6: the best epoch of the finished run can be the last one.
        (3, 0, None),
        (4, 0, "early_stopping_patience=4` has no effect: it acts after 4 "),
        (0, 2, None),
        (0, 3, "plateau_patience=3` has no effect: it acts after 4 epochs"),
        (3, 1, None),
        (3, 2, "plateau_patience=2` has no effect: --config.trainer.early_"),
    ],
)
def test_an_extension_waits_from_the_end_of_the_finished_run(
    stop, lower, words
):
    config = ExperimentConfig().with_overrides(
        SETTINGS
        | {
            "trainer.epochs": 6,
            "trainer.early_stopping_patience": stop,
            "optimizer.plateau_patience": lower,
        }
    )
    steps = steps_lib.plan(
        config, num_examples=100, num_replicas=1, first_epoch=2
    )
    lines = list(run_length.warnings(config, steps, has_validation=True))
    assert len(lines) == (words is not None)
    assert words is None or words in lines[0]


@pytest.mark.parametrize("first_epoch, expected", [(0, 20), (2, 30)])
def test_the_advised_longer_patience_of_early_stopping_does_not_warn(
    first_epoch, expected
):
    """Added epochs of a run or of an extension, and two patiences."""
    num_advised = 0
    for epochs, stop, lower in itertools.product(range(1, 8), repeat=3):
        settings = {
            "trainer.epochs": first_epoch + epochs,
            "trainer.early_stopping_patience": stop,
            "optimizer.plateau_patience": lower,
        }
        config = ExperimentConfig().with_overrides(SETTINGS | settings)
        steps = steps_lib.plan(config, 100, 1, first_epoch=first_epoch)
        (*_, last) = ["", *run_length.warnings(config, steps, True)]
        if found := re.search(r"or that one to (\d+) or more", last):
            num_advised += 1
            config = config.with_overrides(
                {"trainer.early_stopping_patience": int(found[1])}
            )
            assert list(run_length.warnings(config, steps, True)) == []
    assert num_advised == expected
