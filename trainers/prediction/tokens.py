"""The bearer token that a client sends and a server expects."""

import re

# Environment variable with the token: every user of a machine can read flags.
VARIABLE = "TFMODELS_TOKEN"


def is_token(text):
    """Returns whether a text is a token: ASCII without white space."""
    return bool(re.fullmatch("[!-~]+", text))
