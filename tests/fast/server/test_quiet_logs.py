"""A message that repeats is one line."""

import logging

from trainers.server import quiet_logs


def test_a_message_is_logged_once_in_a_period_and_counted(caplog):
    now = 0.0
    quiet = quiet_logs.OncePerPeriod(60, clock=lambda: now)
    logger = logging.getLogger("test_quiet_logs")
    logger.setLevel(logging.INFO)
    logger.addFilter(quiet)
    for number in range(1000):
        logger.warning("refused %d", number)
    logger.warning("another")
    for _ in range(2):
        logger.info("loaded")
    now = 60.0
    logger.warning("refused %d", 1000)
    logger.warning("refused %d", 1001)
    now = 121.0
    logger.warning("refused %d", 1002)
    now = 1000.0
    logger.warning("another")
    assert [record.getMessage() for record in caplog.records] == [
        "refused 0",
        "another",
        "loaded",
        "loaded",
        "refused 1000 (999 more since the last line)",
        "refused 1002 (1 more since the last line)",
        "another",
    ]
