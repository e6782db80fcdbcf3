"""`localcore recipe lint`.

Exit status: 0 no error was found, warnings or not; 1 an error was found; 2 something could not be
read, or there was nothing to read.
"""

import argparse
import sys
from collections import Counter

import msgspec

from localcore.cli.output import print_json
from localcore.recipes.lint.exceptions import find_file, read_exceptions, without_accepted
from localcore.recipes.lint.rules import BOTH, Nucleus
from localcore.recipes.lint.run import RULES, Finding, InputError, lint


def lint_recipes(options: argparse.Namespace) -> int:
    """Judge recipes; print findings by file and line."""
    if options.rules:
        return _print_rules(options)
    try:
        if not options.paths:
            raise InputError("give a recipe or a folder of recipes, or --rules")
        nuclei: tuple[Nucleus, ...] = BOTH if options.nucleus == "both" else (options.nucleus,)
        judged = lint(options.paths, nuclei=nuclei, artifacts=options.artifacts, used=options.used)
        file = options.exceptions or find_file(options.paths)
        accepted = () if file is None else read_exceptions(file)
    except InputError as error:
        print(f"localcore: {error}", file=sys.stderr)
        return 2
    findings, accepted_count = without_accepted(judged.findings, accepted, file)
    if options.json:
        print_json({"findings": msgspec.to_builtins(findings), "accepted": accepted_count})
    else:
        _print_text(findings, len(judged.recipes), accepted_count)
    if any(finding.unusable for finding in findings):
        return 2
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def _print_text(findings: tuple[Finding, ...], recipes: int, accepted: int) -> None:
    for finding in findings:
        place = finding.path if finding.line is None else f"{finding.path}:{finding.line}"
        only = "" if len(finding.nuclei) > 1 else f" ({finding.nuclei[0]})"
        print(f"{place}: {finding.severity} {finding.id}{only}: {finding.reason}")
        print(f"    why: {finding.source}")
        print(f"    fix: {finding.fix}")
    counts = Counter(finding.severity for finding in findings)
    print(
        f"{recipes} recipes: {counts['error']} errors, {counts['warning']} warnings"
        + (f", {accepted} accepted" if accepted else "")
    )


def _print_rules(options: argparse.Namespace) -> int:
    if options.json:
        fields = ("id", "severity", "nuclei", "title", "source", "fix")
        print_json([{name: getattr(rule, name) for name in fields} for rule in RULES])
        return 0
    for rule in RULES:
        print(f"{rule.id} {rule.severity:7} {'+'.join(rule.nuclei):9} {rule.title}")
        print(f"    why: {rule.source}")
        print(f"    fix: {rule.fix}")
    return 0
