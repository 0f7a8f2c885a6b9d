"""Which versions are served: new ones appear, old ones go, under requests.

The base path is looked at every second, as TensorFlow Serving does. A new
version is loaded and warmed while the old one answers; then it gets the new
requests, and the old one is given up when its last request is answered.
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
# A version that could not be loaded may be complete by then.
RETRY_SECONDS = 60.0
_LARGEST = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Policy:
    """A model's part of `models.config`.

    Attributes:
        latest: How many of the highest numbers are served; 0 means all.
        specific: Numbers that are served instead, if there are any.
        labels: Numbers by label.
    """

    latest: int = 1
    specific: tuple[int, ...] = ()
    labels: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, path, name):
        """Returns what a file says of a model.

        Args:
            path: `pathlib.Path`; without a file, the policy is the default.
            name: Of the model.

        Raises:
            ConfigError: It is no `ModelServerConfig`, or not of one such model.
        """
        if not path.is_file():
            return cls()
        message = config_protos.read(path, config_protos.ModelServerConfig)
        configs = list(message.model_config_list.config)
        # One model may be served under another name.
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
        """Returns those of the numbers that are served."""
        if self.specific:
            return set(self.specific) & set(numbers)
        return set(sorted(numbers)[-self.latest :])


class Versions:
    """All versions of one model; lives on the event loop."""

    def __init__(self, base_path, name, models_config, scheduler):
        """Takes what is served.

        Args:
            base_path: `pathlib.Path` of a directory of numbered versions.
            name: Of the model.
            models_config: `pathlib.Path` of a file, which may not exist.
            scheduler: `batching.Scheduler`.

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
                "`--model_base_path` must be a directory of numbered versions "
                "of which one is to be served, such as DIR/export/NAME of a "
                f"work directory. Received: {str(base_path)!r}."
            )

    def _wanted(self):
        numbers = atomic.numbered(self._base_path)
        # TensorFlow Serving has 64 bits for a number.
        fitting = [number for number in numbers if number <= _LARGEST]
        return {n: numbers[n] for n in self._policy.choose(fitting)}

    def _read(self):
        """Returns policy and wanted versions as the disk has them now."""
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
        """Logs what is wrong, but not again as long as it stays the same."""
        if words and words != self._warned.get(source):
            _LOGGER.warning("%s", words)
        self._warned[source] = words

    async def poll(self):
        """Loads what is new, and gives up what is no longer wanted."""
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
        # Not before another one answers: a directory that is moved away, or a
        # new version that cannot be loaded, stops nobody.
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
            # A file system that is gone for a while.
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
        """Returns the `Servable` that a request is for.

        Args:
            name: Of the model.
            version: Its number; without, the highest that is available.
            label: Of a version, instead of its number.

        Raises:
            StatusError: There is none.
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
        # TensorFlow Serving assigns labels to available versions alone.
        if number is None or not self._is_available(number):
            raise statuses.invalid(
                f"Unrecognized servable version label: {label}"
            )
        return number

    def status(self, name, version=None, label=None):
        """Returns the states of all versions, or of one, for JSON."""
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
        """Returns whether some version is."""
        return bool(self._available())
