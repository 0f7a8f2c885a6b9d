"""Defines the settings of an experiment: meaning, defaults and rules.

A config file imports the classes from here, see `configs/`.
"""

from trainers.config.data import ImageDataConfig as ImageDataConfig
from trainers.config.data import TextDataConfig as TextDataConfig
from trainers.config.experiment import ExperimentConfig as ExperimentConfig
from trainers.config.export import ExportConfig as ExportConfig
from trainers.config.optimizer import OptimizerConfig as OptimizerConfig
from trainers.config.tagged_data import (
    TaggedTextDataConfig as TaggedTextDataConfig,
)
from trainers.config.text_pairs import TextPairDataConfig as TextPairDataConfig
from trainers.config.trainer import TrainerConfig as TrainerConfig
from trainers.objectives.multi_label import MultiLabelConfig as MultiLabelConfig
from trainers.objectives.regression import RegressionConfig as RegressionConfig
from trainers.objectives.single_label import (
    SingleLabelConfig as SingleLabelConfig,
)
from trainers.objectives.tags import TagsConfig as TagsConfig
