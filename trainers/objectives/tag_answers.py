"""Answers of `predict` for tagged texts, in forms that `raw_tags` reads."""

import numpy as np

from trainers.objectives import entity_spans
from trainers.runtime.json_like import json_like

# Outputs of the signature `tags`.
TAGS = ("tag", "start", "end", "score")


def answers(outputs, names, is_plain, *, is_short=False, scores=False):
    """Yields the answer of each text.

    Args:
        outputs: Dict of arrays, of one of the signatures. `tags`: `tag:
            string[batch, length]`, `start` and `end: int32[batch, length]`,
            -1 for filling, and `score: float32[batch, length]`. Entities:
            `entity_label`, `entity_start`, `entity_end`, `entity_score`, and
            `num_entities: int32[batch]`.
        names: List of str. The tags, in the order of the logits; `None` if
            they are known by the outputs alone.
        is_plain: bool. Whether the tags mark no entities.
        is_short: bool. Whether an answer is only what files of training have.
        scores: bool. Whether a short answer has scores, too.

    Yields:
        dict. `label` is a list of `[start, end, type]`, or, for plain tags, a
        dict of `words` and `tags`. `score` is the probability of each of them:
        for an entity the mean over its tokens. An answer with fewer entities
        than were found has their number, `num_entities`.
    """
    has_scores = scores or not is_short
    if "tag" in outputs:
        rows = _of_tags(outputs, names, is_plain)
    else:
        rows = _of_entities(outputs)
    for places, tags, found, num_entities in rows:
        if is_plain:
            answer = {"label": {"words": places, "tags": tags}}
        else:
            spans = zip(places, tags, strict=True)
            answer = {"label": [[*place, tag] for place, tag in spans]}
        if has_scores:
            answer["score"] = found
        if num_entities > len(places):
            answer["num_entities"] = num_entities
        yield answer


def _of_tags(outputs, names, is_plain):
    if names is None:
        tags = {json_like(x) for x in outputs["tag"].flat}
        types = {tag.partition("-")[2] for tag in tags} - {""}
        names = entity_spans.tag_names(types)
    position = {name: number for number, name in enumerate(names)}
    columns = [outputs[name] for name in TAGS]
    for tag, start, end, score in zip(*columns, strict=True):
        is_token = np.asarray(start) >= 0
        tags = [json_like(x) for x in np.asarray(tag)[is_token]]
        start, end, score = (
            np.asarray(x)[is_token] for x in (start, end, score)
        )
        if is_plain:
            first = last = np.arange(len(tags))
        else:
            numbers = np.array([position[x] for x in tags], np.int64)
            found = entity_spans.decode(numbers).strict()
            first, last = found.first, found.last
            tags = [tags[x][2:] for x in first]
        means = [
            float(score[a : b + 1].mean(dtype=np.float64))
            for a, b in zip(first, last, strict=True)
        ]
        places = np.stack([start[first], end[last]], axis=1).tolist()
        yield places, tags, means, len(places)


def _of_entities(outputs):
    columns = [
        outputs[f"entity_{name}"] for name in ("start", "end", "label", "score")
    ]
    counts = outputs["num_entities"]
    for start, end, label, score, count in zip(*columns, counts, strict=True):
        shown = min(int(count), len(start))
        places = np.stack([start[:shown], end[:shown]], axis=1).tolist()
        labels = [json_like(x) for x in label[:shown]]
        yield places, labels, [float(x) for x in score[:shown]], int(count)
