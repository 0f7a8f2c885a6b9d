"""One interface to a model, in this process or behind a server."""

from trainers.prediction.rest import RestPredictor
from trainers.prediction.saved_model import Predictor


def connect(where, token=None):
    """Returns what answers `predictor(signature, inputs)`.

    Args:
        where: Path of an export; or the address of a served model, see
            `RestPredictor`.
        token: Bearer token for the server, if it wants one.
    """
    if str(where).lower().startswith(("http://", "https://")):
        return RestPredictor(where, token)
    return Predictor(where)
