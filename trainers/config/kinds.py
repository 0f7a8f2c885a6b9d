"""The parts of an experiment that come in several kinds, by name.

The names are those of `kind` in `config.json`.
"""

import tfmodels
from trainers.config.data import ImageDataConfig
from trainers.config.data import TextDataConfig
from trainers.config.task import ImageClassificationConfig
from trainers.config.task import TextClassificationConfig

KINDS = {
    "data": {"images": ImageDataConfig, "texts": TextDataConfig},
    "task": {
        "image_classification": ImageClassificationConfig,
        "text_classification": TextClassificationConfig,
    },
    "model": tfmodels.MODEL_CONFIGS,
}
# The data that each task reads, and the part of a model that takes it.
FITS = {
    ImageClassificationConfig: (ImageDataConfig, "image_shape"),
    TextClassificationConfig: (TextDataConfig, "encoder"),
}
