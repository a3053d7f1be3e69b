// What the page does without asking the server: lasting links, number keys, and the player of a morph.
window.page = {
    playing: false,
    forwards: true,
    tab: null,                                                          // nothing is said of tabs before the page has turned to the one it was opened at
    links: {},                                                          // of each tab, as it was left

    opened() {
        page.catchCards();
        page.tab = document.querySelector('[role=tab][aria-selected=true]').dataset.tabId;
        page.links[page.tab] = location.search.slice(1);
        page.dress();
        new MutationObserver(page.dress).observe(document.querySelector('main'), {childList: true, subtree: true});
    },

    // The address bar names what is shown; usual values stay out of it.
    link(tab, ...values) {
        const names = {generate: ['seed', 'prompt', 'style', 'guidance', 'temperature'], morph: ['from', 'to']}[tab];
        const usual = {prompt: '', style: '', guidance: 2.5, temperature: 0};
        const query = new URLSearchParams(tab === 'generate' ? {} : {tab});
        names.forEach((name, i) => {
            if (values[i] !== null && values[i] !== usual[name])
                query.set(name, values[i]);
        });
        page.links[tab] = query.toString();
        if (tab === page.tab)
            page.turn(tab);
    },

    turn(tab) {
        if (page.tab === null)
            return;
        page.tab = tab;
        const link = new URL(window.location), look = link.searchParams.get('__theme');
        link.search = page.links[tab] ?? (tab === 'generate' ? '' : `tab=${tab}`);
        if (look)
            link.searchParams.set('__theme', look);
        history.replaceState(history.state, '', link);
    },

    // A card dropped anywhere but on a field that takes files goes to "Open a pair card".
    catchCards() {
        const field = () => document.querySelector('#card')?.parentElement.querySelector('input[type=file]');
        const ours = event => page.tab === 'generate' && event.dataTransfer?.types.includes('Files');
        document.addEventListener('dragover', event => ours(event) && (event.preventDefault(), document.body.classList.add('dropping')));
        document.addEventListener('dragleave', event => event.relatedTarget || document.body.classList.remove('dropping'));
        document.addEventListener('drop', event => {
            document.body.classList.remove('dropping');
            if (!ours(event) || !field())
                return;
            event.preventDefault();
            field().files = event.dataTransfer.files;
            field().dispatchEvent(new Event('change', {bubbles: true}));
        });
    },

    bring(id) {                                                         // into view, where it is out of it
        const element = document.getElementById(id), top = element?.getBoundingClientRect().top;
        if (top < 0 || top > innerHeight - 200)
            element.scrollIntoView({behavior: page.still() ? 'auto' : 'smooth', block: 'start'});
    },

    still() {
        return matchMedia('(prefers-reduced-motion: reduce)').matches;
    },

    dress() {                                                           // a phone shows its number keys; a field with a copy button has lost its label to that
        document.querySelectorAll('.figures input').forEach(field => field.inputMode = 'numeric');
        document.querySelectorAll('main textarea').forEach(field => field.labels.length || field.setAttribute('aria-label', field.closest('label')?.querySelector('[data-testid=block-info]')?.innerText ?? ''));
    },

    // A strip is the value of its gallery; its captions begin with a line "step N".
    at(step, strip) {
        const row = strip?.[step - 1];
        return row ? [row.image, row.caption.slice(row.caption.indexOf('\n') + 1)] : [null, ''];
    },

    begin(strip) {
        page.forwards = true;
        const range = {__type__: 'update', value: 1, maximum: Math.max(2, strip?.length ?? 0)};
        const whole = {__type__: 'update', interactive: strip?.length > 1};
        return [...page.play(strip?.length > 1 && !page.still()), range, ...page.at(1, strip), whole];
    },

    play(playing) {
        page.playing = playing;
        return [{__type__: 'update', active: playing}, {__type__: 'update', value: playing ? 'Pause' : 'Play'}];
    },

    tick(step, strip) {
        const last = strip?.length ?? 0;
        if (step >= last) page.forwards = false;
        if (step <= 1) page.forwards = true;
        const next = Math.min(Math.max(step + (page.forwards ? 1 : -1), 1), Math.max(last, 1));
        return [next, ...page.at(next, strip)];
    },

    show(step, strip) {                                                 // somebody moves the slider
        return [...page.play(false), ...page.at(step, strip)];
    },
};
