"""Exports in an engine that is not TensorFlow's.

OpenVINO reads the directory itself: graph, variables, signature. It has no
ops for texts, so it gets the signatures without them.
"""

import sys

import exported_models
import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def core():
    """OpenVINO without its telemetry."""
    with pytest.MonkeyPatch.context() as patch:
        # Without this module, OpenVINO uses functions that do nothing.
        patch.setitem(sys.modules, "openvino_telemetry", None)
        import openvino
    core = openvino.Core()
    # The default on some CPUs is bfloat16, of three digits.
    core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return core


def agree(core, path, cases):
    """Compares all outputs of `serving_default`."""
    model = core.compile_model(core.read_model(path), "CPU")
    for _, fed, expected in cases:
        answer = model(fed)
        assert sorted(output.any_name for output in answer) == sorted(expected)
        for key in ("logits", "probabilities"):
            assert answer[key].shape == expected[key].shape
            np.testing.assert_allclose(
                answer[key], expected[key], rtol=0, atol=TOLERANCE
            )
        assert answer["class_id"].tolist() == expected["class_id"].tolist()
        assert list(answer["label"]) == [
            label.decode() for label in expected["label"]
        ]


def cases_of(exported, name):
    return [c for c in exported.cases((1, 7, 100)) if c[0] == name]


def test_images_agree(core, tmp_path):
    exported = exported_models.image_classifier(tmp_path)
    cases = cases_of(exported, "serving_default")
    agree(core, exported.path, cases)
    # Proof that a difference would be seen.
    for answer in (case[2] for case in cases):
        answer["logits"] += 2 * TOLERANCE
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        agree(core, exported.path, cases)


def test_token_ids_agree(core, tmp_path):
    exported = exported_models.text_classifier(tmp_path)
    # It reads no signature but `serving_default`, and no graph of texts.
    with pytest.raises(RuntimeError, match="FastWordpieceTokenizeWithOffsets"):
        core.read_model(exported.path)
    file = exported.path / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    signatures = saved_model.meta_graphs[0].signature_def
    signatures["serving_default"].CopyFrom(signatures["tokens"])
    for name in ("classify", "tokenize", "tokens"):
        del signatures[name]
    file.write_bytes(saved_model.SerializeToString())
    agree(core, exported.path, cases_of(exported, "tokens"))
