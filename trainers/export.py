"""Exports the best weights of a run again, as its next version.

    python -m trainers.export --workdir=/tmp/mnist

Training already exports them once. The command prints the path of the new
version.
"""

from trainers import flags


def main(config, workdir, arguments):
    """Exports the best weights and prints the path of the version."""
    from trainers.serving import exporter

    print(exporter.export_best(config, workdir))


if __name__ == "__main__":
    flags.run(main, needs=("workdir",))
