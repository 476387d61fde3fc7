"""The space of requests that a search ranges over: which parts of a request are fixed, and which are free.

A request is spelled by free *segments* (an account, a role's name, an object key, ...). Texts that depend on each other
(a session's ARN, `aws:userid` and `aws:PrincipalArn`; an object's ARN and its encryption context) are *views* over the
segments of one *group*, in one order, so that a single walk through the group drives all patterns on all its views.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field

from threelocks.policy.authorize import Layer
from threelocks.policy.pattern import utf16
from threelocks.policy.request import Caller, CallerKind, Request

_FREE_LETTERS = "xyzabcdefghijklmnopqrstuvwXYZABCDEFGHIJKLMNOPQRSTUVW0123456789-_.~=+,@!*/ "
# Letters that no real pattern names: there is always one that stands for "any other".
_RARE_LETTERS = "".join(map(chr, range(0x4E00, 0x4E00 + 512)))


@dataclass(frozen=True, slots=True)
class Shape:
    """The texts a segment may hold. `letters` is in order of preference; None as `only` allows every letter.

    `inner` letters neither begin nor end the text; `lead` begins it; `example` is taken rather than the shortest text
    where both will do, because it reads better.
    """

    letters: str
    least: int
    most: int
    only: frozenset[str] | None = None
    path: bool = False  # "/" or "/.../": begins and ends with a slash
    inner: str = ""
    lead: str = ""
    example: str = ""

    @property
    def start(self) -> int:
        return 0

    def allows(self, letter: str) -> bool:
        return self.only is None or letter in self.only

    def step(self, state: int, letter: str) -> int:
        """The state after one more letter, -1 where the text can no longer be valid.

        For a plain text twice the letters so far (as far as they matter), plus 1 where it may not end: within a
        surrogate pair, behind an inner letter. For a path 1 behind a slash, 2 behind another letter.
        """
        if self.path:
            if letter == "/":
                return 1 if state in (0, 2) else -1
            return 2 if state else -1
        if self.forced(state) not in (None, letter):
            return -1
        if self.only is None:
            low, unfinished = "\udc00" <= letter <= "\udfff", "\ud800" <= letter <= "\udbff"
            if low != bool(state & 1):
                return -1
        else:
            unfinished = letter in self.inner
            if unfinished and not state:
                return -1
        count = (state >> 1) + 1
        if self.least == self.most and count > self.most:
            return -1
        return (min(count, self.least or 1) << 1) | unfinished

    def forced(self, state: int) -> str | None:
        """The one letter that may follow, if there is only one."""
        return self.lead[state >> 1] if (state >> 1) < len(self.lead) else None

    def lacking(self, state: int) -> int:
        """How many more letters a text needs at the least."""
        return int(state != 1) if self.path else max(0, self.least - (state >> 1))

    def done(self, state: int) -> bool:
        return state == 1 if self.path else not state & 1 and (state >> 1) >= self.least

    def shortest(self, letter: str) -> str:
        """The shortest text of this letter, where the shape leaves a choice."""
        return "/" if self.path else self.lead + letter * (self.least - len(self.lead))

    def holds(self, text: str) -> bool:
        """Whether the whole text is valid."""
        state = self.start
        for letter in utf16(text):
            state = self.step(state, letter) if self.allows(letter) else -1
            if state < 0:
                return False
        return self.done(state) and len(text.encode()) <= self.most


_WORD = frozenset(string.ascii_letters + string.digits + "_+=,.@-")

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
ACCOUNT = Shape("3456789012", 12, 12, frozenset(string.digits))
NAME = Shape("xyzabcdefghijklmnopqrstuvw" + string.ascii_uppercase + string.digits + "-_.+=,@", 1, 64, _WORD)
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
FEDERATED_NAME = Shape(NAME.letters, 2, 32, _WORD, example="federated")
SESSION_NAME = Shape(NAME.letters, 2, 64, _WORD, example="session")
PATH = Shape("/" + _FREE_LETTERS, 1, 512, frozenset(map(chr, range(0x21, 0x7F))), path=True)
_CAPITALS = "X" + string.ascii_uppercase + string.digits
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
UNIQUE_ID = Shape(_CAPITALS, 16, 128, frozenset(_CAPITALS))
ROLE_ID = Shape(_CAPITALS, 21, 128, frozenset(_CAPITALS), lead="AROA")
USER_ID = Shape(_CAPITALS, 21, 128, frozenset(_CAPITALS), lead="AIDA")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET = Shape(
    "xyzabcdefghijklmnopqrstuvw0123456789-.",
    3,
    63,
    frozenset(string.ascii_lowercase + string.digits + "-."),
    inner="-.",
    example="another-bucket",
)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
OBJECT_KEY = Shape(_FREE_LETTERS + _RARE_LETTERS, 1, 1024)
KEY_ID = Shape(
    "0123456789abcdef-",
    36,
    36,
    frozenset("0123456789abcdef-"),
    inner="-",
    example="00000000-0000-0000-0000-000000000000",
)
# https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
MULTI_REGION_KEY_ID = Shape(
    "0123456789abcdef",
    36,
    36,
    frozenset("0123456789abcdef" + "mrk-"),
    lead="mrk-",
    example="mrk-00000000000000000000000000000000",
)
REGION = Shape(
    "xyzabcdefghijklmnopqrstuvw0123456789-",
    9,
    20,
    frozenset(string.ascii_lowercase + string.digits + "-"),
    inner="-",
    example="eu-west-1",
)
TEXT = Shape(_FREE_LETTERS + _RARE_LETTERS, 0, 2048)
SERVICE_NAME = Shape(
    "xyzabcdefghijklmnopqrstuvw0123456789-.",
    1,
    128,
    frozenset(string.ascii_lowercase + string.digits + "-."),
    inner="-.",
)

Part = str | int  # fixed text, or the index of a segment
Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Segments that views share. An `optional` group may be absent from the request altogether."""

    segments: tuple[Shape, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A text over the segments of a group; the indices in `parts` rise."""

    group: str
    parts: Parts

    def spell(self, texts: tuple[str, ...]) -> str:
        return "".join(part if isinstance(part, str) else texts[part] for part in self.parts)


@dataclass(frozen=True, slots=True)
class Const:
    """A condition key with known values; None: the request does not carry it."""

    values: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Free:
    """A condition key whose value is open. `chosen`: the reader chooses it, so that every value must do; otherwise it
    is part of the environment. `required`: a date that every request carries. `floor`: no earlier date (in seconds
    since 1970) is possible; `ceiling`: no later one.
    """

    chosen: bool = False
    required: bool = False
    floor: float | None = None
    ceiling: float | None = None


Binding = Const | View | Free

CALLER, RESOURCE = "caller", "resource"
ABSENT = Const(None)


@dataclass(frozen=True, slots=True)
class CallerSpace:
    """Who asks: each part fixed text or a segment of the group `caller`."""

    kind: CallerKind
    account: Part = ""
    path: Part = "/"
    name: Part = ""
    session: Part = ""
    unique_id: Part = ""
    has_boundary: bool | None = None
    partition: str = "aws"

    def view(self, *parts: Part) -> View:
        return View(CALLER, tuple(parts))

    @property
    def principal_arn(self) -> View | None:
        where = (f"arn:{self.partition}:iam::", self.account)
        if self.kind is CallerKind.ROLE_SESSION:
            return self.view(*where, ":role", self.path, self.name)
        if self.kind is CallerKind.USER:
            return self.view(*where, ":user", self.path, self.name)
        if self.kind is CallerKind.FEDERATED_USER:
            return self.view(f"arn:{self.partition}:sts::", self.account, ":federated-user/", self.name)
        return self.view(*where, ":root") if self.kind is CallerKind.ROOT else None

    def keys(self) -> dict[str, Binding]:
        """Bindings of the condition keys that follow from who asks; as `Caller.keys`, over all callers of the space."""
        fixed: dict[str, Binding] = {
            key: Const(values) for key, values in Caller(self.kind).keys().items() if key not in _SPELLED
        }
        if self.kind is CallerKind.SERVICE:
            return {**_NO_PRINCIPAL, **fixed, "aws:principalservicename": self.view(self.name)}
        if self.kind is CallerKind.ANONYMOUS:
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
            unsigned = {"aws:userid": Const(("anonymous",)), "aws:principalisawsservice": ABSENT}
            return {**_NO_PRINCIPAL, **fixed, **unsigned}
        assert self.principal_arn is not None
        userid = {
            CallerKind.ROLE_SESSION: self.view(self.unique_id, ":", self.session),
            CallerKind.USER: self.view(self.unique_id),
            CallerKind.FEDERATED_USER: self.view(self.account, ":", self.name),
            CallerKind.ROOT: self.view(self.account),
        }
        return {
            **fixed,
            "aws:principalservicename": ABSENT,
            "aws:principalarn": self.principal_arn,
            "aws:principalaccount": self.view(self.account),
            "aws:userid": userid[self.kind],
            "aws:username": self.view(self.name) if self.kind is CallerKind.USER else ABSENT,
        }

    def at(self, texts: tuple[str, ...]) -> Caller:
        """The caller that these texts of the group `caller` spell."""

        def spell(part: Part) -> str:
            return part if isinstance(part, str) else texts[part]

        return Caller(
            self.kind,
            account=spell(self.account),
            name=spell(self.name),
            path=spell(self.path),
            session=spell(self.session),
            unique_id=spell(self.unique_id),
            has_boundary=self.has_boundary,
            partition=self.partition,
        )


_SPELLED = frozenset(
    {"aws:principalarn", "aws:principalaccount", "aws:userid", "aws:username", "aws:principalservicename"}
)
_NO_PRINCIPAL: dict[str, Binding] = dict.fromkeys(_SPELLED, ABSENT)


@dataclass(frozen=True, slots=True)
class Space:
    """All requests of one kind. Keys that `keys` does not name are bound as `elsewhere` says."""

    caller: CallerSpace
    actions: tuple[str, ...]  # in order of preference
    resource: View
    resource_account: str
    groups: Mapping[str, Group]
    keys: Mapping[str, Binding]
    elsewhere: Binding = field(default_factory=Free)
    through: View | None = None  # the resource as an access point's policy names it, over the same group

    def resource_of(self, layer: Layer) -> View:
        """The resource, as policies of that layer name it."""
        return self.through if self.through and layer is Layer.ACCESS_POINT_POLICY else self.resource

    def binding(self, key: str) -> Binding:
        """How a condition key (in lower case) is bound."""
        return self.keys.get(key, self.elsewhere)


@dataclass(frozen=True, slots=True)
class Point:
    """One request of a space: an action, the texts of each group (None: absent), the values of each free key."""

    action: str
    texts: Mapping[str, tuple[str, ...] | None]
    keys: Mapping[tuple[str, int], tuple[str, ...] | None]

    def request(self, space: Space, copy: int = 0) -> Request:
        """As a request that `authorize` decides; `copy` picks one of two environments."""
        context: dict[str, tuple[str, ...]] = {}
        for key, binding in space.keys.items():
            if isinstance(binding, Const) and binding.values is not None:
                context[key] = binding.values
            elif isinstance(binding, View):
                texts = self.texts.get(binding.group, ())
                if texts is not None:
                    context[key] = (binding.spell(texts),)
        for (key, of), values in self.keys.items():
            if values is not None and of in (0, copy):
                context[key] = values
        resource = self.texts.get(space.resource.group, ())
        return Request(
            caller=space.caller.at(self.texts.get(CALLER) or ()),
            action=self.action,
            resource=space.resource.spell(resource or ()),
            resource_account=space.resource_account,
            context=context,
            through=space.through.spell(resource or ()) if space.through else "",
        )
