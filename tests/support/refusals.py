"""The messages of the errors that calls must raise."""

import pytest

from tfmodels.bert import presets
from trainers.errors import ConfigError
from trainers.run.workdir import Workdir


def refusal(kind, function, *args, **settings):
    """Returns the message of the one error that the call must raise."""
    with pytest.raises(kind) as caught:
        function(*args, **settings)
    assert type(caught.value) is kind
    return str(caught.value)


def lock_refusal(path):
    """Returns why a work directory cannot be locked."""
    with pytest.raises(ConfigError) as caught:
        with Workdir(path).lock():
            pass
    return str(caught.value)


def preset_refusal(path):
    """Returns why a preset that was found cannot be used."""
    message = refusal(ValueError, presets.check, str(path))
    start = (
        "`--config.model.encoder.preset` cannot be used. Received: "
        f"{str(path)!r}: "
    )
    assert message.startswith(start)
    return message.removeprefix(start)
