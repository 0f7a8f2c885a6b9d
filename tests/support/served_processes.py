"""Processes of the command `trainers.serve`, and connections to them."""

import concurrent.futures
import contextlib
import http.client
import json
import urllib.parse

import commands

WAIT_SECONDS = 120


@contextlib.contextmanager
def serving(base, env, *words):
    """Yields process, host with port, and path of the model."""
    process = commands.start(
        "trainers.serve",
        "--port=0",
        f"--model_base_path={base}",
        *words,
        env=env,
    )
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as reading:
            line = reading.submit(process.stdout.readline)
            try:
                url = urllib.parse.urlsplit(line.result(WAIT_SECONDS).strip())
            except TimeoutError:
                process.kill()  # Ends the reading, too.
                raise
        assert url.scheme == "http", process.stderr.read()
        yield process, url.netloc, url.path
    finally:
        process.kill()
        process.communicate()


def ended(process):
    """Returns exit code and stderr, when the process has ended."""
    _, stderr = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, stderr


class Connection:
    """A connection that stays open between requests."""

    def __init__(self, netloc):
        self._http = http.client.HTTPConnection(netloc, timeout=WAIT_SECONDS)

    def ask(self, method, path, body=None, **headers):
        self._http.request(method, path, body=body, headers=headers)
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._http.close()

    def post(self, path, document, **headers):
        status, text = self.ask(
            "POST", path, json.dumps(document).encode(), **headers
        )
        return status, json.loads(text)
