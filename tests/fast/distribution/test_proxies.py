"""The hosts of the workers are added to those that need no proxy."""

import pytest

from trainers.distribution import proxies
from trainers.distribution.tf_config import Cluster

CLUSTER = Cluster(("host0:1", "host0:2", "10.0.0.7:1", "[fd00::7]:1"))
HOSTS = "host0,10.0.0.7,fd00::7"


@pytest.mark.parametrize(
    "before, expected",
    [
        ({}, HOSTS),
        ({"no_proxy": "localhost"}, f"localhost,{HOSTS}"),
        ({"no_grpc_proxy": "", "no_proxy": "localhost"}, HOSTS),
        ({"no_grpc_proxy": "a, host0", "no_proxy": "b"}, f"a,{HOSTS}"),
        # gRPC does not read it.
        ({"NO_PROXY": "localhost"}, HOSTS),
    ],
)
def test_hosts_are_added_to_the_list_that_grpc_reads(before, expected):
    environ = {"http_proxy": "http://proxy:3128"} | before
    proxies.bypass(CLUSTER, environ)
    assert environ == {
        "http_proxy": "http://proxy:3128",
        **before,
        "no_grpc_proxy": expected,
    }
