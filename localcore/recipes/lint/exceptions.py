"""What a project accepts, and why: findings left out by a file of exceptions.

`recipe-lint.toml`, in the recipe's folder or the one above, or named by `--exceptions`:

    [[accept]]
    rule = "L605"
    component = "com.hbs.hub.Export"
    about = "aws.greengrass.StreamManager"
    because = "it is deployed from the cloud only"

``about`` is a part of the reason; without it every finding of the rule in the component is
accepted. An exception without a ``because`` is refused, and one that matches nothing is told.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from localcore.recipes.lint.run import Finding, InputError

FILE_NAME = "recipe-lint.toml"


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One accepted finding, or several of one kind."""

    rule: str
    component: str
    because: str
    about: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is accepted by it."""
        return (
            self.rule == finding.id
            and self.component == finding.component
            and self.about in finding.reason
        )


class _File(msgspec.Struct, forbid_unknown_fields=True):
    accept: list[Accepted] = []


def read_exceptions(file: Path) -> tuple[Accepted, ...]:
    """The exceptions in a file; InputError says what is wrong with it."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        found = msgspec.convert(document, _File)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise InputError(f"{file}: {error}") from error
    for each in found.accept:
        if not each.because.strip():
            raise InputError(f"{file}: {each.rule} of {each.component}: because is empty")
    return tuple(found.accept)


def find_file(paths: Iterable[Path]) -> Path | None:
    """The first file of exceptions beside or above what is linted."""
    for path in paths:
        folder = path.absolute() if path.is_dir() else path.absolute().parent
        for place in (folder, folder.parent):
            if (place / FILE_NAME).is_file():
                return place / FILE_NAME
    return None


def without_accepted(
    findings: Iterable[Finding], exceptions: tuple[Accepted, ...], file: Path | None
) -> tuple[tuple[Finding, ...], int]:
    """The findings that remain, with one for each exception that matched nothing; and how many
    were accepted.
    """
    findings = tuple(findings)
    remaining = [
        each for each in findings if not any(accepted.covers(each) for accepted in exceptions)
    ]
    accepted_count = len(findings) - len(remaining)
    remaining += [
        _unneeded(accepted, file)
        for accepted in exceptions
        if not any(accepted.covers(each) for each in findings)
    ]
    return tuple(remaining), accepted_count


def _unneeded(accepted: Accepted, file: Path | None) -> Finding:
    return Finding(
        id="L003",
        severity="warning",
        path=str(file),
        line=None,
        component=accepted.component,
        reason=f"an exception that matches nothing: {accepted.rule} of {accepted.component}",
        source="the file of exceptions",
        fix="delete it",
    )
