"""Logs a run to MLflow, in a local SQLite file or on a server."""

import getpass
import hashlib
import logging
import os
import pathlib
import posixpath
import re
import time

# Nothing is reported to the authors of MLflow, and stdout is for the path of
# the export, unless the user wants it otherwise.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
import mlflow  # noqa: E402
from mlflow import entities  # noqa: E402

from trainers.config import tree  # noqa: E402
from trainers.runtime import atomic  # noqa: E402
from trainers.runtime.signals import Stopped  # noqa: E402
from trainers.training.trackers import store_file  # noqa: E402
from trainers.training.trackers import tracker  # noqa: E402

_FILES = ("config.json", "metrics.json", "data_report.json")
# Limits of MLflow. Older servers take 500 characters of a value.
_NAME_LENGTH = 250
_VALUE_LENGTH = 500
_BATCH = 100
# The last of the two files that MLflow writes for a picture.
_PICTURE = re.compile(r"([^/]*)[+%]step[+%](\d+)[+%].*compressed")


class Mlflow(tracker.Tracker):
    """Logs parameters, metrics, pictures, model card and manifest.

    The store is `MLFLOW_TRACKING_URI`, by default `mlflow.db` in the current
    directory, as MLflow has it. The experiment is `MLFLOW_EXPERIMENT_NAME`, by
    default the name of the export. `tracking/mlflow.json` contains the run id.
    MLflow cannot delete points. A resumed run asks which points the store has,
    and logs only later ones.
    """

    def __init__(self, workdir):
        """Makes the tracker; writes nothing."""
        super().__init__(workdir)
        self._file = workdir / "tracking" / "mlflow.json"
        self._metrics = []  # Those of the current step.
        self._logged = {}  # Last step, by name of the metric.
        self._pictures = set()  # Pairs of name and step, texts.

    def begin(self, config, splits, state):
        """Opens the run of the work directory, or creates it."""
        # Lines such as "Creating initial MLflow database tables..."
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        known = store_file.read(self._file)
        uri = os.environ.get("MLFLOW_TRACKING_URI") or known.get(
            "store", f"sqlite:///{pathlib.Path('mlflow.db').resolve()}"
        )
        # If two processes create the tables of a file, one of them fails. For a
        # server, there is no such directory, and nothing is locked.
        place = pathlib.Path(uri.removeprefix("sqlite:///")).parent
        with atomic.lock(place):
            self._client = mlflow.MlflowClient(uri)
        self._run = known.get("run_id")
        if self._run is None:
            self._run = self._create(config)
            facts = {"run_id": self._run}
            if not os.environ.get("MLFLOW_TRACKING_URI"):
                facts["store"] = uri  # The current directory can change.
            store_file.write(self._file, facts)
        else:
            self._client.update_run(self._run, "RUNNING")
            self._read_logged()
        self._log_params(config)

    def _create(self, config):
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or config.export.name
        tags = {
            "mlflow.source.name": "trainers.train",
            "mlflow.source.type": "LOCAL",
            "mlflow.user": getpass.getuser(),
            "workdir": str(self.workdir.resolve()),
        }
        run = self._client.create_run(
            self._experiment(name),
            tags=tags,
            run_name=self.workdir.resolve().name,
        )
        return run.info.run_id

    def _experiment(self, name):
        if found := self._client.get_experiment_by_name(name):
            return found.experiment_id
        try:
            return self._client.create_experiment(name)
        except mlflow.MlflowException:
            found = self._client.get_experiment_by_name(name)
            if found is None:  # Otherwise another run has just created it.
                raise
            return found.experiment_id

    def _read_logged(self):
        """Reads from the store what an earlier process logged."""
        for name in self._client.get_run(self._run).data.metrics:
            points = self._client.get_metric_history(self._run, name)
            self._logged[name] = max(point.step for point in points)
        self._pictures = {
            found.groups()
            for file in self._client.list_artifacts(self._run, "images")
            if (found := _PICTURE.search(file.path))
        }

    def _log_params(self, config):
        known = self._client.get_run(self._run).data.params
        params = [
            entities.Param(name.removeprefix("config."), _text(value))
            for name, _, value in tree.leaves(config)
            # MLflow cannot change a parameter.
            if name.removeprefix("config.") not in known
        ]
        for start in range(0, len(params), _BATCH):
            batch = params[start : start + _BATCH]
            self._client.log_batch(self._run, params=batch)

    def examples(self, pixels, labels):
        """Logs the images of the first batch side by side."""
        import numpy as np

        row = np.concatenate(list(pixels), axis=1)
        self._client.log_image(
            self._run,
            np.repeat(row, 3, axis=2) if row.shape[2] == 1 else row,
            "first_batch.png",
        )

    def numbers(self, step, split, values):
        """Collects the numbers of a step."""
        now = int(time.time() * 1000)
        for name, value in values.items():
            name = metric_name(split, name)
            if step > self._logged.get(name, -1):
                self._logged[name] = step
                self._metrics.append(entities.Metric(name, value, now, step))

    def picture(self, step, name, pixels):
        """Logs the picture."""
        key = re.sub(r"[^\w. -]", "_", name, flags=re.ASCII)
        if (key, str(step)) not in self._pictures:
            self._client.log_image(self._run, pixels, key=key, step=step)

    def flush(self, step):
        """Logs the numbers of a step together."""
        metrics, self._metrics = self._metrics, []
        for start in range(0, len(metrics), _BATCH):
            batch = metrics[start : start + _BATCH]
            self._client.log_batch(self._run, metrics=batch)

    def text(self, step, name, text):
        """Logs the text; only the last one is kept."""
        self._client.log_text(self._run, text, f"{name}.md")

    def end(self, step, metrics, export):
        """Logs test metrics and files, and marks the run as finished."""
        self.numbers(step, "test", tracker.test_numbers(metrics))
        self.flush(step)
        files = [self.workdir / name for name in _FILES]
        if export is not None:
            self._client.set_tag(self._run, "export", str(export.resolve()))
            files.append(export.parent / "MODEL_CARD.md")
            files.append(export / "assets.extra" / "manifest.json")
        for file in files:
            if file.exists():
                self._client.log_artifact(self._run, str(file))
        self._client.set_terminated(self._run, "FINISHED")

    def stop(self, error):
        """Marks the run as killed by a signal, or as failed."""
        status = "KILLED" if isinstance(error, Stopped) else "FAILED"
        self._client.set_terminated(self._run, status)


def metric_name(split, name):
    """Returns a name that MLflow accepts; other names give other results.

    `:xx:` replaces a character that MLflow does not allow, where xx is its
    number in hexadecimal: `validation/per_class/C:23:/recall`.

    Args:
        split: str.
        name: str. It can contain the name of a class, so any character.
    """
    text = _escape(r"[^\w/. -]", name)
    if posixpath.normpath(f"{split}/{text}") != f"{split}/{text}":
        text = _escape(r"[^\w -]", name)  # Not a path such as `a/../b`.
    text = f"{split}/{text}"
    if len(text) <= _NAME_LENGTH:
        return text
    end = f":{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return text[: _NAME_LENGTH - len(end)] + end


def _escape(pattern, name):
    return re.sub(pattern, lambda found: f":{ord(found[0]):x}:", name)


def _text(value):
    """Returns a setting as its flag shows it, at most as long as allowed."""
    if isinstance(value, (tuple, list)):
        value = ",".join(map(str, value))
    text = str(value)
    if len(text) > _VALUE_LENGTH:  # `config.json` has the rest.
        return f"{text[: _VALUE_LENGTH - 3]}..."
    return text
