"""Answers the paths of the server: the REST interface, metrics, and a page.

References:
    https://www.tensorflow.org/tfx/serving/api_rest, and `http_rest_api_util.cc`
    and `http_server.cc` of TensorFlow Serving for paths, error messages and
    statuses.
"""

import asyncio
import contextlib
import functools
import html
import pathlib
import secrets
import time
import urllib.parse

from google.protobuf import json_format
from starlette.datastructures import Headers
from starlette.responses import Response
from tensorflow_serving.apis import get_model_metadata_pb2

from trainers.server import json_pieces
from trainers.server import limits as limits_lib
from trainers.server import paths
from trainers.server import predict_json
from trainers.server import request_json
from trainers.server import rounds
from trainers.server import statuses
from trainers.server import tf_examples

# The methods of HTTP that TensorFlow Serving knows.
_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
# Larger bodies, in bytes, and outputs, in elements, are converted in a thread:
# they would block the event loop for too long.
_LARGE_BODY = 2**16
_LARGE_OUTPUT = 2**14
# Large bodies that are JSON at the same time. As Python objects, each can fill
# 500 MB.
_LARGE_AT_A_TIME = 2
# Large bodies until none is JSON for a moment. Garbage is collected then.
_LARGE_IN_A_ROUND = 16
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
        self._large = rounds.Rounds(_LARGE_AT_A_TIME, _LARGE_IN_A_ROUND)

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
        body.check_length()
        self._limits.check_host(scope)
        method, target = scope["method"], paths.target(scope)
        if method not in _METHODS:
            raise statuses.StatusError(
                "UNIMPLEMENTED", f"Unknown method: {method}"
            )
        path = target.partition("?")[0]
        if path == "/" and method in ("GET", "HEAD"):
            return _page(self._versions.name)
        is_rest = target.lower().startswith("/v1/")
        if is_rest and method == "OPTIONS":
            return _options(scope)
        self._limits.check_token(scope)
        if path == self._metrics_path and method == "GET":
            if target != path:
                raise statuses.invalid(
                    f"Unexpected path: {target}. Should be {path}"
                )
            content, kind = self._metrics.page()
            return Response(content, headers={"Content-Type": kind})
        if method == "POST" and (address := paths.to_run(target)):
            return await self._run(address, body)
        if method == "GET" and (address := paths.to_read(target)):
            read = self._metadata if address.last else self._versions.status
            return _json(read(address.name, address.version, address.label))
        if is_rest:
            raise paths.malformed(method, target)
        raise statuses.StatusError("NOT_FOUND", f"Not found: {target}")

    async def _run(self, address, body):
        begin, status = time.perf_counter(), "CANCELLED"
        name, method = address.name, address.last
        try:
            with self._limits:
                content = await self._limits.read(body)
                answer = await self._answer_of_model(address, content)
            status = "OK"
            return Response(answer, media_type="application/json")
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

    async def _answer_of_model(self, address, content):
        """Returns the answer to a request as JSON.

        Args:
            address: `paths.Address`.
            content: bytes. The body of the request.
        """
        with contextlib.ExitStack() as uses:
            async with self._parsed(content) as (document, work):
                found = self._versions.find(
                    address.name, address.version, address.label
                )
                servable = uses.enter_context(found.in_use())
                signature, inputs, write = await _read(
                    servable, address.last, document, work
                )
            del document
            outputs = await servable.run(signature, inputs)
            size = sum(array.size for array in outputs.values())
            is_large = max(len(content) - _LARGE_BODY, size - _LARGE_OUTPUT) > 0
            work = asyncio.to_thread if is_large else _at_once
            return await work(write, outputs)

    @contextlib.asynccontextmanager
    async def _parsed(self, content):
        """Yields a document, and the coroutine that calls functions of it."""
        if len(content) < _LARGE_BODY:
            yield request_json.parse(content), _at_once
            return
        work = asyncio.to_thread
        async with self._large:
            with json_pieces.no_collection():
                document = await work(request_json.parse, content)
                try:
                    yield document, work
                finally:
                    await work(json_pieces.dismantle, document)

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


async def _read(servable, method, document, work):
    """Reads a request.

    Args:
        servable: `servable.Servable`. The version that answers.
        method: str. `predict`, `classify` or `regress`.
        document: dict from `request_json.parse`.
        work: Coroutine that calls a function.

    Returns:
        Tuple of the name of the signature, its inputs, and a function that
        returns the answer as JSON for its outputs.
    """
    size = await work(predict_json.num_rows, document, method)
    if method == "predict":
        signature, definition = predict_json.find_signature(
            document, servable.signatures
        )
        servable.check_size(size)
        inputs, is_row = await work(
            predict_json.read_predict, document, definition
        )
        write = functools.partial(predict_json.write_predict, is_row=is_row)
    else:
        signature = tf_examples.find_signature(
            document, servable.signatures, method
        )
        servable.check_size(size)
        inputs = await work(tf_examples.read, document)
        write = functools.partial(tf_examples.write, method=method)
    return (
        signature,
        inputs,
        lambda outputs: request_json.to_bytes(write(outputs)),
    )


async def _at_once(function, *arguments):
    return function(*arguments)


def _options(scope):
    """Returns the answer to OPTIONS; it permits no other web page anything.

    With `--cors_origins`, this function gets no question of a browser.
    """
    origin = Headers(scope=scope).get("origin", "").lower()
    if "http://" not in origin and "https://" not in origin:
        raise statuses.StatusError(
            "FAILED_PRECONDITION", "Origin header is missing in CORS preflight"
        )
    return Response(media_type="application/json")


def _json(document, status=200, headers=None):
    return Response(
        request_json.to_bytes(document),
        status,
        headers=headers,
        media_type="application/json",
    )


def _page(model_name):
    """Returns the page to try the model."""
    nonce = secrets.token_urlsafe(16)
    text = _PAGE.read_text(encoding="utf-8")
    text = text.replace("__MODEL_NAME__", html.escape(model_name))
    text = text.replace(
        "__MODEL_PATH__", urllib.parse.quote(model_name, safe="")
    )
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
