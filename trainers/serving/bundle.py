"""Writes the files beside the versions of an export.

    models.config, batching.config, monitoring.config   for TensorFlow Serving
    request.json                                        a request to try it
    MODEL_CARD.md                                       for people

All files describe the newest version. They are written after the version is
published, each in one atomic step. The next export keeps what people edit: a
changed configuration file, the section `Intended use` of the model card, and a
whole card if it has lost the marks of that section.
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
from trainers.runtime import text_encoding
from trainers.serving import config_protos
from trainers.serving import model_card
from trainers.serving import warmup
from trainers.serving.proof import rules

# Inside a version. TensorFlow Serving ignores unknown files in
# `assets.extra/`.
MANIFEST = "assets.extra/manifest.json"
MODELS = "models.config"
BATCHING = "batching.config"
MONITORING = "monitoring.config"
REQUEST = "request.json"
MODEL_CARD = "MODEL_CARD.md"

# The first line of each configuration file: this text and a hash of the rest.
# Keep the text: existing files are recognised by it.
_OURS = "# Written by the export, which leaves it alone once it was edited: "
_CONFIGS = {
    MODELS: (
        config_protos.ModelServerConfig,
        """\
# For --model_config_file. The server serves the newest version. To serve two
# versions by label, uncomment the lines below and send requests to
#   /v1/models/$name/labels/canary:predict
# A label must name a loaded version. Add the labels when both versions are
# loaded, or start the server with
# --allow_version_labels_for_unavailable_models.
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
# all threads are busy run together in one batch. The batch is padded to one of
# the sizes in the warm-up file.
max_batch_size { value: $max_batch_size }
$allowed_batch_sizes
# 0: a free thread does not wait for more requests, so a single client loses no
# time. With a larger value, a thread waits and batches become larger.
batch_timeout_micros { value: 0 }
# The server refuses further requests at once (503).
max_enqueued_batches { value: 100 }
# Batches that run at the same time. Each one uses several cores by itself.
num_batch_threads { value: 2 }
# Whether a batch may contain rows of different lengths.
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
# Bytes. The files need less, also while old and new ones exist together.
_ROOM = 1 << 18


@contextlib.contextmanager
def room(base):
    """Reserves disk space for the files while a version is published.

    A full disk is therefore found before there is a new version.

    Args:
        base: `pathlib.Path`. Directory of the versions.

    Raises:
        ConfigError: A directory or another non-file has the name of a file of
            the bundle.
        OSError: The disk is full, or an existing file cannot be read.
    """
    _check_files(base)
    # The file has no name: it disappears if the process dies.
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
    """Writes the files for the newest complete version.

    Args:
        base: `pathlib.Path`. Directory of the versions.
        workdir: `Workdir` of the run. The model card contains its data and
            metrics.

    Raises:
        ConfigError: A directory or another non-file has the name of a file of
            the bundle.
        RunError: No version is complete.
    """
    _check_files(base)
    # If two exporters run, the second one sees the newest version of both.
    with atomic.lock(base):
        for path in atomic.temporaries(base):
            # Left by a process that died. Other files belong to the user.
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
        # It names the files of the data.
        _write(base / MODEL_CARD, text_encoding.escaped(card))


def _newest(base):
    """Returns path and manifest of the newest complete version."""
    for _, path in sorted(atomic.numbered(base).items(), reverse=True):
        with contextlib.suppress(RunError):
            return path, atomic.verify(path, MANIFEST)
    raise RunError(f"{base}: no version is complete.")


def _names(version, facts, signatures):
    """Returns the values for the templates of the configuration files."""
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
    """Writes a configuration file; keeps an edited one and logs a warning."""
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
    """Returns the body of the first warm-up request with texts or files."""
    name, row = next(
        (name, {key: values[0] for key, values in sorted(fed.items())})
        for name, fed in warmup.requests(version)
        if list(fed) != [warmup.EXAMPLES]
        and all(isinstance(values[0], bytes) for values in fed.values())
    )
    cells = {
        key: {"b64": base64.b64encode(value).decode()}
        if key.endswith("_bytes")
        else value.decode("utf-8")
        for key, value in row.items()
    }
    # A request with one input contains its value alone, without its name.
    instance = cells if len(cells) > 1 else next(iter(cells.values()))
    body = {"signature_name": name, "instances": [instance]}
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _read(path):
    """Returns the text of a file; an empty text if there is no file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _write(path, text):
    if text != _read(path):
        atomic.write_text(path, text)
