"""A page on which seeds are typed and pairs appear.

Reads   checkpoints/best_model.pt       looked for again on each click while there is none
Writes  nothing                         pictures on show lie in a temporary folder of this run

    python gradio_demo.py                                     # http://127.0.0.1:7860, this machine alone
    python gradio_demo.py --port 7861 --checkpoint checkpoints/checkpoint_epoch_005.pt
    python gradio_demo.py --host 0.0.0.0                      # everybody on the network; no password

http://127.0.0.1:7860/?seed=7 is the lasting link to seed 7. From Python, with the page running:

    from gradio_client import Client
    picture, caption, seed = Client("http://127.0.0.1:7860").predict("7", api_name="/generate")
"""
if __name__ == "__main__":                                              # --help answers before torch loads
    from cli import parse
    from settings import DemoConfig
    CONFIGS = parse(DemoConfig, description=__doc__)

import functools
import os
import tempfile
import threading
from pathlib import Path

from cli import UserError, run
from health import sentence
from inference import MultimodalGenerator, get_random_seed
from settings import LAST_SEED

TITLE = "One seed, one picture, one caption"
FIRST_SEED = 0                                                          # shown where the link names none
LARGEST_SHEET = 24
COMMANDS = """The built-in collection, a model trained on it and this page, in one command:

    make demo

Or step by step, with engravings from Kaggle:

    python dataset_preparation.py
    python caption_generation.py
    python training_loop.py

Then press **Generate**: each click looks for the model anew."""


def whole_number(value, low, high, name):
    """What the page or a stranger's program sent -> integer low … high. ValueError in one sentence; the value is not
    repeated in it, since error messages are shown as HTML."""
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and low <= int(text) <= high):
        raise ValueError(f"{name} is a whole number from {low:,} to {high:,}.")
    return int(text)


def linked_seed(query):
    """Query of the page's address, {"seed": "7"} -> its seed, or FIRST_SEED where it names none."""
    try:
        return whole_number(query.get("seed"), 0, LAST_SEED, "seed")
    except ValueError:
        return FIRST_SEED


def import_gradio():
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"                    # read at import
    import gradio
    return gradio


def build_page(source):
    """The page as a gr.Blocks; `serve` puts it on a port.

    source: a MultimodalGenerator, or a function without arguments that returns one and raises UserError while there is none.
    """
    gr = import_gradio()
    find = (lambda: source) if hasattr(source, "generate_batch") else source

    def asked(value, high, name, low=0):
        try:
            return whole_number(value, low, high, name)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def pairs(seeds):
        try:
            return find().generate_batch(seeds)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def generate(seed):
        """Draw the pair of one seed.

        Parameters:
            seed: whole number from 0 to 4294967295; the same number gives the same pair for ever
        Returns:
            the picture as PNG, its caption, and the seed of both
        """
        seed = asked(seed, LAST_SEED, "A seed")
        (image, caption), = pairs([seed])
        return image, caption, seed

    def batch(seed, count):
        """Draw the pairs of consecutive seeds.

        Parameters:
            seed: the first seed, whole number from 0 to 4294967295
            count: how many, 1 to 24
        Returns:
            the pictures as PNG, each with "seed N", a line break and its caption
        """
        seed, count = asked(seed, LAST_SEED, "A seed"), asked(count, LARGEST_SHEET, "How many", low=1)
        if seed + count - 1 > LAST_SEED:
            raise gr.Error(f"Seeds end at {LAST_SEED:,}; ask for fewer, or begin earlier.", print_exception=False)
        seeds = range(seed, seed + count)
        return [(image, f"seed {number}\n{caption}") for number, (image, caption) in zip(seeds, pairs(seeds))], seed

    def state():
        """What surrounds the pair: is there a model, is it healthy, which one is it."""
        try:
            generator = find()
        except UserError as error:
            return gr.Markdown(f"## No model yet\n\n{error}.\n\n{COMMANDS}", visible=True), gr.Markdown(visible=False), gr.Markdown(visible=False)
        sick = generator.health and not generator.health["passed"]
        return (gr.Markdown(visible=False), gr.Markdown(sentence(generator.health) if sick else "", visible=bool(sick)),
                gr.Markdown(f"Style *{generator.style}* · checkpoint *{Path(generator.checkpoint).name}*", visible=True))

    def alternative(seed, caption):
        return "" if seed is None else f"Seed {seed}: {caption}"

    def surroundings(seed, caption):
        return gr.Image(alt_text=alternative(seed, caption)), *state()

    def opened(request: gr.Request):
        seed = linked_seed(request.query_params)
        try:
            image, caption, shown = generate(seed)
        except gr.Error:                                                # said by the notice
            image, caption, shown = None, "", None
        return str(seed), gr.Image(image, alt_text=alternative(shown, caption)), caption, shown, *state()

    def picked(first, event: gr.SelectData):
        return str(first + event.index)

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown(f"# {TITLE}\n\nA small model holds both in one latent: the seed draws the picture, and the same seed writes what it shows.",
                    elem_id="masthead")
        warning = gr.Markdown(visible=False, elem_id="health")
        notice = gr.Markdown(visible=False, elem_id="notice")
        with gr.Row(elem_id="controls"):
            seed = gr.Textbox(label="Seed", max_lines=1, elem_id="seed", min_width=120, scale=3,
                              html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False, enterkeyhint="go"))
            lucky = gr.Button("Random seed", elem_id="random", min_width=120, scale=1)
            go = gr.Button("Generate", variant="primary", elem_id="generate", min_width=120, scale=1)
        with gr.Column(elem_id="plate"):
            picture = gr.Image(label="Picture", show_label=False, format="png", type="pil", interactive=False, buttons=["download", "fullscreen"], elem_id="picture")
            caption = gr.Textbox(label="Caption", interactive=False, lines=1, max_lines=12, buttons=[], elem_id="caption")
            shown = gr.Number(label="seed", interactive=False, elem_id="shown")
        with gr.Row(elem_id="sheet-controls"):
            gr.Markdown("## A sheet of neighbours\n\nConsecutive seeds, beginning with the one above. Click a picture to bring it up.", elem_id="sheet-title")
            count = gr.Textbox("8", label=f"How many, up to {LARGEST_SHEET}", max_lines=1, elem_id="count", min_width=150, scale=0,
                               html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="go"))
            many = gr.Button("Draw sheet", elem_id="draw-sheet", min_width=120, scale=0)
        sheet = gr.Gallery(label="Sheet", show_label=False, format="png", interactive=False, allow_preview=False, columns=4, height="auto", object_fit="contain",
                           buttons=[], elem_id="sheet")
        first = gr.State(FIRST_SEED)
        colophon = gr.Markdown(visible=False, elem_id="colophon")

        one_at_a_time = dict(concurrency_id="model", concurrency_limit=1, show_progress="minimal")
        draw = dict(fn=generate, inputs=seed, outputs=[picture, caption, shown], show_progress_on=picture, **one_at_a_time)
        private = dict(queue=False, show_progress="hidden", api_visibility="private")
        after = dict(fn=surroundings, inputs=[shown, caption], outputs=[picture, notice, warning, colophon], js=KEEP_LINK, **private)
        page.load(opened, None, [seed, picture, caption, shown, notice, warning, colophon], js=DIGITS, api_visibility="private", **one_at_a_time)
        gr.on([go.click, seed.submit], **draw, api_name="generate").then(**after)
        lucky.click(lambda: str(get_random_seed()), None, seed, **private).then(**draw, api_visibility="private").then(**after)
        gr.on([many.click, count.submit], batch, [seed, count], [sheet, first], api_name="batch", **one_at_a_time).then(**after)
        sheet.select(picked, first, seed, **private).then(**draw, api_visibility="private").then(**after)
    return page.queue(max_size=32, default_concurrency_limit=1, api_open=False)


def serve(page, host="127.0.0.1", port=7860, share=False, blocked=()):
    """Puts the page on its port and returns; page.close() ends it. blocked: paths never served. UserError where the port is taken."""
    gr = import_gradio()
    ours = {"127.0.0.1", "localhost", *(os.environ.get("NO_PROXY", "") + "," + os.environ.get("no_proxy", "")).split(",")} - {""}
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(sorted(ours))               # launch() asks its own server whether it is up
    try:
        page.launch(server_name=host, server_port=port, share=share, quiet=True, prevent_thread_lock=True, show_error=True, max_file_size="5mb", allowed_paths=[],
                    blocked_paths=[str(Path(path).resolve()) for path in blocked], strict_cors=True, ssr_mode=False, enable_monitoring=False,
                    footer_links=["api"], theme=gr.themes.Base(font=FONTS, font_mono=["Menlo", "Consolas", "monospace"], radius_size="none"), css=STYLE)
    except OSError as error:
        if "empty port" not in str(error):
            raise
        raise UserError(f"cannot listen on {host}, port {port}: it is taken, or not of this machine; choose another: python gradio_demo.py --port N") from error
    return page


# ---------------------------------------------------------------- looks

DIGITS = """() => {                                                     // a phone shows its number keys
    document.querySelectorAll('#seed input, #count input').forEach(field => field.inputMode = 'numeric');
}"""

KEEP_LINK = """(seed, caption) => {                                     // the address bar is the lasting link to what is shown
    if (seed !== null) {
        const link = new URL(window.location);
        link.searchParams.set('seed', seed);
        history.replaceState(history.state, '', link);
    }
    return [seed, caption];
}"""

FONTS = ["Georgia", "Times New Roman", "Times", "serif"]

STYLE = """
:root, .dark {
    --paper: #fdfcf9; --ink: #191612; --faded: #665f55; --rule: #cfc8bb; --plate: #fff; --alarm: #8c1c13;
    --body-background-fill: var(--paper); --background-fill-primary: var(--paper); --background-fill-secondary: var(--paper);
    --body-text-color: var(--ink); --body-text-color-subdued: var(--faded); --block-label-text-color: var(--faded); --block-title-text-color: var(--faded);
    --block-background-fill: transparent; --block-border-width: 0px; --block-shadow: none; --block-padding: 0; --block-label-background-fill: transparent;
    --border-color-primary: var(--rule); --border-color-accent: var(--ink); --color-accent: var(--ink); --color-accent-soft: transparent; --loader-color: var(--ink);
    --input-background-fill: transparent; --input-background-fill-focus: transparent; --input-shadow: none; --input-shadow-focus: none; --input-border-color: var(--ink);
    --link-text-color: var(--ink); --link-text-color-hover: var(--ink); --link-text-color-visited: var(--ink); --layout-gap: 1.5rem;
    --code-background-fill: transparent; --shadow-drop: none; --shadow-drop-lg: none;
}
.dark { --paper: #161412; --ink: #ece6da; --faded: #a59d90; --rule: #453f37; --plate: #fff; --alarm: #f0978d; }
body, gradio-app { background: var(--paper) !important; }
.gradio-container { width: 100% !important; min-width: 0 !important; max-width: 62rem !important; margin: 0 auto !important; color: var(--ink); font-size: 17px; }
.gradio-container > .app { padding: 0 !important; }
.gradio-container main { padding: 3rem 1.5rem 2rem !important; }
.gradio-container .prose { color: var(--ink); font-size: 1.05rem; line-height: 1.55; }
.gradio-container :focus-visible { outline: 2px solid var(--ink) !important; outline-offset: 3px; }

#masthead { text-align: center; border-bottom: 5px double var(--ink) !important; padding-bottom: 1.4rem; }
#masthead h1 { font-size: clamp(1.9rem, 5.4vw, 3.1rem); font-weight: 400; letter-spacing: -.01em; line-height: 1.12; margin: 0 0 .7rem; text-wrap: balance; }
#masthead p { font-style: italic; color: var(--faded); margin: 0 auto; max-width: 36em; text-wrap: balance; }

#health { border: 1px solid var(--alarm) !important; box-shadow: inset 5px 0 var(--alarm) !important; padding: .8rem 1.1rem .8rem 1.4rem !important; }
#health, #health * { color: var(--alarm) !important; }
#notice { border: 1px solid var(--ink) !important; outline: 1px solid var(--rule); outline-offset: 4px; padding: 1.5rem 1.8rem !important;
    max-width: 42rem; margin: .5rem auto; width: 100%; box-sizing: border-box; }
#notice, #health { overflow-wrap: anywhere; }
#notice h2 { font-weight: 400; font-size: 1.6rem; margin: 0 0 .6rem; }
#notice pre { border: 0; border-left: 3px double var(--ink); background: transparent; padding: .2rem 1rem; margin: .6rem 0; overflow-x: auto; }
#notice code { background: transparent; color: var(--ink); border: 0; font-size: .92rem; }

.gradio-container .form { background: transparent; border: 0; gap: 0; box-shadow: none; overflow: visible; }
#notice ~ #sheet-controls, #notice ~ #plate:not(:has(img)), #plate:not(:has(img)) > .form, .wrap:has(> .error) { display: none !important; }

#controls, #sheet-controls { align-items: flex-end; gap: 1rem; width: 100%; max-width: 42rem; margin: 0 auto; }
#seed label > span, #count label > span { font-size: .86rem; letter-spacing: .04em; color: var(--faded); }
#seed input, #count input { font-family: inherit; font-size: 1.35rem; border: 0; border-bottom: 1px solid var(--ink); border-radius: 0; padding: .25rem .1rem;
    height: 2.75rem; color: var(--ink); font-variant-numeric: lining-nums tabular-nums; }
#seed input:focus, #count input:focus { border-bottom-width: 2px; }
.gradio-container button.lg { font-family: inherit; font-size: 1.02rem; font-weight: 400; letter-spacing: .02em; height: 2.75rem; padding: 0 1.2rem;
    border: 1px solid var(--ink); background: transparent; color: var(--ink); white-space: nowrap; box-shadow: none; transition: none; }
.gradio-container button.lg:hover { background: transparent; box-shadow: inset 0 0 0 1px var(--ink); }
.gradio-container button.lg.primary, .gradio-container button.lg.primary:hover { background: var(--ink); color: var(--paper); }
.gradio-container button.lg.primary:hover { box-shadow: inset 0 0 0 2px var(--ink), inset 0 0 0 3px var(--paper); }

#plate { align-items: center; gap: 0; max-width: 32rem; width: 100%; margin: .75rem auto 0; }
#picture { background: var(--plate); border: 1px solid var(--ink) !important; outline: 1px solid var(--rule); outline-offset: 5px; padding: clamp(.75rem, 3vw, 1.6rem) !important;
    width: 100%; min-height: 12rem; overflow: visible; box-sizing: border-box; }
#picture .image-container button, #picture .image-frame { width: 100%; height: auto; border-radius: 0; }
#picture img { width: 100%; height: auto; border-radius: 0; object-fit: contain; }
#picture .icon-button-wrapper { background: var(--plate); border: 0; top: .35rem; right: .35rem; opacity: 0; transition: opacity .15s; }
#picture:is(:hover, :focus-within) .icon-button-wrapper { opacity: 1; }
@media (hover: none) { #picture .icon-button-wrapper { opacity: 1; } }
#picture .icon-button-wrapper button, #picture .icon-button-wrapper a { color: #191612; }
#plate > .form { width: 100%; flex-direction: column; align-items: center; }
#caption { margin-top: 1.5rem; width: 100%; overflow: visible; }
#caption label > span, #sheet > label { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
#caption textarea { font-family: inherit; font-size: 1.28rem; font-style: italic; line-height: 1.45; text-align: center; border: 0; padding: 0; color: var(--ink);
    -webkit-text-fill-color: var(--ink); opacity: 1; resize: none; field-sizing: content; width: 100%; cursor: text; }
#shown { width: auto; min-width: 0; margin-top: .35rem; align-self: center; }
#shown label { display: flex; align-items: baseline; justify-content: center; gap: .4em; }
#shown label > span { margin: 0; font-size: .95rem; color: var(--faded); }
#shown input { font-family: inherit; font-size: .95rem; border: 0; padding: 0; height: auto; color: var(--faded); -webkit-text-fill-color: var(--faded); opacity: 1;
    field-sizing: content; width: auto; appearance: textfield; -moz-appearance: textfield; }

#sheet-controls { max-width: none; border-top: 1px solid var(--ink); padding-top: 1.6rem; margin-top: 1.8rem; }
#sheet-title { flex: 1 1 20rem; }
#sheet-title h2 { font-weight: 400; font-size: 1.6rem; margin: 0 0 .2rem; }
#sheet-title p { margin: 0; color: var(--faded); font-style: italic; }
#sheet { border: 0; overflow: visible; min-height: 0 !important; }
#sheet .grid-wrap { overflow: visible; height: auto !important; max-height: none; padding: 0; }
#sheet .grid-container { grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); grid-template-rows: none; grid-auto-rows: auto;
    gap: 2rem 1.5rem; align-items: start; }
#sheet .thumbnail-item { aspect-ratio: auto; height: auto; background: transparent; border: 0; box-shadow: none; overflow: visible; border-radius: 0;
    text-align: center; }
#sheet .thumbnail-item img { height: auto; aspect-ratio: 1; border: 1px solid var(--ink); background: var(--plate); padding: .5rem; border-radius: 0;
    box-sizing: border-box; }
#sheet .thumbnail-item:hover { filter: none; }
#sheet .thumbnail-item:hover img, #sheet .thumbnail-item.selected img { box-shadow: 0 0 0 1px var(--ink); }
#sheet .caption-label { position: static; opacity: 1 !important; display: block; max-width: none; white-space: pre-line; text-overflow: clip; overflow: visible; border: 0; background: transparent;
    padding: .6rem 0 0; font-size: .95rem; line-height: 1.4; font-style: italic; text-align: center; color: var(--ink); }
#sheet .caption-label::first-line { font-style: normal; font-size: .82rem; color: var(--faded); }
#sheet .empty, #picture .empty { background: transparent; border: 0; color: var(--rule); min-height: 10rem; }
#sheet:has(.empty) { display: none; }
#colophon { border-top: 5px double var(--ink) !important; padding-top: 1rem !important; margin-top: 1.5rem; text-align: center; }
#colophon .prose, #colophon p { color: var(--faded); font-size: .95rem; }
footer .divider, footer img { display: none; }
footer, footer * { color: var(--faded) !important; font-family: inherit; }
.toast-body { font-family: Georgia, 'Times New Roman', Times, serif; border: 1px solid var(--ink) !important; background: var(--paper) !important;
    border-radius: 0 !important; box-shadow: none !important; }
.toast-body, .toast-body * { color: var(--ink) !important; }
@media (max-width: 640px) {
    .gradio-container main { padding: 2rem 1.4rem 1.5rem !important; }
    #controls > .form { flex: 1 1 100% !important; }
    #sheet-controls > .form { flex: 1 1 8rem !important; min-width: 8rem !important; }
    #sheet-title { flex: 1 1 100%; }
    #notice { padding: 1.2rem 1.2rem !important; }
    #notice code { font-size: .78rem; }
    #sheet .caption-label { font-size: .9rem; }
    #sheet .grid-container { grid-template-columns: 1fr 1fr; gap: 1.5rem 1rem; }
}
"""


# ---------------------------------------------------------------- the command

def main(config):
    find = functools.cache(lambda: MultimodalGenerator(config.checkpoint, config.device))  # a failed call is not kept: the next one looks again
    checkpoint = Path(config.checkpoint)
    if checkpoint.exists():
        find()
    else:
        print(f"{checkpoint} is missing; make it with: make demo, or python training_loop.py; the page looks for it on each click")
    with tempfile.TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as cache:
        os.environ["GRADIO_TEMP_DIR"] = cache                           # /tmp/gradio belongs to whoever made it first
        page = serve(build_page(find), config.host, config.port, config.share, blocked=[checkpoint.parent])
        print(f"page: {page.share_url or f'http://{config.host}:{config.port}'}", flush=True)
        try:
            threading.Event().wait()                                    # until Ctrl+C
        finally:
            page.close(verbose=False)


if __name__ == "__main__":
    run(main, *CONFIGS)
