"""The contract's fields, what they say of each other, and what its author is told when something is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from threelocks import contract as contracts
from threelocks.cli import load, parse_yaml
from threelocks.contract import Contract
from threelocks.problems import EXAMPLES, BadContractError, Problem
from threelocks.report import MalformedError, decode, encode

ROOT = Path(__file__).parents[2]
OWNER, CONSUMER, THIRD = "111111111111", "222222222222", "333333333333"
KEY_ID = "abcd1234-a123-456a-a12b-a123b4cd56ef"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/{KEY_ID}"
ROLE = f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole"


def party(account: str, /, **changes: Any) -> dict[str, Any]:
    return {"account": account, "name": f"team {account[0]}", "home_region": "eu-west-1"} | changes


def raw(**changes: Any) -> dict[str, Any]:
    return {
        "name": "bi-curated-read",
        "owner": party(OWNER),
        "consumer": party(CONSUMER),
        "bucket": {"name": "datalake-curated-a", "region": "eu-west-1"},
        "key": KEY,
        "role": ROLE,
        "actions": ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"],
    } | changes


def without(*fields: str) -> dict[str, Any]:
    return {name: value for name, value in raw().items() if name not in fields}


def also(**changes: Any) -> dict[str, Any]:
    entry = {"on": "bucket", "principal": THIRD, "actions": ["s3:GetObject"], "reason": "yearly audit"} | changes
    return raw(also_allowed=[entry])


def problems(value: object) -> tuple[Problem, ...]:
    with pytest.raises(BadContractError) as raised:
        contracts.parse(value, file="share.yaml")
    return raised.value.problems


def test_a_contract_with_only_its_required_fields_is_enough() -> None:
    contract = contracts.parse(raw())
    assert (contract.prefixes, contract.bucket_arn) == (("",), "arn:aws:s3:::datalake-curated-a")
    assert (contract.key_account, contract.role_name) == (OWNER, "BIAnalyticsRole")
    assert [other.account for other in contract.others(OWNER)] == [CONSUMER]


FIELDS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("an account id that YAML read as a number", raw(owner=party(OWNER, account=111111111111)), "owner.account",
     "number `111111111111`", 'quotes, with its leading zeros: "111111111111"'),
    ("an account id that YAML read as octal", raw(owner=party(OWNER, account=0o11111111111)), "owner.account",
     "is the number", '"111111111111"'),
    ("an account id with too few digits", raw(consumer=party(CONSUMER, account="2222")), "consumer.account",
     "`2222` is not an account id", "12 digits in quotes"),
    ("digits of another script", raw(consumer=party(CONSUMER, account="٢" * 12)), "consumer.account",
     "is not an account id", "12 digits"),
    ("a missing field", without("key"), "key", "is missing", f"write key: {EXAMPLES['key']}"),
    ("a missing field of a group", raw(bucket={"name": "datalake-curated-a"}), "bucket.region",
     "is missing", "write region: eu-west-1"),
    ("an empty field", raw(key=None), "key", "is empty", "write arn:aws:kms"),
    ("a misspelled field", raw(prefix=["sales/"]), "prefix", "is not a field", "did you mean `prefixes`?"),
    ("a misspelled field of a group", raw(owner=party(OWNER, region="eu-west-1")), "owner.region",
     "is not a field", "`home_region`"),
    ("an unknown field", raw(colour="red"), "colour", "is not a field", "write one of name, owner,"),
    ("a text where a list is meant", raw(prefixes="sales/"), "prefixes", "`sales/` where a list", "write [sales/]"),
    ("a list where a text is meant", raw(role=[ROLE]), "role", "is a list", "write arn:aws:iam::"),
    ("a text where a group is meant", raw(bucket="datalake"), "bucket", "`datalake` where a group", "write {name:"),
    ("no prefixes at all", raw(prefixes=[]), "prefixes", "is empty", "write [sales/]"),
    ("a name in capitals", raw(name="BI"), "name", "`BI` is not a name", "lowercase"),
    ("a party's name of two lines", raw(owner=party(OWNER, name="a\nSubject: b")), "owner.name",
     r"`a\u000aSubject: b` has a line break", "one line"),
    ("a party's name that turns the text around", raw(owner=party(OWNER, name="a\u202eb")), "owner.name",
     r"\u202e", "plain text"),
    ("a party's name of blanks", raw(owner=party(OWNER, name="  ")), "owner.name", "is empty", "recognise"),
    ("a party's name without end", raw(owner=party(OWNER, name="a" * 61)), "owner.name", "too long", "60"),
    ("a region that is none", raw(owner=party(OWNER, home_region="europe")), "owner.home_region",
     "`europe` is not a region", "eu-west-1"),
    ("a bucket's URI", raw(bucket={"name": "s3://data", "region": "eu-west-1"}), "bucket.name",
     "is not a bucket name", "the name alone"),
    ("an address for a bucket", raw(bucket={"name": "10.0.0.1", "region": "eu-west-1"}), "bucket.name",
     "is not a bucket name", "the name alone"),
    ("an access point's alias", raw(bucket={"name": "ap-1a2b-s3alias", "region": "eu-west-1"}), "bucket.name",
     "alias of an access point", "bucket behind it"),
    ("a prefix with a slash in front", raw(prefixes=["/sales/"]), "prefixes[0]", "begins with a slash", "sales/"),
    ("a prefix with a star", raw(prefixes=["a/", "sales/*"]), "prefixes[1]", "is a pattern", "without * or ?"),
    ("a prefix that names the bucket", raw(prefixes=["s3://data/sales/"]), "prefixes[0]",
     "names the bucket", "after it"),
    ("a prefix with a control character", raw(prefixes=["sales\x00"]), "prefixes[0]", r"`sales\u0000`", "plain text"),
    ("a prefix longer than any key", raw(prefixes=["é" * 513]), "prefixes[0]", "longer than any key", "1024 bytes"),
    ("an alias for the key", raw(key=f"arn:aws:kms:eu-west-1:{OWNER}:alias/curated"), "key",
     "is an alias", "key/<key id>"),
    ("a key id alone", raw(key=KEY_ID), "key", "is not the ARN of a key", "key/<key id>"),
    ("a key id that is none", raw(key=KEY[:-1]), "key", "is not a key ARN", "describe-key"),
    ("a key of another partition than its region", raw(key=KEY.replace("arn:aws:", "arn:aws-cn:")), "key",
     "is not a key ARN", "arn:aws:kms"),
    ("a session for the role", raw(role=f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/x"), "role",
     "is a session", "the role behind it"),
    ("a user for the role", raw(role=f"arn:aws:iam::{CONSUMER}:user/bi"), "role", "is a user", "role's ARN"),
    ("an account for the role", raw(role=f"arn:aws:iam::{CONSUMER}:root"), "role", "whole account", "the one role"),
    ("a role with a star", raw(role=f"arn:aws:iam::{CONSUMER}:role/BI*"), "role", "is not a role ARN", "role/<path"),
    ("a role with a line break at its end", raw(role=ROLE + "\n"), "role", "is not a role ARN", "role/<path"),
    ("an action without its service", raw(actions=["GetObject"]), "actions[0]", "`GetObject`", "`s3:GetObject`?"),
    ("an action that IAM does not have", raw(actions=["s3:ListObjectsV2"]), "actions[0]",
     "none of those", "`s3:ListBucket`?"),
    ("an action in the wrong case", raw(actions=["kms:decrypt"]), "actions[0]", "`kms:decrypt`", "`kms:Decrypt`?"),
    ("an action that cannot be agreed", raw(actions=["s3:PutObject"]), "actions[0]",
     "none of those", "write one of s3:Get"),
    ("`on`, which YAML reads as true", raw(premises={"bucket_keys": True}), "premises.bucket_keys",
     "is true", "quotes"),
    ("a user that is trusted", raw(trusted_by=[f"arn:aws:iam::{CONSUMER}:user/alice"]), "trusted_by[0]",
     "nobody to hang a share on", "write roles"),
    ("anyone who is trusted", raw(trusted_by=["*"]), "trusted_by[0]", "nobody to hang a share on", "write roles"),
    ("nobody who is trusted", raw(trusted_by=[]), "trusted_by", "is empty", "glue.amazonaws.com"),
    ("a session name with a blank", raw(session_names=["two words"]), "session_names[0]", "session name", "2 to 64"),
    ("an organization that is none", raw(premises={"owner_organization": "acme"}), "premises.owner_organization",
     "`acme` is not an organization id", "o-a1b2c3d4e5"),
    ("a condition key with one text", raw(contexts=[{"name": "vpc", "keys": {"aws:SourceVpce": "vpce-1"}}]),
     "contexts[0].keys.aws:SourceVpce", "where a list is meant", "[vpce-1]"),
    ("an endpoint that is none", raw(contexts=[{"name": "vpc", "endpoints": {"s3": "vpc-1"}}]),
     "contexts[0].endpoints.s3", "`vpc-1` is not the id of a VPC endpoint", "vpce-0123456789abcdef0"),
    ("an endpoint of another service", raw(contexts=[{"name": "vpc", "endpoints": {"sts": "vpce-12345678"}}]),
     "contexts[0].endpoints.sts", "is not a field", "write one of s3, kms"),
    ("another service in between", raw(contexts=[{"name": "spark", "via": "emr"}]),
     "contexts[0].via", "`emr` is none of those", "write one of athena"),
    ("a session policy that is none", raw(contexts=[{"name": "s", "session_policy": {"Version": "2012-10-17"}}]),
     "contexts[0].session_policy", "is no policy document", "as in IAM"),
    ("a session policy with a misspelled element",
     raw(contexts=[{"name": "s", "session_policy": {"Statement": [{"Effect": "Allow", "Actions": "*"}]}}]),
     "contexts[0].session_policy", "Actions", "what AWS documents"),
    ("a session policy that AssumeRole does not take",
     raw(contexts=[{"name": "s", "session_policy": {"Id": "x" * 2048, "Statement": []}}]),
     "contexts[0].session_policy", "AssumeRole takes 2048", "shorten it"),
    ("a condition key that is none", raw(contexts=[{"name": "vpc", "keys": {"SourceVpce": ["v"]}}]),
     "contexts[0].keys.SourceVpce", "`SourceVpce` is not a condition key", "aws:SourceVpce"),
    ("another reader without a reason", also(reason=""), "also_allowed[0].reason", "is empty", "recognise"),
    ("another reader by its unique id", also(principal="AROAABCDEFGHIJKLMNOPQ"), "also_allowed[0].principal",
     "unique id", "ARN"),
    ("another reader by its root", also(principal=f"arn:aws:iam::{THIRD}:root"), "also_allowed[0].principal",
     "whole account", f'"{THIRD}"'),
    ("another reader with a wildcard", also(principal=f"arn:aws:iam::{THIRD}:role/*"), "also_allowed[0].principal",
     "is not a principal", "without other wildcards"),
    ("another reader's action without a service", also(actions=["Get*"]), "also_allowed[0].actions[0]",
     "is not an action of S3 or KMS", "s3:GetObject"),
    ("a waiver without an end", raw(waivers=[{"finding": "key.disabled", "reason": "known"}]), "waivers[0].until",
     "is missing", "write until: 2026-12-31"),
    ("a waiver until some time or other", raw(waivers=[{"finding": "key.disabled", "reason": "x", "until": "soon"}]),
     "waivers[0].until", "`soon` is not a date or a time", "write 2026-12-31"),
    ("a waiver until a time of no place",
     raw(waivers=[{"finding": "key.disabled", "reason": "x", "until": "2026-12-31T18:00:00"}]), "waivers[0].until",
     "is not a date or a time", "2026-12-31T18:00:00Z"),
    ("a waiver without a reason", raw(waivers=[{"finding": "key.disabled", "until": "2026-12-31"}]),
     "waivers[0].reason", "is missing", "write reason: migration"),
    ("a waiver of everything", raw(waivers=[{"finding": "*", "reason": "x", "until": "2026-12-31"}]),
     "waivers[0].finding", "is not the code of a finding", "bucket.wide-principal"),
    ("a suspension by nobody", raw(suspended={"reason": "audit", "until": "2026-12-31"}), "suspended.by",
     "is missing", "write by: Dana Example"),
    ("another reader of something else", also(on="queue"), "also_allowed[0].on", "`queue`", "one of bucket, key"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "field", "wrong", "instead"), [pytest.param(*row[1:], id=row[0]) for row in FIELDS])
def test_a_bad_field_is_told_with_its_place_and_what_to_write(
    value: dict[str, Any], field: str, wrong: str, instead: str
) -> None:
    found = {problem.field: problem.text for problem in problems(value)}
    assert set(found) == {field}
    assert wrong in found[field]
    assert instead in found[field].partition(";")[2]


BETWEEN: list[tuple[str, dict[str, Any], str, str]] = [
    ("owner = consumer", raw(consumer=party(OWNER), role=ROLE.replace(CONSUMER, OWNER)), "consumer.account",
     "inside one account either policy is enough"),
    ("the role of another account", raw(role=ROLE.replace(CONSUMER, THIRD)), "role", f"in the account `{THIRD}`"),
    ("a role of another partition", raw(role=ROLE.replace("arn:aws:", "arn:aws-us-gov:")), "role", "`aws-us-gov`"),
    ("a key of another region", raw(key=KEY.replace("eu-west-1", "eu-central-1")), "key", "is in `eu-central-1`"),
    ("a third account's key without its holder", raw(key=KEY.replace(OWNER, THIRD)), "key_holder", f"`{THIRD}`"),
    ("a key holder who is the owner", raw(key_holder=party(OWNER)), "key_holder", "leave key_holder out"),
    ("a key holder who does not hold it", raw(key_holder=party("444444444444"), key=KEY.replace(OWNER, THIRD)),
     "key_holder.account", f'write "{THIRD}"'),
    ("the consumer's own key", raw(key=KEY.replace(OWNER, CONSUMER)), "key", "belongs to the consumer"),
    ("a prefix within another", raw(prefixes=["sales/2024/", "sales/"]), "prefixes[0]", "lies within `sales/`"),
    ("a prefix twice", raw(prefixes=["sales/", "sales/"]), "prefixes[1]", "lies within `sales/`"),
    ("a prefix beside the whole bucket", raw(prefixes=["", "sales/"]), "prefixes[1]", "the whole bucket"),
    ("an action twice", raw(actions=["s3:ListBucket", "s3:ListBucket"]), "actions", "more than once"),
    ("Decrypt without GetObject", raw(actions=["s3:ListBucket", "kms:Decrypt"]), "actions", "add s3:GetObject"),
    ("GetObject without Decrypt", raw(actions=["s3:GetObject"]), "actions", "add kms:Decrypt"),
    ("nothing of the bucket", raw(actions=["kms:DescribeKey"]), "actions", "nothing of the bucket"),
    ("a principal trusted twice", raw(trusted_by=["glue.amazonaws.com"] * 2), "trusted_by", "more than once"),
    ("a session name twice", raw(session_names=["aa", "aa"]), "session_names", "more than once"),
    ("one account under two names", raw(organizations={"owner": party(CONSUMER, name="cloud")}), "organizations.owner",
     "the account `222222222222` has another name or home_region"),
    ("an organization above a key of the owner", raw(organizations={"key_holder": party(THIRD)}),
     "organizations.key_holder", "the key belongs to the owner"),
    ("a context that fixes nothing", raw(contexts=[{"name": "any"}]), "contexts[0]", "fixes nothing; write keys"),
    ("an endpoint said twice", raw(contexts=[{"name": "vpc", "endpoints": {"s3": "vpce-12345678"}, "keys": {
        "aws:SourceVpce": ["vpce-12345678"]}}]), "contexts[0].keys", "`aws:SourceVpce` follows from `endpoints`"),
    ("Athena from an address", raw(contexts=[{"name": "sql", "via": "athena", "keys": {
        "aws:SourceIp": ["203.0.113.1"]}}]), "contexts[0].keys", "`aws:SourceIp` follows from `via`"),
    ("Athena through an endpoint", raw(contexts=[{"name": "sql", "via": "athena", "endpoints": {
        "s3": "vpce-12345678"}}]), "contexts[0].via", "does not come through your endpoints"),
    ("two contexts of one name", raw(contexts=[{"name": "a", "keys": {"aws:SourceVpc": ["v"]}}] * 2), "contexts",
     "`a` is there more than once"),
    ("a condition key in two cases",
     raw(contexts=[{"name": "a", "keys": {"aws:SourceVpc": ["v"], "aws:sourcevpc": None}}]), "contexts[0].keys",
     "more than once"),
    ("a path of another organization",
     raw(premises={"consumer_organization": "o-a1b2c3d4e5", "consumer_org_path": "o-zzzzzzzzzz/r-ab12/"}),
     "premises.consumer_org_path", "write o-a1b2c3d4e5/"),
    ("a key's action on the bucket", also(actions=["kms:Decrypt"]), "also_allowed[0].actions[0]", "action of s3"),
    ("prefixes on the key", also(on="key", actions=["kms:Decrypt"], prefixes=["a/"]), "also_allowed[0].prefixes",
     "a key has no prefixes"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "field", "text"), [pytest.param(*row[1:], id=row[0]) for row in BETWEEN])
def test_fields_that_disagree_are_told(value: dict[str, Any], field: str, text: str) -> None:
    found = {problem.field: problem.text for problem in problems(value)}
    assert set(found) == {field}
    assert text in found[field]


def test_all_problems_are_told_at_once_those_between_sound_fields_too() -> None:
    value = raw(
        colour="red",
        name=7,
        key=KEY.replace("eu-west-1", "eu-central-1"),
        prefixes=["a", "a"],
        actions=["s3:PutObject"],
    )
    assert {problem.field for problem in problems(value)} == {"colour", "name", "key", "prefixes[1]", "actions[0]"}


@pytest.mark.parametrize("value", [None, [], "text", 7])
def test_what_is_no_group_of_fields_is_no_contract(value: object) -> None:
    assert [problem.field for problem in problems(value)] == [""]


def test_each_line_of_the_error_names_the_file() -> None:
    with pytest.raises(BadContractError) as raised:
        contracts.parse(raw(name="BI", colour="red"), file="share.yaml")
    lines = str(raised.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["share.yaml"] * 2
    assert all(not line.endswith(".") for line in lines)


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": party("011111111111"), "key": KEY.replace(OWNER, "011111111111")},
        {"key": f"arn:aws:kms:eu-west-1:{OWNER}:key/mrk-{'0' * 31}f"},
        {"role": f"arn:aws:iam::{CONSUMER}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_BI_0a1b2c"},
        {"key": KEY.replace(OWNER, THIRD), "key_holder": party(THIRD)},
        {"prefixes": ["sales/", "marketing/über uns/"]},
        {"actions": ["s3:ListBucket"]},
        {"contexts": [{"name": "vpc", "keys": {"aws:SourceVpce": ["vpce-1"], "aws:PrincipalTag/team": None}}]},
        {
            "bucket": {"name": "datalake-curated-a", "region": "cn-north-1"},
            "key": f"arn:aws-cn:kms:cn-north-1:{OWNER}:key/{KEY_ID}",
            "role": ROLE.replace("arn:aws:", "arn:aws-cn:"),
        },
        {
            "bucket": {"name": "datalake-curated-a", "region": "us-gov-west-1"},
            "key": f"arn:aws-us-gov:kms:us-gov-west-1:{OWNER}:key/{KEY_ID}",
            "role": ROLE.replace("arn:aws:", "arn:aws-us-gov:"),
        },
    ],
)
def test_what_aws_allows_is_accepted(changes: dict[str, Any]) -> None:
    contract = contracts.parse(raw(**changes))
    assert decode(Contract, encode(contract)) == contract


@pytest.mark.parametrize(
    "principal",
    [
        THIRD,
        "*",
        "cloudtrail.amazonaws.com",
        f"arn:aws:iam::{THIRD}:role/audit/Reader",
        f"arn:aws:iam::{THIRD}:user/ann",
        f"arn:aws:sts::{THIRD}:assumed-role/Reader/ann",
        "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1EXAMPLE",
    ],
)
def test_another_reader_may_be_any_principal_that_a_policy_names(principal: str) -> None:
    assert contracts.parse(also(principal=principal)).also_allowed[0].principal == principal


def test_the_digest_is_of_the_agreed_terms_whatever_the_order_of_lists() -> None:
    actions = raw()["actions"]
    context = {"name": "vpc", "keys": {"aws:SourceVpce": ["a", "b"]}}
    other = {"name": "vpc", "keys": {"aws:SourceVpce": ["b", "a"]}}
    one = contracts.parse(raw(prefixes=["a/", "b/"], contexts=[context]))
    same = contracts.parse(also() | {"prefixes": ["b/", "a/"], "actions": actions[::-1], "contexts": [other]})
    assert one.digest == same.digest


def plainly_different() -> list[dict[str, Any]]:
    return [
        raw(prefixes=["sales/"]),
        raw(actions=["s3:ListBucket"]),
        raw(session_names=["nightly"]),
        raw(trusted_by=["glue.amazonaws.com"]),
        raw(premises={"bucket_keys": "on"}),
        raw(owner=party(OWNER, home_region="eu-west-2")),
    ]


@pytest.mark.parametrize("value", plainly_different())
def test_other_terms_have_another_digest(value: dict[str, Any]) -> None:
    assert contracts.parse(value).digest != contracts.parse(raw()).digest


@pytest.mark.parametrize("text", ["", "{", b"\xff", '{"name": "x"}', "null"])
def test_a_stored_contract_that_is_damaged_is_refused(text: str | bytes) -> None:
    with pytest.raises(MalformedError, match="not a Contract"):
        decode(Contract, text)


def paths(model: Any, start: str = "") -> set[str]:
    """Every field of a model, as EXAMPLES spells it."""
    schema = model.model_json_schema()

    def walk(node: dict[str, Any], at: str) -> set[str]:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        found = {at} if at else set()
        for option in node.get("anyOf", []):
            found |= walk(option, at)
        for name, part in node.get("properties", {}).items():
            found |= walk(part, f"{at}.{name}".removeprefix("."))
        return found | (walk(node["items"], f"{at}[]") if "items" in node else set())

    return walk(schema, start)


def test_each_field_has_an_example_and_a_section_in_the_documentation() -> None:
    assert paths(Contract) <= set(EXAMPLES)
    text = (ROOT / "docs" / "contract.md").read_text()
    named = {path.replace("[]", "") for path in EXAMPLES}
    assert {name for name in named if f"`{name}`" not in text} == set()


def test_the_examples_in_the_documentation_are_contracts() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "contract.md").read_text(), re.DOTALL)
    whole = [block for block in blocks if block.startswith("name:")]
    assert whole
    for block in whole:
        parse_yaml(block, file="docs/contract.md")


@pytest.mark.parametrize("path", sorted((ROOT / "contracts").glob("*.yaml")), ids=lambda path: path.name)
def test_the_example_contracts_are_sound(path: Path) -> None:
    assert load(path).name == path.stem


@pytest.mark.parametrize("change", [{"prefixes": "\udc00"}, {"name\nshare.yaml: key": "x"}, {"bucket": {"\x1b[2J": 1}}])
def test_an_error_shows_what_a_contract_hides_and_can_be_sent_on(change: dict[str, Any]) -> None:
    """Half a surrogate pair cannot be printed; a line break in a name would fake a second problem."""
    with pytest.raises(BadContractError) as raised:
        contracts.parse(raw() | change, file="share.yaml")
    text = str(raised.value)
    assert text.encode()
    assert all(line.isprintable() and line.startswith("share.yaml: ") for line in text.split("\n"))
    assert len(text.split("\n")) == len(raised.value.problems)


@pytest.mark.parametrize("value", ["\ud800", "a\nb", "\x00"])
def test_values_in_which_something_hides_are_refused(value: str) -> None:
    """Half a surrogate pair could not be stored, nor counted into the digest."""
    tags = problems(raw(premises={"principal_tags": {"team": value}}))
    context = problems(raw(contexts=[{"name": "vpc", "keys": {"aws:SourceVpce": ["", value]}}]))
    assert [problem.field for problem in (*tags, *context)] == [
        "premises.principal_tags.team",
        "contexts[0].keys.aws:SourceVpce[1]",
    ]
    assert all("has a control or invisible character" in problem.text for problem in (*tags, *context))


def test_fields_that_say_nothing_leave_the_digest_as_it_was_before_they_were_known() -> None:
    """Computed by the release before endpoints could be named: what is stored under it stays valid."""
    agreed = contracts.parse(raw(contexts=[{"name": "vpc", "keys": {"aws:SourceVpce": ["vpce-1"]}}]))
    assert agreed.digest == "17bb35f5adcf6c1c2daa85c7bf8f2c15cd199d83919382f925db195e4828dfdb"
    assert contracts.parse(raw()).digest == "3b013d067fda41862f819b8749efd47c51d8b46a40b3b8ce893d66ccc1ff20cc"
    through = contracts.parse(raw(contexts=[{"name": "vpc", "endpoints": {"s3": "vpce-12345678"}}]))
    assert through.digest != agreed.digest
    assert through.endpoints == ("vpce-12345678",)


def test_a_session_policy_is_the_same_however_it_is_written() -> None:
    def digest(policy: Any) -> str:
        return contracts.parse(raw(contexts=[{"name": "s", "session_policy": policy}])).digest

    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    text = '{"Statement": [{"Resource": "*", "Action": "s3:*",  "Effect": "Allow"}]}'
    assert digest({"Statement": [statement]}) == digest(text)
    assert digest({"Statement": [{**statement, "Action": "s3:Get*"}]}) != digest(text)


def test_a_contract_with_endpoints_and_a_session_policy_is_the_same_when_it_was_stored() -> None:
    context = {"name": "s", "endpoints": {"kms": "vpce-12345678"}, "session_policy": '{"Statement": []}'}
    agreed = contracts.parse(raw(contexts=[context, {"name": "sql", "via": "athena"}]))
    assert decode(Contract, encode(agreed)) == agreed


def test_who_reads_an_organization_is_a_party_once_and_part_of_the_terms() -> None:
    plain, cloud = contracts.parse(raw()), party(THIRD)
    agreed = contracts.parse(raw(organizations={"consumer": cloud, "owner": cloud}))
    assert [each.account for each in agreed.parties] == [OWNER, CONSUMER, THIRD]
    assert [each.account for each in agreed.others(THIRD)] == [OWNER, CONSUMER]
    assert [agreed.reads_organization(account) for account in (OWNER, CONSUMER, THIRD)] == [False, False, True]
    assert agreed.digest != plain.digest
    assert contracts.parse(raw(organizations={})).digest == plain.digest
    itself = contracts.parse(raw(organizations={"consumer": party(CONSUMER)}))
    assert [each.account for each in itself.parties] == [OWNER, CONSUMER]
