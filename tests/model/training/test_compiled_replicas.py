"""XLA compiles what each replica computes, also several steps in a call."""

import numpy as np
import pytest
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


@pytest.mark.parametrize("accumulation_steps", [1, 2])
def test_two_compiled_replicas_train_as_one_device(
    accumulation_steps, tmp_path
):
    one = tiny_runs.live(tiny_runs.make_config(**SETTINGS), tmp_path / "one")
    two = tiny_runs.live(
        tiny_runs.make_config(
            **SETTINGS,
            trainer__strategy="mirrored",
            trainer__jit_compile=True,
            optimizer__accumulation_steps=accumulation_steps,
        ),
        tmp_path / "two",
    )
    assert two.model.distribute_strategy.num_replicas_in_sync == 2
    assert two.model.jit_compile
    step, weights = two.best()
    one_step, one_weights = one.best()
    assert step == one_step
    for name, array in one_weights.items():
        np.testing.assert_allclose(
            weights[name], array, rtol=0, atol=1e-6, err_msg=name
        )
    (call,) = two.model.train_function._list_all_concrete_functions()
    functions = call.graph.as_graph_def().library.function
    assert sum(f.attr["_XlaMustCompile"].b for f in functions) == 2
