"""Facts about the data that matter before training on it."""

import hashlib

from trainers.objectives import objective as objective_lib
from trainers.runtime import look_alikes

_SHOWN = 10


def make_report(splits, objective, *, keys, empty=None):
    """Counts examples and finds problems that distort a result.

    Args:
        splits: Dict of `Examples` by split, with targets of the objective.
        objective: `Objective` for these splits.
        keys: Dict by split of lists with one hashable key for each example.
            Equal keys mean equal content; `None` means no content.
        empty: Dict by split of lists of rows without content; `None` means
            that there are no such rows.

    Returns:
        Dict for `data_report.json`: `classes` (the state of the objective),
        `splits` (for each split, `examples`, and the `counts` and `facts` of
        the objective), `empty`, `repeated` (content that occurs twice in
        train), `conflicts` (equal content with different targets), `leaks`
        (content of train that also occurs in another split), and `warnings`,
        in words.
        `empty`, `repeated`, `conflicts` and `leaks` have a count and the first
        ten places.
    """
    report = {
        "classes": objective_lib.json_state(objective),
        "splits": {
            name: {"examples": len(examples)}
            | objective.counts(examples.targets)
            | objective.facts(name)
            for name, examples in splits.items()
        },
    }
    report["empty"] = {
        name: _found(rows, splits[name].places.__getitem__)
        for name, rows in (empty or {}).items()
    }
    groups = _group(splits, keys)
    report["repeated"] = _repeated(groups, splits)
    report["conflicts"] = _conflicts(groups, splits, objective)
    report["leaks"] = {
        name: _leaks(groups, splits, name) for name in splits if name != "train"
    }
    report["warnings"] = list(_warnings(report, objective))
    return report


def content_keys(array):
    """Returns a key for each row of an array. Equal rows have equal keys.

    Args:
        array: Array `[num_examples, ...]`.

    Returns:
        List of bytes.
    """
    return [
        hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in array
    ]


def _group(splits, keys):
    """Returns the `(split, row)` pairs of each content that repeats."""
    groups = {}
    for name in splits:
        for row, key in enumerate(keys[name]):
            if key is not None:
                groups.setdefault(key, []).append((name, row))
    return [group for group in groups.values() if len(group) > 1]


def _found(items, describe_fn):
    return {
        "count": len(items),
        "first": [describe_fn(item) for item in list(items)[:_SHOWN]],
    }


def _repeated(groups, splits):
    """Counts rows of train that repeat an earlier row of train."""
    rows = [
        (group[0], place)
        for group in groups
        for place in group[1:]
        if place[0] == "train" == group[0][0]
    ]
    return _found(rows, lambda pair: _places(pair, splits))


def _conflicts(groups, splits, objective):
    if any(examples.targets is None for examples in splits.values()):
        return _found([], None)

    def label(place):
        return objective.describe(splits[place[0]].targets[place[1]])

    def describe(group):
        # The first place of each label: ten places of one label would not
        # show the conflict.
        first_places = {}
        for place in group:
            first_places.setdefault(label(place), place)
        return [
            {"place": splits[name].places[row], "label": words}
            for words, (name, row) in list(first_places.items())[:_SHOWN]
        ]

    found = [g for g in groups if len({label(place) for place in g}) > 1]
    return _found(found, describe)


def _leaks(groups, splits, name):
    """Counts rows of a split that repeat a row of train."""
    rows = [
        (group[0], place)
        for group in groups
        for place in group
        if place[0] == name and group[0][0] == "train"
    ]
    return _found(rows, lambda pair: _places(pair, splits))


def _places(pair, splits):
    return [splits[name].places[row] for name, row in pair]


def _warnings(report, objective):
    for name, empty in report["empty"].items():
        if empty["count"]:
            yield (
                f"split {name}: {empty['count']} empty texts, the first at "
                f"{empty['first'][0]}."
            )
    conflicts = report["conflicts"]
    if conflicts["count"]:
        first = conflicts["first"][0]
        places = " and ".join(f"{p['place']} ({p['label']})" for p in first[:2])
        yield (
            f"{conflicts['count']} inputs appear with conflicting labels, the "
            f"first at {places}."
        )
    for name, leaks in report["leaks"].items():
        if leaks["count"]:
            ours, theirs = leaks["first"][0]
            yield (
                f"{leaks['count']} of {report['splits'][name]['examples']} "
                f"examples of {name} also occur in train, which inflates its "
                f"metrics; the first is {theirs}, in train {ours}."
            )
    for name, facts in report["splits"].items():
        yield from objective.warnings(name, facts)
    yield from _warnings_of_names(report)


def _warnings_of_names(report):
    """Yields a warning if class names look alike, in any of the splits."""
    names = report["classes"]
    if not isinstance(names, list) or not all(
        isinstance(name, str) for name in names
    ):
        return  # The objective has no list of names.
    groups = look_alikes.groups(dict.fromkeys(names))
    if groups:
        shown = "; ".join(
            " and ".join(_counted(name, report["splits"]) for name in group)
            for group in groups[:_SHOWN]
        )
        more = len(groups) - _SHOWN
        yield (
            f"classes that look alike but are different: {shown}"
            f"{f' and {more} more' if more > 0 else ''}. They differ only in "
            "case, composed letters, invisible characters, white space, "
            "dashes or quotes. "
            "Write each class in one way."
        )


def _counted(name, splits):
    """Returns a class name with its number of examples in all splits."""
    counts = [
        facts["examples_by_class"].get(name, 0)
        for facts in splits.values()
        if "examples_by_class" in facts
    ]
    shown = look_alikes.shown(name)
    return f"{shown} ({sum(counts)} examples)" if counts else shown
