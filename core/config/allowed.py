"""Which addresses lie in the public network, and what `[outgoing] allow` adds to them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOST = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?"
LIKE = "such as app.internal, app.internal:8000, 10.0.0.7, [fd00::7]:8000 or 10.0.0.0/8"
UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""How an IPv6-only network names hosts that have an IPv4 address alone."""


@dataclass(frozen=True)
class Allowed:
    """One entry: a host by its name or a network, and the one port that it is allowed with (None: any)."""

    host: str | Network
    port: int | None

    @classmethod
    def of(cls, text: str) -> Self:
        """The entry that a text spells. Raises ValueError, whose text says what it should be."""
        if "://" in text:
            raise ValueError(f"should be a host without scheme and path, {LIKE}")
        if found := re.fullmatch(r"\[([^\]]*)\](/\d+)?(?::(\d+))?", text):
            return cls(_host(found[1] + (found[2] or "")), _port(found[3]))
        if found := re.fullmatch(r"([^:]*):(\d+)", text):
            return cls(_host(found[1]), _port(found[2]))
        return cls(_host(text), None)

    def holds(self, address: Address, port: int) -> bool:
        """Whether a network holds this address; one that is a name does not know."""
        return self.fits(port) and not isinstance(self.host, str) and address in self.host

    def fits(self, port: int) -> bool:
        return self.port in (None, port)


def named(host: str) -> str:
    """A host's name as names are compared."""
    return host.lower().removesuffix(".")


def parsed(text: str) -> Address | None:
    """An address written as it should be; anything else that a resolver might take for one is None."""
    try:
        return plain(ipaddress.ip_address(text))
    except ValueError:
        return None


def plain(address: Address) -> Address:
    """An IPv4 address in an IPv6 one's clothes as what it is."""
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def is_public(address: Address) -> bool:
    """Whether anybody may have this address on the internet: no private, shared, local, reserved or multicast one, nor
    an IPv6 address that leads to such an IPv4 one."""
    address = plain(address)
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in UNICAST_V6 or address.teredo:
            return False
        if address.sixtofour and not is_public(address.sixtofour):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _port(text: str | None) -> int | None:
    if text is not None and not 0 < int(text) < 65_536:
        raise ValueError("should have a port from 1 to 65535")
    return None if text is None else int(text)


def _host(text: str) -> str | Network:
    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        if not re.fullmatch(HOST, text) or re.fullmatch(r"[\d.]+", text):
            raise ValueError(f"should be a host, an address or a network, perhaps with a port, {LIKE}") from None
        return named(text)
    if "/" in text and found.ip != found.network.network_address:
        raise ValueError(f"should begin where the network does: {found.network}")
    return found.network
