"""Collects metrics for Prometheus under the names of TensorFlow Serving."""

import prometheus_client
from prometheus_client import metrics_core
from prometheus_client import samples

# Limits of the buckets in TensorFlow Serving: 10 microseconds to 25 minutes.
_MICROSECONDS = [10 * 1.8**power for power in range(33)]
_ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
# TensorFlow Serving does not report the time at which a metric was created.
prometheus_client.disable_created_metrics()
_PREFIX = ":tensorflow:serving:"


class _Counts:
    """A counter with labels.

    `prometheus_client.Counter` would add `_total` to the name.
    """

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
    """Metrics of requests and batches."""

    def __init__(self, model_name):
        """Creates the metrics.

        Args:
            model_name: str. Value of the label `model_name`.
        """
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
        # TensorFlow Serving counts these two too, but does not export them.
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
        """Counts an answered request.

        Args:
            status: str. Name of a status code of TensorFlow, such as `OK`.
            method: str. `predict`, `classify` or `regress`.
            seconds: float. Time from the request to its answer.
        """
        self._count.increase(self._name, status)
        if status == "OK":
            self._latency.labels(self._name, method, "REST").observe(
                seconds * 1e6
            )

    def count_batch(self, rows, padded):
        """Counts a run of the model. Threads can call it.

        Args:
            rows: int. Rows before padding.
            padded: int. Rows after padding.
        """
        self._input_rows.observe(rows)
        self._rows.observe(padded)

    def page(self):
        """Returns the metrics in Prometheus's text format.

        Returns:
            Tuple of the content (bytes) and its media type (str).
        """
        return (
            prometheus_client.generate_latest(self._registry),
            prometheus_client.CONTENT_TYPE_LATEST,
        )
