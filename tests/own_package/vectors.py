"""Learns one label for each row of numbers."""

from team.vectors import LinearConfig
from team.vectors import VectorDataConfig

from trainers import config as c


def get_config(variant: str = "") -> c.ExperimentConfig:
    """Returns the experiment.

    Args:
        variant: Not used.
    """
    return c.ExperimentConfig(
        data=VectorDataConfig(train="train.csv", test="test.csv"),
        model=LinearConfig(num_features=2),
        optimizer=c.OptimizerConfig(learning_rate=0.1),
        trainer=c.TrainerConfig(epochs=5),
    )
