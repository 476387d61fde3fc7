"""Text that is safe to put into a mail, and how lines are laid out.

Sids, ARNs, user agents and the like are other people's data: here they lose what could fake a line of the mail, hide
text or turn its direction. Nothing from outside reaches a mail except through `plain`, `json_lines` or `command_lines`.
"""

from __future__ import annotations

import json
import textwrap
import unicodedata

WIDTH = 100
INDENT = "  "
_LIMIT = 300

# Control, format (bidi marks, zero-width characters), surrogate, private use, unassigned, line and paragraph breaks.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain(text: str, limit: int = _LIMIT) -> str:
    """One line of printable characters, at most `limit` long; runs of blanks and line breaks become one blank."""
    seen = "".join(" " if character.isspace() else character for character in text if _is_seen(character))
    flat = " ".join(seen.split())
    return flat if len(flat) <= limit else flat[: limit - 3] + "..."


def begun(sentence: str) -> str:
    """The sentence with a capital, unless it begins with a name such as `kms:Decrypt`."""
    first = sentence.partition(" ")[0]
    return sentence if not first.islower() or not first.isalpha() else sentence[:1].upper() + sentence[1:]


def ended(sentence: str, mark: str = ".") -> str:
    """The sentence with a mark at its end, if it has none."""
    return sentence if sentence.endswith((".", ":", "?", "!")) else sentence + mark


def _is_seen(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) not in _UNSEEN


def unlinked(text: str, limit: int = 120) -> str:
    """`plain`, for what a caller chose freely: no mail program makes a link of it."""
    return plain(text, limit).replace("://", "[:]//")


def wrapped(text: str, indent: str = "", hanging: str | None = None) -> list[str]:
    """Lines of at most WIDTH columns; words, ARNs among them, are never broken."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def json_lines(text: str, indent: str) -> list[str]:
    """A statement, indented, with every unusual character escaped; one plain line when it is no JSON."""
    try:
        lines = json.dumps(json.loads(text), indent=2, ensure_ascii=True).splitlines()
    except (ValueError, RecursionError):
        lines = [plain(text, 2000)]
    return [indent + line for line in lines]


def command_lines(command: str, indent: str) -> list[str]:
    """A command to copy: its line breaks stay, and each line is indented, so that none looks like a line of ours."""
    return [
        indent + "".join(" " if c.isspace() else c for c in line.expandtabs(4) if _is_seen(c)).rstrip()
        for line in command.splitlines()
    ]


def cut(lines: list[str], limit: int) -> list[str]:
    """At most `limit` lines, the last of which says how many are missing."""
    if len(lines) <= limit:
        return lines
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    return [*lines[: limit - 1], f"{indent}... ({len(lines) - limit + 1} more lines)"]
