"""Optimizers and the course of their learning rate."""

import math

import keras
import tensorflow as tf


def make_optimizer(config, total_steps):
    """Builds a Keras optimizer with its schedule.

    Args:
        config: `OptimizerConfig`.
        total_steps: Steps of the whole run, at whose end a decaying schedule
            reaches `end_fraction` of the peak.
    """
    # float(): Keras and TensorFlow refuse an int here, a config file may not.
    learning_rate = LearningRate(
        float(config.learning_rate),
        schedule=config.schedule,
        warmup_steps=config.warmup_steps,
        total_steps=total_steps,
        end_fraction=float(config.end_fraction),
    )
    if config.schedule == "constant" and not config.warmup_steps:
        learning_rate = float(config.learning_rate)
    if config.name == "sgd":
        return keras.optimizers.SGD(learning_rate)
    if config.name == "momentum":
        return keras.optimizers.SGD(
            learning_rate, momentum=float(config.momentum)
        )
    adam = {
        "learning_rate": learning_rate,
        "beta_1": config.beta_1,
        "beta_2": config.beta_2,
        "epsilon": config.epsilon,
    }
    if config.name == "adam":
        return keras.optimizers.Adam(**adam)
    return keras.optimizers.AdamW(weight_decay=config.weight_decay, **adam)


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
