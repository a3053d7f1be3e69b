// The games of the tab Play, and the triangle that mixes three seeds.
window.play = {
    // what the next question to the server says, by its name
    sent: {},
    games: {
        caption: {root: 'caption-game', keys: ['1', '2', '3', '4']},
        dream: {root: 'dream-game', keys: ['1', '2']},
    },

    // The tab was turned to; its parts may arrive a moment later.
    open() {
        if (!document.getElementById('seed-map') || !document.getElementById('mixer')) {
            setTimeout(play.open, 100);
            return;
        }
        seedMap.open();
        for (const name in play.games)
            play.openGame(name);
        mixer.open();
    },

    // Asks the server by a button that nobody sees; the answer comes to `got`.
    ask(name, value = null) {
        play.sent[name] = value;
        document.getElementById(`ask-${name}`).click();
    },

    got(name, found) {
        if (name === 'mix')
            mixer.got(found);
        else if (found?.right !== undefined)
            play.told(name, found);
        else if (found)
            play.posed(name, found);
    },

    // ---- games

    root(name) {
        return document.getElementById(play.games[name].root);
    },

    openGame(name) {
        const root = play.root(name);
        if (root.dataset.open)
            return;
        root.dataset.open = 'yes';
        root.querySelector('.next').addEventListener('click', () => play.ask(name));
        root.addEventListener('keydown', event => {
            const place = play.games[name].keys.indexOf(event.key);
            const choice = root.querySelectorAll('.choice')[place];
            if (!choice || event.altKey || event.ctrlKey || event.metaKey)
                return;
            event.preventDefault();
            choice.click();
        });
        play.score(name);
        play.ask(name);
    },

    // A round begins: its choices stand there, and nothing tells which is right.
    posed(name, found) {
        const root = play.root(name);
        const verdict = root.querySelector('.verdict');
        verdict.textContent = found.said ?? '';
        const question = root.querySelector('.question');
        question.classList.remove('answered');
        root.querySelector('.next').textContent = found.said ? 'Try again' : 'Another';
        if (found.said)
            return;
        play.games[name].other = found.other;
        const hadFocus = root.contains(document.activeElement);
        const choices = (found.captions ?? found.pictures).map((choice, place) => {
            const button = document.createElement('button');
            button.type = 'button';
            button.className = 'choice';
            if (found.captions) {
                button.textContent = choice;
                button.dataset.key = place + 1;
            } else {
                const text = place ? 'The second picture' : 'The first picture';
                button.append(play.picture(choice, text));
            }
            button.addEventListener('click', () => play.answer(name, place));
            return button;
        });
        const list = document.createElement('div');
        list.className = 'choices';
        list.append(...choices);
        question.replaceChildren(list);
        if (found.picture)
            question.prepend(play.picture(found.picture, 'The picture of a seed, to be matched'));
        if (hadFocus)
            choices[0].focus({preventScroll: true});
    },

    picture(source, text) {
        const image = new Image();
        image.src = source;
        image.alt = text;
        return image;
    },

    answer(name, place) {
        const question = play.root(name).querySelector('.question');
        if (question.classList.contains('answered'))
            return;
        question.classList.add('answered');
        play.sent[name] = place;
        document.getElementById(`answer-${name}`).click();
    },

    // The server has told what was right.
    told(name, found) {
        const root = play.root(name);
        const choices = root.querySelectorAll('.choice');
        choices[found.right].classList.add('right');
        if (found.chosen !== found.right)
            choices[found.chosen].classList.add('wrong');
        choices.forEach(choice => choice.setAttribute('aria-disabled', 'true'));
        const isRight = found.chosen === found.right;
        const link = document.createElement('a');
        link.href = seedMap.link(found.seed);
        link.textContent = `seed ${found.seed}`;
        const parts = [isRight ? 'Right: ' : 'No: '];
        if (name === 'caption') {
            parts.push('the picture is of ', link, '.');
        } else {
            const model = found.right ? 'second' : 'first';
            const other = play.games.dream.other;
            parts.push(`the ${model} is the model's, `, link, `; the other is ${other}.`);
        }
        root.querySelector('.verdict').replaceChildren(...parts);
        play.count(name, isRight);
        root.querySelector('.next').focus({preventScroll: true});
    },

    // ---- the score, which stays in this browser

    read(name) {
        const none = {right: 0, asked: 0, streak: 0, best: 0};
        try {
            return {...none, ...JSON.parse(localStorage.getItem(`play-${name}`))};
        } catch {
            return none;
        }
    },

    count(name, isRight) {
        const score = play.read(name);
        score.asked += 1;
        score.right += isRight ? 1 : 0;
        score.streak = isRight ? score.streak + 1 : 0;
        score.best = Math.max(score.best, score.streak);
        try {
            localStorage.setItem(`play-${name}`, JSON.stringify(score));
        } catch {
            // a browser may keep nothing
        }
        play.score(name);
    },

    score(name) {
        const {right, asked, streak, best} = play.read(name);
        play.root(name).querySelector('.score').textContent = asked
            ? `${right} of ${asked} right · ${streak} in a row · at best ${best}`
            : '';
    },
};

// Three seeds at the corners of a triangle; the point's place says how much of each.
window.mixer = {
    corners: [[100, 20], [14, 169], [186, 169]],
    weights: [1 / 3, 1 / 3, 1 / 3],
    // a mixture is being drawn; the next is asked for when it is here
    isDrawing: false,
    // what was asked for last, as text, so that nothing is drawn twice
    asked: '',

    root() {
        return document.getElementById('mixer');
    },

    open() {
        const root = mixer.root();
        if (root.dataset.open)
            return;
        root.dataset.open = 'yes';
        const stage = root.querySelector('svg');
        stage.addEventListener('pointerdown', event => {
            stage.setPointerCapture(event.pointerId);
            mixer.drag(event);
        });
        stage.addEventListener('pointermove', event => {
            if (stage.hasPointerCapture(event.pointerId))
                mixer.drag(event);
        });
        stage.addEventListener('keydown', mixer.key);
        for (const field of root.querySelectorAll('input'))
            field.addEventListener('change', mixer.draw);
        root.querySelector('.three').addEventListener('click', () => {
            const seeds = crypto.getRandomValues(new Uint32Array(3));
            root.querySelectorAll('input').forEach((field, i) => field.value = seeds[i]);
            mixer.draw();
        });
        mixer.move(mixer.weights);
    },

    // Where the pointer is, or the nearest place within the triangle.
    drag(event) {
        const stage = mixer.root().querySelector('svg');
        const point = new DOMPoint(event.clientX, event.clientY)
            .matrixTransform(stage.getScreenCTM().inverse());
        mixer.move(mixer.weightsAt([point.x, point.y]));
    },

    // Barycentric coordinates; those of a place outside are cut off at the edge.
    weightsAt([x, y]) {
        const [[ax, ay], [bx, by], [cx, cy]] = mixer.corners;
        const area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy);
        const a = ((by - cy) * (x - cx) + (cx - bx) * (y - cy)) / area;
        const b = ((cy - ay) * (x - cx) + (ax - cx) * (y - cy)) / area;
        return [a, b, 1 - a - b];
    },

    pointOf(weights) {
        return [0, 1].map(axis =>
            weights.reduce((sum, weight, i) => sum + weight * mixer.corners[i][axis], 0));
    },

    move(weights) {
        const kept = weights.map(weight => weight < 0.02 ? 0 : weight);
        const sum = kept[0] + kept[1] + kept[2];
        mixer.weights = kept.map(weight => Math.round(1000 * weight / sum) / 1000);
        const stage = mixer.root().querySelector('svg');
        const point = mixer.pointOf(mixer.weights);
        const dot = stage.querySelector('circle');
        dot.setAttribute('cx', point[0]);
        dot.setAttribute('cy', point[1]);
        stage.querySelectorAll('line').forEach((line, i) => {
            line.setAttribute('x1', mixer.corners[i][0]);
            line.setAttribute('y1', mixer.corners[i][1]);
            line.setAttribute('x2', point[0]);
            line.setAttribute('y2', point[1]);
        });
        mixer.draw();
    },

    key(event) {
        const steps = {
            ArrowLeft: [-6, 0], ArrowRight: [6, 0], ArrowUp: [0, -6], ArrowDown: [0, 6],
        };
        const places = {0: [1, 1, 1], 1: [1, 0, 0], 2: [0, 1, 0], 3: [0, 0, 1]};
        if (event.altKey || event.ctrlKey || event.metaKey)
            return;
        if (event.key in steps) {
            const [x, y] = mixer.pointOf(mixer.weights);
            const [across, down] = steps[event.key];
            mixer.move(mixer.weightsAt([x + across, y + down]));
        } else if (event.key in places) {
            mixer.move(places[event.key]);
        } else {
            return;
        }
        event.preventDefault();
    },

    // Asks for the mixture on show, one at a time: while a point is dragged the pictures follow.
    draw() {
        const seeds = [...mixer.root().querySelectorAll('input')].map(field => field.value.trim());
        const stage = mixer.root().querySelector('svg');
        const shares = mixer.weights.map(weight => Math.round(100 * weight));
        const told = seeds.map((seed, i) => `seed ${seed}: ${shares[i]} %`).join(', ');
        stage.setAttribute('aria-valuenow', shares[0]);
        stage.setAttribute('aria-valuetext', told);
        const asked = JSON.stringify([seeds, mixer.weights]);
        if (mixer.isDrawing || asked === mixer.asked)
            return;
        mixer.isDrawing = true;
        mixer.asked = asked;
        play.ask('mix', [seeds, mixer.weights]);
    },

    got(found) {
        mixer.isDrawing = false;
        const root = mixer.root();
        root.querySelector('.verdict').textContent = found?.said ?? found?.caption ?? '';
        if (found?.picture) {
            const image = root.querySelector('img');
            image.src = found.picture;
            image.alt = `Mixture, ${root.querySelector('svg').getAttribute('aria-valuetext')}`;
            image.hidden = false;
        }
        // what has moved meanwhile
        mixer.draw();
    },
};
