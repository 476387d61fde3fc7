"""What the documents say of the project is so: targets, commands, links, paths, codes."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from threelocks import cli
from threelocks.catalogue import CATALOGUE
from threelocks.judge import judge

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = {
    ".git",
    ".venv",
    ".venv-sam",
    ".venv-built",
    ".venv-fuzz",
    ".venv-mutants",
    ".aws-sam",
    "build",
    "__pycache__",
}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project; without git (an unpacked archive), every file that is no build's."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached"],  # noqa: S607 - whichever git this machine has
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return tuple(sorted(path for path in ROOT.rglob("*") if path.is_file() and not _NOT_OURS & set(path.parts)))
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


DOCUMENTS = sorted(path for path in tracked() if path.suffix == ".md")
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


def read(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def fenced(text: str, *languages: str) -> list[str]:
    """Code blocks in these languages; all of them when none is named."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for language, block in found if not languages or language in languages]


def prose(text: str) -> str:
    """The text without code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """Inline code; a blank stands where a line was broken."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(text))]


def test_there_are_documents_to_test() -> None:
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/architecture.md"} <= set(NAMES)


# --- make -------------------------------------------------------------------------------------------------------------


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):.*## ", read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_that_a_document_names_exists(name: str) -> None:
    text = read(name)
    named = {
        target
        for code in (*spans(text), *fenced(text, "sh"))
        for words in re.findall(r"(?:^|[;&`]\s*)make((?: [a-z][a-z-]*)+)", code, re.MULTILINE)
        for target in words.split()
    }
    assert named <= targets()


def test_contributing_names_every_target() -> None:
    named = set(re.findall(r"`make ([a-z-]+)`", read("CONTRIBUTING.md")))
    assert named == targets() - {"help"}


def test_the_hooks_before_a_commit_are_the_checks_of_make_lint() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", read("Makefile"), re.MULTILINE)
    assert recipe
    checks = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == checks


# --- the command line -------------------------------------------------------------------------------------------------


def commands(text: str) -> Iterator[str]:
    """Every `threelocks` command of the shell blocks, with its continued lines."""
    for block in fenced(text, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("threelocks "):
                yield line


COMMANDS = sorted({command for name in NAMES for command in commands(read(name))})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_threelocks_command_in_a_document_is_one_that_the_tool_takes(command: str) -> None:
    arguments = cli._parser(judge, cli._now).parse_args(shlex.split(command, comments=True)[1:])
    assert arguments.run


def test_documents_show_every_command() -> None:
    assert {command.split()[1] for command in COMMANDS} == {"validate", "apply", "remove", "check", "diagnose"}


# --- links and paths --------------------------------------------------------------------------------------------------


def links(text: str) -> list[str]:
    """Targets of links within the project."""
    return [
        target for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(text)) if not re.match(r"[a-z]+:", target)
    ]


def anchors(text: str) -> set[str]:
    """Headings as they are linked to: lower case, hyphens for blanks, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w-]", "", heading.strip().lower().replace(" ", "-")) for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_to_a_file_and_a_heading(name: str) -> None:
    for target in links(read(name)):
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


def test_a_link_into_nowhere_would_be_seen() -> None:
    assert links("[a](docs/b.md#c) `[d](e)` [f](https://example.com)") == ["docs/b.md#c", "e"]
    assert anchors("# One two: `three.four`\n```\n# five\n```\n") == {"one-two-threefour"}


_FILE = re.compile(r"\.?[\w-]+(?:[/.][\w.-]+)*\.(?:py|md|ya?ml|json|toml|lock|sh)")
_FOLDER = re.compile(r"(?:\.?[\w-]+/)+")
# Where a document may begin the path of a file.
_BASES = ("", "src/threelocks", "docs")


@pytest.mark.parametrize("name", NAMES)
def test_every_path_that_a_document_names_exists(name: str) -> None:
    files = {str(path.relative_to(ROOT)) for path in tracked()}
    known = {file.rpartition("/")[2] for file in files}
    for span in spans(read(name)):
        if _FILE.fullmatch(span) and "/" in span:
            assert any((ROOT / base / span).is_file() for base in _BASES), span
        elif re.fullmatch(r"[a-z_]+\.py", span):
            assert span in known, span
        elif _FOLDER.fullmatch(span) and span.partition("/")[0] in {"src", "tests", "docs", "simulation", "events"}:
            assert (ROOT / span).is_dir(), span


@pytest.mark.parametrize("folder", ["policy", "locks"])
def test_the_architecture_tells_of_every_file_of_the_judgement(folder: str) -> None:
    there = {path.name for path in (ROOT / "src/threelocks" / folder).glob("*.py")} - {"__init__.py"}
    assert there <= {span.rpartition("/")[2] for span in spans(read("docs/architecture.md"))}


def test_the_readme_has_a_row_for_every_folder() -> None:
    top = {path.relative_to(ROOT).parts[0] for path in tracked() if len(path.relative_to(ROOT).parts) > 1}
    rows = {span.partition("/")[0] for span in spans(read("README.md").partition("## Layout")[2])}
    assert {folder for folder in top if not folder.startswith(".")} <= rows


# --- finding codes ----------------------------------------------------------------------------------------------------

_CODE = re.compile(r"(?:identity|bucket|key|ceiling|premise|evidence|watchdog)\.(?!py\b)[a-z]+(?:-[a-z]+)*")
_NOT_YET = re.compile(r"\*\*Not there yet\*\*.*?\n\n(?=[^|])", re.DOTALL)
# `bucket.name` and the like are fields in these.
_OF_FIELDS = {"docs/contract.md", "docs/snapshot.md"}


def codes(text: str) -> set[str]:
    return {span for span in spans(text) if _CODE.fullmatch(span)}


_PLACEHOLDER = re.compile(r"^(?:[A-Z]+(?:-[A-Z]+)*|TODO.*)$|\| *[A-Z]+-[A-Z]+ *\|", re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_a_document_leaves_no_figure_to_be_filled_in(name: str) -> None:
    assert _PLACEHOLDER.findall(prose(read(name))) == []


def test_a_figure_that_is_left_out_would_be_seen() -> None:
    assert len(_PLACEHOLDER.findall("| pairs | PAIRS-ROW |\n\nPAIRS\n\nPAIRS-TABLES\n\nNOTHING else\n")) == 3


@pytest.mark.parametrize("name", [name for name in NAMES if name not in _OF_FIELDS])
def test_a_document_names_no_finding_that_is_not_there(name: str) -> None:
    assert codes(_NOT_YET.sub("", read(name))) <= set(CATALOGUE)


def test_what_the_readme_calls_missing_is_missing() -> None:
    missing = _NOT_YET.search(read("README.md"))
    assert missing
    named = codes(missing[0])
    there = {"key.unread"}  # told instead
    assert not (named - there) & set(CATALOGUE)


# --- what has no place in the project ---------------------------------------------------------------------------------

_OUT_OF_PLACE = {
    "a path of somebody's machine": re.compile(r"(?<![\w.:/*<>{}$~-])/(?:work|root|tmp|home|Users|private)/\w"),
    "a package registry's host": re.compile(
        r"(?:pypi|npmjs|crates|rubygems)\.(?:org|io)|pythonhosted\.org|(?:index|registry)[-_]url\s*=|--index-url \S*://"
    ),
    "how it was written": re.compile(
        r"\b(?:language model|llm|gpt|(?<!cloud-)copilot|co-authored-by|(?:ai|machine)[- ]generated)\b",
        re.IGNORECASE,
    ),
}


def texts() -> Iterator[tuple[str, str]]:
    """Every file of the project but this one, which spells what it looks for."""
    for path in tracked():
        if path != Path(__file__).resolve():
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("what", _OUT_OF_PLACE)
def test_no_file_names(what: str) -> None:
    hits = [f"{name}: {match[0]}" for name, text in texts() for match in _OUT_OF_PLACE[what].finditer(text)]
    assert hits == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a path of somebody's machine", "see /home/dana/threelocks"),
        ("a path of somebody's machine", '"/tmp/policy.json"'),
        ("a package registry's host", "https://files.pythonhosted.org/packages"),
        ("how it was written", "Co-authored-by: somebody"),
    ],
)
def test_what_has_no_place_would_be_found(what: str, text: str) -> None:
    assert _OUT_OF_PLACE[what].search(text)


@pytest.mark.parametrize(
    "text", ["arn:aws:iam::111111111111:root", "s3://home/x", "https://docs.aws.amazon.com/tmp/a", "role/root/x"]
)
def test_names_of_aws_are_no_paths(text: str) -> None:
    assert not _OUT_OF_PLACE["a path of somebody's machine"].search(text)


def test_no_file_refers_to_a_document_that_is_not_here() -> None:
    here = {path.name for path in DOCUMENTS}
    hits = [
        f"{name}: {match[0]}"
        for name, text in texts()
        for match in re.finditer(r"(?<![\w/.-])(?:[\w-]+/)*([\w-]+\.md)\b", text)
        if match[1] not in here
    ]
    assert hits == []
