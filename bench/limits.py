"""The worst that the size limits allow, and what a judgement costs by number of statements. Measures; asserts nothing.

    python -m bench.limits

A bucket policy may have 20 KB, a key policy 32 KB. Prints processor time, the headline, and how many searches were
given up ("not fully checked"): a hostile policy may cost an answer, never a hang.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from bench.judge import (
    BUCKET,
    CONTRACT,
    KEY,
    ROLE,
    ROOT,
    SHARE,
    SHARE_KEY,
    Statement,
    document,
    on_bucket,
    on_key,
    owner,
    statement,
)
from threelocks.finding import Verdict
from threelocks.judge import judge
from threelocks.observation import Found, NamedPolicy, Observation
from threelocks.policy.document import parse_document

_BUCKET_LIMIT, _KEY_LIMIT = 20 * 1024, 32 * 1024
_FACTS = {"role_id": "AROAEXAMPLE123456789", "has_boundary": "false"}
_RNG = random.Random(20261123)  # noqa: S311 - policies, not secrets

Hostile = Callable[[int, str, str], Statement]


def _letters(length: int) -> str:
    return "".join(_RNG.choice("ab") for _ in range(length))


def stars(_: int, action: str, resource: str) -> Statement:
    """Denied: keys with a dozen texts in any distance."""
    return statement("Deny", action, f"{resource}*{'*'.join(_letters(3) for _ in range(12))}*", "*")


def question_marks(number: int, action: str, resource: str) -> Statement:
    """Denied: keys with a letter at a distance from the end, which makes the most runs of an automaton."""
    return statement("Deny", action, f"{resource}*{_letters(1)}{'?' * (20 + number % 30)}", "*")


def exceptions(_: int, action: str, resource: str) -> Statement:
    """Denied: all but keys with some texts."""
    one = statement("Deny", action, "", "*")
    del one["Resource"]
    return {**one, "NotResource": [f"{resource}*{_letters(4)}*{_letters(4)}" for _ in range(4)]}


def conditions(number: int, action: str, resource: str) -> Statement:
    """Allowed to anyone, under wildcards over several keys that each request chooses."""
    wanted = {
        "StringLike": {"aws:PrincipalTag/team": f"*{_letters(5)}*{_letters(5)}*", "aws:UserAgent": f"*{_letters(6)}*"},
        "StringNotLike": {
            "aws:PrincipalArn": f"arn:aws:iam::*:role/*{_letters(4)}*",
            "aws:Referer": _letters(8) + "?*",
        },
        "IpAddress": {"aws:SourceIp": f"10.{number % 256}.0.0/16"},
    }
    return statement("Allow", action, f"{resource}{_letters(6)}*", "*", wanted)


def lists(number: int, action: str, resource: str) -> Statement:
    """Denied: long lists of resources, principals and values, each a little different."""
    tags = {"ForAnyValue:StringLike": {"aws:TagKeys": [f"*{_letters(4)}{n}" for n in range(8)]}}
    keys = [f"{resource}{_letters(3)}{n}/*/{_letters(3)}?*" for n in range(8)]
    return statement("Deny" if number % 2 else "Allow", action, keys, "*", tags)


def mazes(number: int, action: str, resource: str) -> Statement:
    """To the role, keys with some texts; denied, all but keys with other texts."""
    if number % 2:
        return statement(
            "Allow", action, [f"{resource}*{_letters(3)}*{_letters(3)}?{_letters(2)}*" for _ in "123"], ROLE
        )
    return exceptions(number, action, resource)


def tags(_: int, action: str, resource: str) -> Statement:
    """Denied: keys with some texts, under three conditions on any of thirty tags."""
    wanted = {
        operator: {f"aws:PrincipalTag/t{_RNG.randrange(30)}": "x"}
        for operator in _RNG.sample(("StringEquals", "StringNotLike", "StringEqualsIfExists", "StringNotEquals"), 3)
    }
    return statement("Deny", action, f"{resource}*{_letters(3)}*{_letters(2)}*", "*", wanted)


HOSTILE: dict[str, Hostile] = {
    "stars": stars,
    "question marks": question_marks,
    "exceptions": exceptions,
    "conditions": conditions,
    "long lists": lists,
    "mazes": mazes,
    "tags": tags,
}


def _up_to(limit: int, begin: tuple[Statement, ...], more: Iterator[Statement]) -> str:
    """A policy as long as the limit allows."""
    statements = list(begin)
    length = len(document(*statements))
    for one in more:
        length += len(document(one)) - len(document()) + 2
        if length > limit:
            return document(*statements)
        statements.append(one)
    return document(*statements)


def hostile(make: Hostile) -> Observation:
    """The owner's bucket and key, both policies filled to the limit."""
    objects, context = f"{BUCKET}/", KEY
    bucket = _up_to(_BUCKET_LIMIT, (SHARE,), (make(n, "s3:*", objects) for n in count()))
    key = _up_to(_KEY_LIMIT, (ROOT, SHARE_KEY), (_about_context(make(n, "kms:*", context)) for n in count()))
    return _with(bucket, key)


def _about_context(one: Statement) -> Statement:
    """On a key, what varies is the encryption context: the same patterns, there."""
    patterns = one.pop("Resource", None) or one.pop("NotResource")
    operator = "StringLike" if one["Effect"] == "Deny" else "StringNotLike"
    patterns = [text.replace(KEY, f"{BUCKET}/") for text in ([patterns] if isinstance(patterns, str) else patterns)]
    when = {**one.get("Condition", {})}
    when[operator] = {**when.get(operator, {}), "kms:EncryptionContext:aws:s3:arn": patterns}
    return {**one, "Resource": "*", "Condition": when}


def _with(bucket: str, key: str) -> Observation:
    observation = owner()
    assert observation.bucket
    assert observation.key
    return replace(
        observation,
        bucket=replace(observation.bucket, policy=Found(bucket)),
        key=replace(observation.key, policies=Found((NamedPolicy("default", key),))),
    )


def ordinary(statements: int) -> Observation:
    """Policies of so many statements of the kinds that owners have; beyond 20 KB, as if there were no limit."""
    bucket = document(SHARE, *(on_bucket(number) for number in range(statements - 1)))
    key = document(ROOT, SHARE_KEY, *(on_key(number) for number in range(statements - 2)))
    return _with(bucket, key)


def judged(observation: Observation, rounds: int) -> tuple[float, float, Verdict]:
    """Milliseconds of processor time, the first judgement and the best of some more, and the verdict."""
    taken = []
    for _ in range(rounds):
        parse_document.cache_clear()
        began = time.process_time()
        verdict = judge(CONTRACT, (), observation, _FACTS)
        taken.append((time.process_time() - began) * 1e3)
    return taken[0], min(taken), verdict


def _given_up(verdict: Verdict) -> int:
    return sum(finding.code.endswith("not-fully-checked") for finding in verdict.findings)


def main() -> None:
    print(f"{'both policies at the limit, of':32}{'first ms':>10}{'best ms':>10}  headline     given up  findings")
    for name, make in HOSTILE.items():
        first, best, verdict = judged(hostile(make), 3)
        told = f"{verdict.headline:12} {_given_up(verdict):8}  {len(verdict.findings):8}"
        print(f"  {name:30}{first:10.1f}{best:10.1f}  {told}")
    print(f"\n{'statements in each policy':32}{'first ms':>10}{'best ms':>10}  headline     a statement, µs")
    for statements in (10, 30, 100, 300):
        first, best, verdict = judged(ordinary(statements), 3)
        print(f"  {statements:<30}{first:10.1f}{best:10.1f}  {verdict.headline:12} {best * 1e3 / statements:15.0f}")


if __name__ == "__main__":
    main()
