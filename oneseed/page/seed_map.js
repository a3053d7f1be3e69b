// The map of seeds in the tab Play: a sheet of small pictures on a canvas, to look around in.
window.seedMap = {
    // what the server has drawn: sheet (an address), seeds of each column, captions by seed
    found: null,
    sheet: null,
    // seeds that could be drawn yet
    undrawn: 0,
    isStopped: false,
    // [column, row] that is pointed at or chosen
    place: null,
    // of the sheet: how many times larger than the frame, and the corner that is seen, 0 to 1
    hasZoomed: false,
    scale: 1,
    left: 0,
    top: 0,
    // pointers that are down, by their ids
    pointers: new Map(),
    moved: 0,
    waiting: false,
    // the sheet as it is seen, drawn anew where the view changes and copied where a mark moves
    view: null,
    viewOf: '',

    root() {
        return document.getElementById('seed-map');
    },

    canvas() {
        return document.querySelector('#seed-map .map-frame canvas');
    },

    // Once the tab is there: listens to the canvas and asks for the first seeds.
    open() {
        const root = seedMap.root();
        if (root.dataset.open)
            return;
        root.dataset.open = 'yes';
        const canvas = seedMap.canvas();
        canvas.addEventListener('pointerdown', seedMap.down);
        canvas.addEventListener('pointermove', seedMap.move);
        for (const end of ['pointerup', 'pointercancel'])
            canvas.addEventListener(end, seedMap.up);
        canvas.addEventListener('keydown', seedMap.key);
        canvas.addEventListener('wheel', seedMap.wheel, {passive: false});
        for (const button of root.querySelectorAll('[data-zoom]'))
            button.addEventListener('click', () => seedMap.zoom(Number(button.dataset.zoom)));
        new ResizeObserver(seedMap.fit).observe(canvas.parentElement);
        play.ask('map', Number(root.dataset.first));
    },

    more() {
        seedMap.isStopped = false;
        play.ask('map', Number(seedMap.root().dataset.most));
    },

    // The server goes on for a moment; its answers change nothing any more but the map.
    stopped() {
        seedMap.isStopped = true;
        return seedMap.moreButton();
    },

    // The update of the button that draws more; it is not there while more is drawn.
    moreButton() {
        const more = seedMap.undrawn;
        const value = `Draw ${more.toLocaleString('en')} more`;
        return [{__type__: 'update', visible: more > 0, value}];
    },

    // The server's answer, of which the last one says that it is; returns the button's update.
    got(found) {
        seedMap.undrawn = found?.more ?? 0;
        if (found?.sheet && found.sheet !== seedMap.found?.sheet) {
            const sheet = new Image();
            sheet.onload = () => {
                const seed = seedMap.seed();
                [seedMap.found, seedMap.sheet, seedMap.place] = [found, sheet, null];
                seedMap.viewOf = '';
                if (!seedMap.hasZoomed)
                    seedMap.begin();
                seedMap.fit();
                seedMap.choose(seedMap.placeOfSeed(seed) ?? seedMap.middle());
            };
            sheet.src = found.sheet;
        }
        const isOver = found?.is_done || seedMap.isStopped;
        return isOver ? seedMap.moreButton() : [{__type__: 'update', visible: false}];
    },

    // A narrow screen begins near enough to recognise something.
    begin() {
        const width = seedMap.canvas().parentElement.clientWidth;
        const columns = seedMap.found.seeds.length;
        seedMap.scale = Math.max(1, Math.min(8, 18 * columns / width));
        seedMap.left = seedMap.top = 0.5 - 0.5 / seedMap.scale;
    },

    // The seed that is pointed at.
    seed() {
        return seedMap.place && seedMap.found.seeds[seedMap.place[0]][seedMap.place[1]];
    },

    placeOfSeed(seed) {
        const rows = seedMap.found.seeds.map(seeds => seeds.indexOf(seed));
        const column = rows.findIndex(row => row >= 0);
        return column < 0 ? null : [column, rows[column]];
    },

    middle() {
        const columns = seedMap.found.seeds;
        const column = Math.floor(columns.length / 2);
        return [column, Math.floor(columns[column].length / 2)];
    },

    // The canvas gets the pixels of its place on the screen.
    fit() {
        if (!seedMap.sheet)
            return;
        const canvas = seedMap.canvas();
        const width = canvas.parentElement.clientWidth;
        if (!width)
            return;
        const height = width * seedMap.sheet.naturalHeight / seedMap.sheet.naturalWidth;
        const dense = Math.min(devicePixelRatio || 1, 2);
        canvas.style.height = `${height}px`;
        canvas.width = Math.round(width * dense);
        canvas.height = Math.round(height * dense);
        seedMap.draw();
    },

    // Draws once in the next frame, however often it is asked for.
    later() {
        if (seedMap.waiting)
            return;
        seedMap.waiting = true;
        requestAnimationFrame(() => {
            seedMap.waiting = false;
            seedMap.draw();
        });
    },

    draw() {
        if (!seedMap.sheet)
            return;
        const canvas = seedMap.canvas();
        const room = 1 - 1 / seedMap.scale;
        seedMap.left = Math.min(Math.max(seedMap.left, 0), room);
        seedMap.top = Math.min(Math.max(seedMap.top, 0), room);
        const x = -seedMap.left * canvas.width * seedMap.scale;
        const y = -seedMap.top * canvas.height * seedMap.scale;
        const context = canvas.getContext('2d', {alpha: false});
        context.drawImage(seedMap.viewAt(x, y), 0, 0);
        canvas.style.touchAction = seedMap.scale > 1 ? 'none' : 'pan-y';
        if (!seedMap.place)
            return;
        const [column, row] = seedMap.place;
        const side = canvas.width * seedMap.scale / seedMap.found.seeds.length;
        context.lineWidth = Math.min(Math.max(3, side / 12), 8);
        context.strokeStyle = '#8c1c13';
        context.strokeRect(x + column * side, y + row * side, side, side);
    },

    // The sheet as it lies below the frame, without a mark.
    viewAt(x, y) {
        const {width, height} = seedMap.canvas();
        const viewOf = [x, y, width, height, seedMap.scale].join();
        if (viewOf !== seedMap.viewOf) {
            seedMap.view ??= document.createElement('canvas');
            Object.assign(seedMap.view, {width, height});
            const context = seedMap.view.getContext('2d', {alpha: false});
            context.fillStyle = '#fff';
            context.fillRect(0, 0, width, height);
            const {sheet, scale} = seedMap;
            context.drawImage(sheet, x, y, width * scale, height * scale);
            seedMap.viewOf = viewOf;
        }
        return seedMap.view;
    },

    // Where an event happened: [column, row], null where no seed is.
    placeOf(event) {
        if (!seedMap.found)
            return null;
        const box = seedMap.canvas().getBoundingClientRect();
        const x = seedMap.left + (event.clientX - box.left) / box.width / seedMap.scale;
        const y = seedMap.top + (event.clientY - box.top) / box.height / seedMap.scale;
        const tile = Number(seedMap.root().dataset.tile);
        const column = Math.floor(x * seedMap.found.seeds.length);
        const row = Math.floor(y * seedMap.sheet.naturalHeight / tile);
        return seedMap.found.seeds[column]?.[row] === undefined ? null : [column, row];
    },

    // Points at a seed: its tile and caption stand beside the map.
    choose(place) {
        if (!place || String(place) === String(seedMap.place))
            return;
        seedMap.place = place;
        const [column, row] = place;
        const seed = seedMap.seed();
        const tile = document.querySelector('#seed-map .map-tile');
        const side = tile.width;
        tile.getContext('2d').drawImage(
            seedMap.sheet, column * side, row * side, side, side, 0, 0, side, side,
        );
        const told = document.getElementById('map-told');
        const link = document.createElement('a');
        link.href = seedMap.link(seed);
        link.textContent = `seed ${seed}`;
        told.replaceChildren(link, ` ${seedMap.found.captions[seed]}`);
        seedMap.later();
    },

    // The lasting link of a seed; the theme that was asked for stays in it.
    link(seed) {
        const theme = new URLSearchParams(location.search).get('__theme');
        return `?seed=${seed}${theme ? `&__theme=${encodeURIComponent(theme)}` : ''}`;
    },

    go() {
        location.assign(seedMap.link(seedMap.seed()));
    },

    // ---- hands

    down(event) {
        seedMap.pointers.set(event.pointerId, [event.clientX, event.clientY]);
        seedMap.moved = 0;
    },

    move(event) {
        const before = seedMap.pointers.get(event.pointerId);
        if (!before) {
            if (event.pointerType !== 'touch')
                seedMap.choose(seedMap.placeOf(event));
            return;
        }
        const others = [...seedMap.pointers].filter(([id]) => id !== event.pointerId);
        const now = [event.clientX, event.clientY];
        if (others.length) {
            const [, other] = others[0];
            const apart = point => Math.hypot(point[0] - other[0], point[1] - other[1]);
            seedMap.zoom(apart(now) / Math.max(apart(before), 1), event);
        } else if (seedMap.scale > 1) {
            const box = seedMap.canvas().getBoundingClientRect();
            seedMap.left -= (now[0] - before[0]) / box.width / seedMap.scale;
            seedMap.top -= (now[1] - before[1]) / box.height / seedMap.scale;
            seedMap.later();
        }
        seedMap.moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
        seedMap.pointers.set(event.pointerId, now);
        if (seedMap.moved > 6 && seedMap.canvas().isConnected)
            seedMap.canvas().setPointerCapture(event.pointerId);
    },

    // A click opens a seed; a tap shows it first, since a finger does not hover.
    up(event) {
        const wasDown = seedMap.pointers.delete(event.pointerId);
        const place = seedMap.placeOf(event);
        if (!wasDown || event.type !== 'pointerup' || seedMap.moved > 6 || !place)
            return;
        const isKnown = String(place) === String(seedMap.place);
        seedMap.choose(place);
        if (event.pointerType !== 'touch' || isKnown)
            seedMap.go();
    },

    // Turning the wheel scrolls the page; with Control it zooms, as a touch pad's pinch does.
    wheel(event) {
        if (!event.ctrlKey)
            return;
        event.preventDefault();
        seedMap.zoom(Math.exp(-event.deltaY / 200), event);
    },

    // Around a point of the screen, or the middle of the frame.
    zoom(factor, event = null) {
        const box = seedMap.canvas().getBoundingClientRect();
        const x = event ? (event.clientX - box.left) / box.width : 0.5;
        const y = event ? (event.clientY - box.top) / box.height : 0.5;
        const scale = Math.min(Math.max(seedMap.scale * factor, 1), 16);
        seedMap.left += x / seedMap.scale - x / scale;
        seedMap.top += y / seedMap.scale - y / scale;
        seedMap.scale = scale;
        seedMap.hasZoomed = true;
        seedMap.later();
    },

    key(event) {
        const steps = {
            ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
        };
        if (!seedMap.place || event.altKey || event.ctrlKey || event.metaKey)
            return;
        if (event.key in steps)
            seedMap.step(...steps[event.key]);
        else if (event.key === '+' || event.key === '=')
            seedMap.zoom(1.5);
        else if (event.key === '-')
            seedMap.zoom(1 / 1.5);
        else if (event.key === 'Enter')
            seedMap.go();
        else
            return;
        event.preventDefault();
    },

    // To a neighbour, which comes into view.
    step(across, down) {
        const columns = seedMap.found.seeds;
        const column = Math.min(Math.max(seedMap.place[0] + across, 0), columns.length - 1);
        const row = Math.min(Math.max(seedMap.place[1] + down, 0), columns[column].length - 1);
        seedMap.choose([column, row]);
        const tile = Number(seedMap.root().dataset.tile);
        const rows = seedMap.sheet.naturalHeight / tile;
        const seen = 1 / seedMap.scale;
        const within = (begin, at, size) => Math.min(Math.max(begin, at + size - seen), at);
        seedMap.left = within(seedMap.left, column / columns.length, 1 / columns.length);
        seedMap.top = within(seedMap.top, row / rows, 1 / rows);
        seedMap.later();
    },
};
