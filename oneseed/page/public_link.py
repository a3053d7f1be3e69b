"""A link to the page under which everybody reaches it, through Gradio's servers."""

from typing import Any

from oneseed.console.command import UserError
from oneseed.web.hosts import EVERY_ADDRESS, LOOPBACK_NAMES, is_loopback
from oneseed.web.server import bare_host


def open_share_link(page: Any, host: str, port: int) -> str:
    """A public link through Gradio's servers. UserError where they give none."""
    from gradio import networking

    name = bare_host(host)
    local = "127.0.0.1" if name in {*EVERY_ADDRESS, *LOOPBACK_NAMES} else name
    if is_loopback(name) and ":" in name:
        local = "::1"
    try:
        link = networking.setup_tunnel(local, port, page.share_token, None, None)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"no public link: Gradio's servers did not give one ({type(error).__name__}); leave "
            "--share out, or look whether this machine reaches the internet",
            code=1,
        ) from error
    return f"https://{link.partition('://')[2]}".rstrip("/")
