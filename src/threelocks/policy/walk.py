"""The shortest texts of a group that satisfy an expression over its views.

One walk through the segments, letter by letter, drives the automata of all patterns at once. It goes towards the goal
first (A*: letters so far plus the letters that are still needed at the least), and three things keep it small:

- a pattern that must match is followed as one run of its automaton at a time where its runs would make too many sets:
  so a list of alternatives costs their sum and not their product (but only one list: two would multiply again);
- of two states that differ only in how far the other patterns have matched, the better one is enough, where one is
  better in every pattern: further in those that should match, less far in those that should not;
- letters that only such patterns name are not tried while some other letter is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from threelocks.policy.box import All, Atom, Expr, Not, Some, atoms, holds_for
from threelocks.policy.pattern import Glob, glob
from threelocks.policy.space import Group, Parts, Shape


class UndecidedError(Exception):
    """Whether a request escapes could not be decided; the text says why."""


@dataclass(slots=True)
class Budget:
    """Steps that the judgement of one lock may take: an adversarial policy must not hang its guard. A step is about a
    microsecond.
    """

    steps: int = 100_000

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise UndecidedError("the policies are too involved to be searched within the budget")


def walk(group: Group, expr: Expr, budget: Budget) -> tuple[str, ...] | None:
    """The shortest texts of a group's segments that satisfy an expression over its views; None when there are none.

    Raises UndecidedError beyond the budget, or when the shortest texts are longer than AWS allows.
    """
    plain = normal(expr)
    if plain == Some():
        return None
    likely = _likely(group, plain, budget)
    return _Walker(group, plain, budget).search() if likely is None else likely


def _likely(group: Group, expr: Expr, budget: Budget) -> tuple[str, ...] | None:
    """For each segment a text that is as short as it can be at all, if these will do: as a rule they do."""
    wanted: dict[int, list[Atom]] = {}
    for part in expr.of if isinstance(expr, All) else (expr,):
        if isinstance(part, Atom) and isinstance(part.parts[-1], int) and len(_segments(part.parts)) == 1:
            wanted.setdefault(part.parts[-1], []).append(part)
    used = _used(atom.glob for atom in atoms(expr))
    budget.spend(_LIKELY * (1 + len(wanted)))
    texts = []
    for number, shape in enumerate(group.segments):
        other = _other(shape, used) or shape.letters[0]
        matches = [_shortest_match(atom, other) for atom in wanted.get(number, ())]
        texts.append(max((*matches, shape.shortest(other)), key=len))
    likely = tuple(texts)
    valid = all(map(_is_valid, group.segments, likely))
    return likely if valid and holds_for(expr, likely) else None


@lru_cache(maxsize=4096)
def _is_valid(shape: Shape, text: str) -> bool:
    return text.isascii() and shape.holds(text)


def _shortest_match(atom: Atom, other: str) -> str:
    """The shortest text of the one segment of a view that ends with it; empty where there is none."""
    begun = atom.glob.run(atom.glob.start, "".join(part for part in atom.parts if isinstance(part, str)))
    return atom.glob.shortest(begun, other) if begun else ""


def better_read(group: Group, expr: Expr, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts with as many as possible of the examples that their shapes give, within the expression."""
    exampled = tuple(shape.example or text for shape, text in zip(group.segments, texts, strict=True))
    if holds_for(expr, exampled):
        return exampled
    for at, example in enumerate(exampled):
        changed = (*texts[:at], example, *texts[at + 1 :])
        if example != texts[at] and holds_for(expr, changed):
            texts = changed
    return texts


# --- expressions in normal form ---------------------------------------------------------------------------------------


def normal(expr: Expr, *, positive: bool = True) -> Expr:
    """The same expression (or its opposite) with `Not` on atoms only, nothing nested in its own kind, and lists of
    patterns joined where one automaton does for all.
    """
    if isinstance(expr, Atom):
        return expr if positive else Not(expr)
    if isinstance(expr, Not):
        return normal(expr.of, positive=not positive)
    parts = [normal(one, positive=positive) for one in expr.of]
    return _joined(parts, both=isinstance(expr, All) == positive)


def _joined(parts: Iterable[Expr], *, both: bool) -> Expr:
    kind, other = (All, Some) if both else (Some, All)
    flat: dict[Expr, None] = {}
    for part in parts:
        if part == other():
            return part
        flat.update(dict.fromkeys(part.of if isinstance(part, kind) else (part,)))
    merged = tuple(_merged(flat, negative=both))
    if both:
        merged = tuple(_open(merged))
        if other() in merged:
            return other()
    return merged[0] if len(merged) == 1 else kind(merged)


def _open(parts: tuple[Expr, ...]) -> Iterator[Expr]:
    """A conjunction in which what must match leaves out the patterns that are plainly ruled out by what must not."""
    barred: dict[Parts, list[Glob]] = {}
    for part in parts:
        if isinstance(part, Not) and isinstance(part.of, Atom):
            barred.setdefault(part.of.parts, []).append(part.of.glob)
    for part in parts:
        if not isinstance(part, Atom) or part.parts not in barred:
            yield part
            continue
        own = part.glob
        left = tuple(
            pattern
            for pattern in own.patterns
            if not any(one.covers(pattern, colonwise=own.colonwise, fold=own.fold) for one in barred[part.parts])
        )
        if not left:
            yield Some()
        elif len(left) == len(own.patterns):
            yield part
        else:
            yield Atom(part.parts, glob(left, colonwise=own.colonwise, fold=own.fold))


def _merged(parts: Iterable[Expr], *, negative: bool) -> Iterator[Expr]:
    """No pattern of either list matches: no pattern of both does. One of either matches: one of both does."""
    alike: dict[tuple[Parts, bool, bool], list[Glob]] = {}
    for part in parts:
        atom = part.of if negative and isinstance(part, Not) else part
        if isinstance(atom, Atom) and (atom is not part) == negative:
            alike.setdefault((atom.parts, atom.glob.colonwise, atom.glob.fold), []).append(atom.glob)
        else:
            yield part
    for (of, colonwise, fold), globs in alike.items():
        patterns = dict.fromkeys(pattern for each in globs for pattern in each.patterns)
        atom = Atom(of, globs[0] if len(globs) == 1 else glob(tuple(patterns), colonwise=colonwise, fold=fold))
        yield Not(atom) if negative else atom


# --- the walk ---------------------------------------------------------------------------------------------------------

_Bits = tuple[int, ...]
_LIKELY, _EXPANDED, _STEPPED = 20, 20, 15  # steps of the budget


class _State(NamedTuple):
    """Where a walk stands: the segment and the state of its shape; one run of each guide; all runs of each other
    pattern.
    """

    segment: int
    shape: int
    runs: _Bits
    bits: _Bits


@dataclass(frozen=True, slots=True)
class _Track:
    """One list of patterns over one view. `fixed` is the fixed text before each segment, and at the end."""

    glob: Glob
    fixed: tuple[str, ...]
    over: frozenset[int]  # the segments of the view

    @classmethod
    def of(cls, atom: Atom, segments: int) -> _Track:
        fixed = tuple(_fixed_text(atom.parts, segment, segments) for segment in range(segments + 1))
        return cls(atom.glob, fixed, frozenset(_segments(atom.parts)))

    def lacking(self, bits: int, segment: int) -> int:
        """How many letters of free text are still needed for a match, at the least."""
        needed = min((self.glob.needed(single) for single in self.glob.single(bits)), default=0)
        return needed - sum(len(text) for text in self.fixed[segment + 1 :])

    def through(self, bits: int, segment: int) -> int:
        """The bits behind the fixed text that stands before a segment."""
        return self.glob.run(bits, self.fixed[segment]) if self.fixed[segment] else bits

    def step(self, bits: int, letter: str, segment: int) -> int:
        return self.glob.step(bits, letter) if segment in self.over else bits


def _segments(parts: Parts) -> list[int]:
    return [part for part in parts if isinstance(part, int)]


def _fixed_text(parts: Parts, segment: int, segments: int) -> str:
    """The fixed text of a view right before a segment; behind its last segment when `segment` is the end."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            if part == segment:
                return text
            text = ""
        else:
            text += part
    return text if segment == segments else ""


def _guides(wanted: list[Atom]) -> list[Atom]:
    """Of what must match: the longest list of patterns, and single patterns that pass through many sets of runs."""
    longest = max(wanted, key=lambda atom: len(atom.glob.patterns), default=None)
    return [atom for atom in wanted if atom is longest or (len(atom.glob.patterns) == 1 and atom.glob.branching)]


class _Walker:
    def __init__(self, group: Group, expr: Expr, budget: Budget) -> None:
        self.shapes = group.segments
        self.budget = budget
        self.most = sum(shape.most for shape in self.shapes)
        count = len(self.shapes)
        parts = expr.of if isinstance(expr, All) else (expr,)
        wanted = [part for part in parts if isinstance(part, Atom)]
        guides = _guides(wanted)
        self.guides = [_Track.of(atom, count) for atom in guides]
        self.rest = [part for part in parts if part not in guides]
        self.atoms = tuple(dict.fromkeys(atom for part in self.rest for atom in atoms(part)))
        self.others = [_Track.of(atom, count) for atom in self.atoms]
        self.index = {atom: at for at, atom in enumerate(self.atoms)}
        self.aims = [self.index[atom] for atom in wanted if atom not in guides and len(atom.glob.patterns) == 1]
        positive = {atom for part in self.rest for atom in _positive(part)}
        negative = {atom for part in self.rest for atom in _negative(part)}
        self.good = [atom in positive for atom in self.atoms]  # the more of it matches, the better
        self.bad = [atom in negative for atom in self.atoms]
        globs = [track.glob for track in (*self.guides, *self.others)]
        used = _used(globs)
        colonwise = any(one.colonwise for one in globs)
        self.always = [_always(shape, used, colonwise=colonwise) for shape in self.shapes]
        self.parents: dict[_State, tuple[_State, str] | None] = {}
        self.lengths: dict[_State, int] = {}
        self.waiting: dict[int, list[_State]] = {}
        self.kept: dict[tuple[int, int, _Bits], list[tuple[int, _Bits]]] = {}

    def search(self) -> tuple[str, ...] | None:
        bits = tuple(track.glob.start for track in self.others)
        for runs in product(*(track.glob.single(track.glob.start) for track in self.guides)):
            for state in self.enter(0, runs, bits):
                self.push(state, None, "", 0)
        while self.waiting:
            least = min(self.waiting)
            if least > self.most:
                return None
            state = self.waiting[least].pop()
            if not self.waiting[least]:
                del self.waiting[least]
            if least != self.lengths[state] + self.lacking(state) or self.surpassed(state):
                continue
            if state.segment == len(self.shapes):
                return self.spelled(state)
            self.expand(state)
        return None

    def push(self, state: _State, parent: _State | None, letter: str, length: int) -> None:
        known = self.lengths.get(state)
        if known is not None and known <= length:
            return
        self.lengths[state] = length
        self.parents[state] = None if parent is None else (parent, letter)
        self.waiting.setdefault(length + self.lacking(state), []).append(state)

    def expand(self, state: _State) -> None:
        length = self.lengths[state]
        self.budget.spend(_EXPANDED + len(self.guides) + len(self.others))
        following: dict[_State, str] = {}
        for letter in self.letters(state):
            for after in self.step(state, letter):
                following.setdefault(after, letter)
        # What is pushed last is tried first: the plain letters, and before them the end of the segment.
        for after, letter in reversed(following.items()):
            self.push(after, state, letter, length + 1)
        if self.shapes[state.segment].done(state.shape):
            for after in self.enter(state.segment + 1, state.runs, state.bits):
                self.push(after, state, "", length)

    # --- states -------------------------------------------------------------------------------------------------------

    def enter(self, segment: int, runs: _Bits, bits: _Bits) -> Iterator[_State]:
        """Behind the last letter of the segment before: run each pattern through the fixed text that stands there."""
        self.budget.spend(sum(len(track.fixed[segment]) for track in (*self.guides, *self.others)))
        shape = 0 if segment == len(self.shapes) else self.shapes[segment].start
        after = tuple(track.through(one, segment) for track, one in zip(self.others, bits, strict=True))
        choices = [track.glob.single(track.through(run, segment)) for track, run in zip(self.guides, runs, strict=True)]
        for chosen in product(*choices):
            state = _State(segment, shape, chosen, after)
            if self.possible(state):
                yield state

    def step(self, state: _State, letter: str) -> Iterator[_State]:
        """The states after one more letter: several where a guide can go on in several ways."""
        segment = state.segment
        self.budget.spend(_STEPPED + len(self.guides) + len(self.others))
        shape = self.shapes[segment].step(state.shape, letter)
        if shape < 0:
            return
        choices = []
        for track, run in zip(self.guides, state.runs, strict=True):
            after = track.step(run, letter, segment)
            if not after:
                return
            choices.append(tuple(track.glob.single(after)))
        bits = tuple(track.step(one, letter, segment) for track, one in zip(self.others, state.bits, strict=True))
        for runs in product(*choices):
            following = _State(segment, shape, runs, bits)
            if self.possible(following):
                yield following

    def possible(self, state: _State) -> bool:
        """Whether the expression might still become true; at the end: whether it is."""
        if state.segment == len(self.shapes):
            for track, run in zip(self.guides, state.runs, strict=True):
                if not run & track.glob.accept:
                    return False
        return all(self._possible(part, state) for part in self.rest)

    def _possible(self, expr: Expr, state: _State) -> bool:
        if isinstance(expr, All):
            return all(self._possible(one, state) for one in expr.of)
        if isinstance(expr, Some):
            return any(self._possible(one, state) for one in expr.of)
        atom = expr.of if isinstance(expr, Not) else expr
        assert isinstance(atom, Atom)
        bits = state.bits[self.index[atom]]
        at_end = state.segment == len(self.shapes)
        if atom is expr:
            return bool(bits & atom.glob.accept) if at_end else bool(bits)
        return not bits & (atom.glob.accept if at_end else atom.glob.forever)

    def lacking(self, state: _State) -> int:
        """The letters that are still needed at the least."""
        segment = state.segment
        if segment == len(self.shapes):
            return 0
        shape = self.shapes[segment].lacking(state.shape) + sum(shape.least for shape in self.shapes[segment + 1 :])
        guides = [track.lacking(run, segment) for track, run in zip(self.guides, state.runs, strict=True)]
        aims = [self.others[at].lacking(state.bits[at], segment) for at in self.aims]
        return max(shape, *guides, *aims) if guides else shape

    def surpassed(self, state: _State) -> bool:
        """Whether a state that was tried before, with no longer text, leaves every way open that this one does."""
        kept = self.kept.setdefault((state.segment, state.shape, state.runs), [])
        self.budget.spend(1 + len(kept) * len(self.others) // 4)
        length = self.lengths[state]
        if any(known <= length and self._no_worse(bits, state.bits) for known, bits in kept):
            return True
        kept.append((length, state.bits))
        return False

    def _no_worse(self, one: _Bits, other: _Bits) -> bool:
        for good, bad, mine, theirs in zip(self.good, self.bad, one, other, strict=True):
            if (good and theirs & ~mine) or (bad and mine & ~theirs):
                return False
        return True

    # --- letters ------------------------------------------------------------------------------------------------------

    def letters(self, state: _State) -> Iterator[str]:
        """The letters that make a difference here: one that stands for all that no pattern names, and those that a
        pattern which should match names.
        """
        shape = self.shapes[state.segment]
        forced = shape.forced(state.shape)
        if forced is not None:
            yield forced
            return
        always = self.always[state.segment]
        yield from always
        wanted = [*zip(self.guides, state.runs, strict=True)]
        others = zip(self.others, state.bits, self.good, strict=True)
        wanted += [(track, bits) for track, bits, good in others if good]
        named: dict[str, None] = {}
        for track, bits in wanted:
            if state.segment in track.over:
                for letter in track.glob.live_letters(bits):
                    named[letter] = None
                    if track.glob.fold and len(letter.upper()) == 1:
                        named[letter.upper()] = None
        for letter in named:
            if letter not in always and shape.allows(letter):
                yield letter

    # --- the answer ---------------------------------------------------------------------------------------------------

    def spelled(self, state: _State) -> tuple[str, ...]:
        texts: list[list[str]] = [[] for _ in self.shapes]
        step = self.parents[state]
        while step is not None:
            state, letter = step
            if letter:
                texts[state.segment].append(letter)
            step = self.parents[state]
        joined = tuple(_from_utf16("".join(reversed(text))) for text in texts)
        for shape, text in zip(self.shapes, joined, strict=True):
            if len(text.encode()) > shape.most:
                raise UndecidedError("a request that escapes would need a name longer than AWS allows")
        return joined


def _positive(expr: Expr) -> Iterator[Atom]:
    if isinstance(expr, Atom):
        yield expr
    elif not isinstance(expr, Not):
        for one in expr.of:
            yield from _positive(one)


def _negative(expr: Expr) -> Iterator[Atom]:
    if isinstance(expr, Not):
        assert isinstance(expr.of, Atom)
        yield expr.of
    elif not isinstance(expr, Atom):
        for one in expr.of:
            yield from _negative(one)


def _used(globs: Iterable[Glob]) -> frozenset[str]:
    """The letters that patterns name, in either case."""
    return frozenset().union(*(_in_either_case(one.letters) for one in globs))


@lru_cache(maxsize=8192)
def _in_either_case(letters: frozenset[str]) -> frozenset[str]:
    variants = (variant for letter in letters for variant in (letter.upper(), letter.lower()))
    return letters | {variant for variant in variants if len(variant) == 1}


@lru_cache(maxsize=256)
def _plain(shape: Shape) -> tuple[str, ...]:
    """The letters of a text, in order of preference, without a slash that shapes it."""
    letters = dict.fromkeys((*shape.letters, *sorted(shape.only or ())))
    return tuple(letter for letter in letters if shape.allows(letter) and not (shape.path and letter == "/"))


def _other(shape: Shape, used: frozenset[str]) -> str | None:
    """A letter that no pattern names."""
    return next((letter for letter in _plain(shape) if letter not in used), None)


def _always(shape: Shape, used: frozenset[str], *, colonwise: bool) -> tuple[str, ...]:
    """One letter that no pattern names, or else every letter; the colon, which some wildcards do not cross; and the
    slash where it shapes the text.
    """
    other = _other(shape, used)
    first = (other,) if other is not None else _plain(shape)
    colon = (":",) if colonwise and shape.allows(":") and ":" not in first else ()
    return (*(("/",) if shape.path else ()), *first, *colon)


def _from_utf16(units: str) -> str:
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
