"""Text with wildcards: `*` is any run of characters, `?` exactly one UTF-16 unit, everything else itself.

A Pattern may hold policy variables; bound to their values it becomes a Glob. A Glob matches text, and is also an
automaton of bits that `witness` walks letter by letter: bit i is set when the first i tokens may have matched.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Wild(Enum):
    ONE = "?"
    RUN = "*"


@dataclass(frozen=True, slots=True)
class Variable:
    """`${name}` or `${name, 'default'}`."""

    name: str  # in lower case
    default: str | None = None


Piece = str | Wild | Variable
_Token = str | Wild  # of a bound pattern: one UTF-16 unit, or a wildcard


@dataclass(frozen=True, slots=True)
class Pattern:
    """The pieces of a pattern, in order. No two strings are neighbours, no two runs either."""

    pieces: tuple[Piece, ...]

    @property
    def variables(self) -> tuple[Variable, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Variable))

    def bind(self, lookup: Callable[[Variable], str | Wild | None]) -> Pattern | None:
        """The pattern with each variable replaced by its value, which is literal text even where it holds `*`.

        A variable that has neither value nor default makes the pattern match nothing: None.
        """
        if not self.variables:
            return self
        bound: list[Piece] = []
        for piece in self.pieces:
            if not isinstance(piece, Variable):
                bound.append(piece)
                continue
            value = lookup(piece)
            if value is None:
                return None
            bound.append(value)
        return Pattern(_joined(bound))


_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_DEFAULTED = re.compile(r"^\s*([^,]+?)\s*(?:,\s*'(.*)'\s*)?$", re.DOTALL)
_ESCAPES = {"*", "?", "$"}


@lru_cache(maxsize=4096)
def parse_pattern(text: str, *, variables: bool, wildcards: bool = True) -> Pattern:
    """Split text into pieces. Without `wildcards`, `*` and `?` are themselves; without `variables`, `${...}` is."""
    pieces: list[Piece] = []
    position = 0
    for match in _VARIABLE.finditer(text) if variables else ():
        pieces += _wild(text[position : match.start()], wildcards=wildcards)
        pieces.append(_variable(match))
        position = match.end()
    pieces += _wild(text[position:], wildcards=wildcards)
    return Pattern(_joined(pieces))


def _variable(match: re.Match[str]) -> Piece:
    inner = match[1]
    if inner in _ESCAPES:
        return inner
    parts = _DEFAULTED.match(inner)
    if not parts:
        return match[0]
    return Variable(parts[1].lower(), parts[2])


def _wild(text: str, *, wildcards: bool) -> list[Piece]:
    if not wildcards:
        return [text]
    return [_WILDS.get(part, part) for part in re.split(r"([*?])", text)]


_WILDS: dict[str, Piece] = {"*": Wild.RUN, "?": Wild.ONE}


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    joined: list[Piece] = []
    for piece in pieces:
        if piece == "":
            continue
        if joined and isinstance(piece, str) and isinstance(joined[-1], str):
            joined[-1] += piece
        elif not (joined and piece is Wild.RUN and joined[-1] is Wild.RUN):
            joined.append(piece)
    return tuple(joined)


def literal(text: str) -> Pattern:
    """A pattern that matches this text alone."""
    return Pattern((text,) if text else ())


def prefix(text: str) -> Pattern:
    """A pattern that matches whatever begins with this text."""
    return Pattern((text, Wild.RUN) if text else (Wild.RUN,))


def utf16(text: str) -> str:
    """Text as one character per UTF-16 unit, which is what `?` counts in."""
    if text.isascii() or max(text) < "\U00010000":
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(int.from_bytes(units[i : i + 2], "little")) for i in range(0, len(units), 2))


def _folded(letter: str) -> str:
    """A letter regardless of case, letter by letter, so that a text always equals itself."""
    upper = letter.upper()
    lower = (upper if len(upper) == 1 else letter).lower()
    return lower if len(lower) == 1 else letter


_FEW = 512  # places up to which a number is put together faster bit by bit


def _bits(places: list[int]) -> int:
    """The number with these bits set; ascending. In time linear in the highest, however many there are."""
    if not places or places[-1] < _FEW:
        return sum([1 << place for place in places])
    held = bytearray((places[-1] >> 3) + 1)
    for place in places:
        held[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(held, "little")


class Glob:
    """A set of bound patterns, of which any may match. Immutable once made; made once per set.

    `colonwise`: a wildcard does not cross a colon within the first five colon-separated parts (ArnLike).
    `fold`: letters match regardless of case.
    """

    __slots__ = (
        *("_any", "_fold", "_left", "_letters", "_run", "_runs_here", "_shapes"),
        *("accept", "colonwise", "forever", "letters", "patterns", "start"),
    )

    def __init__(self, patterns: tuple[Pattern, ...], *, colonwise: bool = False, fold: bool = False) -> None:
        self.patterns = patterns
        self.colonwise = colonwise
        self._fold = fold
        self._left: list[tuple[int, _Token]] | None = None
        self._shapes: _Shapes | None = None
        # Tokens of all patterns stand one after the other; each pattern ends in a place of its own, which accepts.
        letters: dict[str, list[int]] = {}  # letter -> the places whose token is that letter
        starts, ends, forever = [], [], []
        ones: tuple[list[int], list[int]] = [], []  # those that take any letter, and those that do not cross a colon
        runs: tuple[list[int], list[int]] = [], []
        place = 0
        for pattern in patterns:
            starts.append(place)
            colons = 0
            for piece in pattern.pieces:
                within = colonwise and colons < 5  # noqa: PLR2004 - the sixth part of an ARN is the resource
                if piece is Wild.ONE:
                    ones[within].append(place)
                    place += 1
                elif piece is Wild.RUN:
                    runs[within].append(place)
                    place += 1
                else:
                    assert isinstance(piece, str), "bind variables first"
                    for unit in utf16(piece):
                        letter = _folded(unit) if fold else unit
                        letters.setdefault(letter, []).append(place)
                        colons += letter == ":"
                        place += 1
            if pattern.pieces and pattern.pieces[-1] is Wild.RUN and runs[False][-1:] == [place - 1]:
                forever.append(place - 1)
            ends.append(place)
            place += 1
        one_any, one_here, run_any, run_here = map(_bits, (*ones, *runs))
        self._letters = {letter: _bits(places) for letter, places in letters.items()}
        self.forever = _bits(forever)  # at these bits any further text matches
        self._any = (one_any | one_here, one_any)  # for a letter other than the colon, and for the colon
        self._run = (run_any | run_here, run_any)
        self._runs_here = run_any | run_here
        self.accept = _bits(ends)
        self.start = self._close(_bits(starts))
        self.letters = frozenset(self._letters) | (frozenset(":") if one_here | run_here else frozenset())

    def _close(self, bits: int) -> int:
        """A run may match nothing, so whoever stands before one also stands behind it."""
        return bits | ((bits & self._runs_here) << 1)

    def step(self, bits: int, letter: str) -> int:
        """The bits after one more letter; 0 when nothing can match any more."""
        colon = letter == ":"
        if self._fold:
            letter = _folded(letter)
        moved = (bits & (self._letters.get(letter, 0) | self._any[colon])) << 1
        return self._close(moved | (bits & self._run[colon]))

    def run(self, bits: int, text: str) -> int:
        """The bits after all letters of the text."""
        for letter in utf16(text):
            if not bits:
                return 0
            bits = self.step(bits, letter)
        return bits

    @property
    def fold(self) -> bool:
        return self._fold

    @property
    def branching(self) -> bool:
        """Whether a pattern has a `?` behind a `*`, so that very many sets of runs can arise."""
        return any(
            piece is Wild.ONE and Wild.RUN in pattern.pieces[:at]
            for pattern in self.patterns
            for at, piece in enumerate(pattern.pieces)
        )

    def single(self, bits: int) -> Iterator[int]:
        """Bits as single runs of the automaton, whose union they are."""
        left = bits & ~((bits & self._runs_here) << 1)
        while left:
            lowest = left & -left
            left ^= lowest
            yield self._close(lowest)

    def needed(self, single: int) -> int:
        """The least number of letters that lead from a single run to a match."""
        left = self._left or self._count_left()
        return left[(single & -single).bit_length() - 1][0]

    def shortest(self, bits: int, other: str) -> str:
        """The shortest text that leads from these bits (not 0) to a match, with one letter for every `?`."""
        single = min(self.single(bits), key=self.needed)
        left = self._left or self._count_left()
        letters: list[str] = []
        for needed, token in left[(single & -single).bit_length() - 1 :]:
            if not needed:
                break
            if token is not Wild.RUN:
                letters.append(other if token is Wild.ONE else token)
        return "".join(letters)

    def _count_left(self) -> list[tuple[int, _Token]]:
        """For each bit the least number of letters from there to a match, and its token; none where a pattern ends."""
        self._left = []
        for pattern in self.patterns:
            tokens: list[_Token] = []
            for piece in pattern.pieces:
                assert not isinstance(piece, Variable)
                tokens.extend(utf16(piece) if isinstance(piece, str) else (piece,))
            needed = sum(token is not Wild.RUN for token in tokens)
            for token in tokens:
                self._left.append((needed, token))
                needed -= token is not Wild.RUN
            self._left.append((0, ""))
        return self._left

    def covers(self, pattern: Pattern, *, colonwise: bool, fold: bool) -> bool:
        """Whether what a pattern of another glob matches is plainly matched here, whatever its wildcards stand for."""
        if (self.colonwise and not colonwise) or (fold and not self._fold):
            return False
        shapes = self._shapes or self._sorted_by_shape()
        if pattern in shapes.patterns:
            return True
        first = pattern.pieces[0] if pattern.pieces else ""
        head = first if isinstance(first, str) else ""
        if pattern.pieces in ((), (head,)):
            return self.matches(head)
        return head.isascii() and (head.lower() if self._fold else head).startswith(shapes.starts)

    def live_letters(self, bits: int) -> list[str]:
        """The letters that some token at these bits names."""
        return [letter for letter, at in self._letters.items() if at & bits]

    def matches(self, text: str) -> bool:
        """Whether any of the patterns matches. Plain text and `*` are looked for, not walked letter by letter."""
        if not text.isascii():
            return bool(self.run(self.start, text) & self.accept)
        shapes = self._shapes or self._sorted_by_shape()
        if self._fold:
            text = text.lower()
        return (
            text in shapes.exact
            or text.startswith(shapes.starts)
            or (shapes.between != () and any(_runs_through(parts, text) for parts in shapes.between))
            or (shapes.others and bool(self.run(self.start, text) & self.accept))
        )

    def _sorted_by_shape(self) -> _Shapes:
        """The patterns by what it takes to match one against an ASCII text, in which a letter is a UTF-16 unit."""
        exact, starts, between, others = set(), [], [], False
        for pattern in self.patterns:
            parts = _around_runs(pattern, fold=self._fold)
            if parts is None or (self.colonwise and len(parts) > 1 and parts[0].count(":") < 5):  # noqa: PLR2004
                others = True
            elif len(parts) == 1:
                exact.add(parts[0])
            elif parts[1:] == ("",):
                starts.append(parts[0])
            else:
                between.append(parts)
        self._shapes = _Shapes(frozenset(self.patterns), frozenset(exact), tuple(starts), tuple(between), others)
        return self._shapes


@dataclass(frozen=True, slots=True)
class _Shapes:
    """All patterns; those without wildcards; with one `*`, at the end; with `*` elsewhere; whether there are others."""

    patterns: frozenset[Pattern]
    exact: frozenset[str]
    starts: tuple[str, ...]
    between: tuple[tuple[str, ...], ...]
    others: bool


def _around_runs(pattern: Pattern, *, fold: bool) -> tuple[str, ...] | None:
    """The texts before, between and after the `*` of a pattern; None when it holds a `?`."""
    parts = [""]
    for piece in pattern.pieces:
        if piece is Wild.RUN:
            parts.append("")
        elif isinstance(piece, str):
            parts[-1] += "".join(map(_folded, utf16(piece))) if fold else piece
        else:
            return None
    return tuple(parts)


def _runs_through(parts: tuple[str, ...], text: str) -> bool:
    """Whether a text begins with the first part, ends with the last, and holds the others between, in order."""
    first, last = parts[0], parts[-1]
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in parts[1:-1]:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def glob(patterns: tuple[Pattern, ...], *, colonwise: bool = False, fold: bool = False) -> Glob:
    """The automaton of these patterns, made once."""
    return _glob(patterns, colonwise, fold)


def plain_glob(texts: Iterable[str], *, fold: bool = False) -> Glob:
    """The automaton of texts that have no policy variables: `${` is literal text in them."""
    return glob(tuple([parse_pattern(text, variables=False) for text in texts]), fold=fold)


@lru_cache(maxsize=8192)
def _glob(patterns: tuple[Pattern, ...], colonwise: bool, fold: bool) -> Glob:  # noqa: FBT001 - one form of call, one entry
    return Glob(patterns, colonwise=colonwise, fold=fold)
