"""Refused reads -> which lock is shut, in which account, how sure that is, and on what evidence. Pure.

Three steps, each of which may say that it cannot tell:

1. `attempts` puts together the records of one request: both accounts' copies, and the Decrypt that S3 asked for.
2. `signatures.interpret` says what AWS's error code and message show.
3. `compare.diagnose` compares that with the live judgement of this account and what the other parties reported.

Nothing is guessed: S3 gives no cause across organizations, and then only the judgement can tell one lock from another.
AWS names one cause, even where several policies refuse.
"""

from threelocks.diagnose.attempts import Attempt, attempts
from threelocks.diagnose.compare import NOT_AGREED, WHOSE, Diagnosis, Judgement, Sure, diagnose, signature_of
from threelocks.diagnose.concern import Match, concerns
from threelocks.diagnose.denial import BadDenialError, Denial, NotDenied, read
from threelocks.diagnose.groups import Alike, Gathered, gather
from threelocks.diagnose.known import Known
from threelocks.diagnose.records import Misplaced, Placed, parse, unwrap

__all__ = [
    "NOT_AGREED",
    "WHOSE",
    "Alike",
    "Attempt",
    "BadDenialError",
    "Denial",
    "Diagnosis",
    "Gathered",
    "Judgement",
    "Known",
    "Match",
    "Misplaced",
    "NotDenied",
    "Placed",
    "Sure",
    "attempts",
    "concerns",
    "diagnose",
    "gather",
    "parse",
    "read",
    "signature_of",
    "unwrap",
]
