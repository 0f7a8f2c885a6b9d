"""Images as inputs: pixels from 0 to 255, or files."""

import math

import numpy as np
import tensorflow as tf

from tfmodels import package_paths
from trainers.data.images import loading
from trainers.errors import ConfigError
from trainers.errors import DataError
from trainers.tasks import example_signatures
from trainers.tasks.inputs import augmentation
from trainers.tasks.inputs.inputs import Inputs

# Number of pixel values in a batch of evaluation on a GPU or TPU: 4 MB of
# float32, or 1,337 images of 28 x 28. A small network computes them in less
# time than a batch takes to start, about 1 ms. Of large images, a batch has no
# more than on a CPU: 256 keep the device busy, and more only take its memory.
_ACCELERATOR_VALUES = 2**20


class Images(Inputs):
    """Images with pixels from 0 to 255.

    >>> import numpy as np
    >>> from trainers.config import ExperimentConfig
    >>> images = Images(ExperimentConfig())
    >>> images.image_shape, images.num_draws
    ((28, 28), 0)
    >>> pixels = np.full([1, 28, 28], 255, np.uint8)
    >>> float(images.preprocess({"image": pixels})["image"][0, 0, 0])
    1.0

    Attributes:
        image_shape: Tuple of int. Shape of an image, without the batch.
    """

    row_request = "image_bytes"
    example_features = ("image_bytes",)
    answers_are_short = False

    def __init__(self, config):
        """Makes the inputs.

        Args:
            config: `ExperimentConfig` on images.
        """
        super().__init__(config)
        self.image_shape = tuple(config.model.image_shape)
        self.accelerator_batch_size = max(
            _ACCELERATOR_VALUES // math.prod(self.image_shape),
            self.eval_batch_size,
        )
        self._config = data = config.data
        augments = data.random_shift or data.random_rotation or data.random_zoom
        self.num_draws = augmentation.NUM_DRAWS if augments else 0

    def load(self, data, objective):
        """Loads and checks the splits of a run.

        Args:
            data: `ImageDataConfig`.
            objective: `Objective`, before its data is known.

        Returns:
            `(inputs, objective, splits)`. The inputs need nothing of the data.

        Raises:
            ConfigError, DataError: See `loading.load`.
        """
        splits, objective = loading.load(
            data,
            objective,
            image_shape=self.image_shape,
            decode_fn=self.decode,
        )
        return self, objective, splits

    def load_raw(self, data, split, objective, run_data=None):
        """Loads one split. Images have no separate raw form.

        Args:
            data: `ImageDataConfig`.
            split: str. Name or specification of a split.
            objective: `Objective` of the run.
            run_data: `ImageDataConfig` of the run that trained the model;
                `None` means `data`.

        Returns:
            `Examples`.

        Raises:
            ConfigError, DataError: See `loading.load_one`.
        """
        return loading.load_one(
            data,
            split,
            objective,
            image_shape=self.image_shape,
            decode_fn=self.decode,
            run_data=run_data,
        )

    def decode(self, encoded):
        """Decodes one PNG, JPEG, BMP or GIF file and resizes it.

        Args:
            encoded: string[]. The bytes of a file.

        Returns:
            `uint8[*image_shape]`. Images with another aspect ratio are
            stretched.
        """
        height, width, *channels = self.image_shape
        image = _decode_colour(encoded) if channels else _decode_grey(encoded)

        def resize():
            # Without antialiasing, a photo resized to 28 pixels keeps a few of
            # its pixels and ignores the others.
            resized = tf.image.resize(image, (height, width), antialias=True)
            return tf.saturate_cast(tf.round(resized), tf.uint8)

        fits = tf.reduce_all(tf.shape(image)[:2] == (height, width))
        image = tf.cond(fits, lambda: image, resize)
        return tf.reshape(image, self.image_shape)

    def preprocess(self, features):
        """Returns model inputs, in training, evaluation and serving.

        Args:
            features: Dict of `image`, uint8 or float32[batch, *image_shape].
                Pixels from 0 to 255; other values are clipped.

        Returns:
            Dict of `image: float32[batch, *image_shape]`, from 0 to 1.
        """
        image = tf.cast(features["image"], tf.float32)
        image = tf.ensure_shape(image, (None, *self.image_shape))
        # Graphs replace `/ 255` by this product, which rounds differently.
        return {"image": tf.clip_by_value(image, 0.0, 255.0) * (1 / 255)}

    def augment(self, features, draws):
        """Shifts, rotates and zooms images at random. Only training calls it.

        Args:
            features: Dict of `image`, see `preprocess`.
            draws: float32[batch, num_draws]. From 0 to 1.

        Returns:
            Dict of `image: float32[batch, *image_shape]`.
        """
        image = augmentation.transform(features["image"], self._config, draws)
        return features | {"image": image}

    def signatures(self):
        """Returns the signatures that answer with the outputs of the objective.

        `serving_default` takes pixels, and `image_bytes` takes files.

        Returns:
            Dict as `Inputs.signatures` says.
        """
        image = tf.TensorSpec(
            (None, *self.image_shape), tf.float32, name="image"
        )
        image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
        return {
            "serving_default": ([image], self._from_pixels),
            "image_bytes": ([image_bytes], self.from_example),
        }

    def from_example(self, image_bytes):
        """Returns the features of files, for `image_bytes` and `classify`.

        Args:
            image_bytes: string[batch]. The bytes of image files.
        """
        spec = tf.TensorSpec(self.image_shape, tf.uint8)
        return self._from_pixels(
            tf.map_fn(self.decode, image_bytes, fn_output_signature=spec)
        )

    def _from_pixels(self, image):
        return self.preprocess({"image": image})

    def make_check_inputs(self, seed):
        """Returns 100 rows of inputs for the check of an export.

        All signatures get the same images: noise and edge cases (black, white,
        and pixels out of range for floats).

        Args:
            seed: int. Determines the noise.

        Returns:
            Dict by signature of dicts by input of arrays with 100 rows.
        """
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (100, *self.image_shape), np.uint8)
        images[0], images[1] = 0, 255
        channels = images if images.ndim == 4 else images[..., np.newaxis]
        floats = images.astype(np.float32)
        floats[2] = -1.0
        files = [tf.io.encode_png(image).numpy() for image in channels]
        return {
            "serving_default": {"image": floats},
            "image_bytes": {"image_bytes": np.array(files, dtype=object)},
            "examples": example_signatures.check_inputs(image_bytes=files),
        }

    @classmethod
    def read_rows(cls, file, data):
        """Yields the bytes of an image file.

        Args:
            file: str. Path of the file, or `package://PKG/FILE`.
            data: Not used.

        Yields:
            `(place, row)`: a dict of `file`, and a dict of `image_bytes`.

        Raises:
            ConfigError: There is no such package.
            DataError: The file cannot be read.
        """
        try:
            content = package_paths.find(str(file)).read_bytes()
        except LookupError as error:
            raise ConfigError(f"`FILE`: {str(file)!r}: {error}.") from None
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from None
        yield {"file": str(file)}, {"image_bytes": content}

    @classmethod
    def refused_row(cls, place):
        """Returns the error for a file that is no image.

        Args:
            place: dict. From `read_rows`.
        """
        return DataError(
            f"{place['file']}: is not a complete PNG, JPEG, BMP or GIF image."
        )

    def request_of(self, features):
        """Returns the request for a batch of images.

        Args:
            features: Dict of `image`.
        """
        return "serving_default", {
            "image": features["image"].astype(np.float32)
        }

    def describe(self):
        """Returns the images in words, with colour and size."""
        height, width, *channels = self.image_shape
        colour = "colour" if channels else "grey"
        return f"{colour} images of {height} x {width} pixels"

    def limits(self):
        """Returns what happens to images of another size."""
        return [
            "Images of another size are resized. Images of another aspect "
            "ratio are stretched."
        ]


def _decode_colour(encoded):
    return tf.io.decode_image(encoded, channels=3, expand_animations=False)


def _decode_grey(encoded):
    """Returns `uint8[height, width, 1]`."""

    def luma():
        rgb = tf.cast(_decode_colour(encoded), tf.int32)
        # The weights of JPEG as whole numbers, so that grey does not change.
        grey = tf.reduce_sum(rgb * (299, 587, 114), -1, keepdims=True)
        return tf.cast((grey + 500) // 1000, tf.uint8)

    # TensorFlow decodes these two formats only to colour.
    is_bmp_or_gif = tf.strings.regex_full_match(encoded, r"(BM|GIF8)\C*")
    return tf.cond(
        is_bmp_or_gif,
        luma,
        lambda: tf.io.decode_image(
            encoded, channels=1, expand_animations=False
        ),
    )
