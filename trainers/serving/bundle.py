"""The files beside the versions of an export: all that a service needs.

    models.config, batching.config, monitoring.config   for TensorFlow Serving
    request.json                                        a request to try it
    MODEL_CARD.md                                       for people

All are about the newest version and written after it, each in one step. What
people change stays: a configuration file that they edited, the section
`Intended use` of the model card, or all of a card without the marks of it.
"""

import base64
import contextlib
import hashlib
import json
import logging
import string
import tempfile

from trainers.errors import ConfigError
from trainers.errors import RunError
from trainers.runtime import atomic
from trainers.serving import config_protos
from trainers.serving import model_card
from trainers.serving import warmup
from trainers.serving.proof import rules

# In a version; `assets.extra/` is what TensorFlow Serving leaves to others.
MANIFEST = "assets.extra/manifest.json"
MODELS = "models.config"
BATCHING = "batching.config"
MONITORING = "monitoring.config"
REQUEST = "request.json"
MODEL_CARD = "MODEL_CARD.md"

_OURS = "# Written by the export, which leaves it alone once it was edited: "
_CONFIGS = {
    MODELS: (
        config_protos.ModelServerConfig,
        """\
# For --model_config_file. The newest version is served. To serve two by label,
# take the signs of comment away below, and ask at
#   /v1/models/$name/labels/canary:predict
# A label may only name a version that is loaded: add the labels when both are
# served, or start with --allow_version_labels_for_unavailable_models.
model_config_list {
  config {
    name: "$name"
    base_path: "/models/$name"
    model_platform: "tensorflow"
    model_version_policy { latest { num_versions: 1 } }
    # model_version_policy { specific { versions: $stable versions: $canary } }
    # version_labels { key: "stable" value: $stable }
    # version_labels { key: "canary" value: $canary }
  }
}
""",
    ),
    BATCHING: (
        config_protos.BatchingParameters,
        """\
# For --enable_batching --batching_parameters_file. Requests that arrive while
# all threads are busy are answered together, filled up to one of the sizes that
# the warm-up file has.
max_batch_size { value: $max_batch_size }
$allowed_batch_sizes
# A thread that is free does not wait for more requests: one client alone loses
# nothing. More than 0 makes larger batches of fewer requests.
batch_timeout_micros { value: 0 }
# More are refused at once (503).
max_enqueued_batches { value: 100 }
# Batches at a time; each uses several cores by itself.
num_batch_threads { value: 2 }
# Rows of different length in one batch.
pad_variable_length_inputs: $pads
""",
    ),
    MONITORING: (
        config_protos.MonitoringConfig,
        """\
# For --monitoring_config_file, with --rest_api_port.
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
""",
    ),
}


_FILES = (*_CONFIGS, REQUEST, MODEL_CARD)
# Bytes that all of them fit into, new beside old.
_ROOM = 1 << 18


@contextlib.contextmanager
def room(base):
    """Keeps space for the files while a version is published.

    So what they would fail for is found while there is no new version.

    Args:
        base: `pathlib.Path` of the directory of versions.

    Raises:
        ConfigError: Something else is where a file of the bundle belongs.
        OSError: The disk is full, or a file there cannot be read.
    """
    _check_files(base)
    # It has no name: nothing stays of it if the process dies.
    with tempfile.TemporaryFile(dir=base) as file:
        file.write(bytes(_ROOM))
        file.flush()
        yield


def _check_files(base):
    for path in (base / name for name in _FILES):
        if path.exists() and not path.is_file():
            raise ConfigError(
                "`--workdir` must have a file or nothing where an export "
                f"writes a file; move it away. Received: {str(path)!r}."
            )
        _read(path)


def write(base, workdir):
    """Writes the files of the newest version.

    Args:
        base: `pathlib.Path` of the directory of versions.
        workdir: `Workdir` of the run, of whose data and metrics the model card
            tells.

    Raises:
        ConfigError: Something else is where one of the files belongs.
        RunError: No version is whole.
    """
    _check_files(base)
    # Of two exporters the second one finds the newest version of both.
    with atomic.lock(base):
        for path in atomic.temporaries(base):
            # Of a process that died; others are somebody's own.
            if path.name.rpartition(".tmp-")[0] in _FILES and path.is_file():
                path.unlink()
        version, facts = _newest(base)
        signatures = rules.signatures(rules.read(version))
        names = _names(version, facts, signatures)
        for name, (message_class, template) in _CONFIGS.items():
            body = string.Template(template).substitute(names)
            _write_config(base / name, body, message_class)
        _write(base / REQUEST, _request(version))
        old = _read(base / MODEL_CARD)
        card = model_card.make(version, facts, signatures, workdir, old)
        _write(base / MODEL_CARD, card)


def _newest(base):
    """Returns path and manifest of the newest version that is whole."""
    for _, path in sorted(atomic.numbered(base).items(), reverse=True):
        with contextlib.suppress(RunError):
            return path, atomic.verify(path, MANIFEST)
    raise RunError(f"{base}: no version is whole.")


def _names(version, facts, signatures):
    """Returns what the configuration files are filled in with."""
    number = int(version.name)
    older = [n for n in atomic.numbered(version.parent) if n < number]
    sizes = facts["allowed_batch_sizes"]
    dims = [
        dim.size
        for signature in signatures.values()
        for info in signature.inputs.values()
        for dim in info.tensor_shape.dim[1:]
    ]
    return {
        "name": facts["model"],
        "stable": max(older, default=number),
        "canary": number if older else number + 1,
        "max_batch_size": sizes[-1],
        "allowed_batch_sizes": "\n".join(
            f"allowed_batch_sizes: {size}" for size in sizes
        ),
        "pads": str(-1 in dims).lower(),
    }


def _write_config(path, body, message_class):
    """Writes a file that a server reads, unless somebody edited it."""
    first, _, rest = _read(path).partition("\n")
    if first and first != _first_line(rest):
        logging.getLogger(__name__).warning(
            "%s was edited and is left as it is.", path
        )
        return
    _write(path, f"{_first_line(body)}\n{body}")
    config_protos.read(path, message_class)


def _first_line(body):
    return _OURS + hashlib.sha256(body.encode()).hexdigest()[:16]


def _request(version):
    """Returns the body of a request, the first of warm-up for text or files."""
    name, key, value = next(
        (name, key, values[0])
        for name, fed in warmup.requests(version)
        for key, values in fed.items()
        if isinstance(values[0], bytes) and key != warmup.EXAMPLES
    )
    if key.endswith("_bytes"):
        instance = {"b64": base64.b64encode(value).decode()}
    else:
        instance = value.decode("utf-8")
    body = {"signature_name": name, "instances": [instance]}
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _read(path):
    """Returns the text of a file; nothing if there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _write(path, text):
    if text != _read(path):
        atomic.write_text(path, text)
