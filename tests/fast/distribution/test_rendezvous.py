"""Workers wait for each other: who came, who did not, whose port is taken."""

import concurrent.futures
import socket
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


def test_one_that_has_gone_on_counts_as_there():
    first, second = make_clusters(2)
    host, port = first.addresses[0].split(":")
    # What TensorFlow does with the port afterwards.
    with socket.create_server((host, int(port))):
        rendezvous.meet(second, 60)


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
