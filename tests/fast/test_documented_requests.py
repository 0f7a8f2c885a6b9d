"""Each request of the documents names the signature that answers it."""

import json
import re
import shlex

import pytest
from repository import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
# The default signature answers `:predict` only.
APIS = ("classify", "regress")


def requests(document):
    """Returns `(API, body)` of each request to Classify or Regress."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    found = []
    for line in re.findall("^curl .*", text, re.M):
        words = shlex.split(line)
        bodies = [
            json.loads(body)
            for flag, body in zip(words, words[1:], strict=False)
            if flag == "-d"
        ]
        apis = [word.rpartition(":")[2] for word in words]
        found += [(api, *bodies) for api in apis if api in APIS]
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda x: x.stem)
def test_requests_of_classify_and_regress_name_their_signature(document):
    for api, body in requests(document):
        assert body["signature_name"] == api
        assert body["examples"]


def test_the_documents_show_both_apis():
    found = {api for document in DOCUMENTS for api, _ in requests(document)}
    assert found == set(APIS)
