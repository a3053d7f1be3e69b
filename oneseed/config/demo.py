"""Settings of gradio_demo.py."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from oneseed.config.options import (
    data_option,
    device_option,
    encoder_option,
    served_checkpoint_option,
    text_decoder_option,
)
from oneseed.console.flags import BaseConfig, option

# of the environment: the token that callers of the API must send
TOKEN_VARIABLE = "ONESEED_API_TOKEN"
# NAME or NAME:PORT, also an address; one of IPv6 in brackets
HOST_NAME = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)(:[0-9]{1,5})?", re.ASCII
)


def only_this_machine_reaches(host: str) -> bool:
    """True for an address to listen on that other machines cannot reach."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def token_file_option() -> Any:
    """The field `token_file`."""
    return option(
        "",
        "file whose one line callers of the API must send as bearer token; the environment "
        f"variable {TOKEN_VARIABLE} can hold it instead; without either nobody needs one",
    )


def allow_host_option(what: str) -> Any:
    """The field `allow_host`. what: is reached under these names."""
    return option(
        "",
        f"further names under which {what} answers, such as that of a proxy in front of it: NAME "
        "or NAME:PORT; may be repeated",
        several=True,
    )


def split_names(text: str) -> list[str]:
    """ "a.example, b.example:80" -> the names, one by one."""
    return [name.strip() for name in text.split(",") if name.strip()]


def check_host_names(names: Iterable[str]) -> None:
    """ValueError for the first that is no name of a host."""
    for name in names:
        if not HOST_NAME.fullmatch(name):
            raise ValueError(
                f"--allow-host {name!r} is no name of a host, such as page.example.org"
            )


@dataclass(frozen=True)
class DemoConfig(BaseConfig):
    """Which model the page shows, and who can reach it."""

    checkpoint: str = served_checkpoint_option()
    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 opens the page to the network")
    port: int = option(7860, "port of the page", at_least=1, at_most=65535)
    share: bool = option(False, "also open a public link through Gradio's servers")
    auth: str = option(
        "",
        "user:password that visitors must give; without it a page that others can reach changes "
        "no files",
    )
    allow_host: str = allow_host_option("the page")
    token_file: str = token_file_option()
    allow_frame: str = option(
        "",
        "further websites whose pages may show this one within a frame, such as "
        "https://wiki.example.org; may be repeated",
        several=True,
    )
    log: bool = option(False, "write a line for each request, without what was asked")
    log_json: bool = option(False, "write such lines as JSON objects")
    encoder: str | None = encoder_option()
    text_decoder: str | None = text_decoder_option()
    device: str = device_option("where to run")
    data: str = data_option()

    @property
    def private(self) -> bool:
        """True where everybody who reaches the page is allowed to change files."""
        return bool(self.auth) or (
            only_this_machine_reaches(self.host) and not self.share and not self.allow_host
        )

    @property
    def allowed_hosts(self) -> list[str]:
        """The further names, one by one."""
        return split_names(self.allow_host)

    @property
    def framed_by(self) -> tuple[str, ...]:
        """The websites of --allow-frame, one by one."""
        return tuple(origin.strip() for origin in self.allow_frame.split(",") if origin.strip())

    def __post_init__(self) -> None:
        super().__post_init__()
        check_host_names(self.allowed_hosts)
        for origin in self.framed_by:
            scheme, _, name = origin.partition("://")
            if scheme not in ("http", "https") or not HOST_NAME.fullmatch(name):
                raise ValueError(
                    f"--allow-frame {origin!r} is no website, such as https://wiki.example.org"
                )
        if self.auth and not all(self.auth.partition(":")):
            raise ValueError("--auth is user:password, such as --auth anna:secret")
