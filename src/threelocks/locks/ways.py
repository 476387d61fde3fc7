"""The ways in which the readers come: the contract's contexts, and what each of them fixes of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

from threelocks.contract import Context, Contract
from threelocks.policy.condition import is_multivalued
from threelocks.policy.space import ABSENT, Binding, Const

Values = tuple[str, ...] | None

# Where a request comes from. One that an AWS service makes in the caller's name comes from that service instead:
# https://docs.aws.amazon.com/kms/latest/developerguide/vpce-policy-condition.html
NETWORK = frozenset(
    """
    aws:sourceip aws:sourcevpc aws:sourcevpcarn aws:sourcevpce aws:vpcsourceip aws:vpceaccount aws:vpceorgid
    aws:vpceorgpaths
    """.split()
)
_ATHENA = "athena.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Way:
    """One way: condition keys (in lower case) that have known values, or None: are absent."""

    name: str
    keys: Mapping[str, Values]
    endpoints: Mapping[str, str]  # service -> the endpoint that it is reached by
    via: str = ""
    nowhere: bool = False  # no condition on where requests come from can hold

    def bindings(self, action: str) -> dict[str, Binding]:
        """What the way fixes of a request for this action."""
        stated: dict[str, Binding] = {key: Const(values) for key, values in self.keys.items()}
        if action == "kms:Decrypt":  # S3's own call: what the way says of the network is said of the read alone
            stated = {key: value for key, value in stated.items() if key not in NETWORK}
        elif endpoint := self.endpoints.get(action.partition(":")[0]):
            stated = {**_THROUGH, **stated, "aws:sourcevpce": Const((endpoint,))}
        if self.via and action != "kms:DescribeKey":  # which Athena does not call
            stated |= _BY_ATHENA
            if self.nowhere:
                stated |= dict.fromkeys(NETWORK, ABSENT)
        return stated


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
_THROUGH: Mapping[str, Binding] = {"aws:sourceip": ABSENT}
# https://docs.aws.amazon.com/athena/latest/ug/security-iam-athena-calledvia.html
_BY_ATHENA: Mapping[str, Binding] = {
    "aws:viaawsservice": Const(("true",)),
    "aws:calledvia": Const((_ATHENA,)),
    "aws:calledviafirst": Const((_ATHENA,)),
    "aws:calledvialast": Const((_ATHENA,)),
}


def ways(contract: Contract) -> list[Way]:
    """The contract's contexts; without any, one way that leaves every environment open. Several values of a key that
    holds one value are so many ways.
    """
    return [way for context in contract.contexts for way in _of(context)] or [Way("", {}, {})]


def _of(context: Context) -> list[Way]:
    endpoints = {service: name for service, name in context.endpoints if name}
    found = [
        Way(context.name, dict(zip(map(str.lower, context.keys), chosen, strict=True)), endpoints, context.via or "")
        for chosen in product(*(_alternatives(key.lower(), values) for key, values in context.keys.items()))
    ]
    if not context.via:
        return found
    # Athena comes from addresses of its own, so no condition on an address, a VPC or an endpoint can be relied upon to
    # let it in; nor is it known which of them such a condition might shut out.
    # https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html
    return [each for way in found for each in (replace(way, nowhere=True), way)]


def _alternatives(key: str, values: Values) -> list[Values]:
    return [values] if values is None or is_multivalued(key) else [(value,) for value in values]
