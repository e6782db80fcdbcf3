"""L9xx: root, packages from the network, and credentials."""

import re
from collections.abc import Iterator

from localcore.recipes.lint.document import Mapping, Node, Scalar, Sequence, mappings
from localcore.recipes.lint.recipe_file import RecipeFile, mapping_of, text_of
from localcore.recipes.lint.rules import JAVA, Family, Found, Inputs

family = Family()

_SUDO = re.compile(r"(?:^|[;&|(\n])[ \t]*(sudo|su|doas|pkexec)\b")
_PIP = re.compile(r"\b(?:pip3?(?:\.\d+)?|uv pip)\b[\"']?[ \t]+(?:-\S+[ \t]+)*install\b([^;&|\n]*)")
_PACKAGES = re.compile(
    r"\b(?:(?:npm|yarn|pnpm)[ \t]+(?:install|add|i)\b|(?:apt|apt-get|aptitude|yum|dnf|apk|zypper)"
    r"[ \t]+(?:-\S+[ \t]+)*(?:install|add)\b|gem[ \t]+install\b|cargo[ \t]+install\b)[^;&|\n]*"
)
_UPGRADE = re.compile(
    r"\b(?:apt|apt-get|aptitude|yum|dnf|apk)[ \t]+(?:-\S+[ \t]+)*"
    r"(?:upgrade|dist-upgrade|full-upgrade|safe-upgrade)\b|\byum[ \t]+(?:-\S+[ \t]+)*update\b"
    r"|\brpi-update\b|\bdo-release-upgrade\b"
)
_PIPED = re.compile(
    r"\b(?:curl|wget)\b[^;&|\n]{0,500}\|[ \t]*(?:sudo[ \t]+)?(?:\S*/)?(?:ba|da|z|k)?sh\b"
    r"|\b(?:ba|da)?sh[ \t]+(?:-c[ \t]+)?[\"']?(?:<\(|\$\()(?:curl|wget)\b"
)
_CLEARTEXT = re.compile(
    r"\bhttp://(?!(?:localhost|127\.0\.0\.1|\[::1\]|169\.254\.)\b)[^\s\"'<>]{1,80}|--no-check-certificate\b"
    r"|\bcurl\b[^;&|\n]{0,500}[ \t](?:-k|--insecure)\b|--trusted-host\b"
)
_OPEN = re.compile(r"\bchmod[ \t]+(?:-\S+[ \t]+)*(?:[0-7]?777|[0-7]?666|a\+w|o\+w|\+w)\b")
_SECRETS = (
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "an AWS access key id"),
    (re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{22,}\b"), "a GitHub token"),
    (re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"), "a Slack token"),
    (re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"), "a JSON web token"),
    (
        re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@{}$]{1,60}:[^\s/:@{}$]{1,60}@"),
        "a password in a URL",
    ),
)
_SECRET_KEY = re.compile(
    r"(?:^|[_.-]|(?<=[a-z]))(?:password|passwd|secret|secretkey|apikey|api[_-]key|accesskey|"
    r"access[_-]key|privatekey|private[_-]key|token|credentials?)$",
    re.IGNORECASE,
)
_IN_SCRIPT = re.compile(
    r"(?i)(?:password|passwd|secret_access_key|api_?key|secret)[\"']?[ \t]*=[ \t]*[\"']?"
    r"(?![\"'$\{<\s])([^\s\"';&|]{6,})"
)
_NOT_SECRET = re.compile(
    r"\{.*\}|\$\w+|arn:.*|<.*>|\*+|x{3,}|changeme|none|null|true|false|\d{1,5}|file:.*|/.*",
    re.IGNORECASE,
)


def _matches(recipe: RecipeFile, pattern: re.Pattern[str]) -> Iterator[tuple[int, re.Match[str]]]:
    """Where a pattern is found in the scripts, comments left out."""
    for step in recipe.steps:
        if step.script is not None:
            for match in pattern.finditer(_without_comments(step.script.text)):
                yield step.script.line_at(match.start()), match


def _without_comments(script: str) -> str:
    """The script with whole-line comments blanked, so that places stay where they are."""
    return re.sub(r"(?m)^[ \t]*#.*$", lambda match: " " * len(match[0]), script)


@family.rule(
    "L901",
    "error",
    "a step that runs as root",
    source="AWS security best practices for Greengrass: run components with least privilege; "
    "whatever takes the component over has the device",
    fix="do it once when the device is provisioned, or give the user a group (i2c, video, docker)",
)
def requires_privilege(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """RequiresPrivilege: true."""
    for step in recipe.steps:
        entry = step.field("RequiresPrivilege")
        if text_of(entry).lower() == "true" and entry is not None:
            yield Found(entry.line, f"{step.name} has RequiresPrivilege")


@family.rule(
    "L902",
    "error",
    "sudo in a script",
    source="neither ggc_user nor gg_component may use sudo; a device that allows it has no "
    "boundary between component and root",
    fix="do it when the device is provisioned",
)
def sudo(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """sudo, su, doas, pkexec."""
    for line, match in _matches(recipe, _SUDO):
        yield Found(line, f"{match[1]} is a command of the script")


@family.rule(
    "L903",
    "error",
    "runWith in a recipe",
    source="AWS developer guide: runWith is part of a deployment; a recipe that has it is run by "
    "the default user",
    fix="put it into the deployment",
)
def run_with(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """At the top, in a manifest, a lifecycle or a step."""
    steps = [step.fields for step in recipe.steps if step.fields]
    for holder in (recipe.root, *recipe.manifests, *recipe.lifecycles, *steps):
        entry = holder.find("runWith")
        if entry is not None:
            yield Found(entry.line, "runWith is ignored here")


@family.rule(
    "L904",
    "error",
    "Python packages from the network without hashes",
    source="pip documentation, Secure installs: without --require-hashes a device installs "
    "whatever the index or the line to it gives",
    fix="pip install --require-hashes -r requirements.txt, with a lock file as an artifact",
)
def pip(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Installations by pip, except with hashes or of local files only."""
    for line, match in _matches(recipe, _PIP):
        rest = match[1]
        safe = "--require-hashes" in rest or "--no-index" in rest
        if not safe and not _is_local(rest):
            yield Found(line, f"{' '.join(match[0].split())[:80]}")


def _is_local(arguments: str) -> bool:
    """Whether pip is only given files of the component."""
    words = [word.strip("\"'") for word in arguments.split()]
    given = [word for word in words if word and not word.startswith("-")]
    requirements = any(word in ("-r", "--requirement") for word in words)
    return (
        bool(given)
        and not requirements
        and all(word.startswith(("{artifacts:", "{work:", "/", "./")) for word in given)
        and "--no-deps" in words
    )


@family.rule(
    "L905",
    "warning",
    "packages from the network while deploying",
    source="a deployment then depends on a mirror, and devices of one fleet differ",
    fix="put them into the device's image, or ship them as artifacts with versions and hashes",
)
def packages(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """apt, npm and their like."""
    for line, match in _matches(recipe, _PACKAGES):
        yield Found(line, f"{' '.join(match[0].split())[:80]}")


@family.rule(
    "L906",
    "error",
    "an upgrade of the system",
    source="a component's installation must not change the device under other components, needs "
    "root, and takes longer than any timeout",
    fix="upgrade the device by its own means",
)
def upgrade(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """By apt and its like."""
    for line, match in _matches(recipe, _UPGRADE):
        yield Found(line, f"{' '.join(match[0].split())[:80]}")


@family.rule(
    "L907",
    "error",
    "a download that is run unseen",
    source="whoever has the server or the line to it runs code on every device",
    fix="ship the script as an artifact",
)
def piped(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """What curl or wget gives, piped into a shell."""
    for line, match in _matches(recipe, _PIPED):
        yield Found(line, f"{' '.join(match[0].split())[:80]}")


@family.rule(
    "L908",
    "error",
    "a credential in a recipe",
    source="recipes are readable by everyone who may list components, and stay on every device",
    fix="use aws.greengrass.SecretManager or the token exchange service",
)
def credential(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Tokens by their form, and values of keys that are named like secrets. Never shown."""
    for line, text in _texts(recipe.root):
        for pattern, what in _SECRETS:
            if pattern.search(text):
                yield Found(line, f"this looks like {what}")
    for mapping in (recipe.defaults, *recipe.environments):
        for each in () if mapping is None else mappings(mapping):
            yield from _named_secrets(each)
    for line, match in _matches(recipe, _IN_SCRIPT):
        if not _NOT_SECRET.fullmatch(match[1]):
            yield Found(line, "a password or key is written into the script")


def _named_secrets(mapping: Mapping) -> Iterator[Found]:
    for entry in mapping.entries:
        value = entry.value
        if not isinstance(value, Scalar) or value.kind != "string" or not value.text.strip():
            continue
        if _SECRET_KEY.search(entry.key[:200]) and not _NOT_SECRET.fullmatch(value.text.strip()):
            yield Found(entry.line, f"{entry.key:.60} has a value")


def _texts(node: Node) -> Iterator[tuple[int, str]]:
    if isinstance(node, Scalar):
        yield node.line, node.text
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _texts(item)
    else:
        for entry in node.entries:
            yield entry.line, entry.key
            yield from _texts(entry.value)


@family.rule(
    "L909",
    "error",
    "files that everyone may write",
    source="any other component and any user of the device can then change what this one runs",
    fix="give the component's user the file; 755 and 644 are enough",
)
def world_writable(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """By chmod 777 and its like."""
    for line, match in _matches(recipe, _OPEN):
        yield Found(line, match[0])


@family.rule(
    "L910",
    "error",
    "a download that anyone on the line can change",
    source="http:// and switched-off certificate checks have no authenticity",
    fix="use https:// and check a hash, or ship the file as an artifact",
)
def cleartext(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """http:// outside the device, --insecure, --trusted-host."""
    for line, match in _matches(recipe, _CLEARTEXT):
        yield Found(line, f"{' '.join(match[0].split())[:80]}")


@family.rule(
    "L911",
    "warning",
    "an artifact that everyone may read or execute",
    source="AWS component recipe reference: ALL is every user of the device; the default is OWNER",
    fix="write OWNER",
    nuclei=JAVA,
)
def artifact_for_all(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Permission ALL."""
    for artifact in recipe.artifacts:
        permission = mapping_of(artifact.fields.find("Permission"))
        for entry in () if permission is None else permission.entries:
            if text_of(entry).upper() == "ALL":
                yield Found(entry.line, f"{entry.key} of {artifact.file_name:.80} is ALL")
