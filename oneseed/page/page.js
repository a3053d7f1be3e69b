// What the page does without the server: lasting links, dropped cards, the player of a morph.
window.page = {
    playing: false,
    flipping: false,
    forwards: true,
    // null until the page has turned to the tab that it was opened at
    tab: null,
    // query of each tab's link, as the tab was left
    links: {},
    // do the seeds of the link stand in the tab Morph, has it walked, and to which last picture?
    linked: false,
    walked: false,
    end: null,

    opened() {
        page.catchCards();
        page.steer();
        page.copyCode();
        page.enlarge();
        page.tab = document.querySelector('[role=tab][aria-selected=true]').dataset.tabId;
        const named = new URLSearchParams(location.search).get('tab') ?? 'generate';
        page.links[named] = location.search.slice(1);
        // a quick visitor has turned to another tab meanwhile
        if (page.tab !== named)
            page.turn(page.tab);
        page.dress();
        const observer = new MutationObserver(page.dress);
        observer.observe(document.querySelector('main'), {childList: true, subtree: true});
    },

    // The address bar names what is shown; usual values stay out of it.
    link(tab, ...values) {
        const names = {
            generate: ['seed', 'prompt', 'style', 'guidance', 'temperature'],
            morph: ['from', 'to'],
        }[tab];
        const usual = {prompt: '', style: '', guidance: 3, temperature: 0};
        const query = new URLSearchParams(tab === 'generate' ? {} : {tab});
        names.forEach((name, i) => {
            if (values[i] !== null && values[i] !== usual[name])
                query.set(name, values[i]);
        });
        page.links[tab] = query.toString();
        if (tab === page.tab)
            page.turn(tab);
    },

    // The address bar turns to a tab's own link; the theme that was asked for stays in it.
    turn(tab) {
        if (page.tab === null)
            return;
        page.tab = tab;
        const link = new URL(window.location);
        const theme = link.searchParams.get('__theme');
        link.search = page.links[tab] ?? (tab === 'generate' ? '' : `tab=${tab}`);
        if (theme)
            link.searchParams.set('__theme', theme);
        history.replaceState(history.state, '', link);
    },

    // A card dropped anywhere but on a field that takes files goes to "Open a card".
    catchCards() {
        const field = () =>
            document.querySelector('#card')?.parentElement.querySelector('input[type=file]');
        const isCard = event =>
            page.tab === 'generate' && event.dataTransfer?.types.includes('Files');
        document.addEventListener('dragover', event => {
            if (!isCard(event))
                return;
            event.preventDefault();
            document.body.classList.add('dropping');
        });
        document.addEventListener('dragleave', event => {
            // still within the page while there is another element below the pointer
            if (!event.relatedTarget)
                document.body.classList.remove('dropping');
        });
        document.addEventListener('drop', event => {
            document.body.classList.remove('dropping');
            if (!isCard(event) || !field())
                return;
            event.preventDefault();
            field().files = event.dataTransfer.files;
            field().dispatchEvent(new Event('change', {bubbles: true}));
        });
    },

    // Scrolls an element into view where it is out of it.
    bring(id) {
        const element = document.getElementById(id);
        const top = element?.getBoundingClientRect().top;
        if (top < 0 || top > innerHeight - 200)
            element.scrollIntoView({behavior: page.still() ? 'auto' : 'smooth', block: 'start'});
    },

    // Does the visitor want no movement?
    still() {
        return matchMedia('(prefers-reduced-motion: reduce)').matches;
    },

    // Arrow keys and swipes go to the seed before or after.
    steer() {
        const step = name => page.tab === 'generate' && document.querySelector(name)?.click();
        const typing = 'input, textarea, [contenteditable], [role=tab], [role=option], dialog';
        document.addEventListener('keydown', event => {
            const name = {ArrowLeft: '#earlier', ArrowRight: '#later'}[event.key];
            const held = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
            if (!name || held || event.target.closest(typing) || page.tab !== 'generate')
                return;
            event.preventDefault();
            step(name);
        });
        let begin = null;
        document.addEventListener('touchstart', event => {
            const isPlate = event.touches.length === 1 && event.target.closest('#picture, #moving');
            begin = isPlate ? event.touches[0] : null;
        }, {passive: true});
        document.addEventListener('touchend', event => {
            const end = event.changedTouches[0];
            const [x, y] = begin ? [end.clientX - begin.clientX, end.clientY - begin.clientY] : [0, 0];
            begin = null;
            if (Math.abs(x) > 40 && Math.abs(x) > 2 * Math.abs(y))
                step(x < 0 ? '#later' : '#earlier');
        });
    },

    // A click on a picture that does nothing else shows it large, with its caption.
    enlarge() {
        const dialog = document.createElement('dialog');
        dialog.id = 'large';
        dialog.setAttribute('aria-label', 'The picture, large');
        const image = document.createElement('img');
        const caption = document.createElement('p');
        const close = document.createElement('button');
        close.textContent = 'Close';
        dialog.append(image, caption, close);
        document.querySelector('main').append(dialog);
        dialog.addEventListener('click', () => dialog.close());
        document.addEventListener('click', event => {
            const frame = event.target.closest('.print, #variations .thumbnail-lg');
            const shown = frame?.querySelector('img');
            if (!shown || event.target.closest('.icon-button-wrapper, .source-selection'))
                return;
            image.src = shown.src;
            image.alt = shown.alt;
            const told = frame.closest('.plate')?.querySelector('.legend textarea')?.value;
            caption.textContent = frame.querySelector('.caption-label')?.innerText ?? told ?? '';
            dialog.showModal();
        });
    },

    // A phone shows its number keys; a field that lost its label to its copy button gets it back.
    dress() {
        for (const field of document.querySelectorAll('.figures:not(.words) input'))
            field.inputMode = 'numeric';
        const names = {earlier: 'The seed before', later: 'The seed after'};
        for (const [id, name] of Object.entries(names))
            document.getElementById(id)?.setAttribute('aria-label', name);
        for (const field of document.querySelectorAll('main textarea')) {
            if (field.labels.length)
                continue;
            const label = field.closest('label')?.querySelector('[data-testid=block-info]');
            field.setAttribute('aria-label', label?.innerText ?? '');
        }
    },

    // Query of the lasting link to the pair that is shown.
    pairQuery(seed) {
        const query = new URLSearchParams(page.links.generate ?? '');
        query.delete('__theme');
        query.set('seed', seed);
        return query;
    },

    // Whether a text is in the clipboard now.
    async isCopied(text) {
        try {
            await navigator.clipboard.writeText(text);
        } catch {
            // browsers hand out their clipboard on https and on this machine alone
            const field = document.createElement('textarea');
            field.value = text;
            document.body.append(field);
            field.select();
            const isCopied = document.execCommand('copy');
            field.remove();
            return isCopied;
        }
        return true;
    },

    // The link goes to the clipboard: what its button says then.
    async copyLink(seed) {
        if (seed === null)
            return 'No pair yet';
        const link = new URL(`/?${page.pairQuery(seed)}`, location).href;
        return await page.isCopied(link) ? 'Link copied' : 'Not copied';
    },

    // A caption that is code has a button of its own, which copies its lines.
    copyCode() {
        document.addEventListener('click', async event => {
            const button = event.target.closest('.copy-code');
            if (!button)
                return;
            const code = button.parentElement.querySelector('pre').textContent;
            button.textContent = await page.isCopied(code) ? 'Copied' : 'Not copied';
            setTimeout(() => button.textContent = 'Copy', 2000);
        });
    },

    // The postcard goes to the downloads: what its button says then.
    async savePostcard(seed) {
        if (seed === null)
            return 'No pair yet';
        const query = page.pairQuery(seed);
        query.delete('seed');
        const answer = await fetch(`/share/card/${seed}.png?${query}`).catch(() => null);
        if (!answer?.ok)
            return 'Not now: try again';
        const anchor = document.createElement('a');
        anchor.href = URL.createObjectURL(await answer.blob());
        anchor.download = `seed_${seed}_postcard.png`;
        anchor.click();
        setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
        return 'Saved';
    },

    // The same text, two seconds later.
    later(text) {
        return new Promise(done => setTimeout(done, 2000, text));
    },

    // A strip is the value of its gallery; its captions begin with a line "step N".
    at(step, strip) {
        const row = strip?.[step - 1];
        return row ? [row.image, row.caption.slice(row.caption.indexOf('\n') + 1)] : [null, ''];
    },

    // The tab Morph was turned to, or its link was read: it walks once by itself.
    firstWalk(strip, linked = false) {
        page.linked ||= linked;
        const tab = document.querySelector('[role=tab][aria-selected=true]')?.dataset.tabId;
        if (!page.linked || tab !== 'morph' || page.walked || strip?.length)
            return;
        page.walked = true;
        page.press('morph');
    },

    // Clicks a button, once the tab that holds it is up.
    press(id) {
        const button = document.getElementById(id);
        if (button)
            button.click();
        else
            setTimeout(() => page.press(id), 50);
    },

    // A walk is being drawn: values of picture and caption, the latest step.
    watch(strip) {
        const last = strip?.at(-1)?.image.url;
        const same = {__type__: 'update'};
        return last && last !== page.end ? page.at(strip.length, strip) : [same, same];
    },

    // A walk has been drawn: updates of clock, play button, slider, picture, caption, film.
    begin(strip) {
        page.forwards = true;
        page.end = strip?.at(-1)?.image.url;
        const moves = strip?.length > 1;
        const slider = {__type__: 'update', value: 1, maximum: Math.max(2, strip?.length ?? 0)};
        const film = {__type__: 'update', interactive: moves};
        return [...page.play(moves && !page.still()), slider, ...page.at(1, strip), film];
    },

    // Updates of clock and play button.
    play(playing) {
        page.playing = playing;
        const label = playing ? 'Pause' : 'Play';
        return [{__type__: 'update', active: playing}, {__type__: 'update', value: label}];
    },

    // The next step, there and back: values of slider, picture, caption.
    tick(step, strip) {
        const last = strip?.length ?? 0;
        if (step >= last)
            page.forwards = false;
        if (step <= 1)
            page.forwards = true;
        const next = Math.min(Math.max(step + (page.forwards ? 1 : -1), 1), Math.max(last, 1));
        return [next, ...page.at(next, strip)];
    },

    // Grids of a training have been read: updates of clock, play button, slider, picture, words.
    openBook(grids) {
        const last = grids?.length ?? 0;
        const slider = {__type__: 'update', value: Math.max(1, last), maximum: Math.max(2, last)};
        return [...page.flip(false), slider, ...page.leaf(last, grids)];
    },

    // A leaf of that book: values of picture and words.
    leaf(step, grids) {
        const row = grids?.[step - 1];
        return row ? [row.image, row.caption] : [null, ''];
    },

    // Updates of its clock and its play button.
    flip(flipping) {
        page.flipping = flipping;
        const label = flipping ? 'Pause' : 'Play';
        return [{__type__: 'update', active: flipping}, {__type__: 'update', value: label}];
    },

    // The next leaf, and the first after the last: values of slider, picture, words.
    turnLeaf(step, grids) {
        const next = step % Math.max(1, grids?.length ?? 0) + 1;
        return [next, ...page.leaf(next, grids)];
    },

    // Somebody moves the slider: updates of clock, play button, picture, caption.
    show(step, strip) {
        return [...page.play(false), ...page.at(step, strip)];
    },
};
