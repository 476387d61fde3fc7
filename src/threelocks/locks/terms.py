"""What a contract asks for, as spaces of requests: those that must work, and those that may.

`required` gives, for each agreed action, the space of requests that the reader is entitled to; `permitted` writes what
a bucket or key may allow as a policy of its own, so that one reading of policies serves both sides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from threelocks.contract import AlsoAllowed, BucketKeys, Context, Contract
from threelocks.locks.case import Case
from threelocks.policy.actions import carries
from threelocks.policy.arn import Arn
from threelocks.policy.box import TRUE, Atom, Expr, Literal, TextLiteral
from threelocks.policy.document import Document, Statement, parse_document
from threelocks.policy.pattern import glob, literal, parse_pattern, prefix
from threelocks.policy.request import CallerKind
from threelocks.policy.space import (
    ABSENT,
    CALLER,
    OBJECT_KEY,
    RESOURCE,
    SESSION_NAME,
    TEXT,
    UNIQUE_ID,
    Binding,
    CallerSpace,
    Const,
    Free,
    Group,
    Space,
    View,
)

PREFIX = "prefix"  # the group of s3:prefix


@dataclass(frozen=True, slots=True)
class Required:
    """The requests for one action that must work: those of `space` that meet `must`.

    `later` is the same space with the time left open from now on: what fails there only is a risk with a date.
    """

    action: str
    space: Space
    later: Space
    must: tuple[Literal, ...]
    context: str = ""  # the contract's context, where it lists some


def required(case: Case, documents: Iterable[Document], actions: Iterable[str] | None = None) -> list[Required]:
    """The required requests for `actions` (default: all agreed), with every key bound that the documents ask for."""
    keys = keys_in_play(documents)
    contexts = case.contract.contexts or (_ANY_CONTEXT,)
    wanted = case.contract.actions if actions is None else [a for a in case.contract.actions if a in set(actions)]
    return [one for action in wanted for context in contexts for one in _REQUIRED[action](case, keys, context)]


# A contract that lists no context asks for every environment; as a file, a context must name some key.
_ANY_CONTEXT = Context.model_construct(name="any", keys={})


def keys_in_play(documents: Iterable[Document]) -> frozenset[str]:
    """Every condition key (in lower case) that a condition or a policy variable of these documents names."""
    keys: set[str] = set()
    for document in documents:
        for statement in document.statements:
            keys |= _keys_of(statement)
    return frozenset(keys)


def _keys_of(statement: Statement) -> set[str]:
    keys = {condition.key for condition in statement.conditions}
    if statement.variables:
        values = [value for condition in statement.conditions for value in condition.values]
        for text in (*(statement.resources or ()), *values):
            keys |= {variable.name for variable in parse_pattern(text, variables=True).variables}
    return keys


# --- the reader, and what is fixed for every request of theirs --------------------------------------------------------


def reader(case: Case) -> CallerSpace:
    """The role's sessions: any session name."""
    role = Arn.parse(case.contract.role)
    path, _, name = role.resource.removeprefix("role").rpartition("/")
    boundary = {"true": True, "false": False}.get(case.facts.get("has_boundary", ""))
    return CallerSpace(
        CallerKind.ROLE_SESSION,
        account=role.account,
        path=f"{path}/",
        name=name,
        session=1,
        unique_id=case.facts.get("role_id") or 0,
        has_boundary=boundary,
        partition=role.partition,
    )


CALLER_GROUP = Group((UNIQUE_ID, SESSION_NAME))  # in the order of `aws:userid`


def _sessions(contract: Contract) -> tuple[Literal, ...]:
    """The agreed session names, where the contract lists some."""
    if not contract.session_names:
        return ()
    names = glob(tuple(literal(name) for name in contract.session_names))
    return (TextLiteral(CALLER, Atom((1,), names)),)


def _profile(case: Case, resource_account: str) -> dict[str, Binding]:
    """Keys that are the same for every required request: by the contract, its premises, or the nature of the caller.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    contract, premises = case.contract, case.contract.premises
    bound: dict[str, Binding] = {
        "aws:securetransport": Const(("true",)),
        "s3:tlsversion": Const(("1.3",)),
        "s3:authtype": Const(("REST-HEADER",)),
        "s3:signatureversion": Const(("AWS4-HMAC-SHA256",)),
        "s3:resourceaccount": Const((resource_account,)),
        "s3:dataaccesspointarn": ABSENT,
        "s3:dataaccesspointaccount": ABSENT,
        "s3:accesspointnetworkorigin": ABSENT,
        "s3:accessgrantsinstancearn": ABSENT,
        "aws:requestedregion": Const((contract.bucket.region,)),
        "aws:resourceaccount": Const((resource_account,)),
        **not_by_a_service(),
        "aws:viaawsservice": Const(("false",)),
        "aws:calledvia": ABSENT,
        "aws:calledviafirst": ABSENT,
        "aws:calledvialast": ABSENT,
        **at_present(case),
        "aws:tokenissuetime": Free(required=True, ceiling=case.observation.began.timestamp()),
    }
    if premises.consumer_organization:
        bound["aws:principalorgid"] = Const((premises.consumer_organization,))
    if premises.consumer_org_path:
        bound["aws:principalorgpaths"] = Const((premises.consumer_org_path,))
    if premises.owner_organization:
        bound["aws:resourceorgid"] = Const((premises.owner_organization,))
    for tag, value in premises.principal_tags.items():
        bound[f"aws:principaltag/{tag.lower()}"] = Const((value,))
    return bound


def not_by_a_service() -> dict[str, Binding]:
    """Keys that only requests by an AWS service itself carry."""
    return dict.fromkeys(("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"), ABSENT)


def at_present(case: Case) -> dict[str, Binding]:
    """The keys of time, at the moment of the observation."""
    now = case.observation.began
    return {
        "aws:currenttime": Const((now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),)),
        "aws:epochtime": Const((str(int(now.timestamp())),)),
    }


def _assemble(
    case: Case,
    action: str,
    keys: frozenset[str],
    context: Context,
    *,
    resource: View,
    resource_account: str,
    own: dict[str, Binding],
    groups: dict[str, Group],
    must: tuple[Literal, ...],
) -> Required:
    caller = reader(case)
    bound: dict[str, Binding] = {**_profile(case, resource_account), **caller.keys(), **own}
    for name, values in context.keys.items():
        bound[name.lower()] = Const(values)
    for key in keys - bound.keys():
        bound[key] = Free() if carries(action, key) else ABSENT
    for key in [key for key in bound if not carries(action, key)]:
        bound[key] = ABSENT
    floor = case.observation.began.timestamp()
    space = Space(caller, (action,), resource, resource_account, {CALLER: CALLER_GROUP, **groups}, bound)
    opened = {"aws:currenttime": Free(required=True, floor=floor), "aws:tokenissuetime": Free(required=True)}
    later = replace(space, keys={**bound, **{k: v for k, v in opened.items() if k not in context.keys}})
    name = context.name if case.contract.contexts else ""
    return Required(action, space, later, (*_sessions(case.contract), *must), name)


# --- each agreed action -----------------------------------------------------------------------------------------------


def _get_object(case: Case, keys: frozenset[str], context: Context) -> list[Required]:
    """Every non-empty object key under each agreed prefix; the marker object `sales/` counts."""
    contract = case.contract
    return [
        _assemble(
            case,
            "s3:GetObject",
            keys,
            context,
            resource=View(RESOURCE, (f"{contract.bucket_arn}/", 0)),
            resource_account=contract.owner.account,
            own={},
            groups={RESOURCE: Group((OBJECT_KEY,))},
            must=_under_prefixes(contract.prefixes, RESOURCE, 0),
        )
    ]


def _list_bucket(case: Case, keys: frozenset[str], context: Context) -> list[Required]:
    """Every listing below an agreed prefix; the listing without a prefix only where the whole bucket is shared."""
    contract = case.contract
    whole = "" in contract.prefixes
    listing = TextLiteral(PREFIX, _prefix_expr(contract.prefixes, 0), absent=whole)
    return [
        _assemble(
            case,
            "s3:ListBucket",
            keys,
            context,
            resource=View(RESOURCE, (contract.bucket_arn,)),
            resource_account=contract.owner.account,
            own={
                "s3:prefix": View(PREFIX, (0,)),
                "s3:delimiter": Free(chosen=True),
                "s3:max-keys": Free(chosen=True),
            },
            groups={RESOURCE: Group(()), PREFIX: Group((TEXT,), optional=True)},
            must=() if whole else (listing,),
        )
    ]


def _decrypt(case: Case, keys: frozenset[str], context: Context) -> list[Required]:
    """As S3 issues it for the reader, with each form of encryption context that the bucket's objects may have.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    contract = case.contract
    by_object = View(RESOURCE, (f"{contract.bucket_arn}/", 0))
    by_bucket = View(RESOURCE, (contract.bucket_arn,))
    forms = {
        BucketKeys.OFF: (by_object,),
        BucketKeys.ON: (by_bucket,),
        BucketKeys.BOTH: (by_object, by_bucket),
    }[contract.premises.bucket_keys]
    return [_decrypt_with(case, keys, context, form) for form in forms]


def _decrypt_with(case: Case, keys: frozenset[str], context: Context, form: View) -> Required:
    contract = case.contract
    own: dict[str, Binding] = {
        **_kms(case),
        "aws:viaawsservice": Const(("true",)),
        "kms:viaservice": Const((f"s3.{contract.bucket.region}.amazonaws.com",)),
        "kms:encryptionalgorithm": Const(("SYMMETRIC_DEFAULT",)),
        **{key: ABSENT for key in keys if key.startswith("kms:encryptioncontext:")},
        "kms:encryptioncontext:aws:s3:arn": form,
        "kms:encryptioncontextkeys": Const(("aws:s3:arn",)),
    }
    named = any(isinstance(part, int) for part in form.parts)
    return _assemble(
        case,
        "kms:Decrypt",
        keys,
        context,
        resource=View(RESOURCE, (contract.key,)),
        resource_account=contract.key_account,
        own=own,
        groups={RESOURCE: Group((OBJECT_KEY,) if named else ())},
        must=_under_prefixes(contract.prefixes, RESOURCE, 0) if named else (),
    )


def _describe_key(case: Case, keys: frozenset[str], context: Context) -> list[Required]:
    """Asked of KMS directly: no service stands between."""
    contract = case.contract
    return [
        _assemble(
            case,
            "kms:DescribeKey",
            keys,
            context,
            resource=View(RESOURCE, (contract.key,)),
            resource_account=contract.key_account,
            own={**_kms(case), "kms:viaservice": ABSENT},
            groups={RESOURCE: Group(())},
            must=(),
        )
    ]


def _kms(case: Case) -> dict[str, Binding]:
    return {
        "kms:calleraccount": Const((case.contract.consumer.account,)),
        "kms:requestalias": ABSENT,
    }


_REQUIRED = {
    "s3:GetObject": _get_object,
    "s3:ListBucket": _list_bucket,
    "kms:Decrypt": _decrypt,
    "kms:DescribeKey": _describe_key,
}


def _under_prefixes(prefixes: tuple[str, ...], group: str, segment: int) -> tuple[Literal, ...]:
    expr = _prefix_expr(prefixes, segment)
    return () if expr == TRUE else (TextLiteral(group, expr),)


def _prefix_expr(prefixes: tuple[str, ...], segment: int) -> Expr:
    if "" in prefixes:
        return TRUE
    return Atom((segment,), glob(tuple(prefix(text) for text in prefixes)))


# --- what may be allowed ----------------------------------------------------------------------------------------------


def permitted(case: Case, on: str) -> Document:
    """What the bucket ("bucket"), the key ("key") or the role ("role") may allow, written as one policy: this contract,
    its neighbours, and the owner's further readers.
    """
    statements = [s for contract in (case.contract, *case.neighbours) for s in _agreed(contract, case, on)]
    statements += [_further(case.contract, entry) for entry in case.contract.also_allowed if entry.on == on]
    return parse_document(json.dumps({"Version": "2012-10-17", "Statement": statements}), f"permitted on the {on}")


def _agreed(contract: Contract, case: Case, on: str) -> list[dict[str, object]]:
    same = {
        "bucket": contract.bucket_arn == case.contract.bucket_arn,
        "key": contract.key == case.contract.key,
        "role": contract.role == case.contract.role,
    }
    if not same[on]:
        return []
    statements: list[dict[str, object]] = []
    if "s3:GetObject" in contract.actions:
        objects = [f"{contract.bucket_arn}/{_escaped(text)}*" for text in contract.prefixes]
        statements.append(_allow(contract.role, ["s3:GetObject"], objects))
    if "s3:ListBucket" in contract.actions:
        listing = _allow(contract.role, ["s3:ListBucket"], [contract.bucket_arn])
        if "" not in contract.prefixes:
            listing["Condition"] = {"StringLike": {"s3:prefix": [f"{_escaped(text)}*" for text in contract.prefixes]}}
        statements.append(listing)
    if kms := [action for action in contract.actions if action.startswith("kms:")]:
        statements.append(_allow(contract.role, kms, [contract.key]))
    return statements


def _further(contract: Contract, entry: AlsoAllowed) -> dict[str, object]:
    resources = [contract.key]
    if entry.on == "bucket":
        resources = [contract.bucket_arn, *(f"{contract.bucket_arn}/{_escaped(text)}*" for text in entry.prefixes)]
    return _allow(entry.principal, entry.actions, resources)


def _allow(principal: str, actions: Sequence[str], resources: list[str]) -> dict[str, object]:
    kind = "Service" if principal.endswith((".amazonaws.com", ".amazonaws.com.cn", ".aws.internal")) else "AWS"
    return {"Effect": "Allow", "Principal": {kind: principal}, "Action": list(actions), "Resource": resources}


def _escaped(text: str) -> str:
    """A prefix as policy text in which no character is a wildcard or begins a variable."""
    return "".join(f"${{{char}}}" if char in "*?$" else char for char in text)
