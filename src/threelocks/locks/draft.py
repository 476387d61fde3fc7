"""The policies of one lock as they would be: edited statement by statement, and put back into an observation.

Only what somebody may edit stands in a draft: not the policies that AWS manages, nor grants, which can only go as a
whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from threelocks.finding import Lock, StatementRef
from threelocks.locks.agreed import Tree
from threelocks.observation import Found, NamedPolicy, Observation


class Form(StrEnum):
    """What kind of policy a sheet is: it decides how it is put."""

    BUCKET = "bucket policy"
    KEY = "key policy"
    INLINE = "inline policy"
    MANAGED = "managed policy"
    BOUNDARY = "permissions boundary"


@dataclass(frozen=True, slots=True)
class Slot:
    """One statement, as it is and as it would be. None: there is none."""

    place: int  # from 0, where it stands now; -1: nowhere
    was: Tree | None
    now: Tree | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One policy document."""

    form: Form
    name: str  # of the inline policy or the key policy, or an ARN
    head: Tree  # everything but the statements
    slots: tuple[Slot, ...]
    is_new: bool = False
    is_detached: bool = False

    @property
    def label(self) -> str:
        """As findings call it."""
        return self.form.value if self.form is Form.BUCKET else f"{self.form} `{self.name}`"

    @property
    def is_editable(self) -> bool:
        return ":iam::aws:" not in self.name

    @property
    def statements(self) -> list[Tree]:
        return [slot.now for slot in self.slots if slot.now is not None]

    @property
    def tree(self) -> Tree:
        return {**self.head, "Statement": self.statements}

    @property
    def is_changed(self) -> bool:
        return self.is_detached or any(slot.was != slot.now for slot in self.slots)

    def at(self, index: int) -> int | None:
        """The slot of the statement that now stands in this place."""
        there = [number for number, slot in enumerate(self.slots) if slot.now is not None]
        return there[index] if index < len(there) else None

    def put(self, number: int, tree: Tree | None) -> Sheet:
        slots = (*self.slots[:number], replace(self.slots[number], now=tree), *self.slots[number + 1 :])
        return replace(self, slots=slots)

    def adding(self, trees: Iterable[Tree]) -> Sheet:
        """With these statements at the end, under Sids of their own: no two of a policy may be the same.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
        """
        sheet = self
        for tree in trees:
            taken = {one.get("Sid") for one in sheet.statements}
            sid = str(tree.get("Sid", "Share"))
            free = next(name for n in range(len(taken) + 1) if (name := f"{sid}{n + 1 if n else ''}") not in taken)
            sheet = replace(sheet, slots=(*sheet.slots, Slot(-1, None, {**tree, "Sid": free})))
        return sheet


@dataclass(frozen=True, slots=True)
class Draft:
    lock: Lock
    sheets: tuple[Sheet, ...]
    revoked: tuple[str, ...] = ()  # ids of grants

    def find(self, reference: StatementRef) -> tuple[int, int] | None:
        """Sheet and slot of a statement that a judgement of this draft names."""
        for number, sheet in enumerate(self.sheets):
            slot = sheet.at(reference.index) if sheet.label == reference.document else None
            if slot is not None and not sheet.is_detached:
                return number, slot
        return None

    def with_sheet(self, number: int, change: Callable[[Sheet], Sheet]) -> Draft:
        return replace(self, sheets=(*self.sheets[:number], change(self.sheets[number]), *self.sheets[number + 1 :]))


def drafted(observation: Observation, lock: Lock) -> Draft | None:
    """The policies of a lock that was read in full; None where a document is not known or not understood."""
    parts = {
        Lock.BUCKET_POLICY: observation.bucket,
        Lock.KEY_POLICY: observation.key,
        Lock.IDENTITY_POLICY: observation.role,
    }
    if parts.get(lock) is None:
        return None
    try:
        sheets = tuple(_sheet(form, policy) for form, policy in _policies(observation, lock))
    except (ValueError, RecursionError):
        return None
    return Draft(lock, sheets)


def _policies(observation: Observation, lock: Lock) -> Iterable[tuple[Form, NamedPolicy]]:
    bucket, key, role = observation.bucket, observation.key, observation.role
    if lock is Lock.BUCKET_POLICY and bucket:
        text = bucket.policy.value if isinstance(bucket.policy, Found) else _EMPTY
        yield Form.BUCKET, NamedPolicy("", text)
    if lock is Lock.KEY_POLICY and key and isinstance(key.policies, Found):
        yield from ((Form.KEY, policy) for policy in key.policies.value)
    if lock is Lock.IDENTITY_POLICY and role:
        for form, source in ((Form.INLINE, role.inline), (Form.MANAGED, role.attached)):
            if isinstance(source, Found):
                yield from ((form, policy) for policy in source.value)
        if isinstance(role.boundary, Found):
            yield Form.BOUNDARY, role.boundary.value


_EMPTY = '{"Version": "2012-10-17", "Statement": []}'


def _sheet(form: Form, policy: NamedPolicy) -> Sheet:
    # A decimal number is compared as it is spelled, so it becomes that text.
    tree = json.loads(policy.document, parse_float=str)
    statements = tree.pop("Statement") if isinstance(tree, dict) and "Statement" in tree else None
    listed = [statements] if isinstance(statements, dict) else statements
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError("no policy document")
    slots = tuple(Slot(place, one, one) for place, one in enumerate(listed))
    return Sheet(form, policy.name, tree, slots)


def new_inline(name: str) -> Sheet:
    return Sheet(Form.INLINE, name, {"Version": "2012-10-17"}, (), is_new=True)


def observed(observation: Observation, draft: Draft) -> Observation:
    """What would be read of this lock alone, if its policies were as drafted."""
    alone = Observation(observation.account, observation.began)
    if draft.lock is Lock.BUCKET_POLICY and observation.bucket:
        public = observation.bucket.policy_is_public
        named = not any(_lets_in_anyone(one) for sheet in draft.sheets for one in sheet.statements)
        (text,) = (_text(sheet) for sheet in draft.sheets)
        bucket = replace(
            observation.bucket, policy=Found(text), policy_is_public=Found(value=False) if named else public
        )
        return replace(alone, bucket=bucket)
    if draft.lock is Lock.KEY_POLICY and observation.key:
        grants = observation.key.grants
        if isinstance(grants, Found):
            grants = Found(tuple(one for one in grants.value if one.grant_id not in draft.revoked))
        return replace(alone, key=replace(observation.key, policies=Found(_named(draft, Form.KEY)), grants=grants))
    assert observation.role  # a draft is of a lock that was read
    boundary = _named(draft, Form.BOUNDARY)
    role = replace(
        observation.role,
        inline=Found(_named(draft, Form.INLINE)),
        attached=Found(_named(draft, Form.MANAGED)),
        boundary=Found(boundary[0]) if boundary else observation.role.boundary,
    )
    return replace(alone, role=role)


def _named(draft: Draft, form: Form) -> tuple[NamedPolicy, ...]:
    return tuple(
        NamedPolicy(sheet.name, _text(sheet)) for sheet in draft.sheets if sheet.form is form and not sheet.is_detached
    )


def _text(sheet: Sheet) -> str:
    return json.dumps(sheet.tree)


def _lets_in_anyone(statement: Tree) -> bool:
    """Whether S3 may call the policy public for this statement. One without any wildcard among those whom it allows
    surely is not: https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
    """
    principal = statement.get("Principal")
    return statement.get("Effect") == "Allow" and (principal is None or "*" in json.dumps(principal))
