"""Every finding code, and what it means in one sentence made from the contract alone.

A finding's own `detail` may quote policies. This sentence never does, so it is what the other account is told.
docs/alerts.md explains each code at length.
"""

from __future__ import annotations

from dataclasses import dataclass

from threelocks.contract import Contract
from threelocks.finding import Finding


@dataclass(frozen=True, slots=True)
class Entry:
    """One code. `means` may use {role}, {bucket}, {key}, {actions} and {principal}."""

    means: str
    names_stay: bool = False  # whom it is about is the holder's own affair
    detail_crosses: bool = False  # the finding's own detail is made from AWS's state, not from a policy's text


_UNREAD = "could not be read, so nothing is known of it"
_LATE = "are seen by a sweep only"
_NOT_FULLY_CHECKED = "is too intricate to be checked in full, so it is not known to be right"

CATALOGUE: dict[str, Entry] = {
    "identity.no-allow": Entry("no policy of {role} allows it {actions}"),
    "identity.explicit-deny": Entry("a policy of {role} denies it {actions}"),
    "identity.boundary": Entry("the permissions boundary of {role} does not let it {actions}"),
    "identity.role-missing": Entry("the role {role} does not exist", detail_crosses=True),
    "identity.role-recreated": Entry(
        "the role {role} was deleted and made again: policies that named it now name nobody", detail_crosses=True
    ),
    "identity.conditional": Entry("the policies of {role} allow {actions} only under some conditions"),
    "identity.sessions-revoked": Entry("sessions of {role} that began before a set time were revoked"),
    "identity.trust-changed": Entry(
        "who may assume {role} is not as agreed, or is nobody to hang a share on", names_stay=True
    ),
    "identity.wide-resource": Entry("the policies of {role} reach further than the agreed bucket and key"),
    "identity.wide-action": Entry("the policies of {role} allow more actions than agreed: {actions}"),
    "identity.unread": Entry(f"the identity policy {_UNREAD}"),
    "identity.not-fully-checked": Entry(f"the identity policy {_NOT_FULLY_CHECKED}"),
    "bucket.no-allow": Entry("the bucket policy does not allow {role} {actions}"),
    "bucket.explicit-deny": Entry("a statement of the bucket policy denies {role} {actions}"),
    "bucket.conditional": Entry("the bucket policy allows {role} {actions} only under some conditions"),
    "bucket.dangling-principal": Entry("the bucket policy names a role that was deleted, not today's {role}"),
    "bucket.public-block": Entry("the public access block cuts every other account off from {bucket}"),
    "bucket.missing": Entry("the bucket {bucket} does not exist in the owner's account", detail_crosses=True),
    "bucket.wrong-encryption": Entry("new objects of {bucket} are encrypted with another key than agreed"),
    "bucket.not-encrypted-as-agreed": Entry("new objects of {bucket} are not encrypted with the agreed key"),
    "bucket.wide-principal": Entry("the bucket policy lets {principal} in, which was not agreed"),
    "bucket.wide-action": Entry("the bucket policy allows {principal} more actions than agreed: {actions}"),
    "bucket.wide-resource": Entry("the bucket policy opens more of {bucket} to {principal} than agreed"),
    "bucket.ownership": Entry(
        "objects that other accounts write to {bucket} may stay theirs, out of the policy's reach"
    ),
    "bucket.requester-pays": Entry("readers of {bucket} must agree to pay for each request, or are refused"),
    "bucket.unread": Entry(f"the bucket policy {_UNREAD}"),
    "bucket.not-fully-checked": Entry(f"the bucket policy {_NOT_FULLY_CHECKED}"),
    "key.no-allow": Entry("the key policy does not allow {role} {actions}"),
    "key.explicit-deny": Entry("a statement of the key policy denies {role} {actions}"),
    "key.conditional": Entry("the key policy allows {role} {actions} only under some conditions"),
    "key.dangling-principal": Entry("the key policy names a role that was deleted, not today's {role}"),
    "key.disabled": Entry("the key is disabled", detail_crosses=True),
    "key.pending-deletion": Entry("the key is scheduled for deletion", detail_crosses=True),
    "key.unavailable": Entry("the key cannot be used in its present state", detail_crosses=True),
    "key.missing": Entry("the key does not exist", detail_crosses=True),
    "key.aws-managed": Entry("the key is managed by AWS, and can never be shared", detail_crosses=True),
    "key.no-owner-root": Entry("the key policy leaves the key to nobody but whom it names, not to its own account"),
    "key.wide-principal": Entry("the key policy lets {principal} in, which was not agreed"),
    "key.wide-action": Entry("the key policy allows {principal} more actions than agreed: {actions}"),
    "key.wide-grant": Entry("a grant on the key lets {principal} do what was not agreed"),
    "key.unread": Entry(f"the key policy {_UNREAD}"),
    "key.not-fully-checked": Entry(f"the key policy {_NOT_FULLY_CHECKED}"),
    "key.by-grant-only": Entry("only a grant on the key allows {role} {actions}, which is not stable"),
    "ceiling.scp": Entry("a service control policy does not let {role} {actions}"),
    "ceiling.rcp": Entry("a resource control policy does not let {role} {actions}"),
    "ceiling.vpc-endpoint": Entry("the policy of a VPC endpoint does not let {role} {actions}"),
    "ceiling.access-point": Entry("the policy of an access point does not let {role} {actions}"),
    "ceiling.session-policy": Entry("a session policy does not let {role} {actions}"),
    "ceiling.unread": Entry(f"a ceiling {_UNREAD}"),
    "ceiling.not-fully-checked": Entry(f"a ceiling {_NOT_FULLY_CHECKED}"),
    "premise.false": Entry("what the contract takes for granted does not hold", detail_crosses=True),
    "evidence.no-trail": Entry("no trail records the calls that move the share, and no event tells of them"),
    "evidence.stopped": Entry("a trail that records the calls on the share is stopped, or cannot deliver"),
    "evidence.kms-excluded": Entry("no trail records the calls of KMS"),
    "evidence.no-read-events": Entry("no trail records read-only calls, kms:Decrypt among them"),
    "evidence.no-data-events": Entry("no trail records who reads the objects of {bucket}"),
    "evidence.unread": Entry(f"what the account's trails record {_UNREAD}"),
    "watchdog.rule-off": Entry(f"a rule that brings changes to the watchdog is off, so they {_LATE}"),
    "watchdog.region-unwatched": Entry(f"nothing relays the changes of a region that the share needs, so they {_LATE}"),
    "watchdog.relay-failing": Entry(f"the relay of a region that the share needs loses changes, so some {_LATE}"),
    "watchdog.part-off": Entry(f"a part of the watchdog is off, so that changes {_LATE}"),
    "watchdog.settings-changed": Entry("settings of the watchdog itself were changed by hand"),
    "watchdog.subscriber-lost": Entry("somebody who was told of alerts no longer is, or never was"),
    "watchdog.nobody-subscribed": Entry("nobody is subscribed to the alerts of the account"),
    "watchdog.unread": Entry(f"the state of the watchdog itself {_UNREAD}"),
    "watchdog.contract-edited": Entry(
        "the contract that the account watches by is not the one that was applied there", detail_crosses=True
    ),
    "watchdog.partner-silent": Entry(
        "the other account's watchdog is not heard, or does not hear us", detail_crosses=True
    ),
    "watchdog.report-trimmed": Entry("the other account has more findings than a report carries", detail_crosses=True),
    "watchdog.contracts-differ": Entry("the two accounts hold different contracts of this name", detail_crosses=True),
}


def plain_sentence(contract: Contract, finding: Finding) -> str:
    """What the finding's code means for this contract; the bare code when it is not in the catalogue."""
    entry = CATALOGUE.get(finding.code)
    if entry is None:
        return finding.code
    return entry.means.format(
        role=contract.role_name,
        bucket=contract.bucket.name,
        key=contract.key,
        actions=", ".join(finding.actions) or "what was agreed",
        principal=finding.principal,
    )


# --- which events tell of a finding -----------------------------------------------------------------------------------


def _of(service: str, names: str) -> frozenset[tuple[str, str]]:
    return frozenset((f"{service}.amazonaws.com", name) for name in names.split())


_ROLE = _of("iam", "CreateRole DeleteRole")
_ROLE_POLICIES = _of(
    "iam",
    """
    PutRolePolicy DeleteRolePolicy AttachRolePolicy DetachRolePolicy
    CreatePolicyVersion SetDefaultPolicyVersion DeletePolicyVersion DeletePolicy
    """,
)
_BOUNDARY = _of(
    "iam",
    """
    PutRolePermissionsBoundary DeleteRolePermissionsBoundary
    CreatePolicyVersion SetDefaultPolicyVersion DeletePolicyVersion DeletePolicy
    """,
)
_ROLE_TAGS = _of("iam", "TagRole UntagRole")
_BUCKET = _of("s3", "CreateBucket DeleteBucket")
_BUCKET_POLICY = _of("s3", "PutBucketPolicy DeleteBucketPolicy")
_BUCKET_TAGS = _of("s3", "PutBucketTagging DeleteBucketTagging PutBucketAbac")
_PUBLIC_BLOCK = _of(
    "s3",
    """
    PutBucketPublicAccessBlock DeleteBucketPublicAccessBlock PutAccountPublicAccessBlock DeleteAccountPublicAccessBlock
    """,
)
_ACCESS_POINT = _of("s3", "CreateAccessPoint DeleteAccessPoint PutAccessPointPolicy DeleteAccessPointPolicy")
_OWNERSHIP = _of("s3", "PutBucketOwnershipControls DeleteBucketOwnershipControls")
_ENCRYPTION = _of("s3", "PutBucketEncryption DeleteBucketEncryption")
_ALIAS = _of("kms", "CreateAlias UpdateAlias DeleteAlias")
_KEY_POLICY = _of("kms", "PutKeyPolicy")
_KEY_TAGS = _of("kms", "TagResource UntagResource")
_KEY_STATE = _of(
    "kms",
    "DisableKey EnableKey ScheduleKeyDeletion CancelKeyDeletion DeleteKey ImportKeyMaterial DeleteImportedKeyMaterial",
)
_GRANTS = _of("kms", "CreateGrant RetireGrant RevokeGrant")
_ENDPOINT = _of("ec2", "CreateVpcEndpoint ModifyVpcEndpoint DeleteVpcEndpoints")
_ORGANIZATION_POLICIES = _of(
    "organizations",
    "AttachPolicy DetachPolicy UpdatePolicy DeletePolicy EnablePolicyType DisablePolicyType MoveAccount",
)
_ORGANIZATION_MEMBERS = _of(
    "organizations", "MoveAccount AcceptHandshake LeaveOrganization RemoveAccountFromOrganization"
)
_TRAILS = _of("cloudtrail", "CreateTrail UpdateTrail DeleteTrail StartLogging StopLogging PutEventSelectors")
_OWN_RULES = _of("events", "PutRule EnableRule DisableRule DeleteRule PutTargets RemoveTargets")
_OWN_TOPIC = _of("sns", "SetTopicAttributes Subscribe ConfirmSubscription Unsubscribe DeleteTopic")
_OWN_FUNCTIONS = _of(
    "lambda",
    """
    UpdateFunctionCode20150331v2 UpdateFunctionConfiguration20150331v2 DeleteFunction20150331
    PutFunctionConcurrency20171031 DeleteFunctionConcurrency20171031
    CreateEventSourceMapping20150331 UpdateEventSourceMapping20150331 DeleteEventSourceMapping20150331
    """,
)
_OWN_TABLE = _of("dynamodb", "UpdateTable DeleteTable UpdateTimeToLive UpdateContinuousBackups")
_NONE: frozenset[tuple[str, str]] = frozenset()  # a sweep, a report or its absence tells of it

TOLD_BY: dict[str, frozenset[tuple[str, str]]] = {
    "identity.no-allow": _ROLE_POLICIES,
    "identity.explicit-deny": _ROLE_POLICIES,
    "identity.boundary": _BOUNDARY,
    "identity.role-missing": _ROLE,
    "identity.role-recreated": _ROLE,
    "identity.conditional": _ROLE_POLICIES | _ROLE_TAGS,
    "identity.sessions-revoked": _ROLE_POLICIES,
    "identity.trust-changed": _ROLE | _of("iam", "UpdateAssumeRolePolicy"),
    "identity.wide-resource": _ROLE_POLICIES,
    "identity.wide-action": _ROLE_POLICIES,
    "identity.unread": _ROLE_POLICIES | _BOUNDARY,
    "identity.not-fully-checked": _ROLE_POLICIES | _BOUNDARY,
    "bucket.no-allow": _BUCKET_POLICY,
    "bucket.explicit-deny": _BUCKET_POLICY,
    "bucket.conditional": _BUCKET_POLICY | _BUCKET_TAGS,
    "bucket.dangling-principal": _BUCKET_POLICY,
    "bucket.public-block": _BUCKET_POLICY | _PUBLIC_BLOCK,
    "bucket.missing": _BUCKET,
    "bucket.wrong-encryption": _ENCRYPTION | _ALIAS,
    "bucket.not-encrypted-as-agreed": _ENCRYPTION | _ALIAS,
    "bucket.wide-principal": _BUCKET_POLICY | _PUBLIC_BLOCK | _ACCESS_POINT | _OWNERSHIP | _of("s3", "PutBucketAcl"),
    "bucket.wide-action": _BUCKET_POLICY | _PUBLIC_BLOCK | _ACCESS_POINT,
    "bucket.wide-resource": _BUCKET_POLICY | _PUBLIC_BLOCK | _ACCESS_POINT,
    "bucket.ownership": _OWNERSHIP,
    "bucket.requester-pays": _of("s3", "PutBucketRequestPayment"),
    "bucket.unread": _BUCKET_POLICY | _ACCESS_POINT,
    "bucket.not-fully-checked": _BUCKET_POLICY | _ACCESS_POINT,
    "key.no-allow": _KEY_POLICY | _GRANTS,
    "key.explicit-deny": _KEY_POLICY,
    "key.conditional": _KEY_POLICY | _KEY_TAGS,
    "key.dangling-principal": _KEY_POLICY,
    "key.disabled": _KEY_STATE,
    "key.pending-deletion": _KEY_STATE,
    "key.unavailable": _KEY_STATE,
    "key.missing": _KEY_STATE,
    "key.aws-managed": _NONE,
    "key.no-owner-root": _KEY_POLICY,
    "key.wide-principal": _KEY_POLICY,
    "key.wide-action": _KEY_POLICY,
    "key.wide-grant": _GRANTS,
    "key.unread": _KEY_POLICY,
    "key.not-fully-checked": _KEY_POLICY | _GRANTS,
    "key.by-grant-only": _KEY_POLICY | _GRANTS,
    "ceiling.scp": _ORGANIZATION_POLICIES,
    "ceiling.rcp": _ORGANIZATION_POLICIES,
    "ceiling.vpc-endpoint": _ENDPOINT,
    "ceiling.access-point": _ACCESS_POINT,
    "ceiling.session-policy": _NONE,
    "ceiling.unread": _ENDPOINT | _ORGANIZATION_POLICIES | _ORGANIZATION_MEMBERS,
    "ceiling.not-fully-checked": _ENDPOINT | _ACCESS_POINT | _ORGANIZATION_POLICIES,
    "premise.false": _ENCRYPTION | _BUCKET | _ROLE_TAGS | _ENDPOINT | _ACCESS_POINT | _ORGANIZATION_MEMBERS,
    "evidence.no-trail": _TRAILS,
    "evidence.stopped": _TRAILS,
    "evidence.kms-excluded": _TRAILS,
    "evidence.no-read-events": _TRAILS,
    "evidence.no-data-events": _TRAILS,
    "evidence.unread": _TRAILS,
    "watchdog.rule-off": _OWN_RULES,
    "watchdog.region-unwatched": _OWN_RULES,
    "watchdog.relay-failing": _OWN_RULES,
    "watchdog.part-off": _OWN_FUNCTIONS | _of("dynamodb", "DeleteTable"),
    "watchdog.settings-changed": _OWN_FUNCTIONS | _OWN_TABLE | _of("sns", "SetTopicAttributes"),
    "watchdog.subscriber-lost": _OWN_TOPIC,
    "watchdog.nobody-subscribed": _OWN_TOPIC,
    "watchdog.unread": _NONE,
    "watchdog.contract-edited": _NONE,
    "watchdog.partner-silent": _NONE,
    "watchdog.report-trimmed": _NONE,
    "watchdog.contracts-differ": _NONE,
}
"""Finding code -> (eventSource, eventName) of the calls that make it, or end it. docs/coverage.md is made from it."""
