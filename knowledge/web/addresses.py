"""Which network addresses may be reached when somebody else says where: the public ones, and no
other.

`ipaddress.is_global` is not enough: it calls multicast, NAT64, 6to4 and IPv4-compatible addresses
global, although a connection to them may end inside. So for IPv6 only the space that is given out
to networks counts, and of IPv4 all special blocks are listed here (the registries of IANA for
special-purpose addresses, RFC 6890; and one address of a cloud that looks public and is not).
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CLOSED_4: Final = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # between a provider and its customers
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's hosts, from inside
        "169.254.0.0/16",  # link-local; here live the metadata of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GIVEN_OUT_6: Final = IPv6Network("2000::/3")
_CLOSED_6: Final = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocols of their own: Teredo, benchmarks, ORCHID, relays
        "2001:db8::/32",
        "2002::/16",  # 6to4, an IPv4 address inside
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
# An IPv4 address in the last 32 bits: it is what is reached, so it is what is looked at. NAT64 of
# the well-known prefix is how a network that has only IPv6 reaches a website that has only IPv4.
_CARRIERS: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")


class Addresses:
    """The table; `also` lists networks that may be reached although they are not public."""

    def __init__(self, also: Iterable[str] = ()) -> None:
        self._also: tuple[Network, ...] = tuple(ip_network(each) for each in also)

    def allows(self, text: str) -> bool:
        """Whether a connection may go to this address, as a resolver wrote it."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return False
        return any(address in network for network in self._also) or is_public(address)


def is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _CLOSED_4)
    if any(address in carrier for carrier in _CARRIERS):
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _GIVEN_OUT_6 and not any(address in block for block in _CLOSED_6)
