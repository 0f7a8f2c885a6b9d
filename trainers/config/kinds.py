"""Names the kinds of the parts of an experiment that have several kinds.

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
# For each task, the kind of data and the part that its model must have.
FITS = {
    ImageClassificationConfig: (ImageDataConfig, "image_shape"),
    TextClassificationConfig: (TextDataConfig, "encoder"),
}
