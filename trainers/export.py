"""Exports the best weights of a run again, as its next version.

    python -m trainers.export --workdir=/tmp/mnist

Training has done it once. The path of the new version goes to stdout.
"""

from trainers import flags


def main(config, workdir, arguments):
    """Exports from a work directory."""
    from trainers.serving import exporter

    print(exporter.export_best(config, workdir))


if __name__ == "__main__":
    flags.run(main, needs=("workdir",))
