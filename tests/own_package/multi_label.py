"""Learns several labels for each text, from files of the user's own format."""

from team.bag import BagConfig
from team.multi_label import MultiLabelConfig

from tfmodels import EncoderConfig
from trainers import config as c


def get_config(variant: str = "") -> c.ExperimentConfig:
    """Returns the experiment.

    Args:
        variant: Not used.
    """
    return c.ExperimentConfig(
        data=c.TextDataConfig(
            source="team.blocks:BLOCKS",
            train="mails.txt",
            sequence_length=16,
            global_batch_size=16,
            cache_dir="cache",
        ),
        task=MultiLabelConfig(threshold=0.4),
        model=BagConfig(
            encoder=EncoderConfig(vocabulary_size=200, hidden_dim=16)
        ),
        optimizer=c.OptimizerConfig(learning_rate=0.1),
        trainer=c.TrainerConfig(epochs=4, best_metric="micro_f1"),
    )
