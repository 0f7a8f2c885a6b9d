"""Logs an event that a client can repeat at will once a minute."""

import logging
import time

PERIOD_SECONDS = 60.0
# Most messages that are remembered. The oldest is forgotten first.
_REMEMBERED = 1000


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
        # By message, the oldest first: time of its last line, and how many
        # repetitions were dropped since then.
        self._messages = {}

    def filter(self, record):
        """Returns whether to log a record.

        Args:
            record: `logging.LogRecord`. Repetitions have the same `msg`;
                their arguments can differ. Infos always pass.
        """
        if record.levelno < logging.WARNING:
            return True
        key, now = str(record.msg), self._clock()
        logged_at, num_dropped = self._messages.get(key, (float("-inf"), 0))
        if now < logged_at + self._period:
            self._messages[key] = logged_at, num_dropped + 1
            return False
        self._messages.pop(key, None)
        self._forget(now)
        self._messages[key] = now, 0
        if num_dropped:
            record.msg = (
                f"{key.rstrip()} ({num_dropped:,} more since the last line)"
            )
        return True

    def _forget(self, now):
        """Makes room for a message. Old ones without repetitions go first."""
        self._messages = {
            key: (logged_at, num_dropped)
            for key, (logged_at, num_dropped) in self._messages.items()
            if num_dropped or now < logged_at + self._period
        }
        if len(self._messages) >= _REMEMBERED:
            del self._messages[next(iter(self._messages))]
