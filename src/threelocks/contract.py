"""The agreed share: who, what, how. Desired state, against which live policies are judged.

A contract enters as YAML (at the command line only) or as JSON from the table, and is a frozen value from there on.
Every field is checked here, once; nothing behind this module asks again whether an ARN is well formed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from threelocks import spelling
from threelocks.policy.arn import Arn, partition_of
from threelocks.problems import BadContractError, Problem, translate
from threelocks.spelling import shaped, shown

AccountId = Annotated[
    str, AfterValidator(shaped("[0-9]{12}", "an account id", 'its 12 digits in quotes: "111111111111"'))
]
Region = Annotated[str, AfterValidator(shaped("[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", "a region", "eu-west-1 for example"))]
BucketName = Annotated[str, AfterValidator(spelling.bucket_name)]
ContractName = Annotated[
    str,
    AfterValidator(
        shaped("[a-z0-9][a-z0-9-]{0,62}", "a name", "at most 63 lowercase letters, digits and hyphens: bi-curated-read")
    ),
]
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, RoleSessionName
SessionName = Annotated[
    str,
    AfterValidator(shaped("[A-Za-z0-9_+=,.@-]{2,64}", "a role session name", "2 to 64 letters, digits or _+=,.@-")),
]
OrganizationId = Annotated[
    str, AfterValidator(shaped("o-[a-z0-9]{10,32}", "an organization id", "o-a1b2c3d4e5 for example"))
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, aws:PrincipalOrgPaths
OrganizationPath = Annotated[
    str,
    AfterValidator(
        shaped(
            "o-[a-z0-9]{10,32}/r-[a-z0-9]{4,32}/(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}/)*",
            "the path of an organizational unit",
            "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ for example, with the last slash",
        )
    ),
]
ConditionKey = Annotated[
    str, AfterValidator(shaped(r"[a-z0-9-]+:[^\s*?]{1,250}", "a condition key", "aws:SourceVpce for example"))
]
EndpointId = Annotated[
    str,
    AfterValidator(shaped("vpce-[0-9a-f]{8,17}", "the id of a VPC endpoint", "vpce-0123456789abcdef0 for example")),
]
SessionPolicy = Annotated[str, BeforeValidator(spelling.policy)]
RoleArn = Annotated[str, AfterValidator(spelling.role_arn)]
KeyArn = Annotated[str, AfterValidator(spelling.key_arn)]
Prefix = Annotated[str, AfterValidator(spelling.prefix)]
Principal = Annotated[str, AfterValidator(spelling.principal)]
Trusted = Annotated[str, AfterValidator(spelling.trusted)]
ActionPattern = Annotated[
    str,
    AfterValidator(
        shaped(
            "(s3|kms):[A-Za-z*?]{1,100}", "an action of S3 or KMS", "it as in a policy: s3:GetObject, s3:Get*, kms:*"
        )
    ),
]
# Names, reasons and tags end up in mails.
Words = Annotated[str, AfterValidator(spelling.words)]
Value = Annotated[str, AfterValidator(spelling.value)]

FindingCode = Annotated[
    str,
    AfterValidator(shaped("[a-z]+\\.[a-z]+(-[a-z]+)*", "the code of a finding", "bucket.wide-principal for example")),
]
Until = Annotated[datetime, BeforeValidator(spelling.until)]

# Fields that are a party's own affair, and no part of what both sides agree on.
OF_ONE_ACCOUNT = {"also_allowed", "suspended", "waivers"}

Action = Literal["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"]


class BucketKeys(StrEnum):
    """Which encryption context S3 sends with Decrypt: the object's ARN (`off`) or, under S3 Bucket Keys, the bucket's
    (`on`). Objects keep the form they were written with, so a bucket that was switched holds `both`.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    """

    OFF = "off"
    ON = "on"
    BOTH = "both"


class Frozen(BaseModel):
    """What is ours: immutable, and no field that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Party(Frozen):
    account: AccountId
    name: Annotated[Words, Field(max_length=60)]
    home_region: Region  # where this party's watchdog, and its bus `threelocks`, is deployed


class Bucket(Frozen):
    name: BucketName
    region: Region


class Endpoints(Frozen):
    """By which VPC endpoint of the consumer the readers reach each service, in the bucket's region."""

    s3: EndpointId | None = None  # gateway or interface
    kms: EndpointId | None = None


class Context(Frozen):
    """One way in which the readers come, and what it fixes of their requests."""

    name: ContractName
    # Condition keys that have these values (a list) or are absent (null).
    keys: dict[ConditionKey, Annotated[tuple[Value, ...], Field(min_length=1)] | None] = Field(default_factory=dict)
    endpoints: Endpoints = Endpoints()
    via: Literal["athena"] | None = None  # the AWS service that reads in the readers' name
    session_policy: SessionPolicy | None = None  # JSON: what is passed when the role is assumed


class Premises(Frozen):
    """What one side takes for granted of the other. The holder of each verifies it; a false premise shuts the share."""

    bucket_keys: BucketKeys = BucketKeys.BOTH
    consumer_organization: OrganizationId | None = None
    consumer_org_path: OrganizationPath | None = None
    owner_organization: OrganizationId | None = None
    principal_tags: dict[Words, Value] = Field(default_factory=dict)  # of the role


class Organizations(Frozen):
    """Who reads the policies of the organization above a party's account, and judges them: its management account, or a
    delegated administrator. Service control policies stand above the consumer's principals, resource control policies
    above the owner's bucket and the holder's key.
    """

    consumer: Party | None = None
    owner: Party | None = None
    key_holder: Party | None = None  # only when the key belongs to a third account


class AlsoAllowed(Frozen):
    """Another reader that the bucket or key legitimately has. Permanent, and therefore with a reason.

    The owner's own affair: it is not part of the agreed terms, and never leaves the owner's account.
    """

    on: Literal["bucket", "key"]
    principal: Principal  # an account id, a role, user or session ARN, a service name, or "*"
    actions: tuple[ActionPattern, ...] = Field(min_length=1)  # action patterns, as in a policy
    prefixes: tuple[Prefix, ...] = Field(default=("",), min_length=1)  # for a bucket
    reason: Annotated[Words, Field(max_length=300)]


class Suspended(Frozen):
    """The share is withdrawn on purpose. Said by either party, for its own account's watchdog to tell the others."""

    by: Annotated[Words, Field(max_length=100)]  # who decided it
    reason: Annotated[Words, Field(max_length=300)]
    until: Until


class Waived(Frozen):
    """A finding on a lock of this account's that is known, and does not count until a date."""

    finding: FindingCode
    principal: Value | None = None  # as the finding names it; an account by its id
    resource: Value | None = None  # as the finding names it
    actions: tuple[ActionPattern, ...] = ()  # empty: any. The finding's must all be among them
    reason: Annotated[Words, Field(max_length=300)]
    until: Until


class Contract(Frozen):
    """One bucket, one key, one role. See docs/contract.md for each field."""

    name: ContractName
    owner: Party
    consumer: Party
    key_holder: Party | None = None  # only when the key belongs to a third account
    bucket: Bucket
    prefixes: tuple[Prefix, ...] = Field(default=("",), min_length=1)  # "" is the whole bucket
    key: KeyArn
    role: RoleArn
    actions: tuple[Action, ...] = Field(min_length=1)
    session_names: tuple[SessionName, ...] = ()  # empty: any session name
    contexts: tuple[Context, ...] = ()  # empty: any environment
    premises: Premises = Premises()
    organizations: Organizations = Organizations()
    also_allowed: tuple[AlsoAllowed, ...] = ()
    trusted_by: Annotated[tuple[Trusted, ...], Field(min_length=1)] | None = None  # None: whoever was trusted first
    suspended: Suspended | None = None
    waivers: tuple[Waived, ...] = ()

    _seal: str = PrivateAttr(default="")
    _is_edited: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if problems := _disagreements(self):
            raise BadContractError(problems)
        return self

    @property
    def bucket_arn(self) -> str:
        return f"arn:{Arn.parse(self.role).partition}:s3:::{self.bucket.name}"

    @property
    def key_account(self) -> str:
        """Who holds lock 3: the account in the key's ARN."""
        return Arn.parse(self.key).account

    @property
    def role_name(self) -> str:
        """The last part of the role's ARN; IAM names a role by it, without the path."""
        return self.role.rpartition("/")[2]

    @property
    def parties(self) -> tuple[Party, ...]:
        """Owner, consumer, the key's holder where that is a third account, and who reads their organizations' policies;
        each account once."""
        above = self.organizations
        named = (self.owner, self.consumer, self.key_holder, above.consumer, above.owner, above.key_holder)
        return tuple({party.account: party for party in reversed(named) if party}.values())[::-1]

    def reads_organization(self, account: str) -> bool:
        """Whether that account is one to read the policies of an organization."""
        return any(party is not None and party.account == account for _, party in self.organizations)

    def states_organization(self, account: str) -> bool:
        """Whether the premises say which organization that account is in."""
        premises = self.premises
        return bool(
            (account == self.consumer.account and premises.consumer_organization)
            or (account == self.owner.account and premises.owner_organization)
        )

    def party(self, account: str) -> Party | None:
        """The party of that account id, if it has a part in this contract."""
        return next((party for party in self.parties if party.account == account), None)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The ids of the VPC endpoints that its contexts name, sorted. They are the consumer's, in the bucket's
        region."""
        named = {name for context in self.contexts for _, name in context.endpoints if name}
        return tuple(sorted(named))

    def others(self, account: str) -> tuple[Party, ...]:
        """Every party but that account's: to whom it reports."""
        return tuple(party for party in self.parties if party.account != account)

    def terms(self) -> str:
        """Canonical JSON of what both sides agree on: sorted keys, no blanks, order of lists without meaning."""
        # What is left out was never said: contracts from before there was such a field keep their digest.
        unsaid = {"trusted_by"} if self.trusted_by is None else set()
        agreed = self.model_dump(mode="json", exclude=OF_ONE_ACCOUNT | unsaid)
        for unordered in {"prefixes", "actions", "session_names", "trusted_by"} - unsaid:
            agreed[unordered] = sorted(agreed[unordered])
        for context in agreed["contexts"]:
            _leave_out_unsaid(context)
            context["keys"] = {key: values and sorted(values) for key, values in context["keys"].items()}
        agreed["organizations"] = {whose: party for whose, party in agreed["organizations"].items() if party}
        if not agreed["organizations"]:
            del agreed["organizations"]
        agreed["contexts"] = sorted(agreed["contexts"], key=lambda context: str(context["name"]))
        return json.dumps(agreed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the agreed terms, in hex: two accounts with the same digest guard the same share."""
        return hashlib.sha256(self.terms().encode()).hexdigest()

    @property
    def seal(self) -> str:
        """SHA-256, in hex, of the whole contract as `apply` writes it; of one from a table, what stands beside it."""
        return self._seal or sealed(self.model_dump_json())

    @property
    def is_edited(self) -> bool:
        """Whether this is not what `apply` wrote: somebody changed the item in the table."""
        return self._is_edited

    def as_stored(self, text: str, seal: str) -> Contract:
        """The contract as a table has it: this text, and this seal beside it. What an older release wrote has fewer
        fields than we would write, and its own seal."""
        if seal == self.seal and text == self.model_dump_json():
            return self
        stored = self.model_copy()
        stored._seal, stored._is_edited = seal, sealed(text) != seal  # noqa: SLF001 - one of its own class
        return stored


def sealed(text: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _leave_out_unsaid(context: dict[str, Any]) -> None:
    """INVARIANT: a field that came later and says nothing leaves the digest as it was: what is stored stays valid, and
    two accounts need not be updated at the same moment."""
    context["endpoints"] = {service: name for service, name in context["endpoints"].items() if name}
    for field in ("endpoints", "via", "session_policy"):
        if not context[field]:
            del context[field]


Found = Iterator[Problem]


def _accounts(contract: Contract) -> Found:
    if contract.owner.account == contract.consumer.account:
        yield Problem(
            "consumer.account",
            "is the owner's account too: inside one account either policy is enough, so there is no share to watch; "
            "name the account that reads",
        )


def _role_holder(contract: Contract) -> Found:
    account = Arn.parse(contract.role).account
    if account != contract.consumer.account:
        yield Problem(
            "role",
            f"is in the account `{account}`, but consumer.account is `{contract.consumer.account}`; name a role of the "
            "consumer, or mend the account",
        )


def _partitions(contract: Contract) -> Found:
    stated, follows = Arn.parse(contract.role).partition, partition_of(contract.bucket.region)
    if stated != follows:
        yield Problem(
            "role",
            f"is in the partition `{stated}`, but the region `{contract.bucket.region}` is in `{follows}`; nothing is "
            "shared between partitions: name a role of the bucket's",
        )


def _key_region(contract: Contract) -> Found:
    region = Arn.parse(contract.key).region
    if region != contract.bucket.region:
        yield Problem(
            "key",
            f"is in `{region}`, but bucket.region is `{contract.bucket.region}`, and S3 uses keys of its own region; "
            "name the key that the bucket's objects are encrypted with",
        )


def _key_holder(contract: Contract) -> Found:
    """Lock 3 is held by the account in the key's ARN."""
    account = contract.key_account
    if account == contract.consumer.account != contract.owner.account:
        yield Problem(
            "key",
            "belongs to the consumer: inside one account either policy is enough, so that lock cannot be watched; "
            "share through a key of the owner or of a third account",
        )
    elif account == contract.owner.account:
        if contract.key_holder:
            yield Problem("key_holder", "the key belongs to the owner; leave key_holder out")
    elif not contract.key_holder:
        yield Problem(
            "key_holder", f'is missing: the key belongs to `{account}`; write key_holder: {{account: "{account}", ...}}'
        )
    elif contract.key_holder.account != account:
        yield Problem("key_holder.account", f'is not the account in the key\'s ARN; write "{account}"')


def _organizations(contract: Contract) -> Found:
    if contract.organizations.key_holder and not contract.key_holder:
        yield Problem(
            "organizations.key_holder", "the key belongs to the owner; leave it out, or name organizations.owner"
        )
    known = {party.account: party for party in (contract.owner, contract.consumer, contract.key_holder) if party}
    for whose, party in contract.organizations:
        if party and known.setdefault(party.account, party) != party:
            yield Problem(
                f"organizations.{whose}",
                f"the account `{party.account}` has another name or home_region elsewhere in the contract; write the "
                "same",
            )


def _prefixes(contract: Contract) -> Found:
    yield from _overlaps("prefixes", contract.prefixes)


def _overlaps(field: str, prefixes: tuple[str, ...]) -> Found:
    for index, prefix in enumerate(prefixes):
        others = prefixes[:index] if prefix in prefixes[:index] else (other for other in prefixes if other != prefix)
        within = next((other for other in others if prefix.startswith(other)), None)
        if within is not None:
            held = shown(within) if within else 'the whole bucket (`""`)'
            yield Problem(f"{field}[{index}]", f"{shown(prefix)} lies within {held} already; leave one of them out")


def _actions(contract: Contract) -> Found:
    actions = contract.actions
    yield from _twice("actions", actions)
    if "kms:Decrypt" in actions and "s3:GetObject" not in actions:
        yield Problem("actions", "kms:Decrypt serves only to read objects; add s3:GetObject, or leave kms:Decrypt out")
    if "s3:GetObject" in actions and "kms:Decrypt" not in actions:
        yield Problem("actions", "no object can be read without its key; add kms:Decrypt to s3:GetObject")
    if not {"s3:GetObject", "s3:ListBucket"} & set(actions):
        yield Problem("actions", "nothing of the bucket is shared; add s3:GetObject with kms:Decrypt, or s3:ListBucket")


def _session_names(contract: Contract) -> Found:
    yield from _twice("session_names", contract.session_names)


def _trusted_by(contract: Contract) -> Found:
    yield from _twice("trusted_by", contract.trusted_by or ())


def _contexts(contract: Contract) -> Found:
    yield from _twice("contexts", tuple(context.name for context in contract.contexts))
    for index, context in enumerate(contract.contexts):
        # IAM compares the names of condition keys without case.
        yield from _twice(f"contexts[{index}].keys", tuple(key.lower() for key in context.keys))
        yield from _ways_in(f"contexts[{index}]", context)


# What a context's other fields say already, in lower case.
_NETWORK = ("aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip")
_CALLED = ("aws:viaawsservice", "aws:calledvia", "aws:calledviafirst", "aws:calledvialast")


def _ways_in(field: str, context: Context) -> Found:
    by_endpoint = bool(context.endpoints.s3 or context.endpoints.kms)
    if not (context.keys or by_endpoint or context.via or context.session_policy):
        yield Problem(field, "fixes nothing; write keys, endpoints, via or session_policy, or leave the context out")
    if by_endpoint and context.via:
        yield Problem(
            f"{field}.via", "is a service of AWS's, which does not come through your endpoints; leave one out"
        )
    said = {
        *(("aws:sourcevpce", "aws:sourceip") if by_endpoint else ()),
        *((*_NETWORK, *_CALLED) if context.via else ()),
    }
    for key in context.keys:
        if key.lower() in said:
            which = "via" if context.via else "endpoints"
            yield Problem(f"{field}.keys", f"{shown(key)} follows from `{which}` already; leave it out")


def _twice(field: str, names: tuple[str, ...]) -> Found:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(field, f"{shown(name)} is there more than once; leave the others out")


def _premises(contract: Contract) -> Found:
    stated, path = contract.premises.consumer_organization, contract.premises.consumer_org_path
    if stated and path and not path.startswith(f"{stated}/"):
        yield Problem("premises.consumer_org_path", f"does not begin with consumer_organization; write {stated}/...")


def _also_allowed(contract: Contract) -> Found:
    for index, entry in enumerate(contract.also_allowed):
        field = f"also_allowed[{index}]"
        service = {"bucket": "s3", "key": "kms"}[entry.on]
        for number, action in enumerate(entry.actions):
            if not action.startswith(f"{service}:"):
                yield Problem(
                    f"{field}.actions[{number}]",
                    f"{shown(action)} is no action on a {entry.on}; write an action of {service}, or mend `on`",
                )
        if entry.on == "key" and entry.prefixes != ("",):
            yield Problem(f"{field}.prefixes", "a key has no prefixes; leave them out, or write on: bucket")
        yield from _overlaps(f"{field}.prefixes", entry.prefixes)


# What the fields say of each other: each check, and the fields it needs to be sound.
_CHECKS: tuple[tuple[Callable[[Contract], Found], frozenset[str]], ...] = (
    (_accounts, frozenset({"owner", "consumer"})),
    (_role_holder, frozenset({"role", "consumer"})),
    (_partitions, frozenset({"role", "bucket"})),
    (_key_region, frozenset({"key", "bucket"})),
    (_key_holder, frozenset({"key", "owner", "consumer", "key_holder"})),
    (_organizations, frozenset({"organizations", "owner", "consumer", "key_holder"})),
    (_prefixes, frozenset({"prefixes"})),
    (_actions, frozenset({"actions"})),
    (_session_names, frozenset({"session_names"})),
    (_trusted_by, frozenset({"trusted_by"})),
    (_contexts, frozenset({"contexts"})),
    (_premises, frozenset({"premises"})),
    (_also_allowed, frozenset({"also_allowed"})),
)


def _disagreements(contract: Contract, unsound: frozenset[str] = frozenset()) -> tuple[Problem, ...]:
    """Every problem of fields that are sound each by itself."""
    return tuple(problem for check, needs in _CHECKS if not needs & unsound for problem in check(contract))


def parse(raw: object, *, file: str = "") -> Contract:
    """A contract from plain values (dicts, lists, texts). Raises BadContractError with all problems at once: those of
    single fields, and those between the fields that are sound.
    """
    try:
        return Contract.model_validate(raw)
    except ValidationError as error:
        raise BadContractError(_all_problems(raw, error), file=file) from error


def _all_problems(raw: object, error: ValidationError) -> Iterator[Problem]:
    yield from translate(error)
    unsound = frozenset(str(row["loc"][0]) for row in error.errors() if row["loc"])
    if isinstance(raw, dict) and unsound:
        yield from _disagreements(_sound_part(raw, unsound), unsound)


def _sound_part(raw: dict[str, object], unsound: frozenset[str]) -> Contract:
    """The fields that are sound, as a contract that must not be asked for the others."""
    fields = {name: info for name, info in Contract.model_fields.items() if name not in unsound and name in raw}
    sound = {name: TypeAdapter(_annotation(info)).validate_python(raw[name]) for name, info in fields.items()}
    return Contract.model_construct(**sound)


def _annotation(info: FieldInfo) -> Any:
    """A field's type with its constraints, which pydantic keeps apart."""
    return Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
