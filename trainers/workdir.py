"""The contract of a work directory: what lies where."""

import json
import pathlib
import tempfile

from trainers import artefacts
from trainers import config as config_lib
from trainers.errors import ConfigError
from trainers.weights import Checkpoints


class Workdir:
    """Paths of a run and its small JSON files.

    Attributes:
        path: The directory.
        tensorboard: Event files: `train/`, `validation/`.
        checkpoints: `Checkpoints`, step directories with weights.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = Checkpoints(self.path / "checkpoints")

    def export_dir(self, config):
        """Returns the directory that holds the numbered versions."""
        return self.path / "export" / config.export.name

    def check_new(self):
        """Checks that a run can be written here, before any work.

        Raises:
            ConfigError: It is a file, cannot be written to, or holds a run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise ConfigError(
                "`--workdir` must be a directory that can be written to. "
                f"Received: {str(self.path)!r}: {error.strerror}."
            ) from None
        if (self.path / "config.json").exists():
            raise ConfigError(
                "`--workdir` must not hold a run. Received: "
                f"{str(self.path)!r}, which does. Choose another name, or "
                "delete it."
            )

    def create(self, config, class_names, assets=None):
        """Writes `config.json` and `labels.json` (names in label order).

        Args:
            config: `ExperimentConfig`.
            class_names: Names in label order.
            assets: Further files, text by name.
        """
        for name, text in (assets or {}).items():
            self._write(name, text)
        self._write("labels.json", json.dumps(class_names) + "\n")
        self._write("config.json", config_lib.to_json(config))

    def read_config(self):
        """Returns the `ExperimentConfig` of the run."""
        return config_lib.from_tree(self._read_json("config.json"))

    def read_labels(self):
        """Returns the class names in label order.

        Raises:
            ConfigError: The directory holds no run, or a damaged one.
        """
        return self._read_json("labels.json")

    def write_data_report(self, report):
        """Writes `data_report.json`: what is known of the data."""
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        self._write("data_report.json", text)

    def write_metrics(self, metrics):
        """Writes `metrics.json`: a dict by split, and `train`."""
        self._write("metrics.json", json.dumps(metrics, indent=2) + "\n")

    def _write(self, name, text):
        artefacts.write_text(self.path / name, text)

    def _read_json(self, name):
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", error)
            raise ConfigError(
                "`--workdir` must be the directory of a finished run. "
                f"Received: {str(self.path)!r}: {name}: {reason}."
            ) from None
