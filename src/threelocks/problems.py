"""What is wrong with a contract, told so that its author can mend it: which field, what is wrong, what to write.

Here pydantic's words become ours; the rules themselves are in `contract` and `spelling`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from threelocks.spelling import shown, visible


@dataclass(frozen=True, slots=True)
class Problem:
    field: str  # "owner.account", "actions[1]"; empty: the file as a whole
    text: str  # what is wrong; what to write instead

    def __str__(self) -> str:
        return f"{self.field}: {self.text}" if self.field else self.text


class BadContractError(ValueError):
    """Every problem of one contract, one a line: `file: field: what is wrong; what to write`. Names and values come
    from the file: control characters and halves of surrogate pairs in them stand as their code points.
    """

    def __init__(self, problems: Iterable[Problem], *, file: str = "") -> None:
        self.problems = tuple(problems)
        self.file = file
        where = f"{file}: " if file else ""
        super().__init__("\n".join(visible(f"{where}{problem}") for problem in self.problems))


EXAMPLES: Mapping[str, str] = {
    "name": "bi-curated-read",
    "owner": '{account: "111111111111", name: data-platform, home_region: eu-west-1}',
    "owner.account": '"111111111111"',
    "owner.name": "data-platform",
    "owner.home_region": "eu-west-1",
    "consumer": '{account: "222222222222", name: bi-team, home_region: eu-west-1}',
    "consumer.account": '"222222222222"',
    "consumer.name": "bi-team",
    "consumer.home_region": "eu-west-1",
    "key_holder": '{account: "333333333333", name: key-vault, home_region: eu-west-1}',
    "key_holder.account": '"333333333333"',
    "key_holder.name": "key-vault",
    "key_holder.home_region": "eu-west-1",
    "bucket": "{name: datalake-curated-a, region: eu-west-1}",
    "bucket.name": "datalake-curated-a",
    "bucket.region": "eu-west-1",
    "prefixes": "[sales/]",
    "prefixes[]": "sales/",
    "key": "arn:aws:kms:eu-west-1:111111111111:key/abcd1234-a123-456a-a12b-a123b4cd56ef",
    "role": "arn:aws:iam::222222222222:role/BIAnalyticsRole",
    "actions": "[s3:GetObject, s3:ListBucket, kms:Decrypt, kms:DescribeKey]",
    "actions[]": "s3:GetObject",
    "session_names": "[nightly-load]",
    "session_names[]": "nightly-load",
    "trusted_by": "[glue.amazonaws.com]",
    "trusted_by[]": "glue.amazonaws.com",
    "contexts": "[{name: through-endpoint, keys: {aws:SourceVpce: [vpce-0123456789abcdef0]}}]",
    "contexts[]": "{name: through-endpoint, keys: {aws:SourceVpce: [vpce-0123456789abcdef0]}}",
    "contexts[].name": "through-endpoint",
    "contexts[].keys": "{aws:SourceVpce: [vpce-0123456789abcdef0]}",
    "contexts[].endpoints": "{s3: vpce-0123456789abcdef0}",
    "contexts[].endpoints.s3": "vpce-0123456789abcdef0",
    "contexts[].endpoints.kms": "vpce-0fedcba9876543210",
    "contexts[].via": "athena",
    "contexts[].session_policy": '{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}',
    "premises": "{bucket_keys: on, consumer_organization: o-a1b2c3d4e5}",
    "premises.bucket_keys": "both",
    "premises.consumer_organization": "o-a1b2c3d4e5",
    "premises.consumer_org_path": "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/",
    "premises.owner_organization": "o-f6g7h8i9j0",
    "premises.principal_tags": "{team: bi}",
    "organizations": '{consumer: {account: "444444444444", name: cloud-governance, home_region: eu-west-1}}',
    "organizations.consumer": '{account: "444444444444", name: cloud-governance, home_region: eu-west-1}',
    "organizations.consumer.account": '"444444444444"',
    "organizations.consumer.name": "cloud-governance",
    "organizations.consumer.home_region": "eu-west-1",
    "organizations.owner": '{account: "444444444444", name: cloud-governance, home_region: eu-west-1}',
    "organizations.owner.account": '"444444444444"',
    "organizations.owner.name": "cloud-governance",
    "organizations.owner.home_region": "eu-west-1",
    "organizations.key_holder": '{account: "444444444444", name: cloud-governance, home_region: eu-west-1}',
    "organizations.key_holder.account": '"444444444444"',
    "organizations.key_holder.name": "cloud-governance",
    "organizations.key_holder.home_region": "eu-west-1",
    "also_allowed": '[{on: bucket, principal: "333333333333", actions: [s3:GetObject], reason: yearly audit}]',
    "also_allowed[]": '{on: bucket, principal: "333333333333", actions: [s3:GetObject], reason: yearly audit}',
    "also_allowed[].on": "bucket",
    "also_allowed[].principal": '"333333333333"',
    "also_allowed[].actions": "[s3:GetObject]",
    "also_allowed[].actions[]": "s3:GetObject",
    "also_allowed[].prefixes": "[sales/]",
    "also_allowed[].prefixes[]": "sales/",
    "also_allowed[].reason": "yearly audit",
    "suspended": "{by: Dana Example, reason: access withdrawn after the audit, until: 2026-12-31}",
    "suspended.by": "Dana Example",
    "suspended.reason": "access withdrawn after the audit",
    "suspended.until": "2026-12-31",
    "waivers": '[{finding: bucket.wide-principal, principal: "333333333333", reason: migration, until: 2026-12-31}]',
    "waivers[]": '{finding: bucket.wide-principal, principal: "333333333333", reason: migration, until: 2026-12-31}',
    "waivers[].finding": "bucket.wide-principal",
    "waivers[].principal": '"333333333333"',
    "waivers[].resource": "arn:aws:s3:::datalake-curated-a/migration/*",
    "waivers[].actions": "[s3:GetObject]",
    "waivers[].actions[]": "s3:GetObject",
    "waivers[].reason": "migration",
    "waivers[].until": "2026-12-31",
}
"""What each field looks like in a file; `[]` stands for any item of a list."""

_ACTION_MISTAKES = {
    "s3:listobjects": "s3:ListBucket",
    "s3:listobjectsv2": "s3:ListBucket",
    "s3:headbucket": "s3:ListBucket",
    "s3:headobject": "s3:GetObject",
    "s3:getobjects": "s3:GetObject",
}


def translate(error: ValidationError) -> Iterator[Problem]:
    """Pydantic's findings as problems, in the order of the fields; those that a check of ours raised as they are."""
    for row in error.errors(include_url=False):
        cause = row.get("ctx", {}).get("error")
        if isinstance(cause, BadContractError):
            yield from cause.problems
        elif row["type"] != "too_short" or not row["input"]:  # a list whose items are all bad counts as too short
            yield Problem(_field(row["loc"]), _text(row))


def _field(loc: tuple[int | str, ...]) -> str:
    """("actions", 1) -> "actions[1]". A mapping's key stands for itself; pydantic marks it with "[key]"."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]")
    return "".join(parts).removeprefix(".")


def _example(loc: tuple[int | str, ...]) -> str:
    return EXAMPLES.get(_field(loc).translate(_NO_DIGITS), "")


def _text(row: Mapping[str, Any]) -> str:
    say = _WORDS.get(row["type"])
    return say(row) if say else f"{row['msg'].lower()}; {_instead(row)}"


def _instead(row: Mapping[str, Any]) -> str:
    example = _example(row["loc"])
    return f"write {example}" if example else "see docs/contract.md for what belongs here"


def _missing(row: Mapping[str, Any]) -> str:
    return f"is missing; write {row['loc'][-1]}: {_example(row['loc'])}"


def _unknown(row: Mapping[str, Any]) -> str:
    name, *_ = row["loc"][::-1]
    siblings = _names_beside(row["loc"])
    near = get_close_matches(str(name).lower(), siblings, n=1)
    return (
        f"is not a field; did you mean `{near[0]}`?" if near else f"is not a field; write one of {', '.join(siblings)}"
    )


def _names_beside(loc: tuple[int | str, ...]) -> list[str]:
    """The fields that may stand where an unknown one does."""
    group = _field(loc[:-1]).translate(_NO_DIGITS)
    start = f"{group}." if group else ""
    rests = (path[len(start) :] for path in EXAMPLES if path.startswith(start))
    return list(dict.fromkeys(rest for rest in rests if not set(rest) & set(".[")))


_NO_DIGITS = str.maketrans("", "", "0123456789")


def _not_text(row: Mapping[str, Any]) -> str:
    value = row["input"]
    if value is None:
        return f"is empty; {_instead(row)}"
    if isinstance(value, bool):
        return f"is {str(value).lower()} where text is meant; put the word in quotes"
    if isinstance(value, int | float):
        return f"is the number `{value}` where text is meant; put it in quotes, with its leading zeros: {_quoted(row)}"
    return f"is {_kind(value)} where text is meant; {_instead(row)}"


def _quoted(row: Mapping[str, Any]) -> str:
    """A leading zero is lost in a number, or makes it octal: the example says more than the number as it was read."""
    example, value = _example(row["loc"]), row["input"]
    plain = example.startswith('"') and len(str(value)) + 2 != len(example)
    return example if plain else f'"{value}"'


def _kind(value: object) -> str:
    return (
        "a list" if isinstance(value, list | tuple) else "a group of fields" if isinstance(value, dict) else "no text"
    )


def _not_a_list(row: Mapping[str, Any]) -> str:
    value = row["input"]
    if isinstance(value, str):
        return f"is {shown(value)} where a list is meant; write [{value}]"
    return f"is {'empty' if value is None else _kind(value)} where a list is meant; {_instead(row)}"


def _not_a_group(row: Mapping[str, Any]) -> str:
    if not row["loc"]:
        return f"a contract is a group of fields; begin with name: {EXAMPLES['name']}"
    return f"is {shown(row['input'])} where a group of fields is meant; {_instead(row)}"


def _no_choice(row: Mapping[str, Any]) -> str:
    value, choices = row["input"], row["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
    if isinstance(value, bool):
        return f"is {str(value).lower()} where text is meant; put the word in quotes: one of {', '.join(choices)}"
    near = _nearest(value, choices)
    advice = f"did you mean `{near}`?" if near else f"write one of {', '.join(choices)}"
    return f"{shown(value)} is none of those that can be agreed; {advice}"


def _nearest(value: object, choices: list[str]) -> str:
    """`GetObject`, `s3:getobject` and `s3:HeadObject` are all meant for `s3:GetObject`."""
    text = str(value).lower()
    if text in _ACTION_MISTAKES:
        return _ACTION_MISTAKES[text]
    spelled = {variant: choice for choice in choices for variant in (choice.lower(), choice.lower().partition(":")[2])}
    near = get_close_matches(text, [variant for variant in spelled if variant], n=1, cutoff=0.9)
    return spelled[near[0]] if near else ""


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_type": _not_text,
    "tuple_type": _not_a_list,
    "model_type": _not_a_group,
    "model_attributes_type": _not_a_group,
    "dict_type": _not_a_group,
    "literal_error": _no_choice,
    "enum": _no_choice,
    "value_error": lambda row: str(row["ctx"]["error"]),
    "too_short": lambda row: f"is empty; {_instead(row)}",
    "too_long": lambda row: f"is too long; write at most {row['ctx']['max_length']} characters",
}
