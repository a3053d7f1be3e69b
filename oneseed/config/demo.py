"""Settings of gradio_demo.py."""

from dataclasses import dataclass

from oneseed.config.options import data_option
from oneseed.console.flags import option


@dataclass(frozen=True)
class DemoConfig:
    checkpoint: str = option("checkpoints/best_model.pt", "the model")
    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 opens the page to the network")
    port: int = option(7860, "port of the page")
    share: bool = option(False, "also open a public link through Gradio's servers")
    auth: str = option(
        "",
        "user:password that visitors must give; without it a page that others can reach changes no files",
    )
    device: str = option("auto", "where to run", choices=("auto", "cuda", "mps", "cpu"))
    data: str = data_option()

    @property
    def private(self):
        """Is everybody who reaches the page allowed to change files?"""
        return bool(self.auth) or (
            self.host in ("127.0.0.1", "localhost", "::1") and not self.share
        )

    def __post_init__(self):
        if not 0 < self.port < 65536:
            raise ValueError(f"--port goes from 1 to 65535, got {self.port}")
        if self.auth and not all(self.auth.partition(":")):
            raise ValueError("--auth is user:password, such as --auth anna:secret")
