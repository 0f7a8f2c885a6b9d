"""Rules for images. They are checked before training."""

import numpy as np

from trainers.errors import DataError
from trainers.errors import raise_problems


def check_images(split, examples, image_shape):
    """Checks shape, type and range of images and converts them to uint8.

    Pixels are whole numbers from 0 to 255 in any number type. Grey images can
    have a last axis of length 1, which is dropped.

    Args:
        split: str. Name of the split, for messages.
        examples: `Examples`. Its feature `image` is replaced.
        image_shape: Tuple of int. Shape of an image, without the batch.

    Raises:
        DataError: An image breaks a rule.
    """
    images = examples.features["image"]
    shape = tuple(image_shape)
    if images.ndim == len(shape) + 2 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.shape[1:] != shape:
        got = images.shape[1:]
        fits = got[:2] if got[2:] == (1,) else got
        if len(fits) == 2 or fits[2:] == (3,):
            fix = f"Set --config.model.image_shape={','.join(map(str, fits))}"
        else:
            fix = "Images are height,width if grey, height,width,3 if colour."
        raise DataError(
            f"split {split}: images must have the model's shape {shape}. "
            f"Received: {got}. {fix}"
        )
    if images.dtype != np.uint8:
        images = _whole_bytes(split, images, examples.places)
    examples.features["image"] = images


def _whole_bytes(split, images, places):
    if images.dtype.kind not in "iufb":
        raise DataError(
            f"split {split}: pixels must be numbers from 0 to 255. "
            f"Received: dtype {images.dtype}."
        )
    if 0 < images.max() <= 1:
        raise DataError(
            f"split {split}: pixels must be from 0 to 255. Received: "
            f"{images.dtype} from 0 to 1. Multiply them by 255 and round."
        )
    pixels = images.reshape(len(images), -1)
    with np.errstate(invalid="ignore"):
        good = (pixels >= 0) & (pixels <= 255) & (pixels == np.round(pixels))
    bad = np.flatnonzero(~good.all(axis=1))
    raise_problems(
        f"images of split {split} with pixels that are not whole numbers "
        "from 0 to 255",
        bad,
        lambda row: f"{places[row]}: {pixels[row][~good[row]][0]}",
    )
    return images.astype(np.uint8)
