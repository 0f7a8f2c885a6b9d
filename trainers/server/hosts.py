"""Refuses host names that are not the server's.

A web page can give its own name the address of this machine (DNS rebinding).
The browser then lets the page read the answers of this server. The header
`Host` shows the name of the page.
"""

import ipaddress
import re

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# A name or an address, without its port.
NAME = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
# The host of a request with a malformed header.
MALFORMED = "?"
_HOST = re.compile(rf"({NAME.pattern})(?::[0-9]*)?")


def of(scope):
    """Returns the host of a request in lower case, without its port.

    Args:
        scope: dict. Scope of the ASGI connection.

    Returns:
        str; empty without the header, `MALFORMED` if it is malformed.
    """
    header = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    found = _HOST.fullmatch(header)
    if not found:
        return MALFORMED if header else ""
    return normal(found[1])


def normal(name):
    """Returns a host name as names are compared.

    Args:
        name: str.

    >>> normal("Models.Example.Com.")
    'models.example.com'
    """
    return name.lower().rstrip(".")


def is_allowed(scope, names):
    """Returns whether a request may use its host.

    Browsers always send a host. An address is allowed if it is the one at
    which the connection arrived: no name was looked up.

    Args:
        scope: dict. Scope of the ASGI connection.
        names: Collection of str. Allowed names and addresses in lower case;
            `*` allows all.
    """
    host = of(scope)
    if not host or host in names or "*" in names:
        return True
    address, _ = scope.get("server") or ("", None)
    return (found := _address(host)) is not None and found == _address(address)


def _address(text):
    """Returns an IP address, or `None`."""
    try:
        found = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    # A socket for IPv6 shows the clients of IPv4 like this.
    return getattr(found, "ipv4_mapped", None) or found
