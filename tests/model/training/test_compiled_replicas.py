"""XLA compiles what each replica computes, also several steps in a call."""

import json

from repository import ROOT

# In a separate process: deterministic kernels, which Keras does not compile
# with XLA, cannot be switched off again in this one.
PROGRAM = """
import json
import pathlib
import sys

import numpy as np

sys.path.append(sys.argv[2])
import tiny_runs

SETTINGS = {
    # Its masks differ by replica.
    "model__dropout": 0.0,
    # Adam would make a step of full length from a rounding error.
    "optimizer__name": "momentum",
    "optimizer__learning_rate": 0.1,
    "trainer__steps_per_execution": 2,
    "trainer__deterministic_ops": "never",
}
directory = pathlib.Path(sys.argv[1])


def live(name, **changes):
    config = tiny_runs.make_config(**SETTINGS, **changes)
    return tiny_runs.live(config, directory / name)


one_step, expected = live("one").best()
for num_parts in (1, 2):
    two = live(
        f"two_{num_parts}",
        trainer__strategy="mirrored",
        trainer__jit_compile=True,
        optimizer__accumulation_steps=num_parts,
    )
    step, weights = two.best()
    (call,) = two.model.train_function._list_all_concrete_functions()
    functions = call.graph.as_graph_def().library.function
    found = {
        "same_step": step == one_step,
        "compiled": sum(f.attr["_XlaMustCompile"].b for f in functions),
        "difference": max(
            float(np.abs(weights[name] - array).max())
            for name, array in expected.items()
        ),
    }
    print(json.dumps(found))
"""


def test_two_compiled_replicas_train_as_one_device(run_command, tmp_path):
    """Also with batches in two parts."""
    support = ROOT / "tests/support"
    run = run_command("", str(tmp_path), str(support), code=PROGRAM)
    assert run.returncode == 0, run.stderr
    runs = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(runs) == 2
    for found in runs:
        # A function of each replica.
        assert found["same_step"] and found["compiled"] == 2
        assert found["difference"] < 1e-6
