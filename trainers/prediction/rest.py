"""Answers of a served model, over TensorFlow Serving's REST interface.

References:
    https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import collections
import contextlib
import http.client
import json
import re
import weakref

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import meta_graph_pb2

from trainers.errors import ConfigError
from trainers.errors import RefusedError
from trainers.errors import RunError
from trainers.prediction import tokens

_URL = re.compile(
    r"(https?)://([\w.-]+(?::\d+)?|\[[\da-f:]+\](?::\d+)?)"
    r"((?:/[\w./-]*)?/v1/models/[\w.-]+(?:/versions/\d+|/labels/[\w.-]+)?)/?",
    re.IGNORECASE | re.ASCII,
)
_CONNECTIONS = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


class ServerError(RefusedError):
    """A server refused a request.

    Attributes:
        status: The HTTP status, such as 400 for inputs that do not fit.
    """

    def __init__(self, status, words):
        super().__init__(f"the server answered {status}: {words}")
        self.status = status


class RestPredictor:
    """Calls the signatures of a served model, as `Predictor` does in process.

    Threads may share one: each call has a connection for itself, which is
    kept open for the next call.

    Attributes:
        signatures: `SignatureDef` by name, as they were on connecting.
    """

    def __init__(self, url, token=None, timeout_seconds=60):
        """Asks the server for the signatures.

        Args:
            url: `http://HOST:PORT/v1/models/NAME`, with `/versions/N` or
                `/labels/LABEL` behind it for one version.
            token: What the server wants as bearer token, if it wants one.
            timeout_seconds: Longest time without a byte from the server.

        Raises:
            ConfigError: The address or the token cannot be one.
            ServerError: The server refuses, or has no such model.
            RunError: No server answers, or something else does.
        """
        match = _URL.fullmatch(url)
        if not match:
            raise ConfigError(
                "`--server` must be the address of a model, like "
                "http://localhost:8501/v1/models/NAME, with /versions/N or "
                f"/labels/LABEL behind it for one version. Received: {url!r}."
            )
        self._scheme, self._host, self._path = match.groups()
        self._headers = {"Content-Type": "application/json"}
        if token:
            if not tokens.is_token(token):
                raise ConfigError(
                    f"`{tokens.VARIABLE}` must be ASCII without white space. "
                    f"Received: {len(token)} characters that are not."
                )
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = timeout_seconds
        self._idle = collections.deque()
        weakref.finalize(self, _close_all, self._idle)
        self.signatures = self._read_signatures()

    def __call__(self, signature, inputs):
        """Returns outputs by name as NumPy arrays.

        Args:
            signature: Name of a signature.
            inputs: Arrays by input name, all of the same number of rows.

        Raises:
            ServerError: The server refuses, a `RefusedError`; its words say
                why.
            RunError: No server answers, or something else does.
        """
        request = {"signature_name": signature, "inputs": inputs}
        body = json.dumps(request, default=_encode).encode()
        answer = self._exchange("POST", ":predict", body)
        try:
            outputs = answer["outputs"]
            infos = self.signatures[signature].outputs
            if len(infos) == 1:
                # The interface leaves out the name of an only output.
                outputs = dict.fromkeys(infos, outputs)
            return {
                name: _to_array(outputs[name], info)
                for name, info in sorted(infos.items())
            }
        except (ArithmeticError, LookupError, TypeError, ValueError):
            raise RunError(
                f"the answer of {self._host} does not fit the signature "
                f"`{signature}` that it had before: another model may be "
                "served by now. Connect again."
            ) from None

    def _read_signatures(self):
        answer = self._exchange("GET", "/metadata")
        try:
            found = answer["metadata"]["signature_def"]["signature_def"]
            return {
                name: json_format.ParseDict(
                    value,
                    meta_graph_pb2.SignatureDef(),
                    ignore_unknown_fields=True,
                )
                for name, value in found.items()
                # Keras adds such a one for its own loader.
                if not name.startswith("__")
            }
        except (LookupError, TypeError, json_format.ParseError):
            raise self._stranger() from None

    def _exchange(self, method, suffix, body=None):
        """Returns the parsed body of an answer."""
        try:
            status, content = self._send(method, suffix, body)
        except TimeoutError:
            raise RunError(
                f"{self._host} did not answer within {self._timeout} s."
            ) from None
        except OSError as error:
            raise RunError(
                f"no server answers at {self._scheme}://{self._host}: "
                f"{error.strerror or error}. Start one with `python -m "
                "trainers.serve`, or correct `--server`."
            ) from None
        except http.client.HTTPException:
            raise self._stranger() from None
        # Strings that are not UTF-8 stay what they are.
        text = content.decode("utf-8", "surrogateescape")
        if status == 200:
            with contextlib.suppress(ValueError):
                return json.loads(text)
            raise self._stranger()
        words = text.strip()[:300]
        with contextlib.suppress(ValueError, LookupError, TypeError):
            words = json.loads(text)["error"]
        if status == 401:
            words += f" Put the token into {tokens.VARIABLE}."
        raise ServerError(status, words)

    def _send(self, method, suffix, body):
        """Returns status and body of an answer."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _CONNECTIONS[self._scheme.lower()](
                self._host, timeout=self._timeout
            )
        is_reused = connection.sock is not None
        try:
            # An answer like 413 may come before all is sent.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    method, self._path + suffix, body, self._headers
                )
            response = connection.getresponse()
            answer = response.status, response.read()
        except BaseException as error:
            connection.close()
            # Servers close connections that were idle for a while.
            if is_reused and isinstance(error, ConnectionError):
                return self._send(method, suffix, body)
            raise
        self._idle.append(connection)
        return answer

    def _stranger(self):
        return RunError(
            f"{self._scheme}://{self._host} does not answer as TensorFlow "
            "Serving's REST interface does. Correct `--server`."
        )


def _close_all(connections):
    while connections:
        connections.pop().close()


def _encode(value):
    """Writes what JSON does not know: bytes and arrays."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    return np.asarray(value).tolist()


def _to_array(value, info):
    """Reads an output by its `TensorInfo`."""
    dtype = tf.as_dtype(info.dtype)
    if dtype == tf.string:
        array = np.array(_to_bytes(value), dtype=object)
    else:
        array = np.array(value, dtype=dtype.as_numpy_dtype)
    if not array.size:
        # JSON has no shape for what holds nothing.
        dims = info.tensor_shape.dim[1:]
        array = array.reshape((len(array), *(max(d.size, 0) for d in dims)))
    return array


def _to_bytes(value):
    if isinstance(value, list):
        return [_to_bytes(item) for item in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode("utf-8", "surrogateescape")
