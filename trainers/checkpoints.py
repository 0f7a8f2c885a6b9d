"""Lists the checkpoints of a run and finds damaged ones.

python -m trainers.checkpoints --workdir=/tmp/mnist
python -m trainers.checkpoints --workdir=/tmp/mnist --verify

With `--verify`, the exit code is 1 if a checkpoint is damaged or if there is
none.
"""

from absl import flags as absl_flags

from trainers import flags

_VERIFY = absl_flags.DEFINE_bool(
    "verify",
    False,
    "Exit with code 1 if a checkpoint is damaged or if there is none.",
)


def main(config, workdir, arguments):
    """Prints one line for each checkpoint and for the best weights."""
    from trainers.errors import RunError
    from trainers.run import step_directories
    from trainers.run.workdir import Workdir

    paths = Workdir(workdir)
    rows = [*paths.checkpoints.verified(), *paths.best.steps.verified()]
    for line in step_directories.table(rows, paths.path):
        print(line)
    damaged = [str(row.path) for row in rows if row.problem]
    if _VERIFY.value and damaged:
        raise RunError(f"damaged: {', '.join(damaged)}.")
    if _VERIFY.value and not paths.checkpoints.paths():
        raise RunError(f"no checkpoints in {paths.checkpoints.directory}.")


if __name__ == "__main__":
    flags.run(main, needs=("workdir",), uses_tensorflow=False)
