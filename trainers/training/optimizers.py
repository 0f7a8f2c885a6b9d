"""Makes optimizers and their learning-rate schedules."""

import logging
import math
import re

import keras
import tensorflow as tf

from trainers.training import fused_adam


def make_optimizer(config, total_steps, variables, first_step=0):
    """Makes a Keras optimizer with its schedule; does not build its slots.

    Args:
        config: `OptimizerConfig`.
        total_steps: int. Steps of the schedule, which are those of the whole
            run or of its extension. A decaying schedule reaches `end_fraction`
            of the peak after them.
        variables: List of `keras.Variable`. The trainable variables.
        first_step: int. Step of the optimizer at which the schedule begins.
    """
    learning_rate = _learning_rate(config, total_steps, first_step)
    optimizer = _make(config, learning_rate)
    if config.name == "adamw":
        kept = [v for v in variables if _is_free_of_decay(v.path)]
        optimizer.exclude_from_weight_decay(var_list=kept)
        _log_decay(config.weight_decay, variables, kept)
    return optimizer


def _learning_rate(config, total_steps, first_step):
    warmup_steps = config.warmup_steps or round(
        config.warmup_fraction * total_steps
    )
    # float(): a config file can contain an int, which Keras refuses here.
    if config.schedule == "constant" and not warmup_steps:
        return float(config.learning_rate)
    return LearningRate(
        float(config.learning_rate),
        schedule=config.schedule,
        warmup_steps=warmup_steps,
        total_steps=total_steps,
        end_fraction=float(config.end_fraction),
        first_step=first_step,
    )


def _make(config, learning_rate):
    shared = {
        "learning_rate": learning_rate,
        "use_ema": bool(config.ema_momentum),
        "ema_momentum": float(config.ema_momentum),
    }
    if config.name == "sgd":
        return keras.optimizers.SGD(**shared)
    if config.name == "momentum":
        return keras.optimizers.SGD(momentum=float(config.momentum), **shared)
    adam = shared | {
        "beta_1": config.beta_1,
        "beta_2": config.beta_2,
        "epsilon": config.epsilon,
    }
    if config.name == "adam":
        return fused_adam.FusedAdam(**adam)
    return fused_adam.FusedAdamW(weight_decay=config.weight_decay, **adam)


def _is_free_of_decay(path):
    """Returns whether a variable is a bias or belongs to a normalization.

    It reads the whole path. Keras's own exclusion reads only its last part,
    and `gamma` or `beta` also occur in other layers.
    """
    return re.search(r"/bias$|norm(alization)?(_\d+)?/", path) is not None


def _log_decay(weight_decay, variables, kept):
    """Logs which variables decay, with `*` for layer numbers."""
    kept_paths = {v.path for v in kept}
    decayed = [v for v in variables if v.path not in kept_paths]
    for words, group in (("on", decayed), ("not on", kept)):
        names = dict.fromkeys(re.sub(r"_\d+/", "_*/", v.path) for v in group)
        logging.getLogger(__name__).info(
            "weight decay %s %s %d variables, %s weights: %s",
            weight_decay,
            words,
            len(group),
            f"{sum(math.prod(v.shape) for v in group):,}",
            ", ".join(names) or "none",
        )


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then constant, cosine, linear or exponential decay.

    In the warm-up, the factor of the peak is (step + 1) / warmup_steps: never
    0, and 1 at its last step. After it, p is the finished share of the other
    steps and e is `end_fraction`. The factor is 1 (constant),
    e + (1 - e) (1 + cos(pi p)) / 2 (cosine), 1 - (1 - e) p (linear) or e**p
    (exponential).

    References:
        Cosine: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983.

    >>> schedule = LearningRate(
    ...     0.1,
    ...     schedule="linear",
    ...     warmup_steps=2,
    ...     total_steps=6,
    ...     end_fraction=0.0,
    ... )
    >>> [round(float(schedule(step)), 3) for step in range(7)]
    [0.05, 0.1, 0.1, 0.075, 0.05, 0.025, 0.0]
    """

    def __init__(
        self,
        peak,
        *,
        schedule,
        warmup_steps,
        total_steps,
        end_fraction,
        first_step=0,
    ):
        """Makes the schedule.

        Args:
            peak: float. Largest learning rate.
            schedule: str. `constant`, `cosine`, `linear` or `exponential`.
            warmup_steps: int. 0 means no warm-up.
            total_steps: int. Steps of the schedule, including the warm-up.
            end_fraction: float. Factor of the peak at the end of the decay.
            first_step: int. Step at which the schedule begins.
        """
        self._config = {
            "peak": peak,
            "schedule": schedule,
            "warmup_steps": warmup_steps,
            "total_steps": total_steps,
            "end_fraction": end_fraction,
            "first_step": first_step,
        }
        decay_steps = max(total_steps - warmup_steps, 1)
        end = end_fraction
        self._decay = {
            "constant": lambda p: tf.ones_like(p),
            "cosine": lambda p: end + (1 - end) * (1 + tf.cos(math.pi * p)) / 2,
            "linear": lambda p: 1 - (1 - end) * p,
            "exponential": lambda p: tf.pow(end, p),
        }[schedule]
        self._peak = peak
        self._warmup_steps = warmup_steps
        self._decay_steps = decay_steps
        self._first_step = first_step

    def __call__(self, step):
        """Returns the learning rate of a step.

        Args:
            step: int, or an integer tensor. Counted from 0.

        Returns:
            float32[].
        """
        step = tf.cast(step, tf.float32) - self._first_step
        progress = (step - self._warmup_steps) / self._decay_steps
        decayed = self._decay(tf.clip_by_value(progress, 0.0, 1.0))
        warm = (step + 1) / max(self._warmup_steps, 1)
        return self._peak * tf.where(step < self._warmup_steps, warm, decayed)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return self._config
