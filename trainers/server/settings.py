"""What a server serves, to whom, and how much. Needs no TensorFlow."""

import dataclasses
import os
import pathlib
import re

from tfmodels.settings import broken_rule
from tfmodels.settings import setting
from trainers.errors import ConfigError
from trainers.prediction import tokens


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of one server; the flags of `trainers.serve` are the fields but `token`.

    Attributes:
        token: That clients must send; empty if they need none.
    """

    model_base_path: str = setting(
        "", "Directory of numbered versions; by default that of --workdir."
    )
    model_name: str = setting("", "Name in paths; by default the directory's.")
    host: str = setting(
        "127.0.0.1", "Address to listen on; 0.0.0.0 is all of the machine."
    )
    port: int = setting(
        8501,
        "Port to listen on; 0 takes one that is free.",
        at_least=0,
        at_most=65535,
    )
    batching_config: str = setting(
        "",
        "File; by default batching.config beside the versions. Without one, "
        "every request is run alone.",
    )
    models_config: str = setting(
        "",
        "File; by default models.config beside the versions, of which policy "
        "and labels are taken. Read again when it changes.",
    )
    monitoring_config: str = setting(
        "", "File; by default monitoring.config beside the versions."
    )
    max_request_megabytes: int = setting(
        16, "Largest body of a request; more is refused with 413.", at_least=1
    )
    max_concurrent_requests: int = setting(
        256,
        "Requests that are read or answered at a time; more are refused with "
        "429.",
        at_least=1,
    )
    body_seconds: int = setting(
        20,
        "In which a body must have come; later is refused with 408.",
        at_least=1,
    )
    stop_seconds: int = setting(
        30, "Most that a stop waits for running requests.", at_least=1
    )
    token: str = ""

    @property
    def name(self):
        """Returns the name of the model in paths."""
        base_path = pathlib.Path(self.model_base_path)
        return self.model_name or base_path.absolute().name


FLAGS = tuple(f for f in dataclasses.fields(Settings) if f.name != "token")


def validate(settings):
    """Refuses settings that break a rule.

    Raises:
        ConfigError: One line a problem.
    """
    problems = []
    for field in FLAGS:
        value = getattr(settings, field.name)
        if rule := broken_rule(field, value):
            problems.append(
                f"`--{field.name}` must be {rule}. Received: {value!r}."
            )
    if not pathlib.Path(settings.model_base_path).is_dir() or (
        not settings.model_base_path
    ):
        problems.append(
            "`--model_base_path` must be a directory of numbered versions, "
            "such as WORKDIR/export/NAME. "
            f"Received: {settings.model_base_path!r}."
        )
    # What a path of the REST interface can name.
    if not re.fullmatch("[A-Za-z0-9_-]+", settings.name):
        problems.append(
            "`--model_name` must be letters, digits, `_` and `-`. "
            f"Received: {settings.name!r}."
        )
    if problems:
        raise ConfigError("\n".join(problems))


def read_token(file):
    """Returns the token of a file, or of the environment; never of a flag.

    Flags are seen by every user of a machine.

    Args:
        file: Path; empty takes the variable TFMODELS_TOKEN.

    Raises:
        ConfigError: The file cannot be read, or holds no token.
    """
    if not file:
        token = os.environ.get(tokens.VARIABLE, "")
        if not token:
            return ""
    else:
        try:
            token = pathlib.Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"`--token_file` must be a file that can be read: {error}."
            ) from None
    if not tokens.is_token(token):
        raise ConfigError(
            f"{file or tokens.VARIABLE} must hold one token: ASCII without "
            f"white space. Received: {len(token)} characters that are not."
        )
    return token
