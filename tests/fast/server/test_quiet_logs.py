"""A message that repeats is one line."""

import logging

import pytest

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


def test_old_messages_are_forgotten_except_for_counts():
    now = 0.0
    quiet = quiet_logs.OncePerPeriod(60, clock=lambda: now)

    def log(message):
        record = logging.makeLogRecord(
            {"msg": message, "levelno": logging.WARNING}
        )
        return quiet.filter(record) and record.msg

    assert log("repeated") == "repeated"
    assert not log("repeated")
    for number in range(100):
        assert log(f"once {number}")
    now = 60.0
    assert log("later") == "later"
    assert list(quiet._messages) == ["repeated", "later"]
    assert log("repeated") == "repeated (1 more since the last line)"


@pytest.mark.parametrize("repetitions", [1, 2])
def test_so_many_messages_are_remembered_and_no_more(repetitions):
    quiet = quiet_logs.OncePerPeriod(60, clock=lambda: 0.0)
    for number in range(2500):
        for _ in range(repetitions):
            quiet.filter(
                logging.makeLogRecord({"msg": str(number), "levelno": 30})
            )
    assert list(quiet._messages) == [str(n) for n in range(1500, 2500)]
