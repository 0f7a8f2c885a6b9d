"""Workers wait for each other: who came, who did not, who else answers."""

import concurrent.futures
import contextlib
import socket
import socketserver
import threading
import time

import pytest

from trainers.distribution import rendezvous
from trainers.distribution import worker_process
from trainers.distribution.tf_config import Cluster
from trainers.errors import RunError


def make_clusters(count):
    ports = worker_process.free_ports(count)
    addresses = tuple(f"127.0.0.1:{port}" for port in ports)
    return [Cluster(addresses, index) for index in range(count)]


def meet_and_serve(cluster, all_met):
    """Meets, and then takes the port as TensorFlow does."""
    rendezvous.meet(cluster, 60)
    host, port = cluster.addresses[cluster.index].split(":")
    with socket.create_server((host, int(port))):
        all_met.wait(60)


def test_all_go_on_when_the_last_has_come():
    *first, last = make_clusters(4)
    all_met = threading.Barrier(4)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        meetings = [
            threads.submit(meet_and_serve, cluster, all_met)
            for cluster in first
        ]
        time.sleep(0.5)
        assert [meeting.done() for meeting in meetings] == [False] * 3
        meetings.append(threads.submit(meet_and_serve, last, all_met))
        assert [meeting.result(60) for meeting in meetings] == [None] * 4


def test_those_that_do_not_come_are_named():
    clusters = make_clusters(3)
    there, first, second = clusters[0].addresses
    with pytest.raises(RunError) as error:
        rendezvous.meet(clusters[0], 0.3)
    assert str(error.value) == (
        "not all 3 workers of `TF_CONFIG` started within "
        "--config.trainer.start_timeout_seconds=0.3. No answer from: worker 1 "
        f"at {first}, worker 2 at {second}."
    )


def test_an_unknown_host_is_missing():
    port = worker_process.free_ports(1)[0]
    cluster = Cluster((f"127.0.0.1:{port}", "no-such-host.invalid:1"), 0)
    with pytest.raises(RunError, match=r"worker 1 at no-such-host\.invalid:1"):
        rendezvous.meet(cluster, 0.1)


def test_a_port_in_use_is_named():
    cluster, _ = make_clusters(2)
    host, port = cluster.addresses[0].split(":")
    with socket.create_server((host, int(port))):
        with pytest.raises(RunError) as error:
            rendezvous.meet(cluster, 60)
    assert str(error.value) == (
        "`TF_CONFIG` must give this worker a port that is free. Received: "
        f"{host}:{port}: Address already in use."
    )


def test_whom_one_waits_for_is_said_once(caplog, monkeypatch):
    monkeypatch.setattr(rendezvous, "_LOG_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(rendezvous, "_RETRY_SECONDS", 0.01)
    cluster, _ = make_clusters(2)
    with caplog.at_level("INFO", logger="trainers"):
        with pytest.raises(RunError):
            rendezvous.meet(cluster, 0.5)
    assert caplog.messages == [
        f"waiting for worker 1 at {cluster.addresses[1]}"
    ]


@contextlib.contextmanager
def answering(address, handle_fn):
    """Lets another program answer at an address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            handle_fn(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    host, port = address.split(":")
    with Server((host, int(port)), Handler) as server:
        threading.Thread(
            target=server.serve_forever, args=(0.05,), daemon=True
        ).start()
        yield
        server.shutdown()


def test_a_worker_that_is_slow_to_say_that_it_has_the_answer_counts(
    monkeypatch,
):
    monkeypatch.setattr(rendezvous, "_ANSWER_SECONDS", 0.05)
    cluster, other = make_clusters(2)
    with rendezvous._listening(cluster) as greeted_by:
        host, port = cluster.addresses[0].split(":")
        with socket.create_connection((host, int(port)), 60) as connection:
            connection.sendall(rendezvous._greeting(other))
            assert connection.recv(65536) == rendezvous._greeting(cluster)
            time.sleep(0.2)  # More than the time for an answer.
            connection.sendall(b"met\n")
            assert connection.recv(1) == b""
    assert greeted_by == {1}


def test_a_program_that_sends_byte_by_byte_has_the_time_of_an_answer(
    monkeypatch,
):
    monkeypatch.setattr(rendezvous, "_ANSWER_SECONDS", 0.2)
    one, other = socket.socketpair()
    has_ended = threading.Event()

    def send():
        with other:
            while not has_ended.wait(0.02):
                other.sendall(b"[")

    thread = threading.Thread(target=send)
    with one:
        thread.start()
        try:
            with pytest.raises(TimeoutError):
                rendezvous._receive(one)
        finally:
            has_ended.set()
            thread.join()


def answer_http(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n<html>")


def answer_as_grpc(connection):
    connection.sendall(b"\0\0\x18\x04\0\0\0\0\0" + bytes(24))


def greet_with(addresses, index):
    def answer(connection):
        connection.recv(65536)
        found = Cluster(tuple(addresses), index)
        connection.sendall(rendezvous._greeting(found))

    return answer


STRANGER = (
    "`TF_CONFIG` must have the same `cluster` in all workers, another `index` "
    "in each, and ports that nothing else uses. Received: at the address of "
    "worker 1 at {}, {}."
)


@pytest.mark.parametrize(
    "answer_fn, words",
    [
        (answer_http, "another program answers: 'HTTP/1.0 400 Bad Request'"),
        (answer_as_grpc, "a gRPC server answers, such as that of another run"),
        (
            greet_with(["a:1", "b:2"], 1),
            "a worker answers with the workers a:1, b:2",
        ),
    ],
    ids=["http", "grpc", "other_run"],
)
@pytest.mark.parametrize("is_limit", [False, True], ids=["before", "at_limit"])
def test_a_stranger_is_named(answer_fn, words, is_limit, monkeypatch):
    monkeypatch.setattr(rendezvous, "_STRANGER_SECONDS", 60 * is_limit)
    cluster, _ = make_clusters(2)
    address = cluster.addresses[1]
    with answering(address, answer_fn), pytest.raises(RunError) as error:
        rendezvous.meet(cluster, 0.3 if is_limit else 60)
    assert str(error.value) == STRANGER.format(address, words)


def test_a_stranger_that_leaves_is_no_error():
    """As the last worker of the run before."""
    clusters = make_clusters(2)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        with answering(clusters[1].addresses[1], answer_as_grpc):
            meeting = threads.submit(rendezvous.meet, clusters[0], 60)
            time.sleep(0.5)
        rendezvous.meet(clusters[1], 60)
        assert meeting.result(60) is None


def test_a_wrong_index_is_named(monkeypatch):
    """Both have it, on hosts of their own, here 127.0.0.1 and 127.0.0.2."""
    monkeypatch.setattr(rendezvous, "_STRANGER_SECONDS", 0)
    port = worker_process.free_ports(1)[0]
    addresses = f"127.0.0.1:{port}", f"127.0.0.2:{port}"
    cluster = Cluster(addresses, 0)
    with answering(addresses[1], greet_with(addresses, 0)):
        with pytest.raises(RunError) as error:
            rendezvous.meet(cluster, 60)
    assert str(error.value) == STRANGER.format(addresses[1], "worker 0 answers")


def wait_for_end(connection):
    while connection.recv(65536):
        pass


def test_who_accepts_and_says_nothing_is_named():
    cluster, _ = make_clusters(2)
    address = cluster.addresses[1]
    with answering(address, wait_for_end), pytest.raises(RunError) as error:
        rendezvous.meet(cluster, 0.1)
    assert str(error.value) == (
        "not all 2 workers of `TF_CONFIG` started within "
        "--config.trainer.start_timeout_seconds=0.1. Something accepts "
        f"connections, but does not answer, at: worker 1 at {address}."
    )


def test_one_that_answers_but_does_not_come_is_named():
    """As behind a firewall for one direction."""
    cluster, other = make_clusters(2)
    address = cluster.addresses[1]
    with answering(address, greet_with(other.addresses, 1)):
        with pytest.raises(RunError) as error:
            rendezvous.meet(cluster, 0.3)
    assert str(error.value) == (
        "not all 2 workers of `TF_CONFIG` started within "
        "--config.trainer.start_timeout_seconds=0.3. No connection to this "
        f"worker at {cluster.addresses[0]} from: worker 1 at {address}."
    )


def test_odd_greetings_are_ignored(caplog):
    first, second = make_clusters(2)
    host, port = first.addresses[0].split(":")
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        meeting = threads.submit(rendezvous.meet, first, 60)
        for greeting in (
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"[" * 100_000 + b"\n",
            b'["tfmodels-trainers", 1, 1]\n',
            b'["tfmodels-trainers", [], "1"]\n',
        ):
            with wait_for_port(host, int(port)) as connection:
                connection.sendall(greeting)
                connection.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    assert connection.recv(100) == b""
        rendezvous.meet(second, 60)
        assert meeting.result(60) is None


def wait_for_port(host, port):
    for _ in range(200):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection((host, port), 10)
        time.sleep(0.05)
    raise AssertionError(f"nothing listens at {host}:{port}")
