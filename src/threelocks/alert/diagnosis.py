"""The mail of a diagnosis: which lock refused the readers, in one sentence, and on what evidence."""

from __future__ import annotations

import re

from threelocks.alert.mail import SUBJECT_LENGTH, Mail, again_lines, shortened
from threelocks.alert.text import INDENT, begun, ended, plain, wrapped
from threelocks.alert.words import LOCK_WORDS, MailKind, at, who
from threelocks.contract import Contract
from threelocks.diagnose import Diagnosis, Judgement
from threelocks.finding import Headline
from threelocks.report import Incident

_LINK = re.compile(r"\b((?!s3\b)[a-zA-Z][a-zA-Z0-9+.-]*)://")
_LONG = 1500  # a sentence with an AWS message in it
_JUDGEMENT = {
    Judgement.AGREES: "The live judgement agrees.",
    Judgement.CONTRADICTS: "The live judgement contradicts the records: look at both.",
    Judgement.CANNOT_TELL: "The live judgement cannot tell.",
}


def diagnosis_mail(
    contract: Contract, diagnosis: Diagnosis, incident: Incident, *, standing: Headline, account: str, recheck: str
) -> Mail:
    """The mail of a diagnosis, beside the alerts of an open incident. What callers chose is `plain`, and no link."""
    sections = (
        _head(contract, diagnosis),
        ["WHAT WAS REFUSED", *_refused(diagnosis)],
        ["WHY WE SAY SO", *(line for text in diagnosis.evidence for line in _item(text))],
        ["WHAT TO DO", *wrapped(_to_do(contract, diagnosis, account), INDENT)],
        again_lines(contract, account, recheck),
        ["INCIDENT", f"{INDENT}{plain(incident.id)} of {who(contract, incident.account)}"],
    )
    body = "\n\n".join("\n".join(lines) for lines in sections) + "\n"
    return Mail(
        _subject(contract, diagnosis),
        shortened(contract, body, account, recheck),
        {
            "contract": contract.name,
            "standing": standing.value,
            "lock": diagnosis.locks[0].value if diagnosis.locks else "none",
            "account": plain(diagnosis.accounts[0]) if diagnosis.accounts else account,
            "kind": MailKind.DIAGNOSIS.value,
        },
    )


def _subject(contract: Contract, diagnosis: Diagnosis) -> str:
    lock = LOCK_WORDS[diagnosis.locks[0]] if diagnosis.locks else "no lock"
    for contract_limit, name_limit in ((63, 60), (50, 24), (36, 16), (24, 10)):
        holder = f" of {who(contract, diagnosis.accounts[0], name_limit)}" if diagnosis.accounts else ""
        subject = f"Diagnosis: {plain(contract.name, contract_limit)} - {lock}{holder}"
        if len(subject) <= SUBJECT_LENGTH:
            return subject
    return subject[:SUBJECT_LENGTH]


def _head(contract: Contract, diagnosis: Diagnosis) -> list[str]:
    sentence = ended(begun(plain(diagnosis.sentence, _LONG)))
    return [
        f"Diagnosis of refused reads: {contract.name}",
        "",
        *wrapped(sentence, "", INDENT),
        _JUDGEMENT[diagnosis.judgement],
    ]


def _refused(diagnosis: Diagnosis) -> list[str]:
    last = f"{at(diagnosis.last)}"
    times = f"{diagnosis.requests} requests from {at(diagnosis.first)} to {last}; the last:"
    return [
        *wrapped(times if diagnosis.requests > 1 else f"One request at {last}:", INDENT),
        *wrapped(_said(diagnosis.request), INDENT * 2),
        *wrapped(f"CloudTrail records {', '.join(diagnosis.records[-4:])}", INDENT, INDENT * 2),
    ]


def _item(text: str) -> list[str]:
    return wrapped(f"- {_said(text)}", INDENT, INDENT * 2)


def _said(text: str) -> str:
    """`plain`, and no mail program makes a link of it: keys and sessions are callers' words."""
    return _LINK.sub(r"\1[:]//", plain(text, _LONG))


def _to_do(contract: Contract, diagnosis: Diagnosis, account: str) -> str:
    if account in diagnosis.accounts:
        return "Your account holds the lock. The alert of the incident below has the fix."
    if diagnosis.accounts:
        holders = " and ".join(who(contract, one) for one in diagnosis.accounts)
        return f"Nothing for you to do: {holders} must act, and can be asked by the incident below."
    return "See the evidence."
