"""Defines the bearer token that a client sends and a server expects."""

import re

# Environment variable with the token. A flag would show it to every user of
# the machine.
VARIABLE = "TFMODELS_TOKEN"


def is_token(text):
    """Returns whether a text is a token: ASCII without white space.

    Args:
        text: str.
    """
    return bool(re.fullmatch("[!-~]+", text))
