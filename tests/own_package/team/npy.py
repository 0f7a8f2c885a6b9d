"""`images.npy` and `labels.npy` in one directory, as the split `train`."""

import numpy as np

from trainers.data import paths
from trainers.data.examples import Examples
from trainers.data.examples import Source
from trainers.data.places import Places


def open_source(data, image_shape, decode_fn):
    """Opens the directory; see `trainers.data.images.loading`.

    Args:
        data: `ImageDataConfig`.
        image_shape: Not used.
        decode_fn: Not used.

    Returns:
        `Source`.
    """
    del image_shape, decode_fn  # `loading` checks the pixels after reading.
    directory = paths.resolve_path(data.path)
    images = np.load(directory / "images.npy")
    labels = np.load(directory / "labels.npy")

    def read(split, start, stop):
        return Examples(
            {"image": images[start:stop]},
            labels[start:stop],
            Places.numbered(
                f"{directory / 'labels.npy'}, item ", range(start, stop)
            ),
        )

    return Source({"train": len(labels)}, class_names=None, read=read)
