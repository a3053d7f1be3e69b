"""A page on which seeds are typed and pairs appear, pictures are redrawn, and a collection and its training are looked through.

Reads   checkpoints/best_model.pt       looked for again on each click while there is none
        checkpoints/metrics.json, checkpoints/tensorboard/, outputs/report/report.json, data/      for the tabs Training and Collection
Writes  data/metadata, data/captions    where somebody saves a caption, or leaves a picture out, in the tab Collection
        nothing else                    pictures on show lie in a temporary folder of this run

    python gradio_demo.py                                     # http://127.0.0.1:7860, this machine alone
    python gradio_demo.py --port 7861 --checkpoint checkpoints/checkpoint_epoch_005.pt
    python gradio_demo.py --host 0.0.0.0                      # everybody on the network, who may look and draw, but change no file
    python gradio_demo.py --host 0.0.0.0 --auth anna:secret   # whoever has the password

http://127.0.0.1:7860/?seed=7&prompt=a+ship is the lasting link to what seed 7 makes of "a ship". From Python, with the page running:

    from gradio_client import Client
    picture, caption, seed, match, remark = Client("http://127.0.0.1:7860").predict("7", api_name="/generate")
"""

if __name__ == "__main__":
    from oneseed.config.demo import DemoConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(DemoConfig, description=__doc__)

import functools
import os
import tempfile
import threading
from pathlib import Path

from oneseed.config.inference import GUIDANCE
from oneseed.console.command import UserError, run
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.latent_check import describe_latent
from oneseed.page.collection_tab import collection_tab
from oneseed.page.find_tab import find_tab
from oneseed.page.generate_tab import ANY_STYLE, EVERY_STYLE, PROMPT_EXAMPLES, generate_tab
from oneseed.page.inputs import QUIET_EVENT, import_gradio
from oneseed.page.morph_tab import morph_tab
from oneseed.page.picture_tab import picture_tab
from oneseed.page.training_tab import training_tab

__all__ = ["build_page", "main", "serve"]

ASSETS = Path(__file__).parent / "oneseed" / "page"
TITLE = "One seed, one picture, one caption"
TABS = {
    "generate": "Generate",
    "picture": "Your picture",
    "morph": "Morph",
    "find": "Find",
    "collection": "Collection",
    "training": "Training",
}
# whose state is kept, the latest; Gradio keeps 10,000, and each takes a copy of the page's
# configuration
VISITORS = 200
FONTS = ["Georgia", "Times New Roman", "Times", "serif"]
COMMANDS = """The built-in collection, a model trained on it and this page, in one command:

    make demo

Or step by step, with engravings from Kaggle:

    python dataset_preparation.py
    python caption_generation.py
    python training_loop.py

Then press **Generate**: each click looks for the model anew."""


def build_page(
    source, data="data", run="checkpoints", report="outputs/report/report.json", editable=True
):
    """The page as a gr.Blocks; `serve` puts it on a port.

    source: a MultimodalGenerator, or a function without arguments that returns one and raises UserError while there is none.
    data: folder of the collections; run: of the training; report: what evaluation.py wrote. editable: may visitors change the collection?
    """
    gr = import_gradio()
    find = (lambda: source) if hasattr(source, "generate_batch") else source

    def style_of_model():
        try:
            return find().style
        except UserError:
            return ""

    def state():
        """What surrounds the tabs: is there a model, is it healthy, which one is it; and the styles that it knows."""
        try:
            generator = find()
        except UserError as error:
            return (
                gr.Markdown(f"## No model yet\n\n{error}.\n\n{COMMANDS}", visible=True),
                gr.Markdown(visible=False),
                gr.Markdown(visible=False),
                gr.skip(),
                gr.skip(),
                gr.skip(),
            )
        sick = generator.health and not generator.health["passed"]
        known = [text for text in PROMPT_EXAMPLES if not generator.unknown_words(text)]
        return (
            gr.Markdown(visible=False),
            gr.Markdown(describe_latent(generator.health) if sick else "", visible=bool(sick)),
            gr.Markdown(
                f"Style *{generator.style}* · checkpoint *{Path(generator.checkpoint).name}*",
                visible=True,
            ),
            gr.Dropdown(choices=[(ANY_STYLE, ""), *generator.styles]),
            gr.Dropdown(choices=[(EVERY_STYLE, ""), *generator.styles]),
            gr.Dataset(samples=[[text] for text in known], visible=bool(known)),
        )

    def wanted_tab(request: gr.Request):
        tab = request.query_params.get("tab")
        return gr.Tabs(selected=tab if tab in TABS else "generate")

    def bring_up(seeds, event: gr.SelectData):
        """A seed that was found, to the tab Generate."""
        return gr.Tabs(selected="generate"), str(seeds[event.index]), "", "", GUIDANCE, 0, 1

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown(
            f"# {TITLE}\n\nA small model holds both in one latent: the seed draws the picture, and the same seed writes what it shows.",
            elem_id="masthead",
        )
        warning = gr.Markdown(visible=False, elem_id="health")
        notice = gr.Markdown(visible=False, elem_id="notice")
        tabs = gr.Tabs(elem_id="tabs", overflow_behavior="wrap")
        loaded = page.load(wanted_tab, None, tabs, **QUIET_EVENT)
        with tabs:
            with gr.Tab(TABS["generate"], id="generate") as generate_page:
                desk = generate_tab(gr, find, loaded)
            with gr.Tab(TABS["picture"], id="picture") as picture_page:
                other_styles = picture_tab(gr, find, data)
            with gr.Tab(TABS["morph"], id="morph") as morph_page:
                morph_tab(gr, find, loaded)
            with gr.Tab(TABS["find"], id="find") as find_page:
                found, seeds = find_tab(gr, find_page, find, editable)
            with gr.Tab(TABS["collection"], id="collection") as collection_page:
                collection_tab(gr, collection_page, data, style_of_model, editable)
            with gr.Tab(TABS["training"], id="training") as training_page:
                training_tab(gr, training_page, find, run, report)
        colophon = gr.Markdown(visible=False, elem_id="colophon")

        loaded.then(None, None, None, js="() => page.opened()", **QUIET_EVENT)
        for event in (loaded, desk.asked):
            event.then(
                state,
                None,
                [notice, warning, colophon, desk.styles, other_styles, desk.examples],
                **QUIET_EVENT,
            )
        desk.show(found.select(bring_up, seeds, [tabs, *desk.controls], **QUIET_EVENT).then)
        for name, tab in zip(
            TABS,
            (generate_page, picture_page, morph_page, find_page, collection_page, training_page),
        ):
            tab.select(None, None, None, js=f"() => page.turn('{name}')", **QUIET_EVENT)
    return page.queue(max_size=32, default_concurrency_limit=1, api_open=False)


def serve(page, host="127.0.0.1", port=7860, share=False, auth="", blocked=()):
    """Puts the page on its port and returns; page.close() ends it. auth: "user:password"; blocked: paths never served. UserError where the port is taken."""
    gr = import_gradio()
    ours = {
        "127.0.0.1",
        "localhost",
        *(os.environ.get("NO_PROXY", "") + "," + os.environ.get("no_proxy", "")).split(","),
    } - {""}
    # launch() asks its own server whether it is up
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(sorted(ours))
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=share,
            auth=tuple(auth.split(":", 1)) if auth else None,
            quiet=True,
            prevent_thread_lock=True,
            show_error=True,
            max_file_size="10mb",
            allowed_paths=[],
            blocked_paths=[str(Path(path).resolve()) for path in blocked],
            strict_cors=True,
            ssr_mode=False,
            enable_monitoring=False,
            state_session_capacity=VISITORS,
            footer_links=["api"],
            theme=gr.themes.Base(
                font=FONTS, font_mono=["Menlo", "Consolas", "monospace"], radius_size="none"
            ),
            css_paths=ASSETS / "page.css",
            head=f"<script>{(ASSETS / 'page.js').read_text('utf-8')}</script>",
        )
    except (OSError, ValueError) as error:
        # it waits three seconds for itself
        if "localhost is not accessible" in str(error):
            page.close(verbose=False)
            raise UserError(
                "the page did not answer itself within three seconds: this machine is too busy; run the same command again"
            ) from error
        if "empty port" not in str(error):
            raise
        raise UserError(
            f"cannot listen on {host}, port {port}: it is taken, or not of this machine; choose another: python gradio_demo.py --port N"
        ) from error
    return page


def main(config):
    # a failed call is not kept: the next one looks again
    find = functools.cache(lambda: MultimodalGenerator(config.checkpoint, config.device))
    checkpoint = Path(config.checkpoint)
    if checkpoint.exists():
        find()
    else:
        print(
            f"{checkpoint} is missing; make it with: make demo, or python training_loop.py; the page looks for it on each click"
        )
    with tempfile.TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as cache:
        # /tmp/gradio belongs to whoever made it first
        os.environ["GRADIO_TEMP_DIR"] = cache
        page = build_page(find, config.data, checkpoint.parent, editable=config.private)
        serve(
            page, config.host, config.port, config.share, config.auth, blocked=[checkpoint.parent]
        )
        print(f"page: {page.share_url or f'http://{config.host}:{config.port}'}", flush=True)
        try:
            # until Ctrl+C
            threading.Event().wait()
        finally:
            page.close(verbose=False)


if __name__ == "__main__":
    run(main, *CONFIGS)
