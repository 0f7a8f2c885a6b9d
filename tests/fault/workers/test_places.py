"""Each example of an evaluation can be named, from the cache and by workers."""

import worker_texts


def test_two_workers_know_the_line_of_each_text(whole_texts):
    """The texts come from the cache, in batches by length."""
    _, expected = worker_texts.texts(whole_texts / "validation.csv", 21)
    # A run from files would write a second one.
    assert len(list((whole_texts / "cache").iterdir())) == 1
    chief, other = (
        (whole_texts / name).read_text().splitlines()
        for name in ("0.txt", "1.txt")
    )
    # All workers get all rows. The chief also evaluates the best weights.
    assert len(other) == 21 and len(chief) == 42
    assert sorted(other) == sorted(expected) and other != expected
    assert chief[:21] == other
    assert sorted(chief[21:]) == sorted(expected)
