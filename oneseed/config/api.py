"""Settings of the HTTP API: of `python -m oneseed.api`, and of the page that offers it too."""

import os
from dataclasses import dataclass
from pathlib import Path

from oneseed.config.demo import (
    TOKEN_VARIABLE,
    allow_host_option,
    check_host_names,
    split_names,
    token_file_option,
)
from oneseed.config.inference import MAX_PASSES, PASSES
from oneseed.config.options import (
    data_option,
    device_option,
    encoder_option,
    finish_option,
    served_checkpoint_option,
    text_decoder_option,
)
from oneseed.console.command import UserError
from oneseed.console.flags import BaseConfig, option

# images of one request
MOST_IMAGES = 10


def read_token(token_file: str) -> str:
    """The token of a file, or else of the environment; "" for none.

    UserError where the file cannot be read or holds nothing.
    """
    if not token_file:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        token = Path(token_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--token-file {token_file} cannot be read ({error}); name a text file of one line"
        ) from error
    if not token:
        raise UserError(f"--token-file {token_file} is empty; write the token into it")
    return token


@dataclass(frozen=True)
class ApiConfig(BaseConfig):
    """Which model the API asks, who can reach it, and how much may wait."""

    checkpoint: str = served_checkpoint_option()
    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 opens the API to the network")
    port: int = option(7861, "port of the API", at_least=1, at_most=65535)
    token_file: str = token_file_option()
    allow_host: str = allow_host_option("the API")
    passes: int = option(
        PASSES,
        "in which pictures are drawn where a request does not say it",
        at_least=1,
        at_most=MAX_PASSES,
    )
    finish: str | None = finish_option()
    batch_size: int = option(32, "pairs that are decoded together at most", at_least=1)
    patience: float = option(
        4.0, "milliseconds that a request waits for others to be decoded with", at_least=0
    )
    queue: int = option(
        128,
        "pairs that may wait; further requests are answered 429",
        at_least=MOST_IMAGES,
        because="the images of one request wait together",
    )
    log: bool = option(
        False, "write a line of JSON for each request to stderr, without what was asked"
    )
    encoder: str | None = encoder_option()
    text_decoder: str | None = text_decoder_option()
    device: str = device_option("where to run")
    data: str = data_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_host_names(self.allowed_hosts)

    @property
    def allowed_hosts(self) -> list[str]:
        """The further names, one by one."""
        return split_names(self.allow_host)
