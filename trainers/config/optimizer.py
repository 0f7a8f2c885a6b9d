"""How weights move: optimizer, learning rate, gradients."""

import dataclasses

from tfmodels.settings import setting


@dataclasses.dataclass(slots=True)
class OptimizerConfig:
    """How weights move."""

    name: str = setting(
        "adam", "Algorithm.", choices=("sgd", "momentum", "adam", "adamw")
    )
    learning_rate: float = setting(1e-3, "Peak learning rate.", above=0)
    schedule: str = setting(
        "constant",
        "Course of the learning rate after the warm-up.",
        choices=("constant", "cosine", "linear", "exponential"),
    )
    warmup_steps: int = setting(
        0, "Steps in which the learning rate rises linearly.", at_least=0
    )
    warmup_fraction: float = setting(
        0.0,
        "The same as a share of all steps, instead of `warmup_steps`.",
        at_least=0,
        below=1,
    )
    end_fraction: float = setting(
        0.01,
        "Share of the peak that a decaying schedule ends at.",
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
        "Decoupled weight decay of `adamw`; biases and the parameters of "
        "normalizations are left out.",
        at_least=0,
        only_with=("name", ("adamw",)),
    )
    global_clipnorm: float = setting(
        0.0,
        "Largest norm of all gradients together, summed over all devices; "
        "longer ones are shortened to it. 0 leaves all as they are.",
        at_least=0,
    )
    accumulation_steps: int = setting(
        1,
        "Parts into which each device cuts its share of a batch, one after "
        "the other, to need less memory. Results are those of 1.",
        at_least=1,
    )
    ema_momentum: float = setting(
        0.0,
        "Share that a moving average of the weights keeps at a step, such as "
        "0.999; validation, the best epoch and exports take the average. 0 "
        "averages nothing.",
        at_least=0,
        below=1,
    )
    plateau_patience: int = setting(
        0,
        "Lower the learning rate after so many epochs without a better "
        "`best_metric`; 0 never.",
        at_least=0,
    )
    plateau_factor: float = setting(
        0.5, "What it is multiplied with then.", above=0, below=1
    )
