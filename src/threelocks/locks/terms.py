"""What a contract asks for: for each agreed action, the space of requests that the reader is entitled to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC

from threelocks.contract import BucketKeys, Contract
from threelocks.locks.case import Case
from threelocks.locks.ways import Way, ways
from threelocks.policy.actions import carries
from threelocks.policy.arn import Arn, partition_of
from threelocks.policy.box import TRUE, Atom, Expr, Literal, TextLiteral
from threelocks.policy.document import Document, Statement
from threelocks.policy.pattern import glob, literal, parse_pattern, prefix
from threelocks.policy.request import CallerKind
from threelocks.policy.space import (
    ABSENT,
    CALLER,
    OBJECT_KEY,
    RESOURCE,
    ROLE_ID,
    SESSION_NAME,
    TEXT,
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


def required(case: Case, documents: Iterable[Document], actions: Iterable[str]) -> list[Required]:
    """The required requests for those of `actions` that are agreed, with every key bound that the documents ask for."""
    read = tuple(documents)
    wanted, asked = set(actions), keys_in_play(read)
    return [
        one
        for action in case.contract.actions
        if action in wanted
        for way in ways(case.contract)
        for one in _REQUIRED[action](case, asked, way)
    ]


def keys_in_play(documents: Iterable[Document]) -> frozenset[str]:
    """Every condition key (in lower case) that a condition or a policy variable of these documents names."""
    keys: set[str] = set()
    for document in documents:
        for statement in document.statements:
            keys |= keys_of(statement)
    return frozenset(keys)


def keys_of(statement: Statement) -> set[str]:
    """Those of one statement."""
    return {condition.key for condition in statement.conditions} | variables_of(statement)


def variables_of(statement: Statement) -> set[str]:
    """The condition keys whose values policy variables of a statement stand for."""
    if not statement.variables:
        return set()
    values = [value for condition in statement.conditions for value in condition.values]
    texts = (*(statement.resources or ()), *values)
    return {variable.name for text in texts for variable in parse_pattern(text, variables=True).variables}


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


CALLER_GROUP = Group((ROLE_ID, SESSION_NAME))  # in the order of `aws:userid`


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
    bound |= organization(contract)
    if premises.owner_organization:
        bound["aws:resourceorgid"] = Const((premises.owner_organization,))
    for tag, value in premises.principal_tags.items():
        bound[f"aws:principaltag/{tag.lower()}"] = Const((value,))
    return bound


def organization(contract: Contract) -> dict[str, Binding]:
    """Where the consumer's account stands, as far as the contract's premises say."""
    bound: dict[str, Binding] = {}
    if contract.premises.consumer_organization:
        bound["aws:principalorgid"] = Const((contract.premises.consumer_organization,))
    if contract.premises.consumer_org_path:
        bound["aws:principalorgpaths"] = Const((contract.premises.consumer_org_path,))
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
    asked: frozenset[str],
    way: Way,
    *,
    resource: View,
    resource_account: str,
    own: dict[str, Binding],
    groups: dict[str, Group],
    must: tuple[Literal, ...],
) -> Required:
    caller = reader(case)
    bound: dict[str, Binding] = {**_profile(case, resource_account), **caller.keys(), **own}
    bound |= way.bindings(action)
    bound |= {key: Free() for key in asked - bound.keys()}
    bound |= {key: ABSENT for key in bound if not carries(action, key)}
    space = Space(
        *(caller, (action,), resource, resource_account, {CALLER: CALLER_GROUP, **groups}, bound),
        through=through(resource, bound.get("s3:dataaccesspointarn")),
    )
    opened = {key: value for key, value in _from_now_on(case).items() if key not in way.keys}
    return Required(
        action, space, replace(space, keys={**bound, **opened}), (*_sessions(case.contract), *must), way.name
    )


def through(resource: View, point: Binding | None) -> View | None:
    """A bucket or its objects, as the policy of the access point names them that a request comes through.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html
    """
    if not isinstance(point, Const) or point.values is None or len(point.values) != 1:
        return None
    _, slash, key = str(resource.parts[0]).partition("/")
    return View(resource.group, (f"{point.values[0]}{slash and '/object/'}{key}", *resource.parts[1:]))


def _from_now_on(case: Case) -> dict[str, Binding]:
    """The keys of time, at any later moment."""
    now = case.observation.began.timestamp()
    return {
        "aws:currenttime": Free(required=True, floor=now),
        "aws:epochtime": Free(required=True, floor=now),
        "aws:tokenissuetime": Free(required=True),
    }


# --- each agreed action -----------------------------------------------------------------------------------------------


def _get_object(case: Case, asked: frozenset[str], way: Way) -> list[Required]:
    """Every non-empty object key under each agreed prefix; the marker object `sales/` counts."""
    contract = case.contract
    return [
        _assemble(
            case,
            "s3:GetObject",
            asked,
            way,
            resource=View(RESOURCE, (f"{contract.bucket_arn}/", 0)),
            resource_account=contract.owner.account,
            own={},
            groups={RESOURCE: Group((OBJECT_KEY,))},
            must=_under_prefixes(contract.prefixes, RESOURCE, 0),
        )
    ]


def _list_bucket(case: Case, asked: frozenset[str], way: Way) -> list[Required]:
    """Every listing below an agreed prefix; the listing without a prefix only where the whole bucket is shared."""
    contract = case.contract
    whole = "" in contract.prefixes
    listing = TextLiteral(PREFIX, _prefix_expr(contract.prefixes, 0), absent=whole)
    return [
        _assemble(
            case,
            "s3:ListBucket",
            asked,
            way,
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


def _decrypt(case: Case, asked: frozenset[str], way: Way) -> list[Required]:
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
    return [_decrypt_with(case, asked, way, form) for form in forms]


def _decrypt_with(case: Case, asked: frozenset[str], way: Way, form: View) -> Required:
    contract = case.contract
    own: dict[str, Binding] = {
        **_kms(case),
        "aws:viaawsservice": Const(("true",)),
        "kms:viaservice": _via_s3(contract.bucket.region),
        "kms:encryptionalgorithm": Const(("SYMMETRIC_DEFAULT",)),
        **{key: ABSENT for key in asked if key.startswith("kms:encryptioncontext:")},
        "kms:encryptioncontext:aws:s3:arn": form,
        "kms:encryptioncontextkeys": Const(("aws:s3:arn",)),
    }
    named = any(isinstance(part, int) for part in form.parts)
    return _assemble(
        case,
        "kms:Decrypt",
        asked,
        way,
        resource=View(RESOURCE, (contract.key,)),
        resource_account=contract.key_account,
        own=own,
        groups={RESOURCE: Group((OBJECT_KEY,) if named else ())},
        must=_under_prefixes(contract.prefixes, RESOURCE, 0) if named else (),
    )


def _via_s3(region: str) -> Binding:
    """How KMS calls S3 in that region. The documentation has it for regions whose services are called so; elsewhere
    (China, the European Sovereign Cloud) the ending is not told, so that a condition on it is not relied upon.

    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    """
    return Const((f"s3.{region}.amazonaws.com",)) if partition_of(region) in ("aws", "aws-us-gov") else Free()


def _describe_key(case: Case, asked: frozenset[str], way: Way) -> list[Required]:
    """Asked of KMS directly: no service stands between."""
    contract = case.contract
    return [
        _assemble(
            case,
            "kms:DescribeKey",
            asked,
            way,
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
