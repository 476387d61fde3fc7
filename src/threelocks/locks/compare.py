"""What a change of policies did: which requests pass one lock now that did not before, and the reverse.

Both sides are read in the same spaces of requests that the lock is judged by. A request changes sides only by a
statement that changed, so the search begins with those: what was rewritten in other words is found to be the same, and
what stands as it stood costs nothing.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from threelocks.contract import Contract
from threelocks.finding import Change, Difference, Edit, Lock, Witness
from threelocks.locks import bucket_policy, identity_policy, key_policy
from threelocks.locks.access_points import told_apart
from threelocks.locks.ask import Layered, as_witness
from threelocks.locks.callers import ANYONE, SERVICES, STRANGERS, CallerClass, classes
from threelocks.locks.case import Case
from threelocks.locks.kept import Kept, KeptDocument
from threelocks.locks.narrow import spaces_of
from threelocks.locks.resource_policy import Target, is_service, universes
from threelocks.locks.terms import keys_in_play, required
from threelocks.observation import Observation
from threelocks.policy.authorize import Layer, Outcome, Policies, authorize
from threelocks.policy.box import ActionLiteral, Box, Literal, Reading, boxes
from threelocks.policy.document import Document, DocumentError, Effect, Statement, parse_document
from threelocks.policy.principal import Named, parse_name
from threelocks.policy.space import Point, Space
from threelocks.policy.witness import Budget, Gate, Search, UndecidedError

STEPS = 300_000  # of the search, for one lock
MOST = 12  # differences that are told; undecided ones as well
EDITS, EDIT_LINES, LINE = 6, 40, 200

_UNSETTLED = "that rests on behaviour that AWS does not document"
_DISAGREE = "the search and the evaluator disagree about a request: please report this"
_BY_ACCESS_POINTS = "what may be done through the account's own access points: that rests on their policies, too"
_UNBOUNDED = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


def compare(
    contract: Contract,
    neighbours: tuple[Contract, ...],
    facts: Mapping[str, str],
    before: Kept,
    after: Kept,
    *,
    account: str,
    at: datetime,
    steps: int = STEPS,
) -> Change:
    """What became of the permissions on one lock, as of `at`, when `after` took the place of `before`.

    Never raises UndecidedError: what could not be compared within `steps` is said to be undecided.
    """
    case = Case(contract, neighbours, Observation(account, at), facts, Budget(steps))
    try:
        pair = _Pair.of(case, before, after)
    except DocumentError as error:
        return Change(before.lock, at, undecided=(f"a document is no policy document: {error}",))
    found, undecided = _differences(pair)
    told = sorted(_unimplied(found), key=_importance)
    more = (f"{len(told) - MOST} further differences, which are not listed",) if len(told) > MOST else ()
    return Change(
        before.lock,
        at,
        differences=tuple(one.difference for one in told[:MOST]),
        undecided=(*undecided[:MOST], *more),
        edits=_edits(pair, told[:MOST]),
    )


# --- the two sides ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Side:
    """The policies of the lock at one time. `public`: for callers that RestrictPublicBuckets does not cut off."""

    public: Layered
    is_cut_off: bool

    @property
    def statements(self) -> tuple[Statement, ...]:
        return tuple(statement for document in self.public.documents for statement in document.statements)

    def for_(self, caller: CallerClass | None) -> Layered:
        if caller is None:
            return self._cut() if self.is_cut_off else self.public
        layered = self.public if is_service(caller) or not self.is_cut_off else self._cut()
        return layered.reduced(caller.left_of)

    def _cut(self) -> Layered:
        return replace(self.public, needed=(((Layer.RESOURCE_POLICY, ()),),))


@dataclass(frozen=True, slots=True)
class _Pair:
    case: Case
    lock: Lock
    before: _Side
    after: _Side
    changed: tuple[Statement, ...]  # those that one side has and the other has not, in any words; before's first
    undecided: tuple[str, ...] = ()

    @classmethod
    def of(cls, case: Case, before: Kept, after: Kept) -> _Pair:
        """Grants that were too many to be kept on one side are compared on neither."""
        undecided: tuple[str, ...] = ()
        if before.lock is Lock.KEY_POLICY and not (_has_grants(before) and _has_grants(after)):
            undecided = ("the grants are too many to be compared",) if before.documents and after.documents else ()
            before, after = _without_grants(before), _without_grants(after)
        sides = _side(before), _side(after)
        return cls(case, before.lock, *sides, _changed(*sides), undecided)

    @property
    def documents(self) -> tuple[Document, ...]:
        return (*self.before.public.documents, *self.after.public.documents)


def _has_grants(kept: Kept) -> bool:
    return any(one.layer is Layer.GRANT for one in kept.documents)


def _without_grants(kept: Kept) -> Kept:
    return replace(kept, documents=tuple(one for one in kept.documents if one.layer is not Layer.GRANT))


def _side(kept: Kept) -> _Side:
    own, boundary, grants = (
        _parsed(kept.documents, layers)
        for layers in (
            (Layer.IDENTITY_POLICY, Layer.RESOURCE_POLICY),
            (Layer.PERMISSIONS_BOUNDARY,),
            (Layer.GRANT,),
        )
    )
    if kept.lock is Lock.IDENTITY_POLICY:
        # A role without a boundary is one that everything is within.
        within = boundary or (parse_document(_UNBOUNDED, ""),)
        return _Side(
            Layered(
                (((Layer.IDENTITY_POLICY, own),), ((Layer.PERMISSIONS_BOUNDARY, within),)),
                Policies(identity=own, boundary=boundary[0] if boundary else None),
            ),
            is_cut_off=False,
        )
    granted = ((Layer.GRANT, grants),) if grants else ()
    return _Side(
        Layered(
            (((Layer.RESOURCE_POLICY, own), *granted),),
            Policies(resource=own, grants=grants[0] if grants else None, restrict_public=kept.is_cut_off),
        ),
        kept.is_cut_off,
    )


def _parsed(documents: Iterable[KeptDocument], layers: tuple[Layer, ...]) -> tuple[Document, ...]:
    return tuple(parse_document(one.text, one.label) for one in documents if one.layer in layers)


def _meaning(statement: Statement) -> tuple[object, ...]:
    """What a statement says, wherever it stands and whatever it is called; worked out once."""
    if "meaning" not in statement.made:
        statement.made["meaning"] = _means(statement)
    known: tuple[object, ...] = statement.made["meaning"]
    return known


def _means(statement: Statement) -> tuple[object, ...]:
    opaque = {k: v for k, v in json.loads(statement.text).items() if k != "Sid"} if statement.problems else None
    return (
        statement.document.partition(" ")[0],  # a boundary, a grant and a policy say different things
        statement.effect,
        _set(statement.principals),
        statement.not_principal,
        _set(statement.actions),
        statement.not_action,
        _set(statement.resources),
        statement.not_resource,
        frozenset((c.operator, c.quantifier, c.if_exists, c.key, frozenset(c.values)) for c in statement.conditions),
        statement.variables,
        json.dumps(opaque, sort_keys=True) if opaque else "",
    )


def _set(values: Iterable[object] | None) -> frozenset[object] | None:
    return None if values is None else frozenset(values)


# --- the questions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Question:
    """One space of requests. `caller` None: the reader, whom no statement is known beforehand not to concern."""

    label: str
    space: Space
    must: tuple[Literal, ...]
    caller: CallerClass | None = None
    is_agreed: bool = False


def _questions(pair: _Pair) -> Iterator[_Question]:
    """What the contract entitles the reader to, and then everything that the lock is asked for being too wide."""
    case, documents = pair.case, pair.documents
    role, keys = case.contract.role, keys_in_play(documents)
    for one in required(case, documents, _ACTIONS.get(pair.lock, case.contract.actions)):
        yield _Question(role, one.space, one.must, is_agreed=True)
    if pair.lock is Lock.IDENTITY_POLICY:
        for universe in identity_policy.universes(case, documents):
            for space in spaces_of(universe, keys):
                yield _Question(role, space, universe.must)
        return
    for caller in classes(case, case.observation.account, documents):
        for universe in universes(case, caller, _targets(pair)):
            for space in spaces_of(universe, keys):
                yield _Question(caller.label, space, universe.must, caller)


_ACTIONS = {Lock.BUCKET_POLICY: bucket_policy.S3_ACTIONS, Lock.KEY_POLICY: key_policy.KMS_ACTIONS}


def _targets(pair: _Pair) -> tuple[Target, ...]:
    if pair.lock is Lock.BUCKET_POLICY:
        return tuple(bucket_policy.doors(pair.case, pair.documents))
    return key_policy.targets(pair.case)


# --- the search -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Turn:
    """One direction: from a side that allows to a side that does not."""

    allowing: Layered
    refusing: Layered
    gone: Layered  # `allowing` with only those Allows that `refusing` lacks
    denying: tuple[tuple[Layer, Statement], ...]  # Denies that only `refusing` has

    @classmethod
    def of(cls, allowing: Layered, refusing: Layered) -> _Turn:
        kept = {_meaning(statement) for _, statement in _of(refusing, Effect.ALLOW)}
        known = {_meaning(statement) for _, statement in _of(allowing, Effect.DENY)}
        return cls(
            allowing,
            refusing,
            allowing.reduced(lambda allow: None if _meaning(allow) in kept else allow),
            tuple(row for row in _of(refusing, Effect.DENY) if _meaning(row[1]) not in known),
        )

    def ways(self, space: Space, *, sure: bool) -> Iterator[_Way]:
        """All the ways in which a request changes sides: by an Allow that is gone, or by a Deny that is new. Read as
        `sure`, only what surely passed and surely does not; else all that perhaps does."""
        if not self.denying and not any(True for _ in _of(self.gone, Effect.ALLOW)):
            return  # nothing that changed concerns these callers
        counted, discounted = Reading(space, possible=not sure), Reading(space, possible=sure)
        allows, denies = self.allowing.allows(counted), self.allowing.denies(discounted)
        gone, still = self.gone.allows(counted), self.refusing.allows(discounted)
        for number, lost in enumerate(gone):
            if lost:
                gate = Gate((*allows[:number], lost, *allows[number + 1 :]), denies)
                yield _Way(gate, lost, still[number])
        for layer, statement in self.denying:
            for box in boxes((statement,), layer, counted):
                yield _Way(Gate(allows, denies), (box,), (), box.literals)


def _of(layered: Layered, effect: Effect) -> Iterator[tuple[Layer, Statement]]:
    for entry in layered.needed:
        for layer, documents in entry:
            for document in documents:
                yield from ((layer, statement) for statement in document.statements if statement.effect is effect)


@dataclass(frozen=True, slots=True)
class _Way:
    """Requests that pass `gate`, meet `must` and lie in no box of `avoid`; `by` are the boxes that make it so."""

    gate: Gate
    by: tuple[Box, ...]
    avoid: tuple[Box, ...]
    must: tuple[Literal, ...] = ()

    def holds(self, point: Point) -> bool:
        return (
            self.gate.passes(point)
            and all(literal.holds(point) for literal in self.must)
            and not any(box.holds(point) for box in self.avoid)
        )

    def points(self, search: Search, must: Sequence[Literal], actions: frozenset[str]) -> Iterator[Point]:
        """One for each of these actions that goes this way. Raises UndecidedError, after what was found until then."""
        left = actions
        while left:
            point = search.passing((*must, *self.must, ActionLiteral(left)), self.gate, self.avoid)
            if point is None:
                return
            # What one action may do, others often may as well: ask before searching again.
            alike = (replace(point, action=action) for action in sorted(left - {point.action}))
            found = [point, *(one for one in alike if self.holds(one))]
            yield from found
            left -= {one.action for one in found}

    def statements(self, point: Point) -> Iterator[Statement]:
        return (box.statement for box in self.by if box.statement and box.holds(point))


@dataclass(frozen=True, slots=True)
class _Told:
    difference: Difference
    statements: tuple[Statement, ...]  # that make it


@dataclass(slots=True)
class _Finder:
    """Collects what is found: one difference for each class of principals, in each direction."""

    pair: _Pair
    found: dict[tuple[object, ...], _Told]
    undecided: dict[str, None]

    def ask(self, question: _Question, *, allowed: bool) -> None:
        sides = (self.pair.before, self.pair.after)
        giving, taking = reversed(sides) if allowed else sides
        turn = _Turn.of(giving.for_(question.caller), taking.for_(question.caller))
        search = Search(question.space, self.pair.case.budget)
        left = self._unanswered(question, allowed=allowed)
        for sure in (True, False):
            for way in turn.ways(question.space, sure=sure):
                for point in way.points(search, question.must, left):
                    if sure:
                        self._note(question, turn, way, point, allowed=allowed)
                    else:
                        self.undecided[_unsettled(question.label)] = None
                        return
                    left -= {point.action}

    def _unanswered(self, question: _Question, *, allowed: bool) -> frozenset[str]:
        """The reader's agreed requests come first, and are not told again as any others."""
        actions = frozenset(question.space.actions)
        if question.is_agreed:
            return actions
        told = (one.difference for one in self.found.values())
        same = (one for one in told if one.is_agreed and (one.allowed, one.principal) == (allowed, question.label))
        return actions - {action for one in same for action in one.actions}

    def _note(self, question: _Question, turn: _Turn, way: _Way, point: Point, *, allowed: bool) -> None:
        request = point.request(question.space)
        passed = authorize(request, turn.allowing.policies).outcome
        fails = authorize(request, turn.refusing.policies).outcome
        if passed is not Outcome.ALLOWED or fails not in (Outcome.EXPLICITLY_DENIED, Outcome.IMPLICITLY_DENIED):
            self.undecided[f"what {question.label} may do: {_DISAGREE}"] = None
            return
        statements = tuple(dict.fromkeys(way.statements(point)))
        one = Difference(
            allowed,
            _named(question, statements),
            (point.action,),
            _on(statements),
            self._witness(turn, question.space, point),
            question.is_agreed,
        )
        key = (allowed, one.principal, one.is_agreed)
        self.found[key] = _together(self.found[key], one, statements) if key in self.found else _Told(one, statements)

    def _witness(self, turn: _Turn, space: Space, point: Point) -> Witness:
        """With the condition keys that the changed statements ask for."""
        asked = {c.key for s in self.pair.changed for c in s.conditions}
        everything = Layered((*turn.allowing.needed, *turn.refusing.needed), turn.allowing.policies)
        witness = as_witness(point.request(space), space, everything)
        return replace(witness, context=tuple(row for row in witness.context if row[0] in asked))


def _differences(pair: _Pair) -> tuple[list[_Told], tuple[str, ...]]:
    if not pair.changed and pair.before.is_cut_off == pair.after.is_cut_off:
        return [], pair.undecided
    finder = _Finder(pair, {}, dict.fromkeys(pair.undecided))
    if pair.lock is Lock.BUCKET_POLICY and told_apart(pair.changed):
        finder.undecided[_BY_ACCESS_POINTS] = None
    for question in _questions(pair):
        for allowed in (False, True):
            try:
                finder.ask(question, allowed=allowed)
            except UndecidedError as error:
                finder.undecided[f"what {question.label} may do: {error}"] = None
    found = list(finder.found.values())
    if any(one.difference.principal == ANYONE for one in found):
        # Whether `*` stands for AWS services as well hardly matters beside that.
        finder.undecided.pop(_unsettled(SERVICES), None)
    return found, tuple(finder.undecided)


def _unsettled(label: str) -> str:
    return f"what {label} may do: {_UNSETTLED}"


def _changed(before: _Side, after: _Side) -> tuple[Statement, ...]:
    known, now = ({_meaning(one) for one in side.statements} for side in (before, after))
    gone = (one for one in before.statements if _meaning(one) not in now)
    return (*gone, *(one for one in after.statements if _meaning(one) not in known))


# --- in words ---------------------------------------------------------------------------------------------------------


def _named(question: _Question, statements: Sequence[Statement]) -> str:
    """The one principal that the statements name, where they name nobody else of the class; else the class."""
    if question.caller is None or question.caller.is_reader:
        return question.label
    entries = [entry for one in statements for entry in one.principals or () if not one.not_principal]
    account = question.caller.space.account
    ours = {e.value: parse_name(e) for e in entries if parse_name(e).account in (account, "")}
    named = [value for value, name in ours.items() if name.named in (Named.IDENTITY, Named.SESSION)]
    return named[0] if len(named) == len(ours) == 1 else question.label


def _on(statements: Iterable[Statement]) -> tuple[str, ...]:
    texts = (text for one in statements if one.document and not one.not_resource for text in one.resources or ())
    return tuple(dict.fromkeys(texts))


def _together(told: _Told, one: Difference, statements: tuple[Statement, ...]) -> _Told:
    first = told.difference
    return _Told(
        replace(
            first,
            actions=tuple(sorted({*first.actions, *one.actions})),
            on=tuple(dict.fromkeys((*first.on, *one.on))),
        ),
        tuple(dict.fromkeys((*told.statements, *statements))),
    )


def _unimplied(found: list[_Told]) -> list[_Told]:
    """What anyone may do, other accounts and AWS services may do as well: it need not be said three times."""
    anyone = {
        (told.difference.allowed, action)
        for told in found
        if told.difference.principal == ANYONE
        for action in told.difference.actions
    }

    def is_implied(one: Difference) -> bool:
        return one.principal in (STRANGERS, SERVICES) and anyone >= {(one.allowed, action) for action in one.actions}

    return [told for told in found if not is_implied(told.difference)]


def _importance(told: _Told) -> tuple[bool, bool]:
    """What the contract is about first, then what is new."""
    return not told.difference.is_agreed, not told.difference.allowed


def _edits(pair: _Pair, told: Iterable[_Told]) -> tuple[Edit, ...]:
    """The changed statements that make the differences, each beside what it was or became."""
    causes = {statement for one in told for statement in one.statements}
    changed = set(pair.changed)
    before, after = ([one for one in side.statements if one in changed] for side in (pair.before, pair.after))
    edits = []
    for old, new in _pairs(before, after):
        if causes & {old, new}:
            edits.append(_edit(old, new))
    return tuple(edit for edit in edits if edit)[:EDITS]


def _pairs(
    before: Sequence[Statement], after: Sequence[Statement]
) -> Iterator[tuple[Statement | None, Statement | None]]:
    """Statements of the same document and Sid, or else place, are one that was changed."""

    def place(one: Statement) -> tuple[str, object]:
        return one.document, one.sid or one.index

    now = {place(one): one for one in reversed(after)}
    for old in before:
        yield old, now.pop(place(old), None)
    yield from ((None, new) for new in after if new in now.values())


def _edit(old: Statement | None, new: Statement | None) -> Edit | None:
    one = new or old
    if one is None:
        return None
    if not one.document:
        return Edit("A permissions boundary was set, where there was none" if old else "The boundary was removed", ())
    sid = f" `{one.sid}`" if one.sid else ""
    what = "changed" if old and new else "added" if new else "removed"
    lines = difflib.ndiff(_lines(old), _lines(new)) if old and new else _all("-" if old else "+", _lines(one))
    shown = [line[:LINE] for line in lines if not line.startswith("?")]
    more = len(shown) - EDIT_LINES
    if more > 0:
        shown = [*shown[:EDIT_LINES], f"  ... ({more} more lines)"]
    return Edit(f"Statement {one.index + 1}{sid} of the {one.document}, {what}", tuple(shown))


def _all(mark: str, lines: Iterable[str]) -> list[str]:
    return [f"{mark} {line}" for line in lines]


def _lines(statement: Statement) -> list[str]:
    return json.dumps(json.loads(statement.text), indent=2, ensure_ascii=True).splitlines()
