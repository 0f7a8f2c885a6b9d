"""Settings of the training steps: optimizer, learning rate, gradients."""

import dataclasses

from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class OptimizerConfig:
    """How a training step updates the weights.

    >>> OptimizerConfig(name="adamw", schedule="cosine").learning_rate
    0.001
    """

    name: str = setting(
        "adam", "Algorithm.", choices=("sgd", "momentum", "adam", "adamw")
    )
    learning_rate: float = setting(1e-3, "Peak learning rate.", above=0)
    schedule: str = setting(
        "constant",
        "Schedule of the learning rate after the warm-up.",
        choices=("constant", "cosine", "linear", "exponential"),
    )
    warmup_steps: int = setting(
        0, "Steps in which the learning rate rises linearly.", at_least=0
    )
    warmup_fraction: float = setting(
        0.0,
        "The same as a share of all steps, in place of `warmup_steps`.",
        at_least=0,
        below=1,
    )
    end_fraction: float = setting(
        0.01,
        "Share of the peak at which a decaying schedule ends.",
        at_least=0,
        at_most=1,
        only_with=("schedule", ("cosine", "linear", "exponential")),
    )
    momentum: float = setting(
        0.9,
        "Momentum of `momentum`.",
        at_least=0,
        below=1,
        only_with=("name", ("momentum",)),
    )
    beta_1: float = setting(
        0.9,
        "Decay of Adam's first moment.",
        at_least=0,
        below=1,
        only_with=("name", ("adam", "adamw")),
    )
    beta_2: float = setting(
        0.999,
        "Decay of Adam's second moment.",
        at_least=0,
        below=1,
        only_with=("name", ("adam", "adamw")),
    )
    epsilon: float = setting(
        1e-7, "Adam's epsilon.", above=0, only_with=("name", ("adam", "adamw"))
    )
    weight_decay: float = setting(
        0.01,
        "Decoupled weight decay of `adamw`. Biases and parameters of "
        "normalizations do not decay.",
        at_least=0,
        only_with=("name", ("adamw",)),
    )
    global_clipnorm: float = setting(
        0.0,
        "Largest norm of all gradients together, summed over all devices. "
        "Larger gradients are scaled down to it. 0 means no limit.",
        at_least=0,
    )
    accumulation_steps: int = setting(
        1,
        "Number of parts into which each device cuts its share of a batch. It "
        "computes them one by one and needs less memory. The result does "
        "not change.",
        at_least=1,
    )
    ema_momentum: float = setting(
        0.0,
        "Share that a moving average of the weights keeps in each step, such "
        "as 0.999. Validation, best weights and exports use the average. 0 "
        "means no average.",
        at_least=0,
        below=1,
    )
    plateau_patience: int = setting(
        0,
        "Lower the learning rate after this number of epochs without a better "
        "`best_metric`. 0 means never.",
        at_least=0,
    )
    plateau_factor: float = setting(
        0.5,
        "Factor by which `plateau_patience` lowers the learning rate.",
        above=0,
        below=1,
    )
