"""Types, shapes and values of nested lists, in calls of bounded time.

Other threads of Python wait during a call of C. No call sees more than a part
of a large list.
"""

import itertools

# Elements of a part.
PART = 2**15


def types_of(values):
    """Returns the set of the types of a list.

    Args:
        values: list.
    """
    return _found(type, values)


def _found(function, values):
    found = set()
    for part in parts(values):
        found.update(map(function, part))
    return found


def parts(values):
    """Yields a list or an array in parts."""
    for begin in range(0, len(values), PART):
        yield values[begin : begin + PART]


def flatten(value):
    """Returns shape and flat values; `None` as values of a ragged list."""
    shape, level = [], [value]
    while types_of(level) == {list}:
        sizes = _found(len, level)
        if len(sizes) > 1:
            return shape, None
        shape += sizes
        below = []
        for part in parts(level):
            # One list of the part can be large, too.
            elements = itertools.chain.from_iterable(part)
            while some := list(itertools.islice(elements, PART)):
                below += some
        level = below
    return shape, level


def shape_of(value):
    """Returns the shape of a tensor from the first element of each list."""
    shape = []
    while type(value) is list:
        shape.append(len(value))
        value = value[0] if value else None
    return shape
