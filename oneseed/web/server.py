"""An application on its port: sockets, the server behind them, and the address that is printed.

Gradio's own launch() listens on one address, checks another one, asks itself over HTTP under a URL
that IPv6 breaks, and names its server in every answer. So the page is mounted as Gradio documents
it for other servers, and uvicorn serves it from here.
"""

import asyncio
import errno
import logging
import socket
import threading
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from oneseed.console.command import UserError
from oneseed.dataset.commands import script_command
from oneseed.web.hosts import EVERY_ADDRESS

# seconds until the head of a request is here
HEAD_SECONDS = 10
# seconds that a connection may do nothing between two requests; a busy machine that closed it
# sooner would meet the next request on its way
KEEP_ALIVE_SECONDS = 30
# bytes of a head
MOST_HEAD = 32 * 1024
# connections at once, those that send nothing included
MOST_CONNECTIONS = 600
# seconds that answers may still take once the page closes, and until the server has to be there
CLOSING_SECONDS = 1
START_SECONDS = 30


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which waits for ever for the head of a request; here it does not."""

    # set while a head is awaited
    hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A visitor has come; one too many is sent away."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self.await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """A visitor has gone."""
        self.stop_hurry()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self.stop_hurry()
        elif self.hurry is None:
            self.await_head()

    def await_head(self) -> None:
        """Begins to wait for the head of a request."""
        self.hurry = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def stop_hurry(self) -> None:
        """The head is here, or nobody waits for it any more."""
        if self.hurry is not None:
            self.hurry.cancel()
            self.hurry = None


def bare_host(host: str) -> str:
    """ "[::1]" -> "::1": addresses are listened on without brackets."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def listen(host: str, port: int, program: str = "gradio_demo.py") -> list[socket.socket]:
    """Sockets that listen on all addresses of the host. UserError where there is none.

    program: that is named with other flags then.
    """
    name = bare_host(host)
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise UserError(
            f"--host {host} is no address or name of this machine ({error.strerror}); give "
            "127.0.0.1 for this machine alone, or 0.0.0.0 for the network"
        ) from error
    sockets: list[socket.socket] = []
    try:
        for family, address in sorted({(one[0], one[4]) for one in found}, key=str):
            is_all = name == "::" and socket.has_dualstack_ipv6()
            sockets.append(
                socket.create_server(address, family=family, dualstack_ipv6=is_all, backlog=256)
            )
    except OSError as error:
        for one in sockets:
            one.close()
        raise cannot_listen(host, port, error, program) from error
    return sockets


def cannot_listen(host: str, port: int, error: OSError, program: str) -> UserError:
    """Why there is no listening on an address, and what to give instead."""
    begin = f"cannot listen on {host}, port {port}: "
    if error.errno == errno.EADDRINUSE:
        other = script_command(program, "--port N")
        return UserError(f"{begin}the port is taken; choose another: {other}")
    if error.errno == errno.EACCES:
        other = script_command(program, "--port 7860")
        return UserError(f"{begin}ports below 1024 are the system's; choose another: {other}")
    other = script_command(program, "--host 127.0.0.1")
    return UserError(f"{begin}{error.strerror}; give an address of this machine: {other}")


def url_of(host: str, port: int) -> str:
    """The address to click. Where the page listens on every address, the one for this machine."""
    name = bare_host(host)
    if name in EVERY_ADDRESS:
        name = "127.0.0.1" if name == "0.0.0.0" else "::1"
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def said_address(host: str, port: int, share_url: str | None) -> str:
    """What the page says of its addresses once it is there."""
    if share_url:
        return f"{share_url}, and here {url_of(host, port)}"
    if bare_host(host) not in EVERY_ADDRESS:
        return url_of(host, port)
    return f"{url_of(host, port)} here, {url_of(socket.gethostname(), port)} from other machines"


class PageServer:
    """uvicorn in a thread of its own."""

    def __init__(self, app: ASGIApp, sockets: list[socket.socket]) -> None:
        self.sockets = sockets
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            lifespan="on",
            # what goes wrong in the application stands in the gate's log
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=MOST_HEAD,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=CLOSING_SECONDS,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.run, name="page", daemon=True)

    def run(self) -> None:
        """The thread. uvicorn ends with SystemExit where the application does not start."""
        with suppress(SystemExit):
            self.server.run(self.sockets)

    def start(self) -> None:
        """Returns once the page answers."""
        self.thread.start()
        pause = threading.Event()
        for _ in range(int(START_SECONDS / 0.005)):
            if self.server.started:
                return
            if not self.thread.is_alive():
                break
            pause.wait(0.005)
        self.close()
        raise UserError("the server did not start; run the same command again", code=1)

    def close(self) -> None:
        """Ends the server and lets its port go."""
        self.server.should_exit = True
        if self.thread.is_alive():
            self.thread.join(timeout=5)
        for one in self.sockets:
            one.close()
