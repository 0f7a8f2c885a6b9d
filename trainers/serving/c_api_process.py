"""What `check_process` does, without TensorFlow's Python.

Rules and the warm-up file need that; the requests in the file are among the
cases that come here.
"""

import json
import pathlib
import pickle
import sys

from trainers.serving import agreement
from trainers.serving.c_api_model import CApiModel

if __name__ == "__main__":
    # Written by `servable_check` a moment ago, in a directory of its own.
    names, asked = pickle.loads(pathlib.Path(sys.argv[2]).read_bytes())
    model = CApiModel(sys.argv[1], names)
    found = agreement.problems_of(model, asked)
    assert "tensorflow" not in sys.modules
    print(json.dumps({"tensorflow": model.version, "problems": found}))
