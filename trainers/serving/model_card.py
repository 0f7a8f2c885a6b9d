"""Writes MODEL_CARD.md: what people should know before they use a model."""

import json
import re

from tensorflow.core.framework import types_pb2

from trainers import tasks
from trainers.config import experiment
from trainers.config.data import SPLITS
from trainers.metrics import report as report_lib
from trainers.objectives import objective as objective_lib
from trainers.runtime import markdown
from trainers.serving.proof import rules
from trainers.serving.proof import server_ops

# Keep both marks: the section `Intended use` of existing cards is found by
# them.
_BEGIN = "<!-- Written by people; the next export keeps it. -->"
_END = "<!-- The next export writes all that follows anew. -->"
_BLANK = """\
**To be filled in by people.**

- Intended users and decisions:
- Uses that are not allowed:
- Who is harmed by a wrong answer, and how:
- Who maintains the model:
"""
_SERVER_FLAGS = (
    "--model_config_file=/models/{name}/models.config",
    "--enable_batching",
    "--batching_parameters_file=/models/{name}/batching.config",
    "--monitoring_config_file=/models/{name}/monitoring.config",
)
# Python's names of dtypes, by those of the format.
_DTYPES = {"float": "float32", "double": "float64"}


def make(version, facts, signatures, workdir, old=""):
    """Returns the text of a model card.

    Args:
        version: `pathlib.Path`. The version directory.
        facts: dict. Manifest of the version.
        signatures: dict of `SignatureDef`s of the version by name.
        workdir: `Workdir` of the run. `metrics.json` and `data_report.json`
            are read from it. If a file is missing, the card says that its
            numbers are not known.
        old: str. The existing card; empty if there is none. The new card
            keeps its section `Intended use`. A card without the marks of
            that section is returned unchanged.

    Returns:
        str in Markdown.
    """
    if old and not _intended_use(old):
        return old
    config = experiment.from_tree(facts["config"])
    task = tasks.make_task(config)
    objective = objective_lib.restore(
        task.objective, facts["labels"], facts.get("decisions")
    )
    report = _read(workdir.path / "data_report.json")
    metrics = _read(workdir.path / "metrics.json")
    sections = (
        ("", _summary(version, facts, task.inputs, objective)),
        ("Intended use", _intended_use(old) or _with_marks(_BLANK)),
        ("Data", _data(config, report)),
        ("Quality", _quality(metrics, objective)),
        ("Limits", _limits(task.inputs, metrics, objective)),
        ("Signatures", _signatures(facts, signatures)),
        ("Serving", _serving(facts)),
        ("Python", _python(version, signatures)),
        ("Identity", _identity(version, facts)),
    )
    return "\n".join(
        (f"## {title}\n\n" if title else "") + text for title, text in sections
    )


def _with_marks(text):
    return f"{_BEGIN}\n\n{text}\n{_END}\n"


def _intended_use(card):
    """Returns the marks and the text between them; `None` without marks."""
    found = re.search(
        f"{re.escape(_BEGIN)}.*?{re.escape(_END)}\n", card, re.DOTALL
    )
    return found and found[0]


def _summary(version, facts, inputs, objective):
    return (
        f"# {facts['model']}, version {version.name}\n\n"
        f"{objective.purpose(inputs.describe())}.\n"
    )


def _data(config, report):
    data = config.data
    lines = ["| setting | |", "|---|---|"]
    for key in ("source", "path", *SPLITS):
        if value := getattr(data, key, ""):
            lines.append(f"| `{key}` | {markdown.code(value)} |")
    lines.append("")
    if report is None or "splits" not in report:
        return "\n".join([*lines, "The number of examples is not known.\n"])
    splits = report["splits"]
    lines += [
        f"| examples | {' | '.join(splits)} |",
        "|---|" + "---:|" * len(splits),
    ]
    by_class = [s.get("examples_by_class", {}) for s in splits.values()]
    names = sorted(by_class[0], key=by_class[0].get)
    shown = set(report_lib.ends(names))
    for label in (name for name in by_class[0] if name in shown):
        counts = [counts[label] for counts in by_class]
        lines.append(f"| {markdown.code(label)} | {markdown.numbers(counts)} |")
    if len(shown) < len(names):
        others = [
            sum(n for name, n in counts.items() if name not in shown)
            for counts in by_class
        ]
        lines.append(
            f"| {len(names) - len(shown):,} others | "
            f"{markdown.numbers(others)} |"
        )
    counts = [split["examples"] for split in splits.values()]
    lines += [f"| all | {markdown.numbers(counts)} |", ""]
    if len(shown) < len(names):
        lines += [
            "The table has the classes with the fewest and with the most "
            "examples; `data_report.json` of the run has all of them.",
            "",
        ]
    lines += [
        f"- {markdown.one_line(warning)}" for warning in report["warnings"]
    ]
    return "\n".join(lines).rstrip() + "\n"


def _quality(metrics, objective):
    split, found = _measured(metrics)
    if not found:
        return "Not measured.\n"
    role = {
        "test": "which training did not use",
        "validation": "which also selected the best epoch",
    }[split]
    lines = [
        f"On the split {split}, {found['num_examples']:,} examples, {role}:"
    ]
    for header, rows in objective.quality(found):
        # Names are to the left, numbers to the right.
        first = "---" if isinstance(rows[0][0], str) else "---:"
        bars = [first] + ["---:"] * (len(header) - 1)
        lines += ["", f"| {' | '.join(header)} |", f"|{'|'.join(bars)}|"]
        lines += [f"| {_cells(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cells(row):
    names = [markdown.code(x) for x in row if isinstance(x, str)]
    numbers = markdown.numbers(x for x in row if not isinstance(x, str))
    return " | ".join([*names, numbers])


def _measured(metrics):
    """Returns name and metrics of the test split, else of validation."""
    for split in ("test", "validation"):
        if (metrics or {}).get(split):
            return split, metrics[split]
    return None, None


def _limits(inputs, metrics, objective):
    split, found = _measured(metrics)
    lines = [*objective.limits(split, found), *inputs.limits()]
    return "".join(f"- {line}\n" for line in lines)


def _signatures(facts, signatures):
    lines = ["| signature | APIs | input | outputs |", "|---|---|---|---|"]
    for name, signature in sorted(signatures.items()):
        cells = [
            f"`{name}`",
            ", ".join(facts["apis"][name]),
            _tensors(signature.inputs),
            _tensors(signature.outputs),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _tensors(infos):
    words = []
    for key, info in sorted(infos.items()):
        sizes = [dim.size for dim in info.tensor_shape.dim]
        shape = ["batch", *("any" if x == -1 else str(x) for x in sizes[1:])]
        kind = types_pb2.DataType.Name(info.dtype)[3:].lower()
        kind = _DTYPES.get(kind, kind)
        words.append(f"`{key}: {kind}[{', '.join(shape)}]`")
    return ", ".join(words)


def _serving(facts):
    name = facts["model"]
    flags = " \\\n    ".join(_SERVER_FLAGS).format(name=name)
    return (
        "Run these commands in the directory of this file. The first one "
        f"serves the model with TensorFlow Serving {facts['oldest_server']} "
        "or newer. The second one serves it without Docker. The third one "
        "sends a request:\n\n"
        "```sh\n"
        f'docker run -p 8501:8501 -v "$PWD":/models/{name} '
        f"tensorflow/serving:2.20.0 \\\n    {flags}\n"
        f"python -m trainers.serve --model_base_path=. --model_name={name} "
        "--port=8501\n"
        f"curl http://localhost:8501/v1/models/{name}:predict "
        "-d @request.json\n"
        "```\n"
    )


def _python(version, signatures):
    """Returns how to load the SavedModel with TensorFlow alone."""
    imports = "import tensorflow as tf\n"
    packages = "`tensorflow`"
    if server_ops.needs_tensorflow_text(rules.read(version).graph_def):
        packages += " and `tensorflow-text`"
        # Without it: `Op type not registered`.
        imports += (
            "import tensorflow_text  # Before `load`: it registers ops.\n"
        )
    name = min(signatures, key=lambda name: (name != "serving_default", name))
    values = ", ".join(
        f"{key}={_example(info)}"
        for key, info in sorted(signatures[name].inputs.items())
    )
    return (
        f"Load the SavedModel with {packages}, without this project:\n\n"
        "```python\n"
        f"{imports}\n"
        f'model = tf.saved_model.load("{version.name}")\n'
        f'predict = model.signatures["{name}"]\n'
        f"print(predict({values}))\n"
        "```\n"
    )


def _example(info):
    """Returns a value of one row for an input, as Python code."""
    kind = types_pb2.DataType.Name(info.dtype)[3:].lower()
    if kind == "string":
        return 'tf.constant(["A text"])'
    sizes = [dim.size if dim.size > 0 else 1 for dim in info.tensor_shape.dim]
    kind = _DTYPES.get(kind, kind)
    return f"tf.zeros({[1, *sizes[1:]]}, tf.{kind})"


def _identity(version, facts):
    weights = (version / "variables").rglob("*")
    rows = {
        "files": _megabytes(version.rglob("*")),
        "weights": f"{_megabytes(weights)}, {facts['parameters']:,} parameters "
        f"of training step {facts['weights_of_step']:,}",
        "SHA-256 of the weights": facts["weights_sha256"],
        "fingerprint of the SavedModel": facts["fingerprint"],
        "oldest TensorFlow Serving": facts["oldest_server"],
        "allowed batch sizes": ", ".join(
            map(str, facts["allowed_batch_sizes"])
        ),
        "exported with": ", ".join(
            f"{key} {value}" for key, value in facts["versions"].items()
        ),
    }
    lines = ["| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in rows.items()]
    lines += [
        "",
        f"SHA-256 of each file and all settings: "
        f"`{version.name}/assets.extra/manifest.json`.",
    ]
    return "\n".join(lines) + "\n"


def _megabytes(paths):
    size = sum(path.stat().st_size for path in paths if path.is_file())
    return f"{size / 1e6:,.1f} MB"


def _read(path):
    """Returns the content of a JSON file; `None` if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
