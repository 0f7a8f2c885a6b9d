"""The real model of texts behind the server: long, odd and unequal ones."""

import asyncio
import base64
import json

import numpy as np
import pytest
import served_models

from trainers.server import batches

# A batch waits until it is full.
NEVER = 3600.0
NOISE = np.random.default_rng(0)


@pytest.fixture(scope="module")
def texts(text_export):
    """A server that runs four requests together, and no fewer."""
    parameters = batches.Parameters(
        max_batch_size=4,
        timeout_seconds=NEVER,
        pad_variable_length_inputs=True,
    )
    with served_models.serving(text_export, parameters) as server:
        yield server


def predict(server, bodies):
    """Sends requests at once; returns their answers."""

    async def send_all():
        path = "/v1/models/tiny:predict"
        return await asyncio.gather(
            *(
                server.send("POST", path, json.dumps(body).encode())
                for body in bodies
            )
        )

    answers = server.wait(send_all())
    assert [answer.status_code for answer in answers] == [200] * len(bodies)
    return [answer.json() for answer in answers]


def test_long_and_odd_texts_are_answered_and_equal_those_of_bytes(texts):
    found = ["", "a mail reader", "ä中😀\x00" * 2**17, "x" * 2**20]
    assert len(found[2].encode()) > 2**20
    (as_text,) = predict(texts, [{"inputs": found}])
    (as_bytes,) = predict(
        texts,
        [
            {
                "inputs": [
                    {"b64": base64.b64encode(text.encode()).decode()}
                    for text in found
                ]
            }
        ],
    )
    assert as_text == as_bytes
    probabilities = np.array(as_text["outputs"]["probabilities"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_bytes_that_are_no_text_do_no_harm(texts):
    rows = [
        {"b64": base64.b64encode(NOISE.bytes(1000)).decode()} for _ in range(4)
    ]
    (answer,) = predict(texts, [{"inputs": rows}])
    assert np.all(np.isfinite(answer["outputs"]["logits"]))


def test_token_ids_of_unequal_lengths_run_together(texts, text_export):
    found = ["a game", "a mail reader with threads and PGP", "web", "sound"]
    (answer,) = predict(
        texts, [{"signature_name": "tokenize", "inputs": found}]
    )
    ids = [[i for i in row if i] for row in answer["outputs"]]
    assert len({len(row) for row in ids}) > 1
    before = texts.samples()
    together = predict(
        texts,
        [{"signature_name": "tokens", "inputs": [row]} for row in ids],
    )
    name = ":tensorflow:serving:batching_session:processed_batch_size"
    rows = {k: v - before[k] for k, v in texts.samples().items()}
    assert (rows[f"{name}_count"], rows[f"{name}_sum"]) == (1, 4)
    with served_models.serving(text_export) as server:
        alone = predict(
            server,
            [{"signature_name": "tokens", "inputs": [row]} for row in ids],
        )
    for one, other in zip(together, alone, strict=True):
        assert one["outputs"]["label"] == other["outputs"]["label"]
        np.testing.assert_allclose(
            one["outputs"]["probabilities"],
            other["outputs"]["probabilities"],
            atol=1e-5,
        )
