"""Numbers as people read them."""


def short(value):
    """Returns a number with four decimals, or a small one with four digits.

    Args:
        value: float.

    >>> short(12.5), short(0.0), short(3.2e-7)
    ('12.5000', '0.0000', '3.2e-07')
    """
    return f"{value:.4g}" if 0 < abs(value) < 1e-3 else f"{value:.4f}"
