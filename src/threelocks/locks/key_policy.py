"""Lock 3: the key policy, held by the account in the key's ARN; with it the key's grants and its state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from threelocks.finding import Finding, Kind, Lock, Remedy
from threelocks.locks.ask import Layered
from threelocks.locks.case import About, Case, parse, unread
from threelocks.locks.commands import key_policy_commands
from threelocks.locks.findings import open_findings
from threelocks.locks.grants import grants_as_policy
from threelocks.locks.remedy import key_statement, mend_key, mend_key_ghost
from threelocks.locks.resource_policy import Guarded, Target, as_ghosts, narrow_findings
from threelocks.locks.terms import at_present
from threelocks.observation import Absent, Found, Grant, KeyMetadata, KeyObservation, Source, Unreadable
from threelocks.policy.actions import KEY_ACTIONS
from threelocks.policy.arn import Arn
from threelocks.policy.authorize import Layer, Policies
from threelocks.policy.document import Document, Effect, Statement
from threelocks.policy.matcher import speaks_of_action
from threelocks.policy.principal import Named, parse_name
from threelocks.policy.space import RESOURCE, Binding, Const, Group, View

KMS_ACTIONS = ("kms:Decrypt", "kms:DescribeKey")


def judge_key(case: Case, key: KeyObservation) -> list[Finding]:
    """Everything that is off with the key's lock."""
    contract = case.contract
    about = About(Lock.KEY_POLICY, contract.key_account, contract.key, "the key policy")
    if isinstance(key.metadata, Absent):
        return [_state(about, case, "key.missing", "the key does not exist in its account any more", _restore(case))]
    findings = unread(case, about, (key.metadata, key.policies, key.grants))
    findings += _metadata_findings(about, case, key.metadata)
    if isinstance(key.policies, Unreadable):
        return findings
    policies = key.policies.value if isinstance(key.policies, Found) else ()
    parsed = parse(about, ((f"key policy `{policy.name}`", policy) for policy in policies))
    case.documents[about.lock] = parsed.documents
    findings += parsed.findings
    if not parsed.whole:
        return findings
    is_ours = isinstance(key.metadata, Found) and key.metadata.value.manager == "CUSTOMER"
    findings += _no_owner_root(about, case, parsed.documents) if is_ours else ()
    return findings + _policy_findings(about, case, parsed.documents, key.grants)


def _policy_findings(
    about: About, case: Case, documents: tuple[Document, ...], source: Source[tuple[Grant, ...]]
) -> list[Finding]:
    grants = grants_as_policy(source.value if isinstance(source, Found) else ())
    alternatives = ((Layer.RESOURCE_POLICY, documents), (Layer.GRANT, (grants,)))
    layered = Layered(needed=(alternatives,), policies=Policies(resource=documents, grants=grants))
    opened = open_findings(case, about, layered, KMS_ACTIONS, partial(mend_key, case.contract))
    findings = as_ghosts(opened, documents, "key", partial(mend_key_ghost, case.contract))
    if isinstance(source, Unreadable):
        # Only an Allow could be missing from what was read.
        findings = [one for one in findings if one.kind is Kind.UNREAD or one.code == "key.explicit-deny"]
    if grants.statements and not findings:
        findings += _by_grant_only(about, case, documents)
    return findings + narrow_findings(case, about, Guarded("key", layered, targets(case), _narrowing(case)))


def _by_grant_only(about: About, case: Case, documents: tuple[Document, ...]) -> Iterable[Finding]:
    """The lock is open; whether it would be without its grants.

    https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
    """
    alone = Layered(needed=(((Layer.RESOURCE_POLICY, documents),),), policies=Policies(resource=documents))
    found = open_findings(case, about, alone, KMS_ACTIONS, partial(mend_key, case.contract))
    actions = sorted({action for finding in found if finding.kind is Kind.SHUT for action in finding.actions})
    if actions:
        remedy = Remedy(
            about.account,
            f"Allow {case.contract.role} in the key policy as well: a grant can be retired or revoked by one call.",
            key_statement(case.contract, actions),
            key_policy_commands(case.contract),
        )
        detail = f"the key policy does not allow {', '.join(actions)}; only a grant does, which is not stable"
        yield about.finding("key.by-grant-only", Kind.RISK, case.contract.role, actions, detail, remedy)


def targets(case: Case) -> tuple[Target, ...]:
    """Only what KMS lets another account do; allowing it more has no effect."""
    contract = case.contract
    keys: dict[str, Binding] = {
        "aws:resourceaccount": Const((contract.key_account,)),
        "aws:requestedregion": Const((Arn.parse(contract.key).region,)),
        **at_present(case),
    }
    return (Target(View(RESOURCE, (contract.key,)), contract.key_account, {RESOURCE: Group(())}, KEY_ACTIONS, keys),)


def _narrowing(case: Case) -> Remedy:
    return Remedy(
        case.contract.key_account,
        f"Narrow or remove what lets them in, so that only {case.contract.role} is allowed the agreed KMS actions; or, "
        "if they are meant to use the key, list them under also_allowed in the contract, with the reason.",
        None,
        key_policy_commands(case.contract),
    )


def _no_owner_root(about: About, case: Case, documents: tuple[Document, ...]) -> Iterable[Finding]:
    """Without a statement for the account as a whole, only those whom the policy names can mend it.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    statements = (s for document in documents for s in document.statements if s.effect is Effect.ALLOW)
    if not documents or any(_lets_administer(statement, about.account) for statement in statements):
        return
    root = f"arn:{case.partition}:iam::{about.account}:root"
    statement = {"Sid": "Account", "Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
    remedy = Remedy(
        about.account,
        "Give the account back its own key, as one whom the policy still names, with this statement:",
        json.dumps(statement, indent=2),
        key_policy_commands(case.contract),
    )
    detail = (
        f"no statement of the key policy lets account {about.account} administer the key by its own IAM policies: when "
        "those whom it names are deleted, nobody can change it again but AWS Support"
    )
    yield about.finding("key.no-owner-root", Kind.RISK, f"account {about.account}", (_ADMINISTERING,), detail, remedy)


_ADMINISTERING = "kms:PutKeyPolicy"


def _lets_administer(statement: Statement, account: str) -> bool:
    """Whether an Allow leaves the key's policy to the account's own IAM policies, if perhaps under conditions."""
    if statement.problems or statement.not_principal:
        return True  # told as not understood, or as wide
    names = (parse_name(entry) for entry in statement.principals or ())
    to_it = any(name.named is Named.ANYONE or (name.named, name.account) == (Named.ACCOUNT, account) for name in names)
    return to_it and speaks_of_action(statement, _ADMINISTERING)


# --- the key itself ---------------------------------------------------------------------------------------------------


def _metadata_findings(about: About, case: Case, source: Source[KeyMetadata]) -> Iterable[Finding]:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html"""
    if not isinstance(source, Found):
        return
    key = source.value
    if key.manager != "CUSTOMER":
        detail = "the key is an AWS managed key: its policy cannot be changed, and it can never be shared"
        sentence = "Encrypt the bucket with a customer managed key, and agree on that one."
        yield _state(about, case, "key.aws-managed", detail, Remedy(about.account, sentence))
    if key.state == "Disabled":
        command = f"aws kms enable-key --region {Arn.parse(key.arn).region} --key-id {case.contract.key}"
        yield _state(
            about,
            case,
            "key.disabled",
            "the key is disabled: nothing encrypted with it can be read",
            Remedy(about.account, "Enable the key.", None, (command,)),
        )
    elif key.state in ("PendingDeletion", "PendingReplicaDeletion"):
        yield _pending_deletion(about, case, key)
    elif key.state != "Enabled":
        detail = f"the key is in the state {key.state}: nothing encrypted with it can be read"
        sentence = "Bring the key back: import its key material again, or reconnect its custom key store."
        yield _state(about, case, "key.unavailable", detail, Remedy(about.account, sentence))


def _pending_deletion(about: About, case: Case, key: KeyMetadata) -> Finding:
    when = f" on {_date(key.deletion_date, case.observation.began)}" if key.deletion_date else ""
    region = Arn.parse(key.arn).region
    commands = (
        f"aws kms cancel-key-deletion --region {region} --key-id {case.contract.key}",
        f"aws kms enable-key --region {region} --key-id {case.contract.key}",
    )
    detail = f"the key will be deleted{when}, and cannot be used until then; with it goes all that it encrypted"
    remedy = Remedy(about.account, "Cancel the deletion, and enable the key again.", None, commands)
    return replace(_state(about, case, "key.pending-deletion", detail, remedy), deadline=key.deletion_date)


def _date(then: datetime, now: datetime) -> str:
    """The date, and in how many days it comes, begun ones included."""
    days = max(-(-(then - now) // timedelta(days=1)), 0)
    return f"{then:%Y-%m-%d}, in {days} {'day' if days == 1 else 'days'}"


def _restore(case: Case) -> Remedy:
    return Remedy(
        case.contract.key_account,
        "A deleted key cannot be brought back, nor can what it encrypted. Encrypt the bucket with another key, copy "
        "the objects from where they came, and agree on the new key.",
    )


def _state(about: About, case: Case, code: str, detail: str, remedy: Remedy) -> Finding:
    actions = [action for action in case.contract.actions if action in KMS_ACTIONS]
    return about.finding(code, Kind.SHUT, case.contract.role, actions, detail, remedy)
