"""Defines the settings of the server. Does not import TensorFlow."""

import dataclasses
import os
import pathlib
import re

from tfmodels import local_paths
from tfmodels.settings import broken_rule
from tfmodels.settings import setting
from trainers.errors import ConfigError
from trainers.prediction import bearer_token
from trainers.server import hosts


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a server.

    Each field except `token` is a flag of `trainers.serve`.

    >>> settings = Settings(model_base_path="/tmp/mail/export/bert_classifier")
    >>> settings.name, settings.port
    ('bert_classifier', 8501)

    Attributes:
        token: str. Token that clients must send; empty if they need none.
    """

    model_base_path: str = setting(
        "",
        "Directory of numbered versions; the default is from --workdir.",
        is_path=True,
    )
    model_name: str = setting(
        "", "Name of the model in URLs; the default is the directory's name."
    )
    host: str = setting(
        "127.0.0.1",
        "Address to listen on; 0.0.0.0 means all addresses of the machine.",
    )
    port: int = setting(
        8501,
        "Port to listen on; 0 selects a free port.",
        at_least=0,
        at_most=65535,
    )
    allowed_hosts: tuple[str, ...] = setting(
        (),
        "Further host names that clients without a token can use, without "
        "port; * allows all. localhost, 127.0.0.1, [::1], --host and the "
        "address at which a connection arrives are allowed; other names are "
        "refused with 403.",
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        "Web pages that can read answers in a browser, such as "
        "https://app.example.com; * allows all.",
    )
    batching_config: str = setting(
        "",
        "File with the rules of batching; the default is batching.config "
        "beside the versions. Without this file, every request runs alone.",
        is_path=True,
    )
    models_config: str = setting(
        "",
        "File with the versions to serve and their labels; the default is "
        "models.config beside the versions. The server reads it again when it "
        "changes.",
        is_path=True,
    )
    monitoring_config: str = setting(
        "",
        "File that switches the Prometheus metrics on; the default is "
        "monitoring.config beside the versions.",
        is_path=True,
    )
    max_request_megabytes: int = setting(
        16,
        "Largest body of a request, in megabytes; larger ones are refused "
        "with 413.",
        at_least=1,
    )
    max_concurrent_requests: int = setting(
        256,
        "Most requests that are read or answered at a time; further ones are "
        "refused with 429.",
        at_least=1,
    )
    max_connections: int = setting(
        1000,
        "Most open connections; further ones are refused with 503.",
        at_least=1,
    )
    head_seconds: int = setting(
        10,
        "Most seconds until the head of a request is complete; slower ones "
        "are refused with 408.",
        at_least=1,
    )
    keep_alive_seconds: int = setting(
        60,
        "Seconds that a connection stays open between two requests.",
        at_least=1,
    )
    body_seconds: int = setting(
        20,
        "Most seconds until the body of a request is complete; slower ones "
        "are refused with 408.",
        at_least=1,
    )
    stop_seconds: int = setting(
        30,
        "Most seconds that the server waits for running requests when it "
        "stops.",
        at_least=1,
    )
    token: str = ""

    @property
    def name(self):
        """Name of the model in URLs: `model_name`, else the directory's."""
        base_path = pathlib.Path(self.model_base_path)
        return self.model_name or base_path.absolute().name


_ORIGIN = re.compile(
    r"https?://[a-z0-9._-]+(:[0-9]+)?|https?://\[[0-9a-f:]+\](:[0-9]+)?"
)
FLAGS = tuple(f for f in dataclasses.fields(Settings) if f.name != "token")


def validate(settings):
    """Checks the settings.

    Args:
        settings: `Settings`.

    Raises:
        ConfigError: Settings break a rule. The message has a line for each
            problem.
    """
    problems = []
    for field in FLAGS:
        value = getattr(settings, field.name)
        if rule := broken_rule(field, value):
            problems.append(
                f"`--{field.name}` must be {rule}. Received: {value!r}."
            )
    path = settings.model_base_path
    is_found = bool(path) and pathlib.Path(path).is_dir()
    if not is_found and not local_paths.problem(path):
        problems.append(
            "`--model_base_path` must be a directory of numbered versions, "
            "such as WORKDIR/export/NAME. "
            f"Received: {settings.model_base_path!r}."
        )
    # TensorFlow Serving's REST interface decodes %XX in names, so all
    # characters are possible.
    if not settings.name or not settings.name.isprintable():
        problems.append(
            "`--model_name` must have at least one character, and no control "
            f"characters. Received: {settings.name!r}."
        )
    for host in settings.allowed_hosts:
        if host != "*" and not hosts.NAME.fullmatch(host):
            problems.append(
                "`--allowed_hosts` must be names or addresses without port, "
                "such as models.example.com,10.0.0.7,[fd00::7], or *. "
                f"Received: {host!r}."
            )
    for origin in settings.cors_origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            problems.append(
                "`--cors_origins` must be origins as browsers send them, in "
                "lower case and without path, such as https://app.example.com "
                f"or http://localhost:3000, or *. Received: {origin!r}."
            )
    if problems:
        raise ConfigError("\n".join(problems))


def read_token(file):
    """Returns the token from a file or from the environment.

    There is no flag for the token itself: every user of a machine can read
    flags.

    Args:
        file: str. Path of a file with the token. If it is empty or `None`, the
            environment variable `TFMODELS_TOKEN` is read.

    Returns:
        str; empty if there is neither a file nor the variable.

    Raises:
        ConfigError: The file cannot be read, or its content is not a token.
    """
    if not file:
        token = os.environ.get(bearer_token.VARIABLE, "")
        if not token:
            return ""
    else:
        try:
            token = pathlib.Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"`--token_file` must be a file that can be read: {error}."
            ) from None
    if not bearer_token.is_token(token):
        raise ConfigError(
            f"{file or bearer_token.VARIABLE} must contain one token: ASCII "
            f"without white space. Received: a text of {len(token)} "
            "characters, not shown."
        )
    return token
