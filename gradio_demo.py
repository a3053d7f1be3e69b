"""A page on which seeds become pairs, pictures are redrawn and collections are looked through.

Reads   checkpoints/best_model.pt       looked for again on each click while there is none; until
                                        then the base model draws, which comes with the program
        checkpoints/metrics.json, checkpoints/tensorboard/, outputs/report/report.json, data/
                                        for the tabs Training and Collection
Writes  data/metadata, data/captions    where somebody saves a caption, or leaves a picture out, in
                                        the tab Collection
        outputs/report/answers.jsonl    what somebody answers in the tab Play, and, beside the
                                        checkpoint, the map of seeds that is drawn there
        nothing else                    pictures on show lie in a temporary folder of this run

    python gradio_demo.py                                     # http://127.0.0.1:7860, here alone
    python gradio_demo.py --port 7861 --checkpoint checkpoints/engraving/best_model.pt
    # everybody on the network, who may look and draw, but change no file
    python gradio_demo.py --host 0.0.0.0
    # whoever has the password
    python gradio_demo.py --host 0.0.0.0 --auth anna:secret
    # JSON lines for each request; programs must send the token of the file
    python gradio_demo.py --host 0.0.0.0 --token-file token.txt --log --log-json

http://127.0.0.1:7860/?seed=7&prompt=a+ship is the lasting link to what seed 7 makes of "a ship";
a word is a seed too, as in ?seed=Anna. Its postcard is
http://127.0.0.1:7860/share/card/7.png?prompt=a+ship.
http://127.0.0.1:7860/docs describes the HTTP API, which is served beside the page.
From Python, with the page running:

    from gradio_client import Client
    page = Client("http://127.0.0.1:7860")
    picture, caption, seed, match, remark = page.predict("7", api_name="/generate")
"""

if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    from oneseed.config.demo import DemoConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(DemoConfig, description=__doc__)

import contextlib
import functools
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from oneseed.api.application import api_application
from oneseed.api.service import Service
from oneseed.api.site import site_with_api
from oneseed.config.api import read_token
from oneseed.config.base_model import checkpoint_file, is_base
from oneseed.config.demo import DemoConfig
from oneseed.config.inference import GUIDANCE
from oneseed.config.options import moved_parts
from oneseed.console.command import Terminated, UserError, run, wait_for_signal
from oneseed.dataset.commands import DEFAULT_CHECKPOINT
from oneseed.dataset.next_run import missing_checkpoint, ways_to_model
from oneseed.evaluation.people import ANSWERS_NAME
from oneseed.generation.batcher import Batcher
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.model_finder import ModelFinder
from oneseed.generation.prompts import PromptWarning
from oneseed.page.blocks import blocks_of_page
from oneseed.page.collection_tab import collection_tab
from oneseed.page.events import QUIET_EVENT, Component, Event, clicked_place, import_gradio
from oneseed.page.find_tab import find_tab
from oneseed.page.generate_handlers import ControlValues
from oneseed.page.generate_tab import GenerateTab, generate_tab
from oneseed.page.morph_tab import morph_tab
from oneseed.page.opening import best_seeds
from oneseed.page.picture_tab import picture_tab
from oneseed.page.play_tab import play_tab
from oneseed.page.public_link import open_share_link
from oneseed.page.sentences import teller
from oneseed.page.share import Sharing, share_routes
from oneseed.page.share_head import ShareHead
from oneseed.page.site import REFUSALS, gradio_site
from oneseed.page.surroundings import TITLE, Surroundings, masthead
from oneseed.page.training_tab import training_tab
from oneseed.web.gate import Gate
from oneseed.web.hosts import Hosts
from oneseed.web.server import PageServer, bare_host, listen, said_address
from oneseed.web.storage import Storage

__all__ = ["build_page", "main", "serve"]

ASSETS = Path(__file__).parent / "oneseed" / "page"
SCRIPTS = ("page.js", "seed_map.js", "play.js")
STYLE_SHEETS = ("page.css", "play.css")
# name in links -> what the tab says
TABS = {
    "generate": "Generate",
    "picture": "Your picture",
    "morph": "Morph",
    "find": "Find",
    "play": "Play",
    "collection": "Collection",
    "training": "Training",
}
# Visitors whose state is kept, the latest. Gradio itself keeps 10,000, and each takes a copy of
# the page's configuration.
VISITORS = 200
# clicks that wait at once, beside up to eight pairs that are drawn; further ones are refused
QUEUE_LENGTH = 24
FONTS = ["Georgia", "Times New Roman", "Times", "serif"]
MONO_FONTS = ["Menlo", "Consolas", "monospace"]


def build_page(
    source: MultimodalGenerator | Callable[[], MultimodalGenerator],
    data: str | Path = "data",
    run_folder: str | Path = "checkpoints",
    report: str | Path = "outputs/report/report.json",
    *,
    editable: bool = True,
    batcher: Batcher | None = None,
) -> Any:
    """The page as a gr.Blocks; `serve` puts it on a port.

    source: a MultimodalGenerator, or a function without arguments that returns one and raises
    UserError while there is none.
    data: folder of the collections. run_folder: of the training. report: what evaluation.py wrote.
    editable: may visitors change the collection? batcher: where all that asks the model waits.
    """
    gr = import_gradio()
    find_generator = loader_of(source)
    tell = teller(is_private=editable)
    batcher = batcher or Batcher()
    surroundings = Surroundings(gr, find_generator, data, tell, editable)
    with blocks_of_page(gr, tell, title=TITLE, analytics_enabled=False) as page:
        masthead(gr)
        warning = gr.Markdown(visible=False, elem_id="health")
        notice = gr.Markdown(visible=False, elem_id="notice")
        tabs = gr.Tabs(elem_id="tabs", overflow_behavior="wrap")
        loaded = when_opened(gr, page, tabs)
        with tabs:
            with gr.Tab(TABS["generate"], id="generate"):
                generate = generate_tab(gr, find_generator, loaded, batcher)
            with gr.Tab(TABS["picture"], id="picture"):
                picture = picture_tab(gr, find_generator, data, batcher)
            with gr.Tab(TABS["morph"], id="morph") as morph_page:
                morph_tab(gr, morph_page, find_generator, loaded, batcher)
            with gr.Tab(TABS["find"], id="find") as find_page:
                found, seeds = find_tab(
                    gr, find_page, find_generator, batcher, tell=tell, editable=editable
                )
            with gr.Tab(TABS["play"], id="play") as play_page:
                answers = Path(report).with_name(ANSWERS_NAME) if editable else None
                play_tab(gr, play_page, find_generator, data, batcher, answers=answers, tell=tell)
            with gr.Tab(TABS["collection"], id="collection") as collection_page:
                style = surroundings.style_of_model
                collection_tab(gr, collection_page, data, usual_style=style, editable=editable)
            with gr.Tab(TABS["training"], id="training") as training_page:
                paths = {"run": run_folder, "report": report}
                training_tab(gr, training_page, find_generator, **paths, tell=tell)
        remarks = gr.Markdown(visible=False, elem_id="remarks")
        colophon = gr.Markdown(visible=False, elem_id="colophon")

        loaded.then(None, None, None, js="() => page.opened()", **QUIET_EVENT)
        parts = [notice, warning, remarks, colophon]
        parts += [part for tab in (generate, picture) for part in tab.of_model]
        for event in (loaded, generate.asked):
            event.then(surroundings.state, None, parts, **QUIET_EVENT)
        bring_up_found(gr, tabs, generate, found=found, seeds=seeds)
        page.sharing = Sharing(find_generator, batcher)
        for name, tab in zip(TABS, tabs.children):
            tab.select(None, None, None, js=f"() => page.turn('{name}')", **QUIET_EVENT)
    return page.queue(max_size=QUEUE_LENGTH, default_concurrency_limit=1, api_open=False)


def loader_of(
    source: MultimodalGenerator | Callable[[], MultimodalGenerator],
) -> Callable[[], MultimodalGenerator]:
    """A generator, or what gives one -> what gives one."""
    if hasattr(source, "generate_batch"):
        generator = cast(MultimodalGenerator, source)
        return lambda: generator
    return source


def when_opened(gr: ModuleType, page: Component, tabs: Component) -> Event:
    """The event of the page being opened: it turns to the tab of its link."""

    def wanted_tab(request: gr.Request) -> Component:
        tab = request.query_params.get("tab")
        # who has turned to a tab meanwhile is not thrown back to the first one
        return gr.Tabs(selected=tab) if tab in TABS else gr.skip()

    return page.load(wanted_tab, None, tabs, **QUIET_EVENT)


def bring_up_found(
    gr: ModuleType, tabs: Component, generate: GenerateTab, *, found: Component, seeds: Component
) -> None:
    """A seed that was found and clicked goes to the tab Generate."""

    def bring_up(found_seeds: list[int], event: gr.EventData) -> tuple[Any, ...]:
        controls = ControlValues(
            seed=str(found_seeds[clicked_place(event, len(found_seeds))]),
            prompt="",
            style="",
            guidance=GUIDANCE,
            temperature=0,
        )
        return (gr.Tabs(selected="generate"), *controls)

    outputs = [tabs, *generate.controls]
    generate.show(found.select(bring_up, seeds, outputs, **QUIET_EVENT).then)


def serve(
    page: Any,
    config: DemoConfig,
    *,
    blocked: Sequence[str | Path] = (),
    visitors: int = VISITORS,
    api: Service | None = None,
) -> Any:
    """Puts the page on its port and returns it; page.close() ends it.

    config: where the page is, who may come, and what is logged.
    blocked: paths that are never served. visitors: whose state is kept. api: is served beside it.
    What is uploaded and drawn lies in the folder that GRADIO_TEMP_DIR named when the page was
    built; it is kept small, so nothing else may lie there.
    UserError where there is no listening on this host and port.
    """
    sockets = listen(config.host, config.port)
    assert os.environ.get("GRADIO_TEMP_DIR"), "files of others lie in Gradio's usual folder"
    hosts = Hosts.of(bare_host(config.host), config.allowed_hosts)
    scripts = tuple((ASSETS / name).read_text("utf-8") for name in SCRIPTS)
    page.state_session_capacity = visitors
    own = api_application(api) if api else None
    head = "".join(f"<script>{script}</script>" for script in scripts)
    app = mounted(page, own, auth=config.auth, blocked=blocked, head=head)
    site = gradio_site(page, scripts, config.framed_by)
    if api:
        site = site_with_api(site, own, has_token=bool(api.token))
    page.gate = Gate(
        ShareHead(app, page.sharing, private=bool(config.auth)),
        hosts,
        site,
        storage=Storage(Path(page.GRADIO_CACHE), forget=functools.partial(forget_files, page)),
        logs_requests=config.log or config.log_json,
        logs_json=config.log_json,
    )
    page.server = PageServer(page.gate, sockets)
    page.server.start()
    page.share_url = None
    if config.share:
        try:
            page.share_url = open_share_link(page, config.host, config.port)
        except UserError:
            page.close(verbose=False)
            raise
        hosts.allow(page.share_url.partition("://")[2])
    return page


def mounted(page: Any, api: Any, *, auth: str, blocked: Sequence[str | Path], head: str) -> Any:
    """The page as an application for a server; page.app is Gradio's own part of it.

    api: the application whose routes come first, or None.
    """
    import fastapi
    from starlette.routing import Router

    gr = import_gradio()
    outer = api or fastapi.FastAPI(openapi_url=None)
    # as a mount, so that the API's token opens none of it
    outer.mount("/share", Router(share_routes(page.sharing, private=bool(auth))))
    app = gr.mount_gradio_app(
        outer,
        page,
        path="/",
        auth=tuple(auth.split(":", 1)) if auth else None,
        show_error=False,
        max_file_size="10mb",
        allowed_paths=[],
        blocked_paths=[str(Path(path).resolve()) for path in blocked],
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        footer_links=["api"],
        app_kwargs={"exception_handlers": REFUSALS},
        theme=gr.themes.Base(font=FONTS, font_mono=MONO_FONTS, radius_size="none"),
        css_paths=[ASSETS / name for name in STYLE_SHEETS],
        head=head,
    )
    page.app = app.routes[-1].app
    # they ran when the server began; nobody may have them run again
    page.app.startup_events_triggered = True
    return app


def forget_files(page: Any, paths: set[str]) -> None:
    """Gradio remembers every file that it has written, until it deletes it itself."""
    for remembered in page.temp_file_sets:
        remembered -= paths


def main(config: DemoConfig) -> None:
    """Serves the page until Ctrl+C."""
    find_generator = ModelFinder(config.checkpoint, config.device, **moved_parts(config))
    checkpoint = config.checkpoint or DEFAULT_CHECKPOINT
    if find_generator.needs_base:
        best_seeds(find_generator())
        print(
            f"{DEFAULT_CHECKPOINT} is missing: the page opens on the base model; the way to one "
            f"of your own: {ways_to_model(DEFAULT_CHECKPOINT, config.data)}"
        )
    elif checkpoint_file(checkpoint).exists():
        best_seeds(find_generator())
    else:
        print(f"{missing_checkpoint(checkpoint, config.data)}; the page looks for it on each click")
    with tempfile.TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as cache:
        # /tmp/gradio belongs to whoever made it first
        os.environ["GRADIO_TEMP_DIR"] = cache
        # nobody trained the base model here
        run_folder = checkpoint_file(
            DEFAULT_CHECKPOINT if is_base(checkpoint) else checkpoint
        ).parent
        batcher = Batcher()
        token = read_token(config.token_file)
        api = Service(find_generator, batcher, token=token, private=bool(config.auth))
        page = build_page(
            find_generator, config.data, run_folder, editable=config.private, batcher=batcher
        )
        serve(page, config, blocked=[run_folder], api=api)
        print(f"page: {said_address(config.host, config.port, page.share_url)}", flush=True)
        try:
            # until Ctrl+C, or SIGTERM, which asks for an end in order
            with contextlib.suppress(Terminated):
                wait_for_signal()
        finally:
            api.drain()
            page.close(verbose=False)


if __name__ == "__main__":
    # the page says it beside the pair
    warnings.simplefilter("ignore", PromptWarning)
    run(main, *CONFIGS)
