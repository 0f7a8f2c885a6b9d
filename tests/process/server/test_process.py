"""The process of a server: its signals and its port."""

import signal
import socket

import pytest

from trainers.errors import ConfigError
from trainers.prediction import saved_model
from trainers.server import process
from trainers.server import settings

# Never gives the loop a moment.
HELD_UP = """
import asyncio
import signal
import threading
import time
from trainers.server import http_server
from trainers.server import process

async def main():
    end = threading.Timer(3600, lambda: None)
    end.daemon = True
    with process._stop_by_signals(end):
        signal.raise_signal(signal.SIGTERM)
        print(end.is_alive(), flush=True)
        time.sleep(0.6)
        signal.raise_signal(signal.SIGTERM)
        print("continues", flush=True)

asyncio.run(main())
"""


def during_load(monkeypatch, act):
    """Lets something happen while a model is loaded."""

    class Late(saved_model.Predictor):
        def __init__(self, path):
            super().__init__(path)
            act()

    monkeypatch.setattr(saved_model, "Predictor", Late)


def test_signals_are_heard_while_the_loop_is_held_up(run_command):
    run = run_command("", code=HELD_UP)
    assert (run.returncode, run.stdout) == (128 + signal.SIGTERM, "True\n")


def test_a_stop_while_the_model_loads_gives_no_url(tiny_base, monkeypatch):
    during_load(monkeypatch, lambda: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    urls = []
    process.serve(
        settings.Settings(model_base_path=str(tiny_base), port=0),
        urls.append,
    )
    assert urls == []
    assert signal.getsignal(signal.SIGINT) is before


def test_a_port_that_is_taken_while_the_model_loads(tiny_base, monkeypatch):
    with socket.socket() as other:
        # Two may bind it, and the first one to listen has it.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        during_load(monkeypatch, other.listen)
        with pytest.raises(ConfigError) as error:
            process.serve(
                settings.Settings(model_base_path=str(tiny_base), port=port)
            )
    assert str(error.value) == (
        "`--host` and `--port` must be an address of this machine, and a port "
        f"that is free. Received: '127.0.0.1', {port}: Address already in use."
    )
