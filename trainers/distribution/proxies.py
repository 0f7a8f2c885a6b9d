"""Takes the workers of a run out of the HTTP proxy of the environment."""

import os

# gRPC reads the first of them that is set. It knows no other names, such as
# `NO_PROXY`.
_LISTS = ("no_grpc_proxy", "no_proxy")


def bypass(cluster, environ=os.environ):
    """Adds the hosts of the workers to those that gRPC reaches directly.

    TensorFlow's connections between workers are gRPC. gRPC sends them to the
    proxy of `grpc_proxy`, `https_proxy` or `http_proxy`, which rarely knows the
    hosts of a cluster. Other connections, such as downloads, keep the proxy.

    Args:
        cluster: `Cluster`.
        environ: Dict of the environment; changed.

    References:
        https://github.com/grpc/grpc/blob/master/doc/http_proxy_mapper.md

    >>> from trainers.distribution.tf_config import Cluster
    >>> environ = {"http_proxy": "http://proxy:3128", "no_proxy": "localhost"}
    >>> bypass(Cluster(("host0:2222", "host1:2222")), environ)
    >>> environ["no_grpc_proxy"]
    'localhost,host0,host1'
    """
    found = next((environ[name] for name in _LISTS if name in environ), "")
    hosts = [a.rpartition(":")[0].strip("[]") for a in cluster.addresses]
    # gRPC does not know `*`, by which other programs mean all hosts.
    entries = [*filter(None, map(str.strip, found.split(","))), *hosts]
    environ["no_grpc_proxy"] = ",".join(dict.fromkeys(entries))
