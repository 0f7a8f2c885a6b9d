"""Measures how long large requests keep the local server from answering.

    python benchmarks/serving_stalls.py --model_base_path=DIR/export/mnist_mlp

Sends bodies of 16 MB with the worst shapes, one after the other, to a server in
its own process. Meanwhile, a client asks for the states of the model. Prints
the longest and the median time of these answers for each shape, and exits with
code 1 if one took longer than `--most_seconds`. Run it while nothing else runs.
"""

import argparse
import contextlib
import http.client
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

_SIZE = 16 * 2**20 - 100
# Text that is repeated, and what is before and behind it.
_SHAPES = {
    "zeros": ("[", "0,", "0]"),
    "numbers": ("[", "0.12345678,", "0]"),
    "empty lists": ("[", "[],", "0]"),
    "lists of lists": ("[", "[[]],", "0]"),
    "pixels": ("[", "[1,2,3],", "[1,2,3]]"),
    "empty objects": ("[", "{},", "{}]"),
    "objects": ("[", '{"a":{"b":1}},', "0]"),
    "repeated keys": ("{", '"a":1,', '"a":1}'),
    "strings": ("[", '"",', '""]'),
    "one string of escapes": ('["', "\\n", '"]'),
    "one integer": ("[", "1", "]"),
    "one number": ("[0.", "1", "]"),
    "levels": ("", "[", ""),
    "levels of objects": ("", '{"a":', ""),
    "white space": ("[0,", " ", "0]"),
    "quotes": ("[", '"', "]"),
    "an error at the end": ("[", "[],", "x"),
}


def _body(shape):
    before, part, behind = shape
    return f'{{"instances":{before}{part * (_SIZE // len(part))}{behind}}}'


def _ask(url, method="GET", suffix="", body=None):
    connection = http.client.HTTPConnection(url.netloc, timeout=600)
    with contextlib.closing(connection):
        connection.request(method, url.path + suffix, body)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _measure(url, body):
    """Returns status and seconds of a request, and of others meanwhile."""
    result = []

    def send():
        begin = time.perf_counter()
        status, _ = _ask(url, "POST", ":predict", body)
        result.extend((status, time.perf_counter() - begin))

    thread = threading.Thread(target=send)
    thread.start()
    others = []
    while thread.is_alive():
        begin = time.perf_counter()
        _ask(url)
        others.append(time.perf_counter() - begin)
        time.sleep(0.002)
    thread.join()
    return *result, others


def main():
    """Prints a line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model_base_path", required=True)
    parser.add_argument("--most_seconds", type=float, default=0.2)
    options = parser.parse_args()
    command = [sys.executable, "-m", "trainers.serve", "--port=0"]
    command.append(f"--model_base_path={options.model_base_path}")
    worst = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = urllib.parse.urlsplit(server.stdout.readline().strip())
        try:
            for name, shape in _SHAPES.items():
                body = _body(shape).encode()
                status, seconds, others = _measure(url, body)
                worst = max(worst, *others)
                print(
                    f"{name}: {status} after {seconds:.2f} s, others at most "
                    f"{max(others):.3f} s, median "
                    f"{statistics.median(others):.3f} s",
                    flush=True,
                )
        finally:
            server.terminate()
    return 1 if worst > options.most_seconds else 0


if __name__ == "__main__":
    sys.exit(main())
