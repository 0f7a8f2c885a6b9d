"""Numbers for Prometheus, under the names that TensorFlow Serving has."""

import prometheus_client
from prometheus_client import metrics_core
from prometheus_client import samples

# 10 microseconds to some 20 minutes, as in the source.
_MICROSECONDS = [10 * 1.8**power for power in range(33)]
_ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
# Times at which each was first written, which TensorFlow Serving has not.
prometheus_client.disable_created_metrics()
_PREFIX = ":tensorflow:serving:"


class _Counts:
    """Counts by label; `prometheus_client` would add `_total` to the name."""

    def __init__(self, name, documentation, labels):
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._counts = {}

    def increase(self, *values):
        self._counts[values] = self._counts.get(values, 0) + 1

    def collect(self):
        metric = metrics_core.Metric(self._name, self._documentation, "unknown")
        metric.samples = [
            samples.Sample(
                self._name, dict(zip(self._labels, values, strict=True)), count
            )
            for values, count in self._counts.items()
        ]
        return [metric]


class Metrics:
    """What is counted and measured."""

    def __init__(self, model_name):
        """Takes the value of the label `model_name`."""
        self._name = model_name
        self._registry = prometheus_client.CollectorRegistry()
        self._count = _Counts(
            f"{_PREFIX}request_count",
            "Requests of a model by status.",
            ("model_name", "status"),
        )
        self._registry.register(self._count)
        self._latency = prometheus_client.Histogram(
            f"{_PREFIX}request_latency",
            "Microseconds from the first byte of a request to its answer.",
            ("model_name", "API", "entrypoint"),
            buckets=_MICROSECONDS,
            registry=self._registry,
        )
        # TensorFlow Serving has these two inside, and does not show them.
        self._input_rows, self._rows = (
            prometheus_client.Histogram(
                f"{_PREFIX}batching_session:{name}",
                f"Rows of a run of the model, {when} padding.",
                buckets=_ROWS,
                registry=self._registry,
            )
            for name, when in (
                ("input_batch_size", "before"),
                ("processed_batch_size", "after"),
            )
        )

    def count_request(self, status, method, seconds):
        """Counts an answer.

        Args:
            status: Name of TensorFlow's code, `OK` or another.
            method: `predict`, `classify` or `regress`.
            seconds: That it took.
        """
        self._count.increase(self._name, status)
        if status == "OK":
            self._latency.labels(self._name, method, "REST").observe(
                seconds * 1e6
            )

    def count_batch(self, rows, padded):
        """Counts a run of the model, with its rows before and after padding.

        Called from the threads that run it.
        """
        self._input_rows.observe(rows)
        self._rows.observe(padded)

    def page(self):
        """Returns `(content, its type)`."""
        return (
            prometheus_client.generate_latest(self._registry),
            prometheus_client.CONTENT_TYPE_LATEST,
        )
