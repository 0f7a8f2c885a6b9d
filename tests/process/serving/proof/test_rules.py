"""The tables of ops match the installed packages."""

import subprocess
import sys

import tensorflow as tf
import tensorflow_text as tf_text

from trainers.serving.proof import server_ops


def save(path, function, name="serving_default"):
    tf.saved_model.save(tf.Module(), str(path), signatures={name: function})
    return path


def bytes_signature(function):
    spec = tf.TensorSpec((None,), tf.string, name="file")
    return tf.function(function, input_signature=[spec])


def trim(file):
    words = tf.strings.split(file)
    trimmed = tf_text.RoundRobinTrimmer(4).trim([words, words])
    return {"y": trimmed[0].to_tensor("")}


_OPS_OF_A_FRESH_PROCESS = """
import pathlib, sys
from tensorflow.python.client import pywrap_tf_session
from tensorflow.core.framework import op_def_pb2
from trainers.serving.proof import rules

def registered():
    data = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    return {op.name for op in op_def_pb2.OpList.FromString(data).op}

path = pathlib.Path(sys.argv[1])
print(rules.oldest_server(path), rules.lint(path))
own = registered()
import tensorflow_text
print(rules.oldest_server(path), rules.lint(path))
print(*sorted(own))
print(*sorted(registered() - own))
"""


def test_the_tables_are_those_of_the_installed_packages(tmp_path):
    """Also, that no answer depends on whether the text ops are registered."""
    path = save(tmp_path / "1", bytes_signature(trim))
    run = subprocess.run(
        [sys.executable, "-c", _OPS_OF_A_FRESH_PROCESS, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    before, after, own, text = run.stdout.splitlines()
    assert before == after == "2.20 []"
    assert set(text.split()) == set.union(*server_ops._TEXT_OPS.values())
    assert set.union(*server_ops._NEW_OPS.values()) < set(own.split())
    # 2.21 has what 2.20 has, and more: a graph made here may be too new.
    assert tf.version.GRAPH_DEF_VERSION > server_ops._GRAPH_VERSIONS["2.20"]
