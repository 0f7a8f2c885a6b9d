"""Sees whether AutoGraph converts a function of the project."""

import re

from tensorflow.python.autograph.impl import api

ADVICE = "pass autograph=False, or use `do_not_convert`"


def watched(found_fn):
    """Returns a replacement of `api._convert_actual` that reports names.

    Args:
        found_fn: Called with the name of each function of the project that is
            converted. If it raises, AutoGraph only warns and does not convert
            the function.
    """
    convert = api._convert_actual

    def convert_watched(entity, context):
        if re.match(r"(trainers|tfmodels)\b", entity.__module__ or ""):
            found_fn(f"{entity.__module__}.{entity.__qualname__}")
        return convert(entity, context)

    return convert_watched
