"""Workers reach each other directly, whatever proxy the environment has."""

import contextlib
import http.server
import threading

import pytest
import worker_runs

from trainers.distribution import worker_process

NAMES = ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy")


class Proxy(http.server.BaseHTTPRequestHandler):
    """Refuses what it is asked for, and remembers that it was asked."""

    def handle(self):
        self.server.asked_for.append(self.client_address)
        super().handle()

    def do_CONNECT(self):
        self.send_error(503)

    def log_message(self, *args):
        """Writes nothing."""


@contextlib.contextmanager
def serving(port=0):
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Proxy) as server:
        server.asked_for = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


@pytest.fixture
def proxy():
    with serving() as server:
        yield server


def test_no_connection_between_workers_goes_to_a_proxy(
    proxy, workers, data_file, tmp_path
):
    url = f"http://127.0.0.1:{proxy.server_port}"
    environ = dict.fromkeys([*NAMES, *map(str.upper, NAMES)], url)
    # Both lists exist and have other hosts. gRPC reads the first.
    environ |= {"no_grpc_proxy": "example.com", "no_proxy": "example.org"}
    words = worker_runs.words(
        data_file, tmp_path / "run", "--config.trainer.epochs=1"
    )
    ports = worker_process.free_ports(2)
    pids = [
        workers.start(
            words,
            worker_runs.environ_of(ports, index) | environ,
            code=worker_runs.fault_runs.NO_EXPORT,
        )
        for index in range(2)
    ]
    ended = [workers.wait(pid) for pid in pids]
    assert [worker.code for worker in ended] == [0, 0], ended
    assert proxy.asked_for == []


def test_a_program_at_the_address_of_a_worker_is_named(
    workers, data_file, tmp_path
):
    ports = worker_process.free_ports(2)
    words = worker_runs.words(
        data_file,
        tmp_path / "run",
        "--config.trainer.start_timeout_seconds=3",
    )
    with serving(ports[1]):
        pid = workers.start(words, worker_runs.environ_of(ports, 0))
        ended = workers.wait(pid)
    assert (ended.code, ended.stdout) == (1, "")
    (line,) = ended.lines
    assert line.startswith(
        "error: `TF_CONFIG` must have the same `cluster` in all workers, "
        "another `index` in each, and ports that nothing else uses. Received: "
        f"at the address of worker 1 at 127.0.0.1:{ports[1]}, another program "
        "answers: "
    )
    assert not (tmp_path / "run" / "config.json").exists()
