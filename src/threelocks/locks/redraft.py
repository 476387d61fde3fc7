"""How the policies of a lock might be changed so that a finding goes: the smallest change first. Each draft is only a
proposal, to be judged before anybody hears of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from threelocks.contract import Contract
from threelocks.finding import Finding, Lock
from threelocks.locks.agreed import Tree, agreed, permitted_statements, to
from threelocks.locks.callers import SERVICES
from threelocks.locks.draft import Draft, Form, Sheet, new_inline
from threelocks.policy.arn import Arn
from threelocks.policy.document import PrincipalEntry, PrincipalType
from threelocks.policy.pattern import plain_glob
from threelocks.policy.principal import Named, parse_name

MOST_READERS = 8  # statements that may take the place of one that lets everybody in

_ON = {Lock.BUCKET_POLICY: "bucket", Lock.KEY_POLICY: "key", Lock.IDENTITY_POLICY: "role"}
_SERVICE = {Lock.BUCKET_POLICY: "s3:", Lock.KEY_POLICY: "kms:"}
_OF_POLICIES = frozenset(
    {
        *("no-allow", "explicit-deny", "conditional", "boundary", "dangling-principal", "by-grant-only"),
        *("wide-principal", "wide-action", "wide-resource", "wide-grant", "public-block", "no-owner-root"),
    }
)


def is_of_policies(finding: Finding) -> bool:
    """Whether a change of the lock's policies might mend it."""
    return finding.code.partition(".")[2] in _OF_POLICIES and not finding.code.startswith("ceiling.")


def drafts(contract: Contract, neighbours: tuple[Contract, ...], draft: Draft, finding: Finding) -> Iterator[Draft]:
    """Proposals for one finding of a judgement of `draft`."""
    what = finding.code.partition(".")[2]
    places = [place for place in map(draft.find, finding.statements) if place is not None]
    denies = [place for place in places if _at(draft, place).get("Effect") == "Deny"]
    allows = [place for place in places if _at(draft, place).get("Effect") == "Allow"]
    if what == "wide-grant":
        ids = tuple(s.sid for s in finding.statements if s.document == "grants" and s.sid)
        yield Draft(draft.lock, draft.sheets, (*draft.revoked, *dict.fromkeys(ids)))
    elif what == "no-owner-root" and finding.remedy and finding.remedy.statement:
        yield _with(contract, draft, [json.loads(finding.remedy.statement)])
    elif what == "dangling-principal":
        yield from _revived(contract, draft)
        yield from _adding(contract, draft, finding.actions)
    elif what == "public-block":
        yield from _narrower(contract, neighbours, draft, _public(draft), finding)
    elif what.startswith("wide-"):
        yield from _narrower(contract, neighbours, draft, allows, finding)
    elif denies:
        yield from _excepting(contract, draft, denies)
    elif what == "boundary":
        yield from _raising(contract, draft, finding.actions)
    else:
        yield from _adding(contract, draft, finding.actions)


Place = tuple[int, int]  # sheet and slot
Style = Callable[[Tree], Tree | None]  # what becomes of a statement; the same: it is left as it is


def _at(draft: Draft, place: Place) -> Tree:
    return draft.sheets[place[0]].slots[place[1]].now or {}


def _put(draft: Draft, place: Place, tree: Tree | None) -> Draft:
    return draft.with_sheet(place[0], lambda sheet: sheet.put(place[1], tree))


def _each(draft: Draft, places: Iterable[Place], style: Style) -> Draft | None:
    """The draft with these statements changed; None where nothing is, or where one may not be edited."""
    after = draft
    for number, slot in places:
        if not draft.sheets[number].is_editable:
            return None
        after = _put(after, (number, slot), style(_at(draft, (number, slot))))
    return after if after != draft else None


# --- what is missing --------------------------------------------------------------------------------------------------


def _wanted(contract: Contract, lock: Lock, actions: Iterable[str]) -> list[Tree]:
    """The statements that give the role these of the agreed actions."""
    service = _SERVICE.get(lock, "")
    statements = agreed(contract, [action for action in actions if action.startswith(service)])
    if lock is Lock.IDENTITY_POLICY:
        return statements
    at_key: Tree = {"Resource": "*"} if lock is Lock.KEY_POLICY else {}
    return [{**to(contract.role, statement), **at_key} for statement in statements]


def _adding(contract: Contract, draft: Draft, actions: Iterable[str]) -> Iterator[Draft]:
    yield _with(contract, draft, _wanted(contract, draft.lock, actions))


def _with(contract: Contract, draft: Draft, statements: list[Tree]) -> Draft:
    """With these statements added: to the policy of the bucket or key, or as an inline policy of their own."""
    if not statements:
        return draft
    if draft.lock is Lock.IDENTITY_POLICY:
        name = f"share-{contract.name}"
        forms = [(sheet.form, sheet.name) for sheet in draft.sheets]
        if (Form.INLINE, name) not in forms:
            return Draft(draft.lock, (*draft.sheets, new_inline(name).adding(statements)), draft.revoked)
        return draft.with_sheet(forms.index((Form.INLINE, name)), lambda sheet: sheet.adding(statements))
    names = [sheet.name for sheet in draft.sheets]
    main = names.index("default") if "default" in names else 0
    return draft.with_sheet(main, lambda sheet: sheet.adding(statements)) if names else draft


def _raising(contract: Contract, draft: Draft, actions: Iterable[str]) -> Iterator[Draft]:
    statements = _wanted(contract, draft.lock, actions)
    for number, sheet in enumerate(draft.sheets):
        if sheet.form is Form.BOUNDARY and sheet.is_editable:
            yield draft.with_sheet(number, lambda one: one.adding(statements))


# --- principals -------------------------------------------------------------------------------------------------------


def _principals(statement: Tree) -> dict[str, list[str]] | None:
    """Type -> names; None for `*` and for NotPrincipal."""
    named = statement.get("Principal")
    if not isinstance(named, dict):
        return None
    return {kind: [names] if isinstance(names, str) else list(names) for kind, names in named.items()}


def _naming(statement: Tree, principals: dict[str, list[str]]) -> Tree | None:
    """The statement with other principals; None without any."""
    listed = {kind: names for kind, names in principals.items() if names}
    short = {kind: names[0] if len(names) == 1 else names for kind, names in listed.items()}
    rest = {name: value for name, value in statement.items() if name != "NotPrincipal"}
    return {**rest, "Principal": short} if short else None


def _revived(contract: Contract, draft: Draft) -> Iterator[Draft]:
    """With the role's ARN in place of an id that AWS left of a deleted one."""
    for number, sheet in enumerate(draft.sheets):
        for slot, one in enumerate(sheet.slots):
            principals = _principals(one.now or {}) or {}
            for name in principals.get("AWS", []):
                if one.now and _is_ghost(name):
                    others = [other for other in principals["AWS"] if other not in (name, contract.role)]
                    revived = _naming(one.now, {**principals, "AWS": [*others, contract.role]})
                    yield _put(draft, (number, slot), revived)


def _is_ghost(name: str) -> bool:
    return _name(name).named is Named.UNIQUE_ID


def _name(text: str) -> Any:
    return parse_name(PrincipalEntry(PrincipalType.AWS, text))


# --- what denies ------------------------------------------------------------------------------------------------------


def _excepting(contract: Contract, draft: Draft, places: list[Place]) -> Iterator[Draft]:
    """With the agreed role, or the agreed resources, excepted from the Denies; else without them."""
    except_for = _except_resources if draft.lock is Lock.IDENTITY_POLICY else _except_role
    for style in (lambda tree: except_for(contract, tree), lambda _: None):
        after = _each(draft, places, style)
        if after is not None:
            yield after


_NEGATED = ("ArnNotEquals", "ArnNotLike", "StringNotEquals", "StringNotLike")
_PRINCIPAL_ARN = "aws:PrincipalArn"


def _except_role(contract: Contract, deny: Tree) -> Tree | None:
    """A negated operator with several values holds when none of them matches, and a Deny with one more is narrower.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
    """
    principals = _principals(deny)
    if principals and contract.role in principals.get("AWS", []):
        return _naming(deny, {**principals, "AWS": [one for one in principals["AWS"] if one != contract.role]})
    found = deny.get("Condition")
    condition: dict[str, Any] = {op: dict(keys) for op, keys in found.items()} if isinstance(found, dict) else {}
    for operator in _NEGATED:
        for key, values in condition.get(operator, {}).items():
            if key.lower() == _PRINCIPAL_ARN.lower():
                condition[operator][key] = [*([values] if isinstance(values, str) else values), contract.role]
                return {**deny, "Condition": condition}
    condition.setdefault(_NEGATED[0], {})[_PRINCIPAL_ARN] = contract.role
    return {**deny, "Condition": condition}


def _except_resources(contract: Contract, deny: Tree) -> Tree | None:
    """A Deny on everything becomes one on everything else; one that lists agreed resources lists them no more."""
    resources = _listed(deny.get("Resource"))
    if resources == ["*"]:
        rest = {name: value for name, value in deny.items() if name != "Resource"}
        return {**rest, "NotResource": _resources(contract)}
    left = [text for text in resources if not _is_shared(contract, text)]
    return {**deny, "Resource": left} if left and left != resources else deny


def _is_shared(contract: Contract, resource: str) -> bool:
    """Whether a resource is an agreed one, or objects of the bucket below an agreed prefix, or above one."""
    bucket, slash, objects = resource.partition("/")
    if resource in _resources(contract):
        return True
    if not slash or bucket != contract.bucket_arn:
        return False
    spelled = re.split(r"[*?$]", objects, maxsplit=1)[0]
    return any(spelled.startswith(prefix) or prefix.startswith(spelled) for prefix in contract.prefixes)


def _resources(contract: Contract) -> list[str]:
    statements = agreed(contract, contract.actions)
    return list(dict.fromkeys(text for one in statements for text in _listed(one["Resource"])))


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in value or ()]


# --- what is too wide -------------------------------------------------------------------------------------------------


def _public(draft: Draft) -> list[Place]:
    return [
        (number, slot)
        for number, sheet in enumerate(draft.sheets)
        for slot, one in enumerate(sheet.slots)
        if one.now and one.now.get("Effect") == "Allow" and "*" in _aws(one.now)
    ]


def _aws(statement: Tree) -> list[str]:
    principals = _principals(statement)
    return ["*"] if principals is None else principals.get("AWS", [])


def _narrower(
    contract: Contract, neighbours: tuple[Contract, ...], draft: Draft, places: list[Place], finding: Finding
) -> Iterator[Draft]:
    readers = permitted_statements(contract, neighbours, _ON[draft.lock])
    if draft.lock is Lock.IDENTITY_POLICY:
        yield from _narrower_role(contract, neighbours, draft, places, readers)
        return
    here = _Agreed(contract, draft.lock, _names(readers) - {contract.role})
    # INVARIANT: nobody who was agreed on elsewhere is cut off, though only this contract is judged.
    needed = _of_service(draft.lock, readers) if any(here.may_serve_others(_at(draft, one)) for one in places) else []
    if len(needed) > MOST_READERS:
        return
    for style in here.styles(with_services=finding.principal != SERVICES):
        after = _each(draft, places, style)
        if after is None:
            continue
        if not needed:
            yield after
        yield _with(contract, after, needed or _wanted(contract, draft.lock, contract.actions))


def _of_service(lock: Lock, statements: list[Tree]) -> list[Tree]:
    service = _SERVICE[lock]
    return [one for one in statements if any(text.startswith(service) for text in _listed(one["Action"]))]


def _names(statements: list[Tree]) -> set[str]:
    return {name for one in statements for names in (_principals(one) or {}).values() for name in names}


class _Agreed:
    """What is agreed on a bucket or key, and how a statement is narrowed to it."""

    def __init__(self, contract: Contract, lock: Lock, others: set[str]) -> None:
        self.contract, self.lock, self.others = contract, lock, others
        self.holder = contract.owner.account if lock is Lock.BUCKET_POLICY else contract.key_account
        self.home = {self.holder, contract.owner.account}

    def styles(self, *, with_services: bool) -> Iterator[Style]:
        """The least first: whom, what, on what; then only what others than the role need, which may be nothing."""

        def whom(tree: Tree) -> Tree | None:
            return self._naming_agreed(tree, with_services=with_services)

        def both(tree: Tree) -> Tree | None:
            named = whom(tree)
            return self._acting(named) if named else None

        def all_three(tree: Tree) -> Tree | None:
            acting = both(tree)
            return self._reaching(acting) if acting else None

        def without_role(tree: Tree) -> Tree | None:
            named = whom(tree)
            principals = _principals(named) if named else None
            return _naming(tree, {k: [n for n in v if n != self.contract.role] for k, v in (principals or {}).items()})

        yield from (whom, self._acting, self._reaching, both, all_three, without_role)

    def may_serve_others(self, tree: Tree) -> bool:
        """Whether readers that somebody else agreed on may live on a statement that does not name them."""
        accounts = {_name(one).account for one in self.others}
        names = _aws(tree)
        blanket = "*" in names or any(
            _name(one).named is Named.ACCOUNT and _name(one).account in accounts for one in names
        )
        return bool(self.others) and blanket

    def _naming_agreed(self, tree: Tree, *, with_services: bool) -> Tree | None:
        """Without those that nobody agreed on; the role itself where its account or everybody is named. Where everybody
        was, the holder's own principals stay."""
        principals = _principals(tree)
        if principals is None or "*" in principals.get("AWS", []):
            root = f"arn:{Arn.parse(self.contract.role).partition}:iam::{self.holder}:root"
            kept = {kind: names for kind, names in (principals or {}).items() if kind != "AWS" and with_services}
            return _naming(tree, {"AWS": [root, self.contract.role], **kept})
        aws = [self.contract.role if self._is_consumer(one) else one for one in principals.get("AWS", [])]
        agreed_names = [one for one in dict.fromkeys(aws) if self._is_agreed(one)]
        others = {kind: names for kind, names in principals.items() if kind != "AWS" and with_services}
        return _naming(tree, {"AWS": agreed_names, **others})

    def _is_consumer(self, text: str) -> bool:
        name = _name(text)
        return bool(
            name.named is Named.ACCOUNT and name.account == self.contract.consumer.account and text not in self.others
        )

    def _is_agreed(self, text: str) -> bool:
        return text == self.contract.role or text in self.others or _name(text).account in self.home

    def _only_role(self, tree: Tree) -> bool:
        """Nobody else loses anything when the statement is narrowed."""
        return _principals(tree) in ({"AWS": [self.contract.role]}, {"AWS": [self.contract.role], "Service": []})

    def _acting(self, tree: Tree) -> Tree | None:
        if not self._only_role(tree) or "NotAction" in tree:
            return tree
        actions = _matched(_listed(tree.get("Action")), self.contract.actions, _SERVICE[self.lock])
        return {**tree, "Action": actions} if actions else None

    def _reaching(self, tree: Tree) -> Tree | None:
        if not self._only_role(tree) or self.lock is not Lock.BUCKET_POLICY or "NotResource" in tree:
            return tree
        bucket = self.contract.bucket_arn
        objects = [text for text in _resources(self.contract) if text.startswith(f"{bucket}/")]
        wider = [text for text in _listed(tree.get("Resource")) if text == bucket]
        return {**tree, "Resource": [*wider, *objects]}


def _matched(patterns: list[str], actions: Iterable[str], service: str = "") -> list[str]:
    """Those of the actions that a statement's patterns name."""
    matcher = plain_glob(patterns, fold=True)
    return [action for action in actions if action.startswith(service) and matcher.matches(action)]


def _narrower_role(
    contract: Contract, neighbours: tuple[Contract, ...], draft: Draft, places: list[Place], readers: list[Tree]
) -> Iterator[Draft]:
    """The role's own statements: what they say of other buckets is kept where it is said in full."""
    ours = _resources(contract)
    shared = (contract.bucket_arn, f"{contract.bucket_arn}/", contract.key)

    def acting(tree: Tree) -> Tree | None:
        actions = _matched(_listed(tree.get("Action")), contract.actions)
        return {**tree, "Action": actions} if actions and "NotAction" not in tree else tree

    def reaching(tree: Tree) -> Tree | None:
        return {**{k: v for k, v in tree.items() if k != "NotResource"}, "Resource": ours}

    def both(tree: Tree) -> Tree | None:
        return reaching(acting(tree) or tree)

    def of_others(tree: Tree) -> Tree | None:
        """Only what is said of others than the shared bucket and key, in full."""
        texts = _listed(tree.get("Resource"))
        kept = [text for text in texts if not text.startswith(shared) and not set("*?") & set(text.partition("/")[0])]
        return {**tree, "Resource": kept} if kept and "NotResource" not in tree else None

    plain: list[Tree] = [{k: v for k, v in one.items() if k != "Principal"} for one in readers]
    is_alone = all(one.role != contract.role for one in neighbours)
    keeps_others = any(of_others(_at(draft, place)) for place in places)
    for style in (*([of_others] if keeps_others else []), acting, reaching, both, of_others):
        after = _each(draft, places, style)
        if after is not None:
            if is_alone:
                yield after
            yield _with(contract, after, plain)
    numbers = {number for number, _ in places if not draft.sheets[number].is_editable}
    if numbers:
        after = draft
        for number in numbers:
            after = after.with_sheet(number, _detached)
        yield after
        yield _with(contract, after, plain)


def _detached(sheet: Sheet) -> Sheet:
    return replace(sheet, is_detached=True)
