"""`threelocks diagnose`: which lock refused, from CloudTrail records in a file (docs/diagnosis.md)."""

from __future__ import annotations

import argparse
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from threelocks.contract import Contract
from threelocks.diagnose import Attempt, Diagnosis, Gathered, Known, Sure, attempts, diagnose, gather, parse
from threelocks.diagnose.groups import Alike, by_contract, count, without_contract
from threelocks.finding import Share, Verdict
from threelocks.report import encode
from threelocks.spelling import visible

LARGEST_FILE = 50_000_000  # bytes, uncompressed
EXPLAINED, USAGE, UNEXPLAINED = 0, 2, 3

Load = Callable[[Path], Contract]
Judged = Callable[[Contract, Path], Sequence[Verdict]]


class BadFileError(Exception):
    """The file cannot be diagnosed; the text names it, and each record that is wrong."""


def run(arguments: argparse.Namespace, *, load: Load, judged: Judged) -> int:
    """Diagnose a file; answers the exit status. Raises BadFileError, and what `load` and `judged` raise."""
    if arguments.snapshot and not arguments.contract:
        raise BadFileError("a snapshot is judged against a contract; name it with --contract")
    contract = load(arguments.contract) if arguments.contract else None
    verdicts = judged(contract, arguments.snapshot) if contract and arguments.snapshot else ()
    gathered = _gathered(arguments.file)
    found = attempts(gathered.denials)
    alike = _alike(contract, verdicts, found)
    answers = [_diagnosed(contract, verdicts, one) for one in alike]
    others = len(found) - count(alike)
    if arguments.json:
        told = [json.loads(encode(answer)) for answer in answers]
        print(json.dumps({"diagnoses": told, "others": others}, indent=2, ensure_ascii=False))
    else:
        for line in _as_text(answers, others, contract):
            print(visible(line))
    return EXPLAINED if answers and all(answer.sure is not Sure.CANNOT_TELL for answer in answers) else UNEXPLAINED


def _alike(contract: Contract | None, verdicts: Sequence[Verdict], found: Iterable[Attempt]) -> tuple[Alike, ...]:
    if contract is None:
        return without_contract(found)
    facts = {name: value for verdict in verdicts for name, value in verdict.facts}
    return by_contract(found, lambda _: (contract,), lambda _: facts.get("role_id", ""))


def _diagnosed(contract: Contract | None, verdicts: Sequence[Verdict], alike: Alike) -> Diagnosis:
    known = Known(contract, _share(contract, verdicts) if verdicts else None) if contract else None
    return diagnose(known, alike.attempts, alike.match)


def _share(contract: Contract, verdicts: Sequence[Verdict]) -> Share:
    """Every party's verdict on its own locks, as one share."""
    return Share(
        contract.name,
        contract.owner.account,
        tuple(state for verdict in verdicts for state in verdict.locks),
        tuple(finding for verdict in verdicts for finding in verdict.findings),
    )


def _gathered(path: Path) -> Gathered:
    gathered = gather(parse(_text(path)))
    if gathered.wrong:
        raise BadFileError("\n".join(f"{visible(str(path))}: {visible(str(one))}" for one in gathered.wrong[:20]))
    if not gathered.denials:
        raise BadFileError(
            f"{_named(path)} has {gathered.others} records, and none of a refused GetObject, HeadObject, "
            "ListObjects or Decrypt; give records that have an errorCode"
        )
    return gathered


def _text(path: Path) -> str:
    try:
        raw = _bytes(path)
    except (OSError, EOFError, zlib.error) as error:
        reason = str(getattr(error, "strerror", "") or error).lower()
        raise BadFileError(f"cannot read {_named(path)}: {reason}; name a file with CloudTrail records") from error
    if len(raw) > LARGEST_FILE:
        raise BadFileError(f"{_named(path)} has more than {LARGEST_FILE} bytes; give the records of an hour or so")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFileError(f"{_named(path)} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _named(path: Path) -> str:
    return f"`{visible(str(path))}`"


def _bytes(path: Path) -> bytes:
    """At most one byte more than may be; a small file can unpack to a huge one."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not is_packed:
            return file.read(LARGEST_FILE + 1)
        with gzip.open(file) as unpacked:
            return unpacked.read(LARGEST_FILE + 1)


def _as_text(answers: Sequence[Diagnosis], others: int, contract: Contract | None) -> Iterator[str]:
    for number, answer in enumerate(answers):
        if number:
            yield ""
        yield from _answer(answer)
    if others:
        name = contract.name if contract else "any contract"
        yield f"{'' if not answers else chr(10)}{others} refused requests are not of `{name}`".strip()


def _answer(answer: Diagnosis) -> Iterator[str]:
    sentence = answer.sentence
    yield f"{sentence[:1].upper() if sentence[:3].islower() else sentence[:1]}{sentence[1:]}."
    times = f"{answer.requests} requests, last" if answer.requests > 1 else "one request,"
    yield f"  refused: {answer.request}"
    yield f"  when: {times} {answer.last:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  sure: {answer.sure}; the live judgement: {_JUDGEMENT[answer.judgement]}"
    yield from (f"  - {line}" for line in answer.evidence)


_JUDGEMENT: dict[Any, str] = {
    "agrees": "agrees",
    "contradicts": "contradicts the records",
    "cannot tell": "cannot tell, or was not asked",
}
