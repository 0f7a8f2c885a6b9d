"""Loads new versions and unloads old ones while requests are answered.

Like TensorFlow Serving, it polls the base path every second. It loads a new
version and warms it up while the old version answers. Then the new version
gets the requests, and the old version is unloaded after its last request.
"""

import asyncio
import dataclasses
import logging

from trainers.errors import ConfigError
from trainers.runtime import atomic
from trainers.server import servable
from trainers.server import statuses
from trainers.serving import config_protos

_LOGGER = logging.getLogger(__name__)
POLL_SECONDS = 1.0
# Time until the next try to load a version. It can be complete by then.
RETRY_SECONDS = 60.0
_LARGEST = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Policy:
    """The part of `models.config` for one model.

    >>> sorted(Policy(latest=2).choose([1, 2, 10]))
    [2, 10]

    Attributes:
        latest: int. How many of the highest version numbers to serve; 0 means
            all.
        specific: tuple of int. Version numbers to serve in place of `latest`;
            empty if there are none.
        labels: dict. Version numbers by label.
    """

    latest: int = 1
    specific: tuple[int, ...] = ()
    labels: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, path, name):
        """Reads the policy of a model from a file.

        Args:
            path: `pathlib.Path` of a `models.config`. If the file does not
                exist, the policy is the default.
            name: str. Name of the model.

        Returns:
            `Policy`.

        Raises:
            ConfigError: The file is not a `ModelServerConfig`, or does not
                have exactly one entry for the model.
        """
        if not path.is_file():
            return cls()
        message = config_protos.read(path, config_protos.ModelServerConfig)
        configs = list(message.model_config_list.config)
        # A single entry counts, also with another name.
        if len(configs) != 1:
            configs = [config for config in configs if config.name == name]
        if len(configs) != 1:
            raise ConfigError(
                f"{path}: one `config` must have the `name` of the model. "
                f"Received: {len(configs)} with the name {name!r}."
            )
        policy = configs[0].model_version_policy
        kind = policy.WhichOneof("policy_choice")
        return cls(
            latest=0 if kind == "all" else max(policy.latest.num_versions, 1),
            specific=tuple(policy.specific.versions),
            labels=dict(configs[0].version_labels),
        )

    def choose(self, numbers):
        """Returns the version numbers to serve.

        Args:
            numbers: Iterable of int. Version numbers that exist.

        Returns:
            set of int.
        """
        if self.specific:
            return set(self.specific) & set(numbers)
        return set(sorted(numbers)[-self.latest :])


class Versions:
    """All versions of one model. Call its methods on the event loop."""

    def __init__(self, base_path, name, models_config, scheduler):
        """Reads the policy and looks for versions; loads none yet.

        Args:
            base_path: `pathlib.Path`. Directory of numbered versions.
            name: str. Name of the model.
            models_config: `pathlib.Path` of a `models.config`, which does not
                have to exist.
            scheduler: `queues.Scheduler`.

        Raises:
            ConfigError: The file is wrong, or there is no version.
        """
        self.name = name
        self._base_path = base_path
        self._models_config = models_config
        self._scheduler = scheduler
        self._policy = Policy.read(models_config, name)
        self._servables = {}
        self._failed_at = {}
        self._warned = {}
        self._unloading = set()
        if not self._wanted():
            raise ConfigError(
                "`--model_base_path` must be a directory with a numbered "
                "version to serve, such as DIR/export/NAME of a work "
                f"directory. Received: {str(base_path)!r}."
            )

    def _wanted(self):
        numbers = atomic.numbered(self._base_path)
        # Version numbers of TensorFlow Serving have 64 bits.
        fitting = [number for number in numbers if number <= _LARGEST]
        return {n: numbers[n] for n in self._policy.choose(fitting)}

    def _read(self):
        """Reads the policy again and returns the versions to serve."""
        try:
            policy = Policy.read(self._models_config, self.name)
            if policy != self._policy:
                self._policy = policy
                _LOGGER.info("%s: read again", self._models_config)
            self._warn("config", "")
        except ConfigError as error:
            self._warn("config", f"{error} The versions stay as they are.")
        return self._wanted()

    def _warn(self, source, words):
        """Logs a problem; does not repeat the last one of the same source."""
        if words and words != self._warned.get(source):
            _LOGGER.warning("%s", words)
        self._warned[source] = words

    async def poll(self):
        """Loads new versions and unloads versions that are not wanted."""
        wanted = await asyncio.to_thread(self._read)
        for number, known in list(self._servables.items()):
            if known.state == "END" and number not in wanted:
                del self._servables[number]
                self._failed_at.pop(number, None)
        now = asyncio.get_running_loop().time()
        for number in sorted(wanted, reverse=True):
            known = self._servables.get(number)
            if known is None or (
                known.state == "END"
                and now >= self._failed_at.get(number, 0) + RETRY_SECONDS
            ):
                await self._load(number, wanted[number])
        # Only if a wanted version answers: the server keeps answering if the
        # directory is moved away, or if the new version cannot be loaded.
        if any(self._is_available(number) for number in wanted):
            for number in self._available() - set(wanted):
                task = asyncio.create_task(self._unload(number))
                self._unloading.add(task)
                task.add_done_callback(self._unloading.discard)

    async def watch(self):
        """Polls until it is cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.poll()
                self._warn("poll", "")
            # For example, a file system is missing for a while.
            except Exception as error:
                self._warn("poll", f"{self._base_path}: {error}")

    async def _load(self, number, path):
        found = servable.Servable(number, path, self._scheduler)
        self._servables[number] = found
        if await found.load():
            _LOGGER.info("version %d is available", number)
        else:
            self._failed_at[number] = asyncio.get_running_loop().time()
            _LOGGER.warning(
                "version %d cannot be loaded: %s", number, found.error
            )

    async def _unload(self, number):
        found = self._servables[number]
        await found.unload()
        _LOGGER.info("version %d is unloaded", number)
        if self._servables.get(number) is found:
            del self._servables[number]

    def _is_available(self, number):
        found = self._servables.get(number)
        return found is not None and found.state == "AVAILABLE"

    def _available(self):
        return {n for n in self._servables if self._is_available(n)}

    def find(self, name, version=None, label=None):
        """Returns the version that answers a request.

        Args:
            name: str. Name of the model.
            version: int. Version number; `None` means the highest available
                one.
            label: str. Label of a version, in place of `version`; `None` if
                there is none.

        Returns:
            `servable.Servable`.

        Raises:
            StatusError: There is no such version.
        """
        if name == self.name and label is not None:
            version = self._version_of(label)
        available = self._available() if name == self.name else set()
        number = max(available, default=None) if version is None else version
        if number not in available:
            which = (
                f"Latest({name})"
                if version is None
                else f"Specific({name}, {version})"
            )
            raise statuses.StatusError(
                "NOT_FOUND", f"Servable not found for request: {which}"
            )
        return self._servables[number]

    def _version_of(self, label):
        number = self._policy.labels.get(label)
        # TensorFlow Serving assigns labels to available versions only.
        if number is None or not self._is_available(number):
            raise statuses.invalid(
                f"Unrecognized servable version label: {label}"
            )
        return number

    def status(self, name, version=None, label=None):
        """Returns the states of versions as a document for JSON.

        Args:
            name: str. Name of the model.
            version: int. Version number; `None` means all versions.
            label: str. Label of a version, in place of `version`; `None` if
                there is none.

        Returns:
            dict in the form of a `GetModelStatusResponse`.

        Raises:
            StatusError: There is no such version.
        """
        if name == self.name and label is not None:
            version = self._version_of(label)
        known = self._servables if name == self.name else {}
        if not known:
            words = f"Could not find any versions of model {name}"
            raise statuses.StatusError("NOT_FOUND", words)
        if version is not None and version not in known:
            words = f"Could not find version {version} of model {name}"
            raise statuses.StatusError("NOT_FOUND", words)
        numbers = sorted(known, reverse=True) if version is None else [version]
        return {"model_version_status": [known[n].status() for n in numbers]}

    def is_available(self):
        """Returns whether at least one version is available."""
        return bool(self._available())
