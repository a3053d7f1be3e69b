// Seeds, words and prompts as the Python program takes them, and the exported model behind them.
// Nothing here touches the page: it runs in any module of a browser or of Node.
//
//     import * as ort from "./ort.wasm.min.mjs";
//     import { OneSeed } from "./oneseed.js";
//     const model = await OneSeed.load("model/", ort);
//     const { pixels, caption } = await model.pair(7, { prompt: "two ships", passes: 2 });

export const LAST_SEED = 2 ** 32 - 1;
// ids of the marks
const PAD = 0, START = 1, END = 2, UNK = 3;

// ---- hashes and random numbers

const isPrime = (n) => {
    for (let factor = 2; factor * factor <= n; factor++) if (n % factor === 0) return false;
    return true;
};
const firstPrimes = (count) => {
    const primes = [];
    for (let n = 2; primes.length < count; n++) if (isPrime(n)) primes.push(n);
    return primes;
};
// The first 32 bits behind the point of a root, as SHA-256 (FIPS 180-4) defines its constants.
const fraction = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32) >>> 0;
const ROUNDS = firstPrimes(64).map((prime) => fraction(Math.cbrt(prime)));
const BEGIN = firstPrimes(8).map((prime) => fraction(Math.sqrt(prime)));
const rotate = (word, bits) => (word >>> bits) | (word << (32 - bits));

// Bytes -> their SHA-256, 32 bytes. Our own: crypto.subtle is missing on plain http.
export function sha256(bytes) {
    const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
    padded.set(bytes);
    padded[bytes.length] = 0x80;
    const view = new DataView(padded.buffer);
    view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
    view.setUint32(padded.length - 4, bytes.length * 8);
    const state = Uint32Array.from(BEGIN);
    const words = new Uint32Array(64);
    for (let start = 0; start < padded.length; start += 64) {
        for (let i = 0; i < 16; i++) words[i] = view.getUint32(start + 4 * i);
        for (let i = 16; i < 64; i++) {
            const early = words[i - 15], late = words[i - 2];
            words[i] = words[i - 16] + words[i - 7]
                + (rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3))
                + (rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10));
        }
        let [a, b, c, d, e, f, g, h] = state;
        for (let i = 0; i < 64; i++) {
            const one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25))
                + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i];
            const two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22))
                + ((a & b) ^ (a & c) ^ (b & c));
            [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
        }
        [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] += word; });
    }
    const digest = new DataView(new ArrayBuffer(32));
    state.forEach((word, i) => digest.setUint32(4 * i, word));
    return new Uint8Array(digest.buffer);
}

const digestOf = (text) => new DataView(sha256(new TextEncoder().encode(text)).buffer);

// `count` words of 32 bits of the Mersenne Twister MT19937, begun with a seed of 32 bits.
export function mersenneTwister(seed, count) {
    const length = 624;
    const state = new Uint32Array(length);
    state[0] = seed;
    for (let i = 1; i < length; i++) {
        state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    }
    const found = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
        const here = i % length;
        const mixed = (state[here] & 0x80000000) | (state[(here + 1) % length] & 0x7fffffff);
        state[here] = state[(here + 397) % length] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
        let word = state[here];
        word ^= word >>> 11;
        word ^= (word << 7) & 0x9d2c5680;
        word ^= (word << 15) & 0xefc60000;
        found[i] = word ^ (word >>> 18);
    }
    return found;
}

// A seed -> its D standard normal numbers, 16 or more, those of torch.randn.
export function latent(seed, dimensions) {
    const digest = digestOf(`latent ${seed}`);
    // the low 32 bits of half of the first 64
    const start = ((digest.getUint32(0) & 1) << 31) | (digest.getUint32(4) >>> 1);
    const words = mersenneTwister(start >>> 0, dimensions + 16);
    const z = new Float32Array(dimensions);
    // Box-Muller, 16 numbers of 16 words
    const fill = (at, from) => {
        for (let j = 0; j < 8; j++) {
            const radius = Math.sqrt(-2 * Math.log(1 - (words[from + j] & 0xffffff) / 2 ** 24));
            const angle = 2 * Math.PI * (words[from + j + 8] & 0xffffff) / 2 ** 24;
            z[at + j] = radius * Math.cos(angle);
            z[at + j + 8] = radius * Math.sin(angle);
        }
    };
    for (let at = 0; at + 16 <= dimensions; at += 16) fill(at, at);
    // torch draws the last 16 again where they are cut
    if (dimensions % 16) fill(dimensions - 16, dimensions);
    return z;
}

// What somebody typed -> a seed: an integer, or a word, which begins with a letter. null: neither.
export function seedOf(text) {
    const typed = text.trim().normalize("NFC");
    if (/^\d+$/.test(typed) && Number(typed) <= LAST_SEED) return Number(typed);
    return /^\p{L}/u.test(typed) ? digestOf(typed).getUint32(0) : null;
}

// ---- words and tokens

const PIECES = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

// The letters that stand for the 256 bytes in a vocabulary, as GPT-2 chose them.
function byteLetters() {
    const isPrinted = (byte) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    let others = 256;
    return Array.from({ length: 256 }, (_, byte) =>
        String.fromCharCode(isPrinted(byte) ? byte : others++));
}

export class Tokenizer {
    // json: the parsed tokenizer.json
    constructor(json) {
        this.ids = json.model.vocab;
        this.entries = Object.keys(this.ids).sort((one, other) => this.ids[one] - this.ids[other]);
        this.ranks = new Map(json.model.merges.map((merge, rank) =>
            [typeof merge === "string" ? merge : merge.join(" "), rank]));
        this.letters = byteLetters();
        this.bytes = new Map(this.letters.map((letter, byte) => [letter, byte]));
    }

    // A text -> its ids, without marks.
    idsOf(text) {
        const encoder = new TextEncoder();
        return (text.match(PIECES) ?? []).flatMap((piece) => {
            const letters = [...encoder.encode(piece)].map((byte) => this.letters[byte]);
            return this.merged(letters).map((entry) => this.ids[entry]);
        });
    }

    // Letters -> entries: the pair that was merged first in training is merged first.
    merged(letters) {
        let parts = letters;
        for (;;) {
            let best = Infinity;
            for (let i = 1; i < parts.length; i++) {
                best = Math.min(best, this.ranks.get(`${parts[i - 1]} ${parts[i]}`) ?? Infinity);
            }
            if (best === Infinity) return parts;
            const next = [];
            for (let i = 0; i < parts.length; i++) {
                const isPair = i + 1 < parts.length
                    && this.ranks.get(`${parts[i]} ${parts[i + 1]}`) === best;
                next.push(isPair ? parts[i] + parts[++i] : parts[i]);
            }
            parts = next;
        }
    }

    // A text -> ids from START to END, at most so many; a longer text is cut.
    encode(text, most) {
        return [START, ...this.idsOf(text).slice(0, most - 2), END];
    }

    // Ids -> the text before the first END.
    decode(ids) {
        const end = ids.indexOf(END);
        const kept = (end < 0 ? ids : ids.slice(0, end)).filter((id) => id > UNK);
        const letters = [...kept.map((id) => this.entries[id]).join("")];
        return new TextDecoder().decode(Uint8Array.from(letters, (one) => this.bytes.get(one)));
    }
}

// ---- prompts

const ARTICLES = ["a", "an", "the"];
// A pattern that nothing fits, where a config.json lacks one.
const NOTHING = "(?!)";
// A word as words are compared: case, width, composition and joiners make no difference, nor does
// what asks for a coloured pictograph.
const fold = (word) => (/^[\p{L}\p{N}]/u.test(word) ? word.replace(/[\u200b-\u200d]/g, "") : word)
    .replace(/[\ufe0e\ufe0f]/g, "")
    .replace(/[\uff01-\uffef]+/g, (wide) => wide.normalize("NFKC"))
    .normalize("NFC").toUpperCase().toLowerCase()
    .replaceAll("ß", "ss").replaceAll("ς", "σ").replaceAll("i\u0307", "i").normalize("NFC");
// Words and pictographs, as segmentation.py has them.
const SIGN = "[\\u2194-\\u2199\\u21a9\\u21aa\\u2300-\\u2307\\u230c-\\u231f\\u2322-\\u2328"
    + "\\u232b-\\u239a\\u23b4-\\u23ff\\u25a0-\\u27bf\\u2934\\u2935\\u2b00-\\u2bff\\u3030\\u303d"
    + "\\u3297\\u3299\\u{1f000}-\\u{1faff}][\\u{1f3fb}-\\u{1f3ff}]?[\\ufe0e\\ufe0f]?";
const WORD = new RegExp("(?:[\\p{L}\\p{N}][\\p{M}\\u200b-\\u200d]*)+|[\\u{1f1e6}-\\u{1f1ff}]{2}"
    + `|${SIGN}(?:\\u200d${SIGN})*[\\u{e0020}-\\u{e007f}]*`, "gu");
const partsClauses = (gap) => /[^\p{L}\p{N}_\s'’-]/u.test(gap);

// A text -> its words, each with what stands before it; and what follows the last.
function split(text) {
    const pieces = [];
    let end = 0;
    for (const found of text.matchAll(WORD)) {
        pieces.push({ gap: text.slice(end, found.index), word: found[0] });
        end = found.index + found[0].length;
    }
    return [pieces, text.slice(end)];
}

const join = (pieces) => pieces.map(({ gap, word }, i) => (i ? gap + word : word)).join("");

// White space; without the mark of a file's beginning, which JavaScript counts too.
const BLANKS = /(?:(?!\ufeff)\s|[\x1c-\x1f\x85])+/;
const SHAPING = /[\u200b-\u200d\u{e0020}-\u{e007f}]/u;
const CONTROL = new RegExp("[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Co}\\p{Noncharacter_Code_Point}"
    + "\\u2065\\ufff0-\\ufff8\\u{e0000}-\\u{e00ff}\\u{e01f0}-\\u{e0fff}]", "u");
// Letters of scripts that write no blanks.
const UNSPACED = ["Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tai_Le",
    "New_Tai_Lue", "Tai_Tham", "Balinese", "Javanese"].map((one) => `\\p{Script=${one}}`).join("");
const ENDS_UNSPACED = new RegExp(`[${UNSPACED}]$`, "u");
const BEGINS_UNSPACED = new RegExp(`^[${UNSPACED}]`, "u");

// Zero-width spaces at a place of a text -> what stays of them: all beside a letter without blanks,
// a blank between other words, else nothing.
function keptSpaces(spaces, at, text) {
    const before = text.slice(0, at), after = text.slice(at + spaces.length);
    if (ENDS_UNSPACED.test(before) || BEGINS_UNSPACED.test(after)) return spaces;
    return /[\p{L}\p{M}\p{N}]$/u.test(before) && /^[\p{L}\p{N}]/u.test(after) ? " " : "";
}

// A prompt on one line without control characters, as clean_caption in wording.py makes it.
function clean(text) {
    const onOneLine = (some) => some.split(BLANKS).filter(Boolean).join(" ");
    let kept = "";
    for (const letter of onOneLine(text).replace(/\u200b+/g, keptSpaces)) {
        const isShaped = SHAPING.test(letter) && /[^\x00-\x7f]$/.test(kept);
        if (isShaped || !CONTROL.test(letter)) kept += letter;
    }
    return onOneLine(kept);
}

// How prompts become the words of training captions; rules: those of config.json.
export class PromptReader {
    constructor(rules, tokenizer) {
        this.rules = rules;
        this.words = new Set(rules.words);
        this.tokenizer = tokenizer;
        this.lead = new RegExp(`^(?:${rules.lead})`, "i");
        this.nothing = new RegExp(`^(?:${rules.nothing_shown})$`, "i");
        this.madeBy = new RegExp(`^(?:${rules.made_by ?? NOTHING})`, "i");
        this.leading = new Set([...rules.leading, ...ARTICLES]);
    }

    // A prompt as typed -> { text, remarks }: as a caption would say it, and sentences on words
    // that no caption has.
    read(prompt) {
        if (this.rules.code) return this.readCode(prompt);
        let text = clean(prompt).normalize("NFC");
        text = text.replace(/\s+(?=[.,;:!?])|[\s!?;:,…]+$/g, "");
        for (const [open, close] of this.rules.quotation_marks) {
            if (text.length > 1 && text.startsWith(open) && text.endsWith(close)) {
                text = text.slice(1, -1).trim();
            }
        }
        const medium = this.rules.medium || this.namedMedium(text);
        let verb = "of";
        const own = medium && text.match(new RegExp(`^${medium} (of|depicting|showing)\\s+(?=\\S)`));
        if (own && !this.lead.test(text.slice(own[0].length))) {
            verb = own[1];
            text = text.slice(own[0].length);
        } else {
            [verb, text] = this.withoutLead(text);
        }
        if (!text.match(WORD) || this.nothing.test(text)) return { text: medium, remarks: [] };
        // captions in other letters have no beginning
        const letters = text.match(/\p{L}/gu) ?? [];
        const latin = text.match(/\p{Script=Latin}/gu) ?? [];
        if (2 * latin.length < letters.length) return { text, remarks: [] };
        const opening = medium && `${medium} ${verb}`;
        const [pieces, tail] = split(text);
        const { kept, remarks } = this.known(pieces);
        const subject = join(this.respelt(kept.length ? kept : pieces)) + tail;
        return { text: `${opening} ${subject}`.trimEnd(), remarks };
    }

    // A text -> the verb to write, and what is shown; every beginning is taken off.
    withoutLead(text) {
        let verb = "of";
        for (let found; (found = text.match(this.lead)); text = text.slice(found[0].length)) {
            verb = /^(?:depict|portray|illustrat)/i.test(found.groups?.verb ?? "") ? "depicting"
                : /^(?:show|featur|present)/i.test(found.groups?.verb ?? "") ? "showing" : "of";
        }
        // it names a maker or a book, and no subject
        const by = text.match(this.madeBy);
        return by ? ["of", `a work ${text.slice(by[0].length)}`] : [verb, text];
    }

    // A prompt of a model of code: its letters, and which of its words no caption has.
    readCode(prompt) {
        const typed = (prompt.match(WORD) ?? []).map(fold);
        const missing = this.words.size ? typed.filter((word) => !this.words.has(word)) : [];
        const remarks = [...new Set(missing)].map((word) => `no training caption has “${word}”`);
        return { text: ` ${prompt.trim()}`, remarks };
    }

    // In a collection of all styles: the medium that a text begins with, or "".
    namedMedium(text) {
        const begins = (one) => new RegExp(`^${one} (of|depicting|showing)\\s+\\S`, "i").test(text);
        return this.rules.named_media.find(begins) ?? "";
    }

    // The pieces with the words of captions: phrases replaced, unknown words left out.
    known(pieces) {
        if (!this.words.size) return { kept: pieces, remarks: [] };
        const kept = [], remarks = [];
        let count = 0;
        let isReadOtherwise = false;
        for (let at = 0; at < pieces.length; count++) {
            const [length, text] = this.replacement(pieces.slice(at));
            const typed = join(pieces.slice(at, at + length));
            const { gap, word } = pieces[at];
            if (text !== null) {
                const [first, ...others] = split(text)[0];
                kept.push({ gap, word: first.word }, ...others);
                remarks.push(`no training caption has “${typed}”: read as “${text}”`);
                isReadOtherwise = true;
            } else if (this.isKnown(fold(word))) {
                kept.push(pieces[at]);
            } else {
                remarks.push(`no training caption has “${word}”`);
                const after = pieces[at + 1];
                if (!after || partsClauses(after.gap)) {
                    while (kept.length && this.leading.has(kept.at(-1).word.toLowerCase())) kept.pop();
                }
            }
            at += length;
        }
        const says = kept.some(({ word }) => !ARTICLES.includes(word.toLowerCase()));
        const isChanged = isReadOtherwise || kept.length !== count;
        return { kept: says ? withArticles(kept, isChanged) : [], remarks };
    }

    // The longest phrase at the beginning that is read as another: [its words, the other or null].
    replacement(pieces) {
        for (let length = Math.min(this.rules.longest, pieces.length); length; length--) {
            const some = pieces.slice(0, length);
            if (some.slice(1).some(({ gap }) => partsClauses(gap))) continue;
            const key = join(some).toLowerCase().replaceAll("-", " ").split(/\s+/).join(" ");
            if (Object.hasOwn(this.rules.replacements, key)) {
                return [length, this.rules.replacements[key]];
            }
        }
        const [one, other] = pieces.map(({ word }) => word.toLowerCase());
        const isOneWord = other && !partsClauses(pieces[1].gap) && this.words.has(one + other);
        if (isOneWord && !(this.isKnown(one) && this.isKnown(other))) return [2, one + other];
        if (this.isKnown(fold(one))) return [1, null];
        for (const [first, followers] of Object.entries(this.rules.hyphenated)) {
            const after = followers.find((phrase) => one === first + phrase.slice(1));
            if (after) return [1, first + after];
        }
        const meant = this.spellings(one);
        return [1, meant.length === 1 ? meant[0] : null];
    }

    isKnown(word) {
        return this.words.has(word) || ARTICLES.includes(word);
    }

    // The known words that an unknown one is a typo of, as typos.py finds them.
    spellings(word) {
        const { shortest, replaced, two, common } = this.rules.typos;
        if (word.length < shortest || !/^\p{L}+$/u.test(word) || common.includes(word)) return [];
        const sorted = (text) => [...text].sort().join("");
        let fewest = word.length >= two ? 2 : 1;
        let nearest = [];
        for (const known of this.rules.words) {
            const apart = Math.abs(known.length - word.length);
            const isOther = !apart && sorted(known) !== sorted(word);
            if (known.length < shortest || apart > 2 || !word.slice(0, 2).includes(known[0])
                || (isOther && word.length < replaced)) continue;
            const count = typoCount(word, known);
            if (count < fewest) nearest = [];
            if (count <= fewest) nearest.push(known);
            fewest = Math.min(fewest, count);
        }
        const sameEnd = nearest.filter((known) => known.at(-1) === word.at(-1));
        return sameEnd.length ? sameEnd : nearest;
    }

    // Each word in the case that takes the fewest tokens, with a hyphen where captions have one.
    respelt(pieces) {
        const spelt = [];
        for (const { gap, word } of pieces) {
            const lower = word.toLowerCase();
            const forms = [word, lower, lower[0].toUpperCase() + lower.slice(1), word.toUpperCase()];
            const counts = forms.map((form) => this.tokenizer.idsOf(` ${form}`).length);
            const best = forms[counts.indexOf(Math.min(...counts))];
            let own = gap;
            if (spelt.length && [" ", "-", "- ", " -", " - "].includes(gap)) {
                const after = this.rules.hyphenated[spelt.at(-1).word.toLowerCase()] ?? [];
                own = after.includes(`-${best.toLowerCase()}`) ? "-" : " ";
            }
            spelt.push({ gap: own, word: best });
        }
        return spelt;
    }
}

// Letters too many, too few, wrong or exchanged with their neighbour: optimal string alignment.
function typoCount(word, known) {
    let before = [], row = Array.from({ length: known.length + 1 }, (_, j) => j);
    for (let i = 1; i <= word.length; i++) {
        const next = [i];
        for (let j = 1; j <= known.length; j++) {
            const isWrong = word[i - 1] === known[j - 1] ? 0 : 1;
            let cost = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + isWrong);
            if (i > 1 && j > 1 && word[i - 1] === known[j - 2] && word[i - 2] === known[j - 1]) {
                cost = Math.min(cost, before[j - 2] + 1);
            }
            next.push(cost);
        }
        [before, row] = [row, next];
    }
    return row.at(-1);
}

// The pieces, where words have changed with "a" before a consonant and "an" before a vowel.
function withArticles(pieces, isChanged) {
    if (!isChanged) return pieces;
    return pieces.map(({ gap, word }, i) => ({
        gap,
        word: word !== "a" && word !== "an" ? word
            : /^[aeiou]/.test(pieces[i + 1]?.word ?? "") ? "an" : "a",
    }));
}

// ---- the model

export class OneSeed {
    // folder: the address of config.json and what lies beside it; ort: onnxruntime-web.
    static async load(folder, ort) {
        const read = async (name) => {
            const answer = await fetch(folder + name);
            if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
            return answer;
        };
        const config = await (await read("config.json")).json();
        const tokenizer = new Tokenizer(await (await read("tokenizer.json")).json());
        const open = async (kind) =>
            ort.InferenceSession.create(await (await read(config.files[kind].small)).arrayBuffer());
        return new OneSeed(config, tokenizer, ort, open);
    }

    constructor(config, tokenizer, ort, open) {
        Object.assign(this, { config, tokenizer, ort, open, sessions: {} });
        this.reader = config.prompts && new PromptReader(config.prompts, tokenizer);
    }

    // Which graph answers a prompt, or none.
    kindOf(prompt) {
        return this.reader && prompt.trim() ? "prompt" : "pair";
    }

    // The session of a graph, which is loaded once, when it is first asked for.
    session(kind) {
        this.sessions[kind] ??= this.open(kind).catch((error) => {
            // to be tried again
            delete this.sessions[kind];
            throw error;
        });
        return this.sessions[kind];
    }

    // A seed, with a prompt or without -> { size, channels, pixels, caption, remarks }; pixels: 0
    // to 255, row after row.
    async pair(seed, { prompt = "", passes = this.config.passes, guidance } = {}) {
        const { ort, config } = this;
        const whole = (value) => new ort.Tensor("int64", BigInt64Array.of(BigInt(value)), []);
        const z = latent(seed, config.latent_dim);
        const inputs = {
            z: new ort.Tensor("float32", z, [1, z.length]),
            passes: whole(passes),
        };
        let remarks = [];
        const kind = this.kindOf(prompt);
        if (kind === "prompt") {
            const read = this.reader.read(prompt);
            const ids = this.tokenizer.encode(read.text, config.max_prompt_tokens);
            remarks = read.remarks;
            const strength = Float32Array.of(guidance ?? config.guidance);
            inputs.prompt = new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);
            inputs.guidance = new ort.Tensor("float32", strength, []);
        }
        const session = await this.session(kind);
        const { picture, tokens } = await session.run(inputs);
        const caption = this.tokenizer.decode(Array.from(tokens.data, Number));
        const [, size, , channels] = picture.dims;
        return { size, channels, pixels: picture.data, caption, remarks };
    }
}
