"""Logs an event that a client can repeat at will once a minute."""

import logging
import time

PERIOD_SECONDS = 60.0


class OncePerPeriod(logging.Filter):
    """Drops the repetitions of a message; its next line counts them.

    >>> log = logging.getLogger("docs.once_per_period")
    >>> log.addFilter(OncePerPeriod())
    >>> [log.filter(log.makeRecord("", 30, "", 0, "no", (), None)) is not False
    ...  for _ in range(3)]
    [True, False, False]
    """

    def __init__(self, period_seconds=PERIOD_SECONDS, clock=time.monotonic):
        """Creates the filter.

        Args:
            period_seconds: float. Time in which a message is logged once.
            clock: Callable that returns a time in seconds.
        """
        super().__init__()
        self._period = period_seconds
        self._clock = clock
        self._logged_at = {}
        self._num_dropped = {}

    def filter(self, record):
        """Returns whether to log a record.

        Args:
            record: `logging.LogRecord`. Repetitions have the same `msg`;
                their arguments can differ. Infos always pass.
        """
        if record.levelno < logging.WARNING:
            return True
        key, now = str(record.msg), self._clock()
        if now < self._logged_at.get(key, float("-inf")) + self._period:
            self._num_dropped[key] = self._num_dropped.get(key, 0) + 1
            return False
        self._logged_at[key] = now
        if dropped := self._num_dropped.pop(key, 0):
            record.msg = (
                f"{key.rstrip()} ({dropped:,} more since the last line)"
            )
        return True
