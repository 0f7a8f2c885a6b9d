"""Makes training batches for trainers whose own machine is too slow for it.

python -m trainers.data_service --port=5050
python -m trainers.data_service --dispatcher=HOST:5050 --host=THIS_HOST

The first hands out the work and is what --config.data.service names; the
second does it, on as many machines as are wanted. Ctrl-C and SIGTERM end them.
There is no authentication: for networks that one trusts.
"""

import signal
import sys

from absl import flags as absl_flags

from trainers import flags

_PORT = absl_flags.DEFINE_integer(
    "port", 0, "Port to listen on; 0 takes one that is free."
)
_DISPATCHER = absl_flags.DEFINE_string(
    "dispatcher", "", "HOST:PORT of the first, for a worker."
)
_HOST = absl_flags.DEFINE_string(
    "host", "localhost", "Name by which trainers reach this worker."
)


def main(config, workdir, arguments):
    """Runs a dispatcher or a worker until a signal ends it."""
    import tensorflow as tf

    service = tf.data.experimental.service
    signals = {signal.SIGTERM, signal.SIGINT}
    # Before TensorFlow's threads, which inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    if _DISPATCHER.value:
        server = service.WorkerServer(
            service.WorkerConfig(
                dispatcher_address=_DISPATCHER.value,
                worker_address=f"{_HOST.value}:%port%",
                port=_PORT.value,
            )
        )
        print(f"working for {_DISPATCHER.value}", file=sys.stderr)
    else:
        server = service.DispatchServer(
            service.DispatcherConfig(port=_PORT.value)
        )
        port = server.target.rpartition(":")[2]
        print(f"--config.data.service={_HOST.value}:{port}", flush=True)
    signal.sigwait(signals)
    del server


if __name__ == "__main__":
    flags.run(main, needs=())
