"""Trains the small convolutional network on digits of the user's own files."""

from team.tiny_cnn import TinyCnnConfig

from trainers import config as c


def get_config(variant: str = "") -> c.ExperimentConfig:
    """Returns the experiment.

    Args:
        variant: Not used.
    """
    return c.ExperimentConfig(
        data=c.ImageDataConfig(source="team.npy:open_source", path="digits"),
        model=TinyCnnConfig(filters=(4,)),
        optimizer=c.OptimizerConfig(learning_rate=0.1),
        trainer=c.TrainerConfig(epochs=15),
    )
