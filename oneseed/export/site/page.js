// The page: what the fields say becomes a pair, and the address names it.

import * as ort from "./ort.wasm.min.mjs";
import { LAST_SEED, OneSeed, seedOf } from "./oneseed.js";

// without headers that static hosts do not send there are no threads
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL(".", import.meta.url).href;

const at = (id) => document.getElementById(id);
const fields = { seed: at("seed"), prompt: at("prompt"), passes: at("passes") };
const canvas = at("picture");
let model = null;
// what is drawn at present, and what is asked for after it
let isDrawing = false;
let isAskedAgain = false;

function say(text, hasFailed = false) {
    at("state").textContent = text;
    at("state").classList.toggle("failed", hasFailed);
}

// "#7", "#Anna" or "#7&prompt=two+ships" -> the fields.
function readAddress() {
    const [seed, rest = ""] = location.hash.slice(1).split(/&(.*)/s);
    try {
        fields.seed.value = decodeURIComponent(seed) || fields.seed.value || "7";
    } catch {
        fields.seed.value = "7";
    }
    fields.prompt.value = new URLSearchParams(rest).get("prompt") ?? "";
}

function writeAddress() {
    const prompt = fields.prompt.value.trim();
    const query = prompt && !at("wish").hidden ? `&${new URLSearchParams({ prompt })}` : "";
    history.replaceState(null, "", `#${encodeURIComponent(fields.seed.value.trim())}${query}`);
}

// Grey or RGB pixels -> the canvas, pixel for pixel.
function show({ size, channels, pixels, caption, remarks }, seed) {
    canvas.width = canvas.height = size;
    const image = new ImageData(size, size);
    for (let i = 0; i < size * size; i++) {
        for (let c = 0; c < 3; c++) {
            image.data[4 * i + c] = pixels[channels * i + (channels === 3 ? c : 0)];
        }
        image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.classList.remove("waits");
    canvas.setAttribute("aria-label", caption || `The picture of seed ${seed}`);
    at("caption").textContent = caption;
    at("remarks").replaceChildren(...remarks.map((remark) => {
        const item = document.createElement("li");
        item.textContent = remark;
        return item;
    }));
    canvas.toBlob((blob) => {
        URL.revokeObjectURL(at("download").href);
        at("download").href = URL.createObjectURL(blob);
        at("download").download = `${String(seed).padStart(6, "0")}.png`;
        at("download").hidden = false;
    });
}

async function draw() {
    if (!model) return;
    if (isDrawing) {
        isAskedAgain = true;
        return;
    }
    const seed = seedOf(fields.seed.value);
    if (seed === null) {
        say(`A seed is a whole number from 0 to ${LAST_SEED}, or a word.`, true);
        return;
    }
    isDrawing = true;
    writeAddress();
    const prompt = fields.prompt.value;
    const passes = Math.min(64, Math.max(1, Math.round(Number(fields.passes.value)) || 1));
    const kind = model.kindOf(prompt);
    if (!model.sessions[kind]) say("Loading the model …");
    // the browser shows what was said before the work begins
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    try {
        await model.session(kind);
        const begin = performance.now();
        show(await model.pair(seed, { prompt, passes }), seed);
        const typed = fields.seed.value.trim();
        const name = typed === String(seed) ? `Seed ${seed}` : `“${typed}”, seed ${seed}`;
        document.title = `${name}: one seed, one picture, one caption`;
        say(`${name}, in ${Math.round(performance.now() - begin)} ms`);
        document.documentElement.dataset.shown = `${seed} ${passes} ${prompt}`;
    } catch (error) {
        say(`The picture could not be drawn: ${error.message}`, true);
    }
    isDrawing = false;
    if (isAskedAgain) {
        isAskedAgain = false;
        draw();
    }
}

function step(by) {
    const seed = seedOf(fields.seed.value) ?? 0;
    fields.seed.value = (seed + by + LAST_SEED + 1) % (LAST_SEED + 1);
    draw();
}

at("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
});
at("previous").addEventListener("click", () => step(-1));
at("next").addEventListener("click", () => step(1));
at("random").addEventListener("click", () => {
    fields.seed.value = crypto.getRandomValues(new Uint32Array(1))[0];
    draw();
});
fields.passes.addEventListener("change", draw);
document.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const isTyping = event.target instanceof HTMLInputElement;
    if (by && !isTyping && !event.altKey && !event.ctrlKey && !event.metaKey) step(by);
});
window.addEventListener("hashchange", () => {
    readAddress();
    draw();
});

canvas.classList.add("waits");
readAddress();
try {
    model = await OneSeed.load(new URL("model/", import.meta.url).href, ort);
    fields.passes.value = model.config.passes;
    at("wish").hidden = !model.reader;
    at("note").hidden = !model.config.caption_note;
    at("note").textContent = model.config.caption_note;
    await draw();
} catch (error) {
    say(`The model could not be loaded: ${error.message}`, true);
}
