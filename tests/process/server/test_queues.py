"""Requests that run together: merged, padded, split, and failing alone."""

import asyncio
import base64
import json
import threading

import numpy as np
import pytest
import served_models
import tensorflow as tf

from trainers.errors import ConfigError
from trainers.server import batches
from trainers.server import queues
from trainers.server.statuses import StatusError

# A batch waits until it is full.
NEVER = 3600.0


def parameters(**changes):
    defaults = {"max_batch_size": 8, "max_enqueued_batches": 2}
    return batches.Parameters(**defaults | changes, num_threads=1)


class Double:
    """A model that doubles, and remembers what it was given."""

    def __init__(self):
        self.given = []
        self.observed = []

    def __call__(self, inputs):
        self.given.append({k: v.tolist() for k, v in inputs.items()})
        if any(-1 in v for v in inputs.values()):
            raise ValueError("-1")
        return {f"{k}2": v + v for k, v in inputs.items()}

    def run(self, requests, **changes):
        arrays = [
            {k: np.array(v) for k, v in request.items()} for request in requests
        ]
        results = batches.run(self, arrays, parameters(**changes), self.observe)
        return [
            r
            if isinstance(r, Exception)
            else {k: v.tolist() for k, v in r.items()}
            for r in results
        ]

    def observe(self, rows, padded):
        self.observed.append((rows, padded))


def test_requests_are_merged_and_answers_split():
    model = Double()
    results = model.run([{"x": [1, 2]}, {"x": [3]}, {"x": [4, 5, 6]}])
    assert model.given == [{"x": [1, 2, 3, 4, 5, 6]}]
    assert results == [{"x2": [2, 4]}, {"x2": [6]}, {"x2": [8, 10, 12]}]
    assert model.observed == [(6, 6)]


def test_a_batch_is_filled_up_with_the_first_row_of_the_last_request():
    model = Double()
    results = model.run(
        [{"x": [1, 2]}, {"x": [3, 4, 5]}], allowed_batch_sizes=(2, 7, 8)
    )
    assert model.given == [{"x": [1, 2, 3, 4, 5, 3, 3]}]
    assert results == [{"x2": [2, 4]}, {"x2": [6, 8, 10]}]
    assert model.observed == [(5, 7)]


def test_rows_of_unequal_length_are_filled_up_with_the_first_element():
    model = Double()
    requests = [{"x": [[7, 1]]}, {"x": [[8, 1, 2], [9, 1, 2]]}]
    results = model.run(requests, pad_variable_length_inputs=True)
    assert model.given == [{"x": [[7, 1, 7], [8, 1, 2], [9, 1, 2]]}]
    assert results == [
        {"x2": [[14, 2, 14]]},
        {"x2": [[16, 2, 4], [18, 2, 4]]},
    ]
    # Where that is off, they run alone.
    model = Double()
    assert model.run(requests) == [
        {"x2": [[14, 2]]},
        {"x2": [[16, 2, 4], [18, 2, 4]]},
    ]


def test_a_request_that_fails_fails_alone():
    model = Double()
    good, bad, empty = model.run([{"x": [1]}, {"x": [-1]}, {"x": []}])
    assert good == {"x2": [2]}
    assert (type(bad), str(bad)) == (ValueError, "-1")
    assert empty == {"x2": []}
    assert model.given == [{"x": v} for v in ([1, -1], [1], [-1], [])]


def test_an_answer_of_other_rows_is_refused():
    (error,) = batches.run(
        lambda inputs: {"y": np.zeros(3)},
        [{"x": np.zeros(2)}],
        parameters(),
        lambda rows, padded: None,
    )
    assert str(error) == (
        "Batched output tensor `y` has the shape [3], for 2 rows of input."
    )


def read(tmp_path, text):
    (tmp_path / "batching.config").write_text(text)
    return batches.Parameters.read(tmp_path / "batching.config")


def test_parameters_are_read(tmp_path):
    assert read(
        tmp_path,
        "max_batch_size { value: 4 }\n"
        "batch_timeout_micros { value: 1500 }\n"
        "max_enqueued_batches { value: 7 }\n"
        "num_batch_threads { value: 3 }\n"
        "allowed_batch_sizes: 1\nallowed_batch_sizes: 4\n"
        "pad_variable_length_inputs: true\n"
        "enable_large_batch_splitting { value: true }\n"
        "max_execution_batch_size { value: 2 }\n"
        'thread_pool_name { value: "batches" }\n',
    ) == batches.Parameters(
        max_batch_size=4,
        timeout_seconds=0.0015,
        max_enqueued_batches=7,
        num_threads=3,
        allowed_batch_sizes=(1, 4),
        pad_variable_length_inputs=True,
        max_execution_batch_size=2,
    )
    # As in TensorFlow Serving.
    assert read(tmp_path, "") == batches.Parameters(max_batch_size=1000)
    assert read(
        tmp_path, "enable_large_batch_splitting { value: true }"
    ) == batches.Parameters(max_batch_size=1000, max_execution_batch_size=1000)
    # Without splitting, it has no effect.
    assert read(
        tmp_path, "max_execution_batch_size { value: 8 }"
    ) == batches.Parameters(max_batch_size=1000)


@pytest.mark.parametrize(
    "text, words",
    [
        (
            "num_batch_threads { value: 0 }",
            "`num_batch_threads` must be at least 1. Received: 0.",
        ),
        (
            "batch_timeout_micros { value: -5 }",
            "`batch_timeout_micros` must be at least 0. Received: -5.",
        ),
        (
            "max_batch_size { value: 8 }\nallowed_batch_sizes: 4",
            "`allowed_batch_sizes` must increase, and the last must be "
            "`max_batch_size`. Received: 4, and 8.",
        ),
        (
            "max_batch_size { value: 4 }\nallowed_batch_sizes: 8\n"
            "allowed_batch_sizes: 4",
            "`allowed_batch_sizes` must increase, and the last must be "
            "`max_batch_size`. Received: 8, 4, and 4.",
        ),
        (
            "max_batch_size { value: 4 }\n"
            "max_execution_batch_size { value: 5 }\n"
            "enable_large_batch_splitting { value: true }",
            "`max_execution_batch_size` must be at most `max_batch_size`. "
            "Received: 5, and 4.",
        ),
        (
            "max_execution_batch_size { value: 0 }\n"
            "enable_large_batch_splitting { value: true }",
            "`max_execution_batch_size` must be at least 1. Received: 0.",
        ),
    ],
    ids=["threads", "timeout", "last_size", "order", "split", "split_0"],
)
def test_parameters_that_break_a_rule(text, words, tmp_path):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    assert str(error.value) == f"{tmp_path / 'batching.config'}: {words}"


class Held(Double):
    """A model that runs when it is let."""

    def __init__(self):
        super().__init__()
        self.started, self.let = threading.Semaphore(0), threading.Event()

    async def has_started(self):
        assert await asyncio.to_thread(self.started.acquire, timeout=60)

    def __call__(self, inputs):
        self.started.release()
        assert self.let.wait(timeout=60)
        return super().__call__(inputs)


def rows(*values):
    return {"x": np.array(values)}


async def begin(queue, *values):
    """Puts a request into a queue; returns the task that waits for it."""
    task = asyncio.create_task(queue(rows(*values)))
    await asyncio.sleep(0)
    return task


async def all_of(*tasks):
    found = await asyncio.gather(*tasks)
    return [f["x2"].tolist() for f in found]


def test_requests_that_come_while_the_thread_is_busy_run_together():
    async def scenario():
        model = Held()
        scheduler = queues.Scheduler(parameters(), model.observe)
        queue = queues.Queue(scheduler, model)
        first = await begin(queue, 1)
        await model.has_started()
        others = [await begin(queue, *range(2, 2 + n)) for n in (1, 3, 4)]
        model.let.set()
        assert await all_of(first, *others) == [
            [2],
            [4],
            [4, 6, 8],
            [4, 6, 8, 10],
        ]
        scheduler.close()
        return model

    model = asyncio.run(scenario())
    # Eight rows fill a batch; the first request did not wait.
    assert model.observed == [(1, 1), (8, 8)]


def test_requests_that_come_at_the_same_time_run_together():
    async def scenario():
        model = Double()
        scheduler = queues.Scheduler(parameters(), model.observe)
        queue = queues.Queue(scheduler, model)
        results = await asyncio.gather(*(queue(rows(n)) for n in range(3)))
        scheduler.close()
        return model, [result["x2"].tolist() for result in results]

    model, results = asyncio.run(scenario())
    assert model.observed == [(3, 3)]
    assert results == [[0], [2], [4]]


def test_a_request_that_does_not_fit_begins_the_next_batch():
    async def scenario():
        model = Held()
        scheduler = queues.Scheduler(parameters(), model.observe)
        queue = queues.Queue(scheduler, model)
        first = await begin(queue, 1)
        await model.has_started()
        others = [await begin(queue, *range(n)) for n in (5, 4)]
        model.let.set()
        await all_of(first, *others)
        scheduler.close()
        return model

    assert asyncio.run(scenario()).observed == [(1, 1), (5, 5), (4, 4)]


def test_too_large_and_too_many():
    async def scenario():
        model = Held()
        scheduler = queues.Scheduler(parameters(), model.observe)
        queue = queues.Queue(scheduler, model)
        with pytest.raises(StatusError) as error:
            await queue(rows(*range(9)))
        assert (error.value.http, str(error.value)) == (
            400,
            "Task size 9 is larger than maximum input batch size 8",
        )
        running = await begin(queue, 1)
        await model.has_started()
        waiting = [await begin(queue, *range(8)) for _ in range(2)]
        with pytest.raises(StatusError) as error:
            await queue(rows(1))
        assert (error.value.http, str(error.value)) == (
            503,
            "The batch scheduling queue to which this task was submitted is "
            "full",
        )
        # The queue of another signature has room.
        other = await begin(queues.Queue(scheduler, model), 5)
        model.let.set()
        await all_of(running, *waiting, other)
        scheduler.close()

    asyncio.run(scenario())


def test_a_large_request_is_split_and_fills_the_open_batch():
    async def scenario():
        model = Held()
        scheduler = queues.Scheduler(
            parameters(
                max_batch_size=10,
                max_execution_batch_size=4,
                max_enqueued_batches=3,
                allowed_batch_sizes=(1, 2, 4, 10),
            ),
            model.observe,
        )
        queue = queues.Queue(scheduler, model)
        first = await begin(queue, 100)
        await model.has_started()
        second = await begin(queue, 0)
        large = await begin(queue, *range(1, 9))
        with pytest.raises(StatusError) as error:
            await queue(rows(*range(11)))
        assert str(error.value) == (
            "Task size 11 is larger than maximum input batch size 10"
        )
        # Four rows more would need a fourth batch.
        with pytest.raises(StatusError) as error:
            await queue(rows(*range(4)))
        assert (error.value.http, str(error.value)) == (
            503,
            "The batch scheduling queue to which this task was submitted is "
            "full",
        )
        last = await begin(queue, 9, 10, 11)
        model.let.set()
        assert await all_of(first, second, large, last) == [
            [200],
            [0],
            [2, 4, 6, 8, 10, 12, 14, 16],
            [18, 20, 22],
        ]
        scheduler.close()
        return model

    model = asyncio.run(scenario())
    assert [given["x"] for given in model.given] == [
        [100],
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]


def test_a_split_request_without_rows_and_one_that_fails():
    async def scenario():
        model = Double()
        scheduler = queues.Scheduler(
            parameters(max_execution_batch_size=2), model.observe
        )
        queue = queues.Queue(scheduler, model)
        assert await all_of(await begin(queue)) == [[]]
        with pytest.raises(ValueError, match="^-1$"):
            await queue(rows(1, 2, -1))
        assert await all_of(await begin(queue, 1, 2, 3)) == [[2, 4, 6]]
        scheduler.close()

    asyncio.run(scenario())


def test_parts_with_outputs_of_different_shapes_are_refused():
    with pytest.raises(StatusError) as error:
        batches.joined([{"y": np.zeros((1, 2))}, {"y": np.zeros((1, 3))}])
    assert str(error.value) == (
        "The request ran in several batches, and their outputs have different "
        "shapes."
    )


def test_a_thread_waits_for_a_batch_as_long_as_it_is_told():
    async def scenario():
        model = Double()
        scheduler = queues.Scheduler(
            parameters(timeout_seconds=NEVER), model.observe
        )
        queue = queues.Queue(scheduler, model)
        first = await begin(queue, 1, 2)
        second = await begin(queue, 3, 4, 5, 6, 7, 8)
        await all_of(first, second)
        scheduler.close()
        scheduler = queues.Scheduler(
            parameters(timeout_seconds=0.01), model.observe
        )
        await all_of(await begin(queues.Queue(scheduler, model), 9))
        scheduler.close()
        return model

    assert asyncio.run(scenario()).observed == [(8, 8), (1, 1)]


def test_without_a_configuration_every_request_runs_alone():
    async def scenario():
        model = Double()
        scheduler = queues.Scheduler(batches.Parameters(), model.observe)
        queue = queues.Queue(scheduler, model)
        # More than a thousand, the default where a configuration is empty.
        tasks = [await begin(queue, *range(n)) for n in (1, 2000, 3)]
        await all_of(*tasks)
        scheduler.close()
        return model

    observed = asyncio.run(scenario()).observed
    assert sorted(observed) == [(1, 1), (3, 3), (2000, 2000)]


def test_over_rest_a_bad_image_fails_alone_in_a_batch_of_four(tiny_base):
    pixels = np.full((2, 2, 3), 5, np.uint8)
    good = base64.b64encode(tf.io.encode_png(pixels).numpy()).decode()
    bad = base64.b64encode(b"no image").decode()

    def body(data):
        rows = [{"b64": data}]
        return json.dumps(
            {"signature_name": "image", "instances": rows}
        ).encode()

    async def send_all(server):
        path = "/v1/models/tiny:predict"
        return await asyncio.gather(
            *(
                server.send("POST", path, body(data))
                for data in (good, bad, good, good)
            )
        )

    full = parameters(max_batch_size=4, timeout_seconds=NEVER)
    with served_models.serving(tiny_base, full) as server:
        answers = server.wait(send_all(server))
        samples = server.samples()
    assert [a.status_code for a in answers] == [200, 400, 200, 200]
    assert answers[0].json() == {"predictions": [5.0]}
    assert answers[1].json()["error"].startswith("Unknown image file format.")
    name = ":tensorflow:serving:batching_session:processed_batch_size"
    # One run of four rows, and then one for each.
    assert samples[f"{name}_count"] == 5
    assert samples[f"{name}_sum"] == 8
    count = ':tensorflow:serving:request_count{{model_name="tiny",status="{}"}}'
    assert samples[count.format("OK")] == 3
    assert samples[count.format("INVALID_ARGUMENT")] == 1


@pytest.mark.parametrize(
    ("method", "body"),
    [
        # Refused before the rows are checked, which are all wrong.
        ("predict", {"instances": ["wrong"] * 9}),
        ("predict", {"inputs": ["wrong"] * 9}),
        (
            "predict",
            {
                "signature_name": "two_inputs",
                "inputs": {"number": ["wrong"] * 9, "text": [1]},
            },
        ),
        ("classify", {"signature_name": "classify", "examples": [0] * 9}),
        ("regress", {"signature_name": "regress", "examples": [0] * 9}),
    ],
)
def test_over_rest_too_many_rows_are_refused_unseen(method, body, tiny_base):
    with served_models.serving(tiny_base, parameters()) as server:
        assert server.post(method, body) == (
            400,
            {"error": "Task size 9 is larger than maximum input batch size 8"},
        )
