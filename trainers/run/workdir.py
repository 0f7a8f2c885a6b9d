"""Defines the files of a work directory."""

import contextlib
import json
import pathlib
import shlex
import tempfile

from trainers.config import experiment
from trainers.config import local_path
from trainers.config import tree
from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.run import failed_starts
from trainers.run import identity
from trainers.run import lock_file
from trainers.run.best_weights import BestWeights
from trainers.run.step_directories import StepDirectories
from trainers.runtime import atomic
from trainers.runtime import json_like

# Settings whose value `auto` leaves to the machine on which a run begins.
CHOSEN = (
    "trainer.dtype_policy",
    "trainer.jit_compile",
    "data.padded_lengths",
)
# Keys of `decisions.json`.
_DECISIONS = {"weights_sha256", "decisions"}


class Workdir:
    """The paths and the small JSON files of a run.

    Attributes:
        path: pathlib.Path. The work directory.
        tensorboard: pathlib.Path. Event files: `train/`, `validation/`.
        checkpoints: `StepDirectories`. The checkpoints of the run.
        best: `BestWeights`. The weights of the best epoch.

    >>> import tempfile
    >>> from trainers.config import ExperimentConfig
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     paths = Workdir(directory)
    ...     paths.create(ExperimentConfig(seed=7), ["ham", "spam"])
    ...     paths.read_config().seed, paths.read_labels()
    (7, ['ham', 'spam'])
    """

    def __init__(self, path):
        """Makes the object; reads and writes nothing.

        Args:
            path: Path of the work directory; it does not need to exist.
        """
        self.path = pathlib.Path(
            local_path.checked(path, "--workdir", is_written=True)
        )
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = StepDirectories(self.path / "checkpoints")
        self.best = BestWeights(self.path / "best")

    def export_dir(self, config):
        """Returns the directory that contains the numbered versions.

        Args:
            config: `ExperimentConfig`.
        """
        return self.path / "export" / config.export.name

    def find_export(self, config):
        """Returns `export_dir`, which contains a version.

        Args:
            config: `ExperimentConfig`.

        Raises:
            ConfigError: There is no version.
        """
        path = self.export_dir(config)
        if not atomic.numbered(path):
            raise ConfigError(
                "`--workdir` must be the directory of a run with an export. "
                f"Received: {str(self.path)!r}, without a version in "
                f"export/{config.export.name}. Run: python -m trainers.export "
                f"--workdir={shlex.quote(str(self.path))} "
                f"--config.export.name={config.export.name}"
            )
        return path

    def check(self, config):
        """Checks that a run can start or resume here, before any work.

        Args:
            config: `ExperimentConfig` of the run.

        Returns:
            bool. Whether there is a checkpoint after step 0, from which to
                resume.

        Raises:
            ConfigError: The path is a file, is not writable, is in use,
                contains a run that `config` does not describe or allow, or a
                `config.json` of another program.
            RunError: The directory contains a run that lost its checkpoints.
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
        has_checkpoints = bool(self.checkpoints.paths())
        is_begun = failed_starts.is_begun(self)
        resume = config.trainer.resume
        if is_begun and resume == "never":
            raise ConfigError(
                "`--workdir` must not contain a run with "
                "--config.trainer.resume=never. Received: "
                f"{str(self.path)!r}, which does. Choose another name, delete "
                "it, or resume the run with --config.trainer.resume=auto."
            )
        if resume == "must" and not has_checkpoints:
            raise ConfigError(
                "`--workdir` must contain a run with a checkpoint for "
                "--config.trainer.resume=must. Received: "
                f"{str(self.path)!r}, which does not."
            )
        has_config = (self.path / "config.json").exists()
        if has_config and not is_begun and not self._is_config_of_a_run():
            raise ConfigError(
                "`--workdir` must be a new directory, or that of a run. "
                f"Received: {str(self.path)!r}, with a config.json that no run "
                "has written. Choose another name."
            )
        if has_config and (is_begun or resume == "must"):
            identity.check_same_config(self.read_config(), config, self.path)
        if is_begun and not has_checkpoints:
            self._check_no_results()
        lock_file.check_free(self.path)
        return is_begun

    def _is_config_of_a_run(self):
        """Returns whether a start could replace `config.json`."""
        try:
            tree = self._read_json("config.json")
        except ConfigError:
            return False
        # Its values do not count: the code of a failed start can be gone.
        return isinstance(tree, dict) and "trainer" in tree

    def _check_no_results(self):
        """Refuses to start a run if results of a run exist."""
        for name in ("metrics.json", "best"):
            if (self.path / name).exists():
                raise RunError(
                    f"{self.path} contains a run with {name}, but without its "
                    "checkpoints, and would start again from step 0. Choose "
                    "another --workdir, or delete this one."
                )

    @contextlib.contextmanager
    def lock(self):
        """Locks the directory in a `with` block against other trainers.

        Raises:
            ConfigError: Another trainer holds the lock.
        """
        with lock_file.held(self.path):
            # A process that was killed while it wrote a file left these.
            for path in atomic.temporaries(self.path):
                if path.is_file():
                    path.unlink()
            yield

    def saved_config(self):
        """Returns the `ExperimentConfig` of a run that has begun, or `None`.

        Raises:
            ConfigError: `config.json` is damaged.
        """
        has_config = (self.path / "config.json").exists()
        return (
            self.read_config()
            if has_config and failed_starts.is_begun(self)
            else None
        )

    def create(self, config, state, assets=None):
        """Writes `config.json` and `labels.json`.

        Args:
            config: `ExperimentConfig`.
            state: JSON-like. `state` of the objective: for one label an
                example, the class names in label order.
            assets: dict. Text by name of further files; `None` means none.
        """
        for name, text in (assets or {}).items():
            self._write(name, text)
        text = json.dumps(state, ensure_ascii=False) + "\n"
        self._write("labels.json", text)
        self._write("config.json", experiment.to_json(config))

    def read_config(self):
        """Returns the `ExperimentConfig` of the run.

        Raises:
            ConfigError: The directory contains no run, or a damaged one.
        """
        tree = self._read_json("config.json")
        try:
            return experiment.from_tree(tree)
        except ConfigError as error:
            raise self._not_a_run("config.json", str(error)) from None

    def with_saved_choices(self, config):
        """Returns a config with the run's choices in place of `auto`.

        If the directory contains no run, it returns `config` itself.

        Args:
            config: `ExperimentConfig`; read, not changed.
        """
        if not failed_starts.is_begun(self):
            if source := config.trainer.extend_from:
                return Workdir(source)._with_choices(config)
            return config
        return self._with_choices(config)

    def _with_choices(self, config):
        try:
            saved = self.read_config()
        except ConfigError:
            return config  # `check` reports what is wrong with it.
        now, then = (
            {name: value for name, _, value in tree.leaves(x)}
            for x in (config, saved)
        )
        names = [f"config.{name}" for name in CHOSEN]
        return config.with_overrides(
            {n: then[n] for n in names if now.get(n) == "auto" and n in then}
        )

    def read_labels(self):
        """Returns the state of the objective, JSON-like.

        Raises:
            ConfigError: The directory contains no run, or a damaged one.
        """
        return self._read_json("labels.json")

    def restored(self, objective):
        """Returns an objective as this run has fitted it.

        Args:
            objective: `Objective`.

        Raises:
            ConfigError: The directory contains no run, or a damaged one.
        """
        labels = self.read_labels()
        name = "labels.json"
        try:
            objective = objective.restored(labels)
            if objective.decides:
                name = "decisions.json"
                objective = objective.decided(self.read_decisions())
        except ConfigError:
            raise
        except (ValueError, TypeError, LookupError) as error:
            raise self._not_a_run(name, str(error)) from None
        return objective

    def write_decisions(self, decisions):
        """Writes `decisions.json`, for the best weights.

        Args:
            decisions: JSON-like. From `json_decisions` of the objective.
        """
        facts = {"weights_sha256": self.best.sha256(), "decisions": decisions}
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        self._write("decisions.json", text)

    def read_decisions(self):
        """Returns the decisions of the objective for the best weights.

        Raises:
            ConfigError: There are none, or those of other weights.
        """
        name = "decisions.json"
        facts = self._read_json(name)
        if not isinstance(facts, dict) or facts.keys() != _DECISIONS:
            raise self._not_a_run(name, "it has another form.")
        if facts["weights_sha256"] != self.best.sha256():
            raise self._not_a_run(
                name,
                "it belongs to other weights. The end of training writes it: "
                "run `python -m trainers.train` with the flags of the run.",
            )
        return facts["decisions"]

    def check_belongs(self, facts):
        """Checks that class names and assets belong to the best weights.

        Args:
            facts: dict. From `BestWeights.restore`.

        Raises:
            RunError: A file has changed since training.
        """
        # Weights that another program saved do not contain these facts.
        changed = [
            name
            for name, expected in facts.get("assets", {}).items()
            if identity.sha256(self._read_bytes(name)) != expected
        ]
        labels = self.read_labels()
        if facts.get("classes", labels) != labels:
            changed.append("labels.json")
        if changed:
            raise RunError(
                f"{self.path}: {', '.join(changed)}: changed since the weights "
                "were trained."
            )

    def _read_bytes(self, name):
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise self._not_a_run(name, f"{error.strerror}.") from None

    def write_data_report(self, report):
        """Writes `data_report.json`.

        Args:
            report: dict. Result of the data check.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._write("data_report.json", json_like.to_text(report, 2) + "\n")

    def write_history(self, epochs):
        """Writes `history.json`.

        Args:
            epochs: List of dict. Numbers of each epoch.
        """
        text = json.dumps(epochs, indent=2, ensure_ascii=False) + "\n"
        self._write("history.json", text)

    def read_history(self):
        """Returns what `write_history` wrote.

        Raises:
            ConfigError: The directory contains no run, or a damaged one.
        """
        return self._read_json("history.json")

    def write_metrics(self, metrics):
        """Writes `metrics.json`.

        Args:
            metrics: dict. Metrics by split, and `train`.
        """
        text = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
        self._write("metrics.json", text)

    def _write(self, name, text):
        atomic.write_text(self.path / name, text)

    def _read_json(self, name):
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", error)
            raise self._not_a_run(name, f"{reason}.") from None

    def _not_a_run(self, name, reason):
        return ConfigError(
            "`--workdir` must be the directory of a finished run. "
            f"Received: {str(self.path)!r}: {name}: {reason}"
        )
