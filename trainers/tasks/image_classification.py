"""One label for an image."""

import keras
import numpy as np
import tensorflow as tf

from trainers.data.images import loading
from trainers.tasks import answers
from trainers.tasks import classify
from trainers.tasks import image_augmentation


class ImageClassification:
    """Softmax classification of images with pixels from 0 to 255.

    Attributes:
        model_config: Config of the model.
        image_shape: Shape of an image, without the batch.
        num_draws: Random numbers that augmenting one example takes, 0 where
            the task augments nothing.
        eval_batch_size: Rows of a batch in evaluation, on each replica.
    """

    eval_batch_size = 256

    def __init__(self, config):
        """Takes the `ExperimentConfig`."""
        self.model_config = config.model
        self.image_shape = tuple(config.model.image_shape)
        self._config = task = config.task
        augments = task.random_shift or task.random_rotation or task.random_zoom
        self.num_draws = image_augmentation.NUM_DRAWS if augments else 0

    def load(self, data):
        """Loads and checks the splits of a run; returns `Splits`."""
        return loading.load(
            data, image_shape=self.image_shape, decode_fn=self.decode
        )

    def load_one(self, data, split, *, class_names, run_data):
        """Loads one split, see `loading.load_one`."""
        return loading.load_one(
            data,
            split,
            image_shape=self.image_shape,
            decode_fn=self.decode,
            class_names=class_names,
            run_data=run_data,
        )

    # Images are read in one way.
    load_raw = load_one

    def assets(self):
        """Returns no files: config and weights are all there is."""
        return {}

    def read_assets(self, directory):
        """Reads nothing."""

    def lengths(self, examples):
        """Returns `None`: all images are of one size."""
        return None

    def padding_share(self, examples, *, batch_size, seed):
        """Returns `None`: nothing is padded."""
        return None

    def decode(self, encoded):
        """Decodes one PNG, JPEG, BMP or GIF and fits it to the model.

        Args:
            encoded: string[], the bytes of a file.

        Returns:
            `uint8[*image_shape]`; other sizes are resized, other aspect
            ratios stretched.
        """
        height, width, *channels = self.image_shape
        image = _decode_colour(encoded) if channels else _decode_grey(encoded)

        def resize():
            # Antialiased: a photo shrunk to 28 pixels otherwise keeps a few
            # of its pixels and drops the rest.
            resized = tf.image.resize(image, (height, width), antialias=True)
            return tf.saturate_cast(tf.round(resized), tf.uint8)

        fits = tf.reduce_all(tf.shape(image)[:2] == (height, width))
        image = tf.cond(fits, lambda: image, resize)
        return tf.reshape(image, self.image_shape)

    def preprocess(self, features):
        """Makes model inputs; the same in training, evaluation and serving.

        Args:
            features: `image: uint8 or float32[batch, *image_shape]`, pixels
                from 0 to 255; numbers outside are cut to that range.

        Returns:
            `image: float32[batch, *image_shape]` from 0 to 1.
        """
        image = tf.cast(features["image"], tf.float32)
        image = tf.ensure_shape(image, (None, *self.image_shape))
        # Graphs turn `/ 255` into this product, which rounds in another way.
        return {"image": tf.clip_by_value(image, 0.0, 255.0) * (1 / 255)}

    def augment(self, features, draws):
        """Shifts, rotates and zooms images at random; for training alone.

        Args:
            features: As for `preprocess`.
            draws: `float32[batch, num_draws]` from 0 to 1.
        """
        image = image_augmentation.transform(
            features["image"], self._config, draws
        )
        return features | {"image": image}

    def example_losses(self, labels, logits):
        """Returns the cross-entropy `float32[batch]` of integer labels."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels, tf.cast(logits, tf.float32)
        )

    def make_train_metrics(self):
        """Returns metrics of `(labels, logits, sample_weight)` for training."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def make_inference(self, network):
        """Returns what computes the logits of a network for answers."""
        return network

    def make_signatures(self, network, class_names):
        """Returns serving functions by signature name.

        `serving_default` takes pixels and `image_bytes` files, and both
        return what `answers.classification` does; `classify` takes files as
        the feature `image_bytes`, see `classify.make`.

        Args:
            network: Function from preprocessed features to logits, such as a
                Keras model.
            class_names: Names in label order.
        """

        def logits_of(image):
            return network(self.preprocess({"image": image}), training=False)

        def logits_of_files(image_bytes):
            spec = tf.TensorSpec(self.image_shape, tf.uint8)
            return logits_of(
                tf.map_fn(self.decode, image_bytes, fn_output_signature=spec)
            )

        image_spec = tf.TensorSpec(
            (None, *self.image_shape), tf.float32, name="image"
        )
        bytes_spec = tf.TensorSpec((None,), tf.string, name="image_bytes")

        @tf.function(input_signature=[image_spec])
        def serve_image(image):
            return answers.classification(logits_of(image), class_names)

        @tf.function(input_signature=[bytes_spec])
        def serve_image_bytes(image_bytes):
            logits = logits_of_files(image_bytes)
            return answers.classification(logits, class_names)

        return {
            "serving_default": serve_image,
            "image_bytes": serve_image_bytes,
            "classify": classify.make(
                "image_bytes", logits_of_files, class_names
            ),
        }

    def make_check_inputs(self, seed):
        """Returns 100 rows of inputs by signature and input name.

        All signatures get the same images: noise, and each kind of edge
        (black, white, out of range for floats).
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
            "classify": classify.check_inputs("image_bytes", files),
        }


def _decode_colour(encoded):
    return tf.io.decode_image(encoded, channels=3, expand_animations=False)


def _decode_grey(encoded):
    """Returns `uint8[height, width, 1]`."""

    def luma():
        rgb = tf.cast(_decode_colour(encoded), tf.int32)
        # The weights of JPEG, in whole numbers: grey stays the same byte.
        grey = tf.reduce_sum(rgb * (299, 587, 114), -1, keepdims=True)
        return tf.cast((grey + 500) // 1000, tf.uint8)

    # TensorFlow has only colour for these two formats.
    is_bmp_or_gif = tf.strings.regex_full_match(encoded, r"(BM|GIF8)\C*")
    return tf.cond(
        is_bmp_or_gif,
        luma,
        lambda: tf.io.decode_image(
            encoded, channels=1, expand_animations=False
        ),
    )
