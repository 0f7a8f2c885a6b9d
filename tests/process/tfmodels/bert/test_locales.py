"""The locale of a process does not change tokens."""

import os

import commands
import pytest
from repository import ROOT

# Prints the words in lower case by this process's locale, and the number of
# texts whose tokens are not those of the library `tokenizers`.
PROGRAM = """
import sys
import tempfile
import unicodedata

import numpy as np
import tensorflow as tf
import tokenizers

from tfmodels.bert import normalization, wordpiece
from trainers.serving.proof.fresh_process import SessionModel

characters = [
    chr(c)
    for c in range(0x2FFF)
    if unicodedata.ucd_3_2_0.category(chr(c)) not in ("Cn", "Co", "Cs")
    # Unicode changed the category of these. The library has the old one.
    and c not in (0x166D, 0x1734, 0x1885, 0x1886)
]
texts = [f"I{c} i{c}J {c}" for c in characters]
texts += ["TITLE Iİıi", "ÌÍĨ Į̇J̇ IN", "ΟΔΥΣΣΕΥΣ σς"]
kept = sorted({c for t in texts for c in t.lower() if c.isprintable()} - {" "})
vocabulary = [*wordpiece.SPECIAL_TOKENS, *kept, *(f"##{c}" for c in kept)]
ours = wordpiece.WordPieceTokenizer(
    vocabulary, lowercase=True, max_bytes=1000
)
ids = {token: i for i, token in enumerate(vocabulary)}
library = tokenizers.Tokenizer(
    tokenizers.models.WordPiece(ids, unk_token="[UNK]")
)
library.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
library.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
expected = [
    encoding.ids
    for encoding in library.encode_batch(texts, add_special_tokens=False)
]


def different(got):
    return sum(a != b for a, b in zip(got, expected, strict=True))


tokens_of = tf.autograph.experimental.do_not_convert(ours)


@tf.function(
    input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
)
def tokenize(text):
    return {"ids": ours(text).to_tensor(-1)}


def to_list(ids):
    return [row[row >= 0].tolist() for row in np.asarray(ids)]


module = tf.Module()
module.tokenize = tokenize
dataset = tf.data.Dataset.from_tensor_slices(texts).batch(100).map(tokens_of)
with tempfile.TemporaryDirectory() as directory:
    tf.saved_model.save(module, directory, signatures=tokenize)
    served = SessionModel(directory)
    answer = served("serving_default", {"text": np.array(texts, object)})
lower = tf.strings.lower("TITLE Ì", "utf-8").numpy().decode()
print(
    lower,
    len(texts) > 6000,
    different(ours(tf.constant(texts)).to_list()),
    different(row for batch in dataset for row in batch.to_list()),
    different(to_list(answer["ids"])),
)
"""


@pytest.mark.parametrize(
    "locale, lower",
    [
        ("C.UTF-8", "title ì"),
        ("tr_TR.UTF-8", "tıtle ì"),
        ("lt_LT.UTF-8", "title i\u0307\u0300"),
    ],
)
def test_a_locale_does_not_change_tokens(locale, lower):
    """Also one that is not installed: tensorflow reads its name alone."""
    env = os.environ | {"LC_ALL": locale}
    run = commands.run("", env=env, cwd=ROOT, code=PROGRAM)
    assert run.stdout == f"{lower} True 0 0 0\n", run.stderr
