"""A data set of the TensorFlow Datasets catalogue, downloaded when needed."""

from trainers.data.sources import tfds_directory

# `tfds_builders.open_builder` tells the two apart.
open_source = tfds_directory.open_source
