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
    "key.wide-principal": Entry("the key policy lets {principal} in, which was not agreed"),
    "key.wide-action": Entry("the key policy allows {principal} more actions than agreed: {actions}"),
    "key.wide-grant": Entry("a grant on the key lets {principal} do what was not agreed"),
    "key.unread": Entry(f"the key policy {_UNREAD}"),
    "key.not-fully-checked": Entry(f"the key policy {_NOT_FULLY_CHECKED}"),
    "key.by-grant-only": Entry("only a grant on the key allows {role} {actions}, which is not stable"),
    "ceiling.scp": Entry("a service control policy does not let {role} {actions}"),
    "ceiling.rcp": Entry("a resource control policy does not let {role} {actions}"),
    "ceiling.vpc-endpoint": Entry("the policy of a VPC endpoint does not let {role} {actions}"),
    "ceiling.session-policy": Entry("a session policy does not let {role} {actions}"),
    "ceiling.unread": Entry(f"a ceiling {_UNREAD}"),
    "ceiling.not-fully-checked": Entry(f"a ceiling {_NOT_FULLY_CHECKED}"),
    "premise.false": Entry("what the contract takes for granted does not hold", detail_crosses=True),
    "watchdog.rule-off": Entry(f"a rule that brings changes to the watchdog is off, so they {_LATE}"),
    "watchdog.region-unwatched": Entry(f"nothing relays the changes of a region that the share needs, so they {_LATE}"),
    "watchdog.relay-failing": Entry(f"the relay of a region that the share needs loses changes, so some {_LATE}"),
    "watchdog.nobody-subscribed": Entry("nobody is subscribed to the alerts of the account"),
    "watchdog.unread": Entry(f"the state of the watchdog itself {_UNREAD}"),
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
