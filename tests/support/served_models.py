"""Tiny real exports, and a server for them on a thread of this process."""

import asyncio
import contextlib
import json
import threading

import httpx
import tensorflow as tf

from trainers.runtime import atomic
from trainers.server import app
from trainers.server import batches
from trainers.server import limits as limits_lib
from trainers.server import model_versions
from trainers.server import prometheus
from trainers.server import queues
from trainers.serving import exporter

METRICS = "/monitoring/prometheus/metrics"


def spec(shape, dtype, name):
    return tf.TensorSpec(shape, dtype, name=name)


@tf.function(input_signature=[spec((None, 2), tf.float32, "x")])
def half_plus_two(x):
    return {"y": x / 2 + 2}


@tf.function(
    input_signature=[
        spec((None,), tf.int64, "number"),
        spec((None,), tf.string, "text"),
    ]
)
def two_inputs(number, text):
    return {
        "sum": number + tf.cast(tf.strings.length(text), tf.int64),
        "text": text,
        "text_bytes": text,
    }


@tf.function(
    input_signature=[
        spec((None,), tf.bool, "flag"),
        spec((None,), tf.float64, "double"),
        spec((None,), tf.int32, "integer"),
        spec((None,), tf.uint8, "byte"),
    ]
)
def types(flag, double, integer, byte):
    return {
        "flag_out": flag,
        "double_out": double,
        "integer_out": integer,
        "byte_out": byte,
    }


@tf.function(input_signature=[spec((None, None), tf.int32, "ids")])
def lengths(ids):
    width = tf.fill([tf.shape(ids)[0]], tf.shape(ids)[1])
    return {"width": width, "last": ids[:, -1]}


@tf.function(input_signature=[spec((None,), tf.string, "image_bytes")])
def mean_of_image(image_bytes):
    def mean(image):
        pixels = tf.io.decode_image(image, expand_animations=False)
        return tf.reduce_mean(tf.cast(pixels, tf.float32))

    return {
        "mean": tf.map_fn(mean, image_bytes, fn_output_signature=tf.float32)
    }


@tf.function(input_signature=[spec((None,), tf.string, "inputs")])
def classify(inputs):
    x = _x_of(inputs)
    classes = tf.tile([["high", "low"]], [tf.shape(x)[0], 1])
    return {"classes": classes, "scores": tf.stack([x, 1 - x], axis=1)}


@tf.function(input_signature=[spec((None,), tf.string, "inputs")])
def regress(inputs):
    return {"outputs": _x_of(inputs) * 2}


def _x_of(inputs):
    features = {"x": tf.io.FixedLenFeature([], tf.float32)}
    return tf.io.parse_example(inputs, features)["x"]


@tf.function(input_signature=[spec((None,), tf.string, "text")])
def size_of_text(text):
    return {"size": tf.strings.length(text)}


@tf.function(input_signature=[spec((None,), tf.int64, "steps")])
def count_down(steps):
    # Each of a million million steps takes some time.
    return {
        "left": tf.while_loop(
            lambda left: tf.reduce_any(left > 0),
            lambda left: [left - 1],
            [steps],
        )[0]
    }


FUNCTIONS = {
    "serving_default": half_plus_two,
    "two_inputs": two_inputs,
    "types": types,
    "lengths": lengths,
    "image": mean_of_image,
    "classify": classify,
    "regress": regress,
    "text": size_of_text,
    "count_down": count_down,
}


def publish(base, functions=None):
    """Publishes a version with the next number; returns its directory."""
    with atomic.temporary_dir(base, "version") as path:
        exporter.write_saved_model(path, functions or FUNCTIONS)
        (path / "assets.extra").mkdir(exist_ok=True)
        number = max(atomic.numbered(base), default=0) + 1
        atomic.publish(path, base / str(number), {}, exporter.MANIFEST)
    return base / str(number)


class Server:
    """The application without a socket; its loop runs on another thread."""

    def __init__(self, base, parameters, **limits):
        self.base = base
        self.metrics = prometheus.Metrics("tiny")
        self.scheduler = queues.Scheduler(parameters, self.metrics.count_batch)
        self.versions = model_versions.Versions(
            base, "tiny", base / "models.config", self.scheduler
        )
        defaults = {
            "token": "",
            "max_bytes": 16 * 2**20,
            "max_requests": 64,
            "body_seconds": 20,
            "allowed_hosts": ("tiny",),
        }
        self.app = app.App(
            self.versions,
            limits_lib.Limits(**defaults | limits),
            self.metrics,
            METRICS,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def wait(self, coroutine):
        """Runs a coroutine on the loop of the server."""
        done = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return done.result(timeout=120)

    async def send(self, method, path, body=b"", **options):
        """Returns the `httpx.Response`."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://tiny"
        ) as client:
            return await client.request(method, path, content=body, **options)

    def ask(self, method, path, body=b"", **options):
        """Returns status and JSON of an answer."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        answer = self.wait(self.send(method, path, body, **options))
        assert answer.headers["content-type"] == "application/json"
        return answer.status_code, answer.json()

    def post(self, method, body, where=""):
        return self.ask("POST", f"/v1/models/tiny{where}:{method}", body)

    def samples(self):
        """Returns the lines of the metrics, values by name and labels."""
        text = self.wait(self.send("GET", METRICS)).text
        lines = [line for line in text.splitlines() if line[0] != "#"]
        return {k: float(v) for k, _, v in (s.rpartition(" ") for s in lines)}

    def __enter__(self):
        self._thread.start()
        self.wait(self.versions.poll())
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=60)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self.scheduler.close()


@contextlib.contextmanager
def serving(base, parameters=None, **limits):
    """Yields a `Server` of a directory of versions."""
    with Server(base, parameters or batches.Parameters(), **limits) as server:
        yield server
