"""Answers the paths of the server: the REST interface, metrics, and a page.

References:
    https://www.tensorflow.org/tfx/serving/api_rest, and `http_rest_api_util.cc`
    and `http_server.cc` of TensorFlow Serving for paths, error messages and
    statuses.
"""

import asyncio
import html
import pathlib
import re
import secrets
import time

from google.protobuf import json_format
from starlette.responses import Response
from tensorflow_serving.apis import get_model_metadata_pb2

from trainers.server import limits as limits_lib
from trainers.server import predict_json
from trainers.server import statuses
from trainers.server import tf_examples

_MODEL = r"(?i)/v1/models/([^/:]+)(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_RUN_PATH = re.compile(_MODEL + ":(classify|regress|predict)")
_READ_PATH = re.compile(_MODEL + "(/metadata)?")
# Bytes. Larger bodies are processed in a thread: they would block the event
# loop for too long.
_LARGE = 2**16
_PAGE = pathlib.Path(__file__).with_name("page.html")
_POLICY = (
    "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; "
    "connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class App:
    """The ASGI application of the server.

    If the server has a token, every path except `/` needs it. The page at `/`
    contains no data and asks for the token.
    """

    def __init__(self, versions, limits, metrics, metrics_path):
        """Creates the application.

        Args:
            versions: `model_versions.Versions`. The versions to serve.
            limits: `limits.Limits`. Limits of requests.
            metrics: `prometheus.Metrics`. Counts requests.
            metrics_path: str. URL path of the metrics; `None` serves none.
        """
        self._versions = versions
        self._limits = limits
        self._metrics = metrics
        self._metrics_path = metrics_path

    async def __call__(self, scope, receive, send):
        """Answers a request, with an error document if it fails.

        Args:
            scope: dict. Scope of the ASGI connection.
            receive: ASGI coroutine that returns the next event.
            send: ASGI coroutine that sends an event.
        """
        body = limits_lib.Body(scope, receive)
        try:
            response = await self._answer(scope, body)
        except ConnectionError:  # The client is gone.
            return
        except (Exception, asyncio.CancelledError) as error:
            error = statuses.of(error)
            response = _json({"error": str(error)}, error.http, error.headers)
        await body.answer(response, send)

    async def _answer(self, scope, body):
        method, path = scope["method"], scope["path"]
        if path == "/" and method in ("GET", "HEAD"):
            return _page(self._versions.name)
        self._limits.check_token(scope)
        if path == self._metrics_path and method == "GET":
            content, kind = self._metrics.page()
            return Response(content, headers={"Content-Type": kind})
        if method == "POST" and (found := _RUN_PATH.fullmatch(path)):
            return await self._run(found, body)
        if method == "GET" and (found := _READ_PATH.fullmatch(path)):
            name, version, label, metadata = found.groups()
            read = self._metadata if metadata else self._versions.status
            return _json(read(name, _number(version), label))
        if method == "GET" and path.lower() == "/v1/models":
            raise statuses.invalid("Missing model name in request.")
        if path.lower().startswith("/v1/"):
            raise statuses.invalid(f"Malformed request: {method} {path}")
        raise statuses.StatusError("NOT_FOUND", f"Not found: {path}")

    async def _run(self, found, body):
        begin, status = time.perf_counter(), "CANCELLED"
        name, version, label, method = found.groups()
        method = method.lower()
        try:
            with self._limits:
                content = await self._limits.read(body)
                work = _in_thread if len(content) >= _LARGE else _at_once
                document = await work(predict_json.parse, content)
                answer = await self._predict(
                    (name, _number(version), label), method, document, work
                )
            status = "OK"
            return _json(answer)
        except ConnectionError:
            raise
        except Exception as error:
            error = statuses.of(error)
            status = error.code
            raise error from None
        finally:
            # Names that clients invent would fill the memory with counts.
            if name == self._versions.name:
                seconds = time.perf_counter() - begin
                self._metrics.count_request(status, method, seconds)

    async def _predict(self, model, method, document, work):
        """Returns the document with the answer to a request.

        Args:
            model: tuple. Arguments of `Versions.find`.
            method: str. `predict`, `classify` or `regress`.
            document: dict from `predict_json.parse`.
            work: Coroutine that calls a function, in a thread if the body is
                large.
        """
        with self._versions.find(*model).in_use() as servable:
            size = predict_json.num_rows(document, method)
            if method == "predict":
                signature, definition = predict_json.find_signature(
                    document, servable.signatures
                )
                servable.check_size(size)
                inputs, is_row = await work(
                    predict_json.read_predict, document, definition
                )
                outputs = await servable.run(signature, inputs)
                return await work(predict_json.write_predict, outputs, is_row)
            signature = tf_examples.find_signature(
                document, servable.signatures, method
            )
            servable.check_size(size)
            inputs = await work(tf_examples.read, document)
            outputs = await servable.run(signature, inputs)
            return await work(tf_examples.write, outputs, method)

    def _metadata(self, name, version, label):
        servable = self._versions.find(name, version, label)
        definitions = get_model_metadata_pb2.SignatureDefMap(
            signature_def=servable.signatures
        )
        return {
            "model_spec": {
                "name": name,
                "signature_name": "",
                "version": str(servable.number),
            },
            "metadata": {
                "signature_def": json_format.MessageToDict(
                    definitions,
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                )
            },
        }


_in_thread = asyncio.to_thread


async def _at_once(function, *arguments):
    return function(*arguments)


def _number(version):
    """Returns the version in a path as a number; `None` without a version."""
    # The number does not fit into 64 bits.
    if version and (len(version) > 19 or int(version) >= 2**63):
        raise statuses.invalid(
            f"Failed to convert version: {version} to numeric."
        )
    return int(version) if version else None


def _json(document, status=200, headers=None):
    return Response(
        predict_json.to_bytes(document),
        status,
        headers=headers,
        media_type="application/json",
    )


def _page(model_name):
    """Returns the page to try the model."""
    nonce = secrets.token_urlsafe(16)
    text = _PAGE.read_text(encoding="utf-8")
    text = text.replace("__MODEL_NAME__", html.escape(model_name))
    return Response(
        text.replace("__NONCE__", nonce),
        media_type="text/html",
        headers={
            "Content-Security-Policy": _POLICY.format(nonce),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        },
    )
