"""Under which names the page answers, and which other pages may send it requests.

A website can have its own name point at 127.0.0.1 (DNS rebinding); to the browser the page then
belongs to that website. Such requests carry the website's name as Host. Starlette's
TrustedHostMiddleware compares names too, but cuts IPv6 addresses at their first colon, and takes
the first of two Host headers; so the names are compared here.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# names by which a machine reaches itself
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# addresses to listen on that stand for all addresses of the machine
EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})
# a name, an IPv4 address or a bracketed IPv6 address, and a port; no user, path or trailing dot
AUTHORITY = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*))"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Authority:
    """The part of an address that names a server. port: None where it is not written."""

    name: str
    port: int | None

    def port_for(self, scheme: str) -> int | None:
        """The port, or the usual one of the scheme."""
        return DEFAULT_PORTS.get(scheme) if self.port is None else self.port


def plain_address(name: str) -> str:
    """One way of writing for an IP address: without brackets, zones, or IPv4 within IPv6."""
    try:
        address = ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return name.lower()
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def read_authority(text: str) -> Authority | None:
    """ "localhost:7860" or "[::1]:7860" -> Authority; None for everything else."""
    found = AUTHORITY.fullmatch(text)
    if not found or (found["port"] and not 0 < int(found["port"]) < 65536):
        return None
    if found["six"]:
        try:
            ipaddress.IPv6Address(found["six"])
        except ValueError:
            return None
    port = int(found["port"]) if found["port"] else None
    return Authority(plain_address(found["six"] or found["name"]), port)


def is_loopback(host: str) -> bool:
    """True for an address or name that only this machine can reach."""
    name = plain_address(host)
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def names_of_machine() -> set[str]:
    """What this machine is called in its network. Asks no name server, which can take seconds."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {name, short, f"{short}.local"} - {"", ".local"}


@dataclass
class Hosts:
    """The names under which the page answers.

    own: of this machine. given: names that somebody has allowed, which may be those of a proxy.
    """

    own: set[str]
    given: set[Authority] = field(default_factory=set)
    # does the page answer under the address at which a request has arrived?
    answers_where_asked: bool = False

    @classmethod
    def of(cls, host: str, allowed: Iterable[str] = ()) -> "Hosts":
        """Names for a page that listens on host.

        allowed: further ones, as NAME or NAME:PORT. ValueError for what is neither.
        """
        hosts = cls({plain_address(host), *LOOPBACK_NAMES})
        if not is_loopback(host):
            hosts.own |= names_of_machine()
            hosts.answers_where_asked = True
        for name in allowed:
            hosts.allow(name)
        return hosts

    def allow(self, name: str) -> None:
        """Adds a NAME or NAME:PORT. ValueError for what is neither."""
        authority = read_authority(name)
        if authority is None:
            raise ValueError(f"{name!r} is no name of a host, such as page.example.org")
        self.given.add(authority)

    def is_given(self, authority: Authority) -> bool:
        """True for a name that somebody has allowed, with this port or without one."""
        return authority in self.given or Authority(authority.name, None) in self.given

    def answers_to(self, authority: Authority, arrived_at: str) -> bool:
        """True where the page is asked under a name of its own.

        arrived_at: IP address of this machine at which the request came in.
        """
        if authority.name in self.own or self.is_given(authority):
            return True
        return self.answers_where_asked and authority.name == plain_address(arrived_at)

    def takes_origin(self, origin: str, asked: Authority, scheme: str) -> bool:
        """True where a request of this Origin header comes from the page itself.

        asked: under which name the request asks. scheme: http or https, of the page.
        Another port of this machine is another page, so the ports must agree too. An allowed name
        may be that of a proxy, which adds https and has a port of its own.
        """
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        authority = read_authority(parts.netloc)
        is_bare = origin.count("/") == 2 and not parts.query and not parts.fragment
        if authority is None or parts.scheme not in DEFAULT_PORTS or not is_bare:
            return False
        if self.is_given(authority):
            return True
        same_port = authority.port_for(parts.scheme) == asked.port_for(scheme)
        return parts.scheme == scheme and authority.name == asked.name and same_port
