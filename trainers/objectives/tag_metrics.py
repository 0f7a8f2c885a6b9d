"""Metrics of tagged texts, from the tags of all tokens of a split.

Strict scores are those of seqeval with `mode="strict", scheme=IOB2`. Lenient
scores are those of seqeval without a mode, which are conlleval's: an I-X that
continues nothing begins an entity. Both compare words, by the tag of the first
token of each word. Span scores compare what is served: entities of tokens, by
the strict rule. A score without anything to count is 0.

References:
    https://github.com/chakki-works/seqeval
    https://www.clips.uantwerpen.be/conll2000/chunking/conlleval.txt
"""

import dataclasses

import numpy as np

from trainers.metrics.names import PartMetrics
from trainers.objectives import entity_spans

SCORES = ("precision", "recall", "f1")
# By prefix, what is compared.
KINDS = ("entity", "lenient", "span")
# Metrics of a whole split, of tags that mark entities and of plain tags.
ENTITY_METRICS = (
    "loss",
    *(f"{kind}_{score}" for kind in KINDS for score in SCORES),
    *(f"macro_{score}" for score in SCORES),
    *(f"weighted_{score}" for score in SCORES),
    "token_accuracy",
    "word_accuracy",
)
PLAIN_METRICS = (
    "loss",
    "token_accuracy",
    "word_accuracy",
    *(f"macro_{score}" for score in SCORES),
    *(f"weighted_{score}" for score in SCORES),
)
PER_TYPE = PartMetrics(
    "per_class",
    "type",
    (
        *SCORES,
        *(f"{kind}_{score}" for kind in KINDS[1:] for score in SCORES),
    ),
)
PER_TAG = PartMetrics("per_class", "tag", SCORES)


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The tokens of a split, in the order of documents and texts.

    Attributes:
        documents: int32[num_tokens]. Number of the document.
        true, answers: int32[num_tokens]. Positions in the names of the tags.
        is_word: bool[num_tokens]. Whether it is the first token of a word.
        loss: float. The mean over all tokens.
    """

    documents: np.ndarray
    true: np.ndarray
    answers: np.ndarray
    is_word: np.ndarray
    loss: float

    @property
    def num_documents(self):
        """Number of documents with a token, int."""
        return len(np.unique(self.documents))


def gather(batches):
    """Returns the tokens of windows, each once.

    Args:
        batches: Iterable of dicts of arrays, one row for each window:
            `loss: float32[batch]`, the sum over the scored tokens, and
            `tag`, `answer`, `document`, `token` and `is_word`, all
            `int32[batch, length]`. `tag` is 0 where nothing is scored, and
            else 1 plus the position of the tag.

    Returns:
        `Tokens`.
    """
    loss, kept = 0.0, []
    for batch in batches:
        loss += batch["loss"].sum(dtype=np.float64)
        chosen = batch["tag"] > 0
        kept.append(
            [
                batch[name][chosen]
                for name in ("document", "token", "tag", "answer", "is_word")
            ]
        )
    found = [np.concatenate(parts) for parts in zip(*kept, strict=True)]
    documents, tokens, tags, answers, is_word = found
    order = np.lexsort((tokens, documents))
    documents, tokens = documents[order], tokens[order]
    is_again = (documents[1:] == documents[:-1]) & (tokens[1:] == tokens[:-1])
    assert not is_again.any(), "a token is in two windows"
    return Tokens(
        documents,
        tags[order] - 1,
        answers[order],
        is_word[order] > 0,
        float(loss / max(len(order), 1)),
    )


def measure(tokens, names, is_plain):
    """Returns all metrics of a split but `num_examples`.

    Args:
        tokens: `Tokens`.
        names: List of str. The tags.
        is_plain: bool. Whether the tags mark no entities.

    Returns:
        dict for `metrics.json`: each of `ENTITY_METRICS` or `PLAIN_METRICS`,
        `num_tokens`, `num_words`, and `per_class`, by type or tag a dict of
        its metrics and `support`, the number of entities or words. `macro` is
        the mean over the types or tags that occur or are answered, `weighted`
        the mean by support, both strict.
    """
    words = tokens.is_word
    is_right = tokens.true == tokens.answers
    facts = {
        "loss": tokens.loss,
        "token_accuracy": _mean(is_right),
        "word_accuracy": _mean(is_right[words]),
        "num_tokens": len(is_right),
        "num_words": int(words.sum()),
    }
    if is_plain:
        counts = _tag_counts(
            tokens.true[words], tokens.answers[words], len(names)
        )
        return facts | _averages(counts) | {"per_class": _table(counts, names)}
    types = entity_spans.types_of(names)
    of_words = [
        entity_spans.decode(tags[words], tokens.documents[words])
        for tags in (tokens.true, tokens.answers)
    ]
    of_tokens = [
        entity_spans.decode(tags, tokens.documents).strict()
        for tags in (tokens.true, tokens.answers)
    ]
    num_types = len(types)
    strict = _entity_counts(*(e.strict() for e in of_words), num_types)
    lenient = _entity_counts(*of_words, num_types)
    spans = _entity_counts(*of_tokens, num_types)
    table = _table(strict, types)
    for kind, counts in zip(KINDS[1:], (lenient, spans), strict=True):
        for name, row in _table(counts, types, f"{kind}_").items():
            table[name] |= row
    for kind, counts in zip(KINDS, (strict, lenient, spans), strict=True):
        scores = _scores(*(x.sum() for x in counts))
        facts |= {f"{kind}_{s}": float(scores[s]) for s in SCORES}
    return facts | _averages(strict) | {"per_class": table}


def _entity_counts(true, answers, num_types):
    """Returns the right, true and answered entities of each type."""
    keys = [
        np.stack([e.first, e.last, e.types], axis=1) for e in (true, answers)
    ]
    # Two entities of one side never share a first token.
    both, at_true, at_answers = np.intersect1d(
        true.first, answers.first, return_indices=True
    )
    del both
    is_equal = (keys[0][at_true] == keys[1][at_answers]).all(axis=1)
    return tuple(
        np.bincount(types, minlength=num_types)
        for types in (
            true.types[at_true][is_equal],
            true.types,
            answers.types,
        )
    )


def _tag_counts(true, answers, num_tags):
    """Returns the right, true and answered words of each tag."""
    return tuple(
        np.bincount(tags, minlength=num_tags)
        for tags in (true[true == answers], true, answers)
    )


def _scores(right, true, answered):
    """Returns precision, recall and F1, of the shape of the counts."""
    return {
        "precision": _divide(right, answered),
        "recall": _divide(right, true),
        "f1": _divide(2 * right, true + answered),
    }


def _averages(counts):
    _, true, answered = counts
    seen = (true + answered) > 0
    found = {}
    for name, values in _scores(*counts).items():
        found[f"macro_{name}"] = _mean(values[seen])
        weighted = (values * true).sum() / max(true.sum(), 1)
        found[f"weighted_{name}"] = float(weighted)
    return found


def _table(counts, names, prefix=""):
    """Returns the scores of each name, and its support without a prefix."""
    scores = {k: v.tolist() for k, v in _scores(*counts).items()}
    support = counts[1].tolist()
    return {
        name: {f"{prefix}{score}": scores[score][i] for score in SCORES}
        | ({} if prefix else {"support": support[i]})
        for i, name in enumerate(names)
    }


def _mean(values):
    return float(values.mean()) if len(values) else 0.0


def _divide(numerators, denominators):
    numerators = np.asarray(numerators, np.float64)
    return np.divide(
        numerators,
        denominators,
        out=np.zeros_like(numerators),
        where=np.asarray(denominators) > 0,
    )
