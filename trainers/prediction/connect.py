"""Connects to a model in this process or behind a server."""

from trainers.prediction.rest import RestPredictor
from trainers.prediction.saved_model import Predictor


def connect(where, token=None):
    """Returns a predictor, called as `predictor(signature, inputs)`.

    Args:
        where: str or `pathlib.Path`. Path of an export, see
            `saved_model.find_version`; or the address of a served model,
            `http://HOST:PORT/v1/models/NAME`.
        token: str. Bearer token for the server. `None` sends no token.

    Returns:
        `Predictor` for a path, `RestPredictor` for an address.

    Raises:
        ConfigError: The path contains no export, or the address or the token
            is malformed.
        RunError: The export is damaged, or the server does not answer.
    """
    if str(where).lower().startswith(("http://", "https://")):
        return RestPredictor(where, token)
    return Predictor(where)
