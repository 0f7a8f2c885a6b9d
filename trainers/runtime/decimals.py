"""Numbers as people read them."""


def short(value):
    """Returns a number with four decimals, or with four digits.

    Numbers near 0 and above 1e9 have four digits.

    Args:
        value: float.

    >>> short(12.5), short(0.0), short(3.2e-7), short(-7e76)
    ('12.5000', '0.0000', '3.2e-07', '-7e+76')
    """
    size = abs(value)
    return f"{value:.4g}" if 0 < size < 1e-3 or size > 1e9 else f"{value:.4f}"
