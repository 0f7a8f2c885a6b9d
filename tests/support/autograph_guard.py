"""Sees whether AutoGraph converts a function of the project."""

import re

from tensorflow.python.autograph.impl import api

ADVICE = "pass autograph=False, or use `do_not_convert`"


def watch(found_fn):
    """Calls a function with the name of each function that is converted.

    Args:
        found_fn: Function of a str. If it raises, AutoGraph only warns and does
            not convert the function.
    """
    convert = api._convert_actual

    def watched(entity, context):
        if re.match(r"(trainers|tfmodels)\b", entity.__module__ or ""):
            found_fn(f"{entity.__module__}.{entity.__qualname__}")
        return convert(entity, context)

    api._convert_actual = watched
