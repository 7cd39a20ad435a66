"""Where a server is: "host:port", as the server says when it listens, or what else gRPC resolves."""

from __future__ import annotations

import json
import re

from .checks import shown

_HOST_AND_PORT = re.compile(r"(\[[^\[\]\s/]+\]|[^\[\]:/\s,]+):(\d{1,5})")
_LOCAL = re.compile(r"(localhost|127(\.\d+){3}|\[::1\]):\d+")
# Names without a port.
_ELSEWHERE = re.compile(r"(unix|unix-abstract|vsock|xds):.+")
_SCHEME = re.compile(r"dns:(//[^/]*/)?|ipv[46]:")


def check_address(address: str) -> None:
    """Raises TypeError or ValueError: gRPC would try for half a minute to find a host of the name "http", and take 443 for a port that is missing."""
    if not isinstance(address, str):
        raise TypeError(f'address: expected "host:port", got {shown(address)}')
    if not _ELSEWHERE.fullmatch(address) and not all(map(_is_host_and_port, _places(address))):
        raise ValueError(f'address: expected "host:port", got {json.dumps(address)}')


def is_local(address: str) -> bool:
    if re.match(r"unix(-abstract)?:", address):
        return True
    return all(_LOCAL.fullmatch(place) for place in _places(address))


def _places(address: str) -> list[str]:
    """ipv4: and ipv6: take several."""
    scheme = _SCHEME.match(address)
    return address[scheme.end() if scheme else 0 :].split(",")


def _is_host_and_port(place: str) -> bool:
    found = _HOST_AND_PORT.fullmatch(place)
    return found is not None and 0 < int(found[2]) < 2**16
