"""Asks a served model through TensorFlow Serving's REST interface.

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
from trainers.prediction import bearer_token

# The characters of a path besides `/` and `:`, which end a name.
_NAME = r"(?:[\w.~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})+"
_URL = re.compile(
    r"(https?)://([\w.-]+(?::\d+)?|\[[\da-f:]+\](?::\d+)?)"
    rf"((?:/[\w./-]*)?/v1/models/{_NAME}(?:/versions/\d+|/labels/{_NAME})?)/?",
    re.IGNORECASE | re.ASCII,
)
_CONNECTIONS = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


class ServerError(RefusedError):
    """A server refused a request.

    Attributes:
        status: int. The HTTP status, for example 400 for inputs that do not
            fit.
    """

    def __init__(self, status, words):
        super().__init__(f"the server answered {status}: {words}")
        self.status = status


class RestPredictor:
    """Calls the signatures of a served model.

    It has the interface of `Predictor`. Several threads can share one object:
    each call uses its own connection, which stays open for the next call.

    Attributes:
        signatures: dict of `SignatureDef`s by name, read when the object is
            created.
    """

    def __init__(self, url, token=None, timeout_seconds=60):
        """Reads the signatures from the server.

        Args:
            url: str. `http://HOST:PORT/v1/models/NAME`, followed by
                `/versions/N` or `/labels/LABEL` for one version.
            token: str. Bearer token for the server. `None` sends no token.
            timeout_seconds: float. Longest time without a byte from the
                server.

        Raises:
            ConfigError: The address or the token is malformed.
            ServerError: The server refuses, or has no such model.
            RunError: No server answers, or its answer is not one of
                TensorFlow Serving's REST interface.
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
            if not bearer_token.is_token(token):
                raise ConfigError(
                    f"`{bearer_token.VARIABLE}` must be ASCII without white "
                    f"space. Received: a text of {len(token)} characters, "
                    "not shown."
                )
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = timeout_seconds
        self._idle = collections.deque()
        weakref.finalize(self, _close_all, self._idle)
        self.signatures = self._read_signatures()

    def __call__(self, signature, inputs):
        """Calls a signature and returns its outputs.

        Args:
            signature: str. Name of a signature.
            inputs: dict of arrays or lists by input name, all with the same
                number of rows.

        Returns:
            dict of NumPy arrays by output name.

        Raises:
            ServerError: The server refuses the request. The message contains
                its reason.
            RunError: No server answers, or its answer does not fit the
                signature.
        """
        request = {"signature_name": signature, "inputs": inputs}
        body = json.dumps(request, default=_encode).encode()
        answer = self._exchange("POST", ":predict", body)
        try:
            outputs = answer["outputs"]
            infos = self.signatures[signature].outputs
            if len(infos) == 1:
                # The interface omits the name if there is only one output.
                outputs = dict.fromkeys(infos, outputs)
            return {
                name: _to_array(outputs[name], info)
                for name, info in sorted(infos.items())
            }
        except (ArithmeticError, LookupError, TypeError, ValueError):
            raise RunError(
                f"the answer of {self._host} does not fit the signature "
                f"`{signature}` that it had before. The server may serve "
                "another model now. Connect again."
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
                # Keras adds such a signature for its own loader.
                if not name.startswith("__")
            }
        except (LookupError, TypeError, json_format.ParseError):
            raise self._not_a_tf_server() from None

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
                "trainers.serve --workdir=DIR`, or correct `--server`."
            ) from None
        except http.client.HTTPException:
            raise self._not_a_tf_server() from None
        # Keeps bytes that are not UTF-8.
        text = content.decode("utf-8", "surrogateescape")
        if status == 200:
            with contextlib.suppress(ValueError):
                return json.loads(text)
            raise self._not_a_tf_server()
        words = text.strip()[:300]
        with contextlib.suppress(ValueError, LookupError, TypeError):
            words = json.loads(text)["error"]
        if status == 401:
            words += f" Put the token into {bearer_token.VARIABLE}."
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
            # An answer such as 413 can arrive before the whole body is sent.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    method, self._path + suffix, body, self._headers
                )
            response = connection.getresponse()
            answer = response.status, response.read()
        except BaseException as error:
            connection.close()
            # Servers close idle connections after a while.
            if is_reused and isinstance(error, ConnectionError):
                return self._send(method, suffix, body)
            raise
        self._idle.append(connection)
        return answer

    def _not_a_tf_server(self):
        return RunError(
            f"{self._scheme}://{self._host} does not answer as TensorFlow "
            "Serving's REST interface does. Correct `--server`."
        )


def _close_all(connections):
    while connections:
        connections.pop().close()


def _encode(value):
    """Encodes bytes and arrays for JSON."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    return np.asarray(value).tolist()


def _to_array(value, info):
    """Returns an output as an array with the type of its `TensorInfo`."""
    dtype = tf.as_dtype(info.dtype)
    if dtype == tf.string:
        array = np.array(_to_bytes(value), dtype=object)
    else:
        array = np.array(value, dtype=dtype.as_numpy_dtype)
    if not array.size:
        # JSON loses the shape of an empty array.
        dims = info.tensor_shape.dim[1:]
        array = array.reshape((len(array), *(max(d.size, 0) for d in dims)))
    return array


def _to_bytes(value):
    if isinstance(value, list):
        return [_to_bytes(item) for item in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode("utf-8", "surrogateescape")
