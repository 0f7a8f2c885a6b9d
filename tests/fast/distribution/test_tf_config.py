"""`TF_CONFIG`: which worker a process is, and what is refused."""

import json

import hypothesis
import pytest
from hypothesis import strategies as st

from trainers.distribution import tf_config
from trainers.distribution.tf_config import Cluster
from trainers.errors import ConfigError

EXAMPLE = (
    'Example: {"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


TWO = {"worker": ["a:1", "b:2"]}


THREE = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}


def read(jobs, task=None):
    tree = {"cluster": jobs, "task": task or {"type": "worker", "index": 0}}
    return tf_config.read({"TF_CONFIG": json.dumps(tree)})


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": " \n"},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": '{"cluster": {}}'},
        {"TF_CONFIG": '{"cluster": null}'},
        # As some schedulers describe a job of one process.
        {"TF_CONFIG": '{"cluster": {}, "task": {"type": "x", "index": 9}}'},
    ],
)
def test_without_a_cluster_a_process_is_alone(environ):
    found = tf_config.read(environ)
    assert found == tf_config.ALONE == Cluster((), 0)
    assert (found.num_workers, found.is_chief) == (1, True)


def test_it_is_read_from_the_environment(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert tf_config.read() == tf_config.ALONE
    monkeypatch.setenv(
        "TF_CONFIG",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", '
        '"index": 0}}',
    )
    assert tf_config.read() == Cluster(("a:1",), 0)


@pytest.mark.parametrize(
    ("job", "index", "place"),
    [
        ("chief", 0, 0),
        ("worker", 0, 1),
        ("worker", 1, 2),
        # Some launchers write the number as text.
        ("worker", "1", 2),
        ("chief", "0", 0),
    ],
)
def test_the_chief_comes_before_the_workers(job, index, place):
    found = read(THREE, {"type": job, "index": index})
    assert found == Cluster(("a:1", "b:2", "c:3"), place)
    assert found.num_workers == 3
    assert found.is_chief == (place == 0)


@pytest.mark.parametrize("index", [0, 1])
def test_without_a_chief_the_first_worker_is_it(index):
    found = read(TWO, {"type": "worker", "index": index})
    assert found == Cluster(("a:1", "b:2"), index)
    assert found.is_chief == (index == 0)


@pytest.mark.parametrize(
    "address", ["localhost:1", "10.0.0.1:65535", "[::1]:2222", "a.b-c:8080"]
)
def test_an_address_is_a_host_and_a_port(address):
    assert read({"worker": [address]}).addresses == (address,)


@pytest.mark.parametrize(
    ("text", "rule", "received"),
    [
        (
            "{",
            "JSON",
            "'{': Expecting property name enclosed in double quotes: line 1 "
            "column 2 (char 1)",
        ),
        (
            "worker",
            "JSON",
            "'worker': Expecting value: line 1 column 1 (char 0)",
        ),
        ("[]", "a JSON object", "'[]'"),
        ('"a:1"', "a JSON object", "'\"a:1\"'"),
        ("null", "a JSON object", "'null'"),
        ('{"cluster": ["a:1"]}', "an object at `cluster`", "['a:1']"),
        ('{"cluster": "a:1"}', "an object at `cluster`", "'a:1'"),
        (
            '{"cluster": {"master": ["a:1"]}}',
            "only the jobs `worker` and `chief`",
            "'master'",
        ),
        (
            '{"cluster": {"worker": "a:1"}}',
            "a list at `cluster.worker`",
            "'a:1'",
        ),
        (
            '{"cluster": {"chief": {"0": "a:1"}}}',
            "a list at `cluster.chief`",
            "{'0': 'a:1'}",
        ),
        (
            '{"cluster": {"worker": ["a:1", "a:1"]}}',
            "a different address for each worker",
            "a:1, a:1",
        ),
        (
            '{"cluster": {"chief": ["a:1"], "worker": ["a:1"]}}',
            "a different address for each worker",
            "a:1, a:1",
        ),
        (
            '{"cluster": {"chief": ["a:1", "b:1"]}}',
            "at most one chief",
            "['a:1', 'b:1']",
        ),
        ('{"cluster": {"worker": ["a:1"]}}', "an object at `task`", "None"),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": 0}',
            "an object at `task`",
            "0",
        ),
    ],
)
def test_what_does_not_have_the_form_is_refused(text, rule, received):
    with pytest.raises(ConfigError) as error:
        tf_config.read({"TF_CONFIG": text})
    assert str(error.value) == (
        f"`TF_CONFIG` must have {rule}. Received: {received}. {EXAMPLE}"
    )


@pytest.mark.parametrize(
    "address",
    [
        *("a", ":1", "a:", "a:0", "a:65536", "a:-1", "a:x", "a:1 ", ""),
        *("a: 1", "a:1.0", 1, None, ["a:1"]),
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError) as error:
        read({"worker": ["a:1", address]})
    assert str(error.value) == (
        "`TF_CONFIG` must have host:port at `cluster.worker[1]`. Received: "
        f"{address!r}. {EXAMPLE}"
    )


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (
            "ps",
            "Keras 3 cannot train with parameter servers, and with them a run "
            "could not be repeated; workers sum their gradients instead",
        ),
        ("evaluator", "the workers evaluate together"),
    ],
)
def test_jobs_that_are_not_possible_here_are_refused(job, reason):
    with pytest.raises(ConfigError) as error:
        read(TWO | {job: ["c:3"]}, {"type": job, "index": 0})
    assert str(error.value) == (
        f"`TF_CONFIG` must not have the job `{job}`: {reason}. Received: "
        f"worker, {job}. Choices: worker, or chief and worker."
    )


@pytest.mark.parametrize(
    ("job", "index"),
    [
        *(("worker", x) for x in (2, -1, "2", "-1", "", "x", "²", None)),
        *(("worker", x) for x in (True, False, 0.5, [0], {})),
        *((x, 0) for x in ("chief", "ps", None, 0, ["worker"])),
    ],
)
def test_a_task_that_is_not_in_the_cluster_is_refused(job, index):
    with pytest.raises(ConfigError) as error:
        read(TWO, {"type": job, "index": index})
    assert str(error.value) == (
        "`TF_CONFIG` must have one of these at `task`: worker 0, worker 1. "
        f"Received: type {job!r}, index {index!r}. {EXAMPLE}"
    )


def test_a_task_without_type_and_index_is_refused():
    with pytest.raises(ConfigError) as error:
        read(THREE, {"role": "worker"})
    assert str(error.value) == (
        "`TF_CONFIG` must have one of these at `task`: chief 0, worker 0, "
        f"worker 1. Received: type None, index None. {EXAMPLE}"
    )


def check_any(text):
    """Reads a text, which is described or refused."""
    try:
        found = tf_config.read({"TF_CONFIG": text})
    except ConfigError as error:
        assert str(error).startswith("`TF_CONFIG` must ")
    else:
        assert isinstance(found, Cluster)
        assert 0 <= found.index < found.num_workers


# The same examples each time: a failure is of a change, not by chance.
EXAMPLES = hypothesis.settings(
    max_examples=200, deadline=None, derandomize=True, database=None
)


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(["a:1", "b:2", "worker", "chief", "ps", "0", "1"]),
)


_KEYS = st.one_of(
    st.sampled_from(["cluster", "task", "type", "index", "worker", "chief"]),
    st.text(),
)


_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(_KEYS, inner, max_size=4)
    ),
)


_NEARLY_RIGHT = st.fixed_dictionaries(
    {
        "cluster": st.dictionaries(
            st.sampled_from(["worker", "chief"]), st.lists(_TREES, max_size=3)
        ),
        "task": st.fixed_dictionaries({"type": _TREES, "index": _TREES}),
    }
)


@EXAMPLES
@hypothesis.given(st.text())
def test_any_text_is_read_or_refused(text):
    check_any(text)


@EXAMPLES
@hypothesis.given(st.one_of(_TREES, _NEARLY_RIGHT))
def test_any_json_is_read_or_refused(tree):
    check_any(json.dumps(tree))


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 10_000])
def test_what_json_cannot_hold_is_refused(text):
    check_any(text)
