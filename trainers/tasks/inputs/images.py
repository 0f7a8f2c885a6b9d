"""Images as inputs: pixels from 0 to 255, or files."""

import numpy as np
import tensorflow as tf

from trainers.data.images import loading
from trainers.tasks import classify_signature
from trainers.tasks.inputs import augmentation


class Images:
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
        model_config: Config of the model, for example `MnistMlpConfig`.
        image_shape: Tuple of int. Shape of an image, without the batch.
        num_draws: int. Random numbers that the augmentation of one example
            takes; 0 means no augmentation.
        eval_batch_size: int. Number of rows in a batch of evaluation, on each
            replica.
        example_feature: str. Feature of a `tf.Example` that `classify` reads.
    """

    eval_batch_size = 256
    example_feature = "image_bytes"

    def __init__(self, config):
        """Makes the inputs.

        Args:
            config: `ExperimentConfig` on images.
        """
        self.model_config = config.model
        self.image_shape = tuple(config.model.image_shape)
        self._config = task = config.task
        augments = task.random_shift or task.random_rotation or task.random_zoom
        self.num_draws = augmentation.NUM_DRAWS if augments else 0

    def load(self, data):
        """Loads and checks the splits of a run.

        Args:
            data: `ImageDataConfig`.

        Returns:
            These inputs, which need nothing of the data, and `Splits`.

        Raises:
            ConfigError, DataError: See `loading.load`.
        """
        return self, loading.load(
            data, image_shape=self.image_shape, decode_fn=self.decode
        )

    def load_one(self, data, split, *, class_names, run_data):
        """Loads one split.

        Args:
            data: `ImageDataConfig`.
            split: str. Name or specification of a split.
            class_names: List of str. Class names of the model in label order.
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
            image_shape=self.image_shape,
            decode_fn=self.decode,
            class_names=class_names,
            run_data=run_data,
        )

    # Images have no separate raw form.
    load_raw = load_one

    def assets(self):
        """Returns an empty dict: images need no files in the work directory."""
        return {}

    def restored(self, directory):
        """Returns these inputs, which need no files.

        Args:
            directory: `pathlib.Path` of the work directory.
        """
        return self

    def lengths(self, examples):
        """Returns `None`: all images have the same size.

        Args:
            examples: `Examples`.
        """
        return None

    def padding_share(self, examples, *, batch_size, seed):
        """Returns `None`: images are not padded.

        Args:
            examples: `Examples`.
            batch_size: int.
            seed: int.
        """
        return None

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

    def make_inference(self, network):
        """Returns the function for the logits of an export: the network.

        Args:
            network: `keras.Model`.
        """
        return network

    def signatures(self):
        """Returns the signatures that answer with the outputs of the objective.

        `serving_default` takes pixels, and `image_bytes` takes files.

        Returns:
            Dict from the name of a signature to the `tf.TensorSpec` of its
            input and the function from the input to features of the network.
        """
        image = tf.TensorSpec(
            (None, *self.image_shape), tf.float32, name="image"
        )
        image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
        return {
            "serving_default": (image, self._from_pixels),
            "image_bytes": (image_bytes, self.from_example),
        }

    def other_signatures(self):
        """Returns an empty dict: no signature is without the network."""
        return {}

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
            "classify": classify_signature.check_inputs("image_bytes", files),
        }


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
