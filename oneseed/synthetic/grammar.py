"""Which texts a collection's captions may be: a grammar, and the automaton that reads its texts.

    ships = in_order("a ", any_of(["", "small "]), "ship")
    automaton = Automaton(ships)
    state = automaton.read(automaton.start, b"a sm")        # None where no text begins so
    automaton.is_end(automaton.read(state, b"all ship"))    # True

A grammar is a text, parts in order, or one of several alternatives; so its language is finite.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class InOrder:
    """Parts that follow one another."""

    parts: "tuple[Grammar, ...]"


@dataclass(frozen=True)
class AnyOf:
    """Alternatives."""

    alternatives: "tuple[Grammar, ...]"


Grammar = str | InOrder | AnyOf


def in_order(*parts: Grammar) -> Grammar:
    """The parts, one after another."""
    return InOrder(parts)


def any_of(alternatives: "Iterable[Grammar]") -> Grammar:
    """Any one of the alternatives; "" among them: it may be left out."""
    return AnyOf(tuple(alternatives))


class Automaton:
    """A deterministic automaton over the bytes of a grammar's texts, in UTF-8.

    States are numbers from 0 up. moves: of each state, {byte: the state that follows}; ends: those
    at which a text may end. From every state some end can be reached.
    """

    def __init__(self, grammar: Grammar) -> None:
        parts = PartAutomaton()
        last = parts.add(parts.new(), grammar)
        start = parts.closure([0])
        numbers = {start: 0}
        self.start = 0
        self.moves: list[dict[int, int]] = []
        self.ends: set[int] = set()
        # grows while it is walked through
        found = [start]
        for state in found:
            if last in state:
                self.ends.add(len(self.moves))
            targets: dict[int, list[int]] = {}
            for one in state:
                for byte, target in parts.moves[one]:
                    targets.setdefault(byte, []).append(target)
            moves = {}
            for byte, those in targets.items():
                target = parts.closure(those)
                if target not in numbers:
                    numbers[target] = len(found)
                    found.append(target)
                moves[byte] = numbers[target]
            self.moves.append(moves)

    def read(self, state: int | None, text: bytes) -> int | None:
        """The state after some bytes; None where no text of the grammar goes on so."""
        for byte in text:
            if state is None:
                return None
            state = self.moves[state].get(byte)
        return state

    def is_end(self, state: int | None) -> bool:
        """Whether a text may end here."""
        return state in self.ends

    def accepts(self, text: str) -> bool:
        """Whether a text is one of the grammar's."""
        return self.is_end(self.read(self.start, text.encode()))


class PartAutomaton:
    """The automaton while it is put together, with several ways on from a state (Thompson 1968)."""

    def __init__(self) -> None:
        # of each state: (byte, target), and targets that need no byte
        self.moves: list[list[tuple[int, int]]] = []
        self.free: list[list[int]] = []

    def new(self) -> int:
        """Another state."""
        self.moves.append([])
        self.free.append([])
        return len(self.moves) - 1

    def add(self, state: int, grammar: Grammar) -> int:
        """Goes on from a state as the grammar says -> the state after it."""
        if isinstance(grammar, str):
            for byte in grammar.encode():
                target = self.new()
                self.moves[state].append((byte, target))
                state = target
            return state
        if isinstance(grammar, InOrder):
            for part in grammar.parts:
                state = self.add(state, part)
            return state
        end = self.new()
        for alternative in grammar.alternatives:
            self.free[self.add(state, alternative)].append(end)
        return end

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        """The states with all that need no byte."""
        found = set(states)
        waiting = list(found)
        while waiting:
            for target in self.free[waiting.pop()]:
                if target not in found:
                    found.add(target)
                    waiting.append(target)
        return frozenset(found)
