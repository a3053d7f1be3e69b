"""The HTTP API alone, without the page and without Gradio.

Reads   checkpoints/best_model.pt       looked for again with each request while there is none;
                                        until then the base model answers
Writes  nothing

    python -m oneseed.api                                   # http://127.0.0.1:7861, here alone
    python -m oneseed.api --checkpoint base --finish plain
    # everybody on the network who has the token
    ONESEED_API_TOKEN=secret python -m oneseed.api --host 0.0.0.0
    python -m oneseed.api --host 0.0.0.0 --token-file /run/secrets/token --log

    curl http://127.0.0.1:7861/v1/pairs/7.png -o 7.png
    curl http://127.0.0.1:7861/v1/images/generations \\
        -H 'Content-Type: application/json' -d '{"prompt": "two small ships", "n": 2}'
    curl http://127.0.0.1:7861/v1/captions --data-binary @plate.png

All addresses: http://127.0.0.1:7861/docs. SIGTERM ends it once every request in hand is answered.
"""

# --help answers at once
if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    import sys

    from oneseed.config.api import ApiConfig
    from oneseed.console.flags import parse_configs

    # as it was typed, for sentences
    sys.argv[0] = "-m oneseed.api"
    CONFIGS = parse_configs(ApiConfig, description=__doc__)

import contextlib
import warnings

from oneseed.api.application import api_application
from oneseed.api.service import Defaults, Service
from oneseed.api.site import api_site
from oneseed.config.api import ApiConfig, read_token
from oneseed.config.base_model import checkpoint_file
from oneseed.config.demo import only_this_machine_reaches
from oneseed.config.options import moved_parts
from oneseed.console.command import Terminated, run, wait_for_signal
from oneseed.dataset.commands import DEFAULT_CHECKPOINT
from oneseed.dataset.next_run import missing_checkpoint
from oneseed.generation.batcher import Batcher
from oneseed.generation.model_finder import ModelFinder
from oneseed.generation.prompts import PromptWarning
from oneseed.web.gate import Gate
from oneseed.web.hosts import Hosts
from oneseed.web.server import PageServer, bare_host, listen, said_address
from oneseed.web.visit import RequestLimits

# large bodies that may be on their way at once
MOST_PICTURES = 32


def load_early(find_generator: ModelFinder, config: ApiConfig) -> None:
    """Loads the model before the first request, or says why that is not possible yet."""
    checkpoint = config.checkpoint or DEFAULT_CHECKPOINT
    if not find_generator.needs_base and not checkpoint_file(checkpoint).exists():
        reason = missing_checkpoint(checkpoint, config.data)
        print(f"{reason}; the API looks for it with each request", flush=True)
        return
    find_generator()


def main(config: ApiConfig) -> int:
    """Serves the API until a signal; 0 where that was SIGTERM."""
    batcher = Batcher(config.batch_size, patience=config.patience / 1000, most_waiting=config.queue)
    find_generator = ModelFinder(config.checkpoint, config.device, **moved_parts(config))
    defaults = Defaults(config.passes, config.finish)
    service = Service(find_generator, batcher, token=read_token(config.token_file), usual=defaults)
    app = api_application(service)
    gate = Gate(
        app,
        Hosts.of(bare_host(config.host), config.allowed_hosts),
        api_site(app),
        limits=RequestLimits(uploads=MOST_PICTURES),
        logs_requests=config.log,
        logs_json=True,
    )
    server = PageServer(gate, listen(config.host, config.port, "-m oneseed.api"))
    server.start()
    try:
        # what asks for an end in order gets one
        with contextlib.suppress(Terminated):
            serve_until_stopped(service, find_generator, config)
    finally:
        service.drain()
        server.close()
    return 0


def serve_until_stopped(service: Service, find_generator: ModelFinder, config: ApiConfig) -> None:
    """Says where the API is, loads its model, and waits for a signal."""
    print(f"API: {said_address(config.host, config.port, None)}/docs", flush=True)
    if not service.token and not only_this_machine_reaches(config.host):
        print("no token is set: everybody who reaches this address is answered", flush=True)
    load_early(find_generator, config)
    wait_for_signal()


if __name__ == "__main__":
    # the answer says it
    warnings.simplefilter("ignore", PromptWarning)
    run(main, *CONFIGS)
