"""Optimizers and the course of their learning rate."""

import logging
import math
import re

import keras
import tensorflow as tf

from trainers.training import fused_adam


def make_optimizer(config, total_steps, variables):
    """Builds a Keras optimizer with its schedule, not yet its slots.

    Args:
        config: `OptimizerConfig`.
        total_steps: Steps of the whole run, at whose end a decaying schedule
            reaches `end_fraction` of the peak.
        variables: Those that will be trained.
    """
    optimizer = _make(config, _learning_rate(config, total_steps))
    if config.name == "adamw":
        kept = [v for v in variables if _is_free_of_decay(v.path)]
        optimizer.exclude_from_weight_decay(var_list=kept)
        _log_decay(config.weight_decay, variables, kept)
    return optimizer


def _learning_rate(config, total_steps):
    warmup_steps = config.warmup_steps or round(
        config.warmup_fraction * total_steps
    )
    # float(): Keras and TensorFlow refuse an int here, a config file may not.
    if config.schedule == "constant" and not warmup_steps:
        return float(config.learning_rate)
    return LearningRate(
        float(config.learning_rate),
        schedule=config.schedule,
        warmup_steps=warmup_steps,
        total_steps=total_steps,
        end_fraction=float(config.end_fraction),
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

    By its path, as Keras's own exclusion looks at the last part alone, and
    that is `gamma` or `beta` in more layers than these.
    """
    return re.search(r"/bias$|norm(alization)?(_\d+)?/", path) is not None


def _log_decay(weight_decay, variables, kept):
    """Prints which variables decay, numbers of layers as `*`."""
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

    With p the share of the steps after the warm-up that is done, the factor
    of the peak is 1 (constant), e + (1 - e) (1 + cos(pi p)) / 2 (cosine),
    1 - (1 - e) p (linear) or e**p (exponential), where e is `end_fraction`.
    In the warm-up it is (step + 1) / warmup_steps: never 0, and 1 at its
    last step.

    References:
        Cosine: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983.
    """

    def __init__(
        self, peak, *, schedule, warmup_steps, total_steps, end_fraction
    ):
        self._config = {
            "peak": peak,
            "schedule": schedule,
            "warmup_steps": warmup_steps,
            "total_steps": total_steps,
            "end_fraction": end_fraction,
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

    def __call__(self, step):
        """Returns the learning rate `float32[]` at a step, counted from 0."""
        step = tf.cast(step, tf.float32)
        progress = (step - self._warmup_steps) / self._decay_steps
        decayed = self._decay(tf.clip_by_value(progress, 0.0, 1.0))
        warm = (step + 1) / max(self._warmup_steps, 1)
        return self._peak * tf.where(step < self._warmup_steps, warm, decayed)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return self._config
