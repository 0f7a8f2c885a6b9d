"""Measures how long large requests keep the local server from answering.

    python benchmarks/serving_stalls.py --model_base_path=DIR/export/mnist_mlp

The model must be one of images. Sends bodies of 16 MB with the worst shapes,
one after the other, to a server in its own process. Meanwhile, a client asks
for the states of the model. Prints the longest and the median time of these
answers for each shape, and exits with code 1 if one took longer than
`--most_seconds`. Run it while nothing else runs.
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
# The `instances`: text that is repeated, and what is before and behind it.
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
# The same for whole bodies, by method and name. `%07d` is the number of the
# repetition.
_FILES = '{"signature_name":"image_bytes",'
_EXAMPLES = '{"signature_name":"classify",'
_BODIES = {
    ("predict", "strings in a row"): (f'{_FILES}"inputs":[[', '"",', '""]]}'),
    ("predict", "base64"): (f'{_FILES}"inputs":[{{"b64":"', "AAAA", '"}]}'),
    ("predict", "base64 with spaces"): (
        f'{_FILES}"inputs":[{{"b64":"',
        "A ",
        '"}]}',
    ),
    ("predict", "unknown inputs"): (
        f'{_FILES}"inputs":{{',
        '"%07d":1,',
        '"image_bytes":["a"]}}',
    ),
    ("predict", "unknown inputs of a row"): (
        f'{_FILES}"instances":[{{',
        '"%07d":1,',
        '"image_bytes":"a"}]}',
    ),
    ("predict", "unknown keys"): ("{", '"%07d":1,', '"a":1}'),
    ("predict", "a long name"): ('{"signature_name":"', "\\n", '"}'),
    ("classify", "features"): (
        f'{_EXAMPLES}"examples":[{{',
        '"%07d":1,',
        '"a":1}]}',
    ),
    ("classify", "context"): (
        f'{_EXAMPLES}"examples":[{{}}],"context":{{',
        '"%07d":1,',
        '"a":1}}',
    ),
    ("classify", "repeated features"): (
        f'{_EXAMPLES}"examples":[{{',
        '"a":1,',
        '"a":1}]}',
    ),
    ("classify", "one long feature"): (
        f'{_EXAMPLES}"examples":[{{"a":[',
        "1,",
        "1]}]}",
    ),
}


def _bodies():
    """Yields method, name and body of each request."""
    for name, shape in _SHAPES.items():
        yield "predict", name, f'{{"instances":{_repeated(*shape)}}}'
    for (method, name), shape in _BODIES.items():
        yield method, name, _repeated(*shape)


def _repeated(before, part, behind):
    size = _SIZE - len(before) - len(behind)
    if "%" not in part:
        return before + part * (size // len(part)) + behind
    count = size // len(part % 0)
    return before + "".join(map(part.__mod__, range(count))) + behind


def _ask(url, method="GET", suffix="", body=None):
    connection = http.client.HTTPConnection(url.netloc, timeout=600)
    with contextlib.closing(connection):
        connection.request(method, url.path + suffix, body)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _measure(url, method, body):
    """Returns status and seconds of a request, and of others meanwhile."""
    result = []

    def send():
        begin = time.perf_counter()
        status, _ = _ask(url, "POST", f":{method}", body)
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
            for method, name, body in _bodies():
                status, seconds, others = _measure(url, method, body.encode())
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
