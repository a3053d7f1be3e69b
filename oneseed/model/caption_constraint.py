"""Captions that are held to a grammar: only tokens with which one of its texts goes on.

    constraint = CaptionConstraint(grammar, tokenizer, max_length=100)
    held = constraint.begin(rows=2)
    allowed = held.masked(logits)       # (2, V), -inf where no text of the grammar goes on so
    held.take(chosen)

A text of the grammar may be cut into tokens in any way. What is allowed depends on a row's own
tokens alone, so on no other row. A token that leaves too little room for an end is not allowed.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from oneseed.console.command import UserError
from oneseed.model.tokenizer import END, UNK, Tokenizer

if TYPE_CHECKING:
    from oneseed.synthetic.grammar import Automaton, Grammar

# of a trie of tokens, the number of the token that ends here
HERE = -1


class CaptionConstraint:
    """Which tokens may follow which texts of a grammar, for one vocabulary."""

    def __init__(self, grammar: "Grammar", tokenizer: Tokenizer, max_length: int) -> None:
        """max_length: tokens of a caption, START and END counted.

        UserError where no text of the grammar is so short, or its letters are no tokens.
        """
        # here, so that pairs of other models load nothing of it
        from oneseed.synthetic.grammar import Automaton

        automaton = Automaton(grammar)
        trie = token_trie(tokenizer)
        self.max_length = max_length
        self.start = automaton.start
        # the state after END, from which nothing goes on but END
        self.over = len(automaton.moves)
        self.moves = [token_moves(automaton, trie, state) for state in range(self.over)]
        for state in automaton.ends:
            self.moves[state][END] = self.over
        self.moves.append({END: self.over})
        self.needed = tokens_to(self.over, self.moves)
        # tokens and the states after them, of each state
        self.tokens = [np.fromiter(moves, dtype=np.int64) for moves in self.moves]
        self.targets = [np.fromiter(moves.values(), dtype=np.int64) for moves in self.moves]
        if self.needed[self.start] > max_length - 1:
            raise UserError(
                f"no text of the collection has {max_length} tokens or fewer, as this model's "
                "captions have; leave --constrained out"
            )

    def begin(self, rows: int) -> "HeldCaptions":
        """So many captions, from their beginning."""
        return HeldCaptions(self, rows)

    def allowed(self, state: int, room: int) -> np.ndarray:
        """The tokens that may come next, of which at least one is. room: tokens left, with it."""
        fits = self.needed[self.targets[state]] < room
        return self.tokens[state][fits]


class HeldCaptions:
    """B captions that are being written, token by token."""

    def __init__(self, constraint: CaptionConstraint, rows: int) -> None:
        self.constraint = constraint
        self.states = [constraint.start] * rows
        # START is there
        self.room = constraint.max_length - 1

    def masked(self, logits: np.ndarray) -> np.ndarray:
        """Logits (B, V) -> the same, -inf where a token may not come next."""
        masked = np.full_like(logits, -np.inf)
        for row, state in enumerate(self.states):
            allowed = self.constraint.allowed(state, self.room)
            masked[row, allowed] = logits[row, allowed]
        return masked

    def take(self, chosen: np.ndarray) -> None:
        """Goes on by one token a row, (B,), each of which was allowed."""
        moves = self.constraint.moves
        pairs = zip(self.states, chosen.tolist(), strict=True)
        self.states = [moves[state][token] for state, token in pairs]
        self.room -= 1


def token_trie(tokenizer: Tokenizer) -> dict[int, Any]:
    """The entries of a vocabulary as a trie of their bytes, {byte: trie}, HERE: the entry."""
    trie: dict[int, Any] = {}
    for token in range(len(tokenizer)):
        if token <= UNK:
            continue
        branch = trie
        letters = tokenizer.bytes_of(token)
        for byte in letters:
            branch = branch.setdefault(byte, {})
        # some vocabularies have tokens of which no letters are known
        if letters:
            branch[HERE] = token
    return trie


def token_moves(automaton: "Automaton", trie: dict[int, Any], state: int) -> dict[int, int]:
    """{token: the state after it} of all tokens with which a text goes on, in order."""
    found = {}
    waiting = [(state, trie)]
    while waiting:
        at, branch = waiting.pop()
        if HERE in branch:
            found[branch[HERE]] = at
        for byte, target in automaton.moves[at].items():
            if byte in branch:
                waiting.append((target, branch[byte]))
    return dict(sorted(found.items()))


def tokens_to(end: int, moves: list[dict[int, int]]) -> np.ndarray:
    """How many tokens lie between each state and an end, at least: int (S,).

    UserError where no tokens lead from one to an end.
    """
    before: list[list[int]] = [[] for _ in moves]
    for state, targets in enumerate(moves):
        for target in set(targets.values()):
            before[target].append(state)
    needed = np.full(len(moves), -1)
    needed[end] = 0
    waiting = deque([end])
    while waiting:
        target = waiting.popleft()
        for state in before[target]:
            if needed[state] < 0:
                needed[state] = needed[target] + 1
                waiting.append(state)
    if needed.min() < 0:
        raise UserError(
            "this model's vocabulary has no token for some letters of the collection's texts, so "
            "captions cannot be held to its grammar; leave --constrained out"
        )
    return needed
