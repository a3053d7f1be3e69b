"""The tab Play: a map of seeds, two games about pairs, and three seeds mixed by hand.

What is seen of it is plain HTML, which play.js and seed_map.js fill; they ask the server through
buttons that nobody sees, each with an answer that is handed back to the script.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from oneseed.generation.batcher import Batcher
from oneseed.generation.seed_map import FIRST_SEEDS, MOST_SEEDS, TILE_SIDE
from oneseed.page.components import quiet_text
from oneseed.page.events import MODEL_TASK, QUIET_EVENT, Component, with_stop_button
from oneseed.page.find_tab import INDEX_TASK
from oneseed.page.pair_rows import FindGenerator
from oneseed.page.play_handlers import PlayHandlers
from oneseed.page.sentences import Tell

# as MODEL_TASK, without a mark of progress on what nobody sees
ASKED_TASK: dict[str, Any] = {
    **MODEL_TASK,
    "show_progress": "hidden",
    "api_visibility": "private",
}
MAP_HEAD_HTML = """<div class="play-head"><h2>A map of the seeds</h2>
<p>Point at one to see its caption; click to open it. Arrow keys, + and − move about.</p></div>"""
MAP_HTML = f"""<div id="seed-map" class="play-map" data-tile="{TILE_SIDE}"
 data-first="{FIRST_SEEDS}" data-most="{MOST_SEEDS}">
<div class="map-frame"><canvas tabindex="0" role="application" aria-describedby="map-told"
 aria-label="Map of seeds; arrow keys choose one, Enter opens it"></canvas>
<div class="map-tools"><button type="button" data-zoom="2" aria-label="Nearer">+</button>
<button type="button" data-zoom="0.5" aria-label="Further away">−</button></div></div>
<div class="map-pair"><canvas class="map-tile" width="{TILE_SIDE}" height="{TILE_SIDE}"></canvas>
<p id="map-told" role="status"></p></div></div>"""
CAPTION_GAME_HTML = """<div class="play-head"><h2>Which caption belongs?</h2>
<p>One of the four is of the seed that drew the picture. Keys 1 to 4 choose.</p></div>
<div id="caption-game" class="game"><div class="question"></div>
<p class="verdict" role="status"></p>
<div class="foot"><button type="button" class="next">Another</button>
<p class="score"></p></div></div>"""
DREAM_GAME_HTML = """<div class="play-head"><h2>Drawn or dreamt?</h2>
<p>One of the two was made by the model. Which? Keys 1 and 2 choose.</p></div>
<div id="dream-game" class="game"><div class="question"></div>
<p class="verdict" role="status"></p>
<div class="foot"><button type="button" class="next">Another</button>
<p class="score"></p></div></div>"""
MIXER_HTML = """<div class="play-head"><h2>Three seeds mixed</h2>
<p>Drag the point. Arrow keys move it, 1 to 3 lead to a corner, 0 to the middle.</p></div>
<div id="mixer"><div class="mix-desk">
<svg viewBox="0 0 200 186" tabindex="0" role="slider" aria-label="Mixture of three seeds"
 aria-valuemin="0" aria-valuemax="100" aria-valuenow="33">
<path d="M100 20 L186 169 L14 169 Z"/><line/><line/><line/>
<text x="100" y="13">A</text><text x="194" y="181">C</text><text x="6" y="181">B</text>
<circle r="7"/></svg>
<div class="mix-seeds"><label>A <input type="text" inputmode="numeric" value="3"></label>
<label>B <input type="text" inputmode="numeric" value="9"></label>
<label>C <input type="text" inputmode="numeric" value="27"></label>
<button type="button" class="three">Three random seeds</button></div></div>
<div class="mix-plate"><img alt="" hidden><p class="verdict" role="status"></p></div></div>"""


def play_tab(
    gr: ModuleType,
    tab: Component,
    find_generator: FindGenerator,
    data: str | Path,
    batcher: Batcher,
    *,
    answers: Path | None,
    tell: Tell,
) -> None:
    """Fills the tab.

    data: folder of the collections. batcher: of all that asks the model.
    answers: file of what people answer; None where the page is open to others, so that it writes
    none. tell: how sentences are said.
    """
    handlers = PlayHandlers(gr, find_generator, data, answers, batcher, tell)
    gr.HTML(MAP_HEAD_HTML)
    connect_map(gr, handlers)
    with gr.Row(elem_classes="spread ruled"):
        with gr.Column(min_width=260):
            gr.HTML(CAPTION_GAME_HTML)
            connect_game(gr, handlers, "caption", handlers.ask_caption)
        with gr.Column(min_width=260):
            gr.HTML(DREAM_GAME_HTML)
            connect_game(gr, handlers, "dream", handlers.ask_dream)
    with gr.Column(elem_classes="ruled"):
        gr.HTML(MIXER_HTML)
        connect_mixer(gr, handlers)
    tab.select(None, None, None, js="() => play.open()", **QUIET_EVENT)


def connect_map(gr: ModuleType, handlers: PlayHandlers) -> None:
    """The map and the buttons that draw more of it, or stop."""
    gr.HTML(MAP_HTML)
    with gr.Row(elem_classes="line"):
        said = quiet_text(gr, "The map", max_lines=3, elem_id="map-said")
        more = gr.Button("Draw more", elem_id="map-more", visible=False, scale=0, min_width=150)
        stop = gr.Button("Stop", elem_id="stop-map", visible=False, scale=0, min_width=80)
    ask = hidden_button(gr, "ask-map")
    sent = hidden_value(gr)
    found = hidden_value(gr)
    (drawn,) = with_stop_button(
        stop,
        [ask.click],
        fn=handlers.draw_map,
        inputs=sent,
        outputs=[said, found],
        js="() => [play.sent.map]",
        **INDEX_TASK,
    )
    # a value that nobody sees does not say that it has changed
    for arrives in (said.change, drawn.then):
        arrives(None, found, more, js="found => seedMap.got(found)", **QUIET_EVENT)
    more.click(None, None, more, js="() => seedMap.more()", **QUIET_EVENT)
    stop.click(None, None, more, js="() => seedMap.stopped()", **QUIET_EVENT)


def connect_game(
    gr: ModuleType, handlers: PlayHandlers, name: str, ask: Callable[[], tuple[Any, dict]]
) -> None:
    """One of the two games. name: "caption" or "dream"."""
    # the answer of the round on show, which stays on the server
    asked = gr.State(None)
    sent = hidden_value(gr)
    question = hidden_value(gr)
    told = hidden_value(gr)
    shown = hidden_button(gr, f"ask-{name}").click(ask, None, [asked, question], **ASKED_TASK)
    got = f"found => play.got('{name}', found)"
    shown.then(None, question, None, js=got, **QUIET_EVENT)
    answered = hidden_button(gr, f"answer-{name}").click(
        handlers.answer,
        [asked, sent],
        [asked, told],
        js=f"() => [null, play.sent['{name}']]",
        **ASKED_TASK,
    )
    answered.then(None, told, None, js=got, **QUIET_EVENT)


def connect_mixer(gr: ModuleType, handlers: PlayHandlers) -> None:
    """The triangle asks for a mixture, and for the next one once that is here."""
    seeds = hidden_value(gr)
    weights = hidden_value(gr)
    found = hidden_value(gr)
    mixed = hidden_button(gr, "ask-mix").click(
        handlers.mix, [seeds, weights], found, js="() => play.sent.mix", **ASKED_TASK
    )
    mixed.then(None, found, None, js="found => play.got('mix', found)", **QUIET_EVENT)


def hidden_button(gr: ModuleType, elem_id: str) -> Component:
    """A button that scripts press."""
    return gr.Button(elem_id=elem_id, elem_classes="wire")


def hidden_value(gr: ModuleType) -> Component:
    """A value of JSON that goes between server and scripts."""
    return gr.JSON(visible=False)
