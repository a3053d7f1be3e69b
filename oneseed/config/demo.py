"""Settings of gradio_demo.py."""

from dataclasses import dataclass

from oneseed.config.options import data_option, device_option
from oneseed.console.flags import BaseConfig, option

# addresses that only this machine can reach
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class DemoConfig(BaseConfig):
    """Which model the page shows, and who can reach it."""

    checkpoint: str = option("checkpoints/best_model.pt", "the model")
    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 opens the page to the network")
    port: int = option(7860, "port of the page", at_least=1, at_most=65535)
    share: bool = option(False, "also open a public link through Gradio's servers")
    auth: str = option(
        "",
        "user:password that visitors must give; without it a page that others can reach changes "
        "no files",
    )
    device: str = device_option("where to run")
    data: str = data_option()

    @property
    def private(self) -> bool:
        """True where everybody who reaches the page is allowed to change files."""
        return bool(self.auth) or (self.host in LOCAL_HOSTS and not self.share)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.auth and not all(self.auth.partition(":")):
            raise ValueError("--auth is user:password, such as --auth anna:secret")
