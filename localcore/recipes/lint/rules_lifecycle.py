"""L3xx: what runs, in which step, for how long."""

import re
from collections.abc import Iterator

from localcore.recipes.lint.document import Entry, Mapping, Scalar, Sequence
from localcore.recipes.lint.recipe_file import RecipeFile, is_selection, text_of
from localcore.recipes.lint.rules import JAVA, LITE, Family, Found, Inputs

family = Family()

_LITE_STEPS = ("bootstrap", "install", "startup", "run")
_SKIP = re.compile(r"(?:exists|onpath) +.+", re.DOTALL)
_VARIABLE = re.compile(r"\{[^{}]*:[^{}]*\}")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SLOW = re.compile(
    r"\b(?:pip3?|apt|apt-get|yum|dnf|apk|npm|yarn|conda)\b[^;&|\n]{0,500}\b(?:install|add|update|upgrade)\b"
    r"|\bdocker\b[^;&|\n]{0,500}\b(?:pull|build|load)\b"
    r"|\b(?:cargo|make|cmake)\b[^;&|\n]{0,500} (?:build|install|-j)"
)
_RUNS_ON = re.compile(r"[^&]&\s*$")


@family.rule(
    "L301",
    "error",
    "no lifecycle on nucleus lite",
    source='aws-greengrass-lite recipe2unit: "Lifecycle with no phase is not supported"; the '
    "Java nucleus takes a component without one",
    fix='give a component without a process run: "true"',
    nuclei=LITE,
)
def no_steps(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """A component of files only."""
    if recipe.manifests and not recipe.steps:
        yield Found(recipe.manifests[0].line, "there is no lifecycle step: the deployment fails")


@family.rule(
    "L302",
    "error",
    "install without run on nucleus lite",
    source="measured on lite 2.6: no unit is made, the deployment waits for ever and blocks the "
    "queue, and who depends on it never starts",
    fix='add run: "true", or a run step that lasts where others depend on it HARD',
    nuclei=LITE,
)
def install_only(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Steps, but neither run nor startup."""
    names = {step.name for step in recipe.steps}
    if names and not names & {"run", "startup"}:
        yield Found(recipe.steps[0].line, f"the only steps are {', '.join(sorted(names))}")


@family.rule(
    "L303",
    "error",
    "startup on nucleus lite",
    source="measured on lite 2.6 with systemd 252 (Debian 12): it ends with systemd-notify "
    "--stopping, an option that this systemd does not know",
    fix="use run",
    nuclei=LITE,
)
def startup(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """The startup step."""
    for step in recipe.steps:
        if step.name == "startup":
            yield Found(step.line, "the step fails with systemd 252")


@family.rule(
    "L304",
    "warning",
    "a step that nucleus lite never runs",
    source="aws-greengrass-lite recipe2unit and recipe-runner know bootstrap, install, startup and "
    "run; Skipif and ErrorResetTime are not read",
    fix="do the work in run, on SIGTERM or at the next start",
    nuclei=LITE,
)
def ignored_step(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """shutdown, recover, uninstall, Skipif."""
    for step in recipe.steps:
        if step.name not in _LITE_STEPS:
            yield Found(step.line, f"{step.name} does nothing")
        skip = step.field("Skipif")
        if skip is not None:
            yield Found(skip.line, f"Skipif of {step.name} is ignored", "test in the script itself")


@family.rule(
    "L305",
    "error",
    "startup and run together",
    source="the Java nucleus runs startup and ignores run (GenericExternalService); so does "
    "recipe2unit of nucleus lite",
    fix="keep one: run for a process that lasts",
)
def startup_and_run(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Both in one lifecycle."""
    for lifecycle in recipe.lifecycles:
        first, second = lifecycle.find("startup"), lifecycle.find("run")
        if first is not None and second is not None:
            yield Found(second.line, f"run is ignored because of startup on line {first.line}")


@family.rule(
    "L306",
    "error",
    "a step without a script",
    source='aws-greengrass-lite ggl-recipe: "Script is not in the map", and a list is refused; '
    "the Java nucleus does nothing in such a step",
    fix="give the step a string, or a map with Script",
)
def no_script(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """A list, nothing, or a map without Script."""
    for step in recipe.steps:
        if isinstance(step.entry.value, Sequence):
            yield Found(step.line, f"{step.name} is a list")
        elif step.script is None:
            yield Found(step.line, f"{step.name} has no Script that is a string")
        elif not step.script.text.strip():
            yield Found(step.line, f"the script of {step.name} is empty")


@family.rule(
    "L307",
    "error",
    "not a timeout",
    source="AWS component recipe reference: whole seconds; aws-greengrass-lite ggl-recipe: "
    '"Timeout must expand to a positive integer value"',
    fix="write whole seconds, as Timeout: 300",
)
def timeout(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Timeout of any step."""
    for step in recipe.steps:
        entry = step.field("Timeout")
        if entry is None:
            continue
        text = text_of(entry).strip()
        number = text.isascii() and text.isdigit()
        if not (number and text.strip("0")) and not _VARIABLE.fullmatch(text):
            yield Found(entry.line, f"Timeout of {step.name} is {text[:40] or 'no number'}")


@family.rule(
    "L308",
    "warning",
    "a run step that is ended",
    source="aws-greengrass-nucleus GenericExternalService: after Timeout seconds a running process "
    "is closed and the component is ERRORED; on nucleus lite the key is how long a stop may take",
    fix="delete Timeout from run",
    nuclei=JAVA,
)
def run_timeout(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Timeout in run."""
    for step in recipe.steps:
        entry = step.field("Timeout")
        if step.name == "run" and entry is not None:
            yield Found(entry.line, f"the process is killed after {text_of(entry):.20} s")


@family.rule(
    "L309",
    "warning",
    "120 seconds for an installation",
    source="default of install, bootstrap and startup on both nuclei; pip on a Raspberry Pi with a "
    "slow line takes longer, and lite starts all install steps of a deployment at once",
    fix="give the step a Timeout, as 900",
)
def slow_install(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Packages installed with the default timeout."""
    for step in recipe.steps:
        if step.name in ("install", "bootstrap", "startup") and step.script is not None:
            match = _SLOW.search(step.script.text[:20_000])
            if match is not None and step.field("Timeout") is None:
                yield Found(step.script.line_at(match.start()), f"{match[0][:60]} has 120 s")


@family.rule(
    "L310",
    "error",
    "Setenv that nucleus lite refuses",
    source="aws-greengrass-lite recipe-runner: names of [A-Za-z_][A-Za-z0-9_]*, values that are "
    "strings (YAML scalars always are), a map; otherwise the script is cut before it begins and "
    "run all the same",
    fix="write the value in quotes, and the name as the shell knows it",
    nuclei=LITE,
)
def environment(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Setenv of lifecycles and steps."""
    is_json = recipe.path.suffix == ".json"
    holders = [*recipe.lifecycles, *(step.fields for step in recipe.steps if step.fields)]
    for entry in (holder.find("Setenv") for holder in holders):
        if entry is not None and not isinstance(entry.value, Mapping):
            yield Found(entry.line, "Setenv is no map")
    for mapping in recipe.environments:
        for entry in mapping.entries:
            yield from _variable(entry, is_json=is_json)


def _variable(entry: Entry, *, is_json: bool) -> Iterator[Found]:
    if not _ENVIRONMENT_NAME.fullmatch(entry.key):
        yield Found(entry.line, f"Setenv name {entry.key!r:.60}")
    if not isinstance(entry.value, Scalar) or (is_json and entry.value.kind != "string"):
        yield Found(entry.line, f"Setenv value of {entry.key:.60} is no string")


@family.rule(
    "L311",
    "warning",
    "$ in Setenv is not the shell's",
    source="measured on lite 2.6: values are in single quotes; the Java nucleus puts them into the "
    "environment as they are",
    fix='build the value in the script: export PATH="$PATH:..."',
)
def environment_dollar(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`$NAME` in a value."""
    for mapping in recipe.environments:
        for entry in mapping.entries:
            match = re.search(r"\$[A-Za-z_]\w*|\$\(", text_of(entry))
            if match is not None:
                yield Found(entry.line, f"{match[0][:40]} stays as it is in {entry.key:.60}")


@family.rule(
    "L312",
    "error",
    "Skipif that is not one",
    source="aws-greengrass-nucleus GenericExternalService: (exists|onpath) +(.+), anything else is "
    "an invalid format and breaks the step",
    fix="write onpath NAME or exists PATH",
    nuclei=JAVA,
)
def skip_if(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Skipif of a step."""
    for step in recipe.steps:
        entry = step.field("Skipif")
        if entry is not None and not _SKIP.fullmatch(text_of(entry)):
            yield Found(entry.line, f"Skipif of {step.name} is {text_of(entry)!r:.60}")


@family.rule(
    "L313",
    "error",
    "a selection below the platform on nucleus lite",
    source="aws-greengrass-lite ggl-recipe lifecycle_selection: a recipe's own Lifecycle is read "
    "under linux or all only, and Script must be a string",
    fix="put the steps into the manifest's Lifecycle",
    nuclei=LITE,
)
def selection(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`Script: {linux: ...}`, `install: {linux: ...}`, steps at the recipe's own Lifecycle."""
    top = recipe.root.find("Lifecycle")
    if top is not None and isinstance(top.value, Mapping):
        for entry in top.value.entries:
            if entry.key in _LITE_STEPS:
                yield Found(entry.line, f"{entry.key} is not under linux or all")
    for step in recipe.steps:
        script = step.field("Script")
        if script is not None and isinstance(script.value, Mapping):
            yield Found(script.line, f"Script of {step.name} is a selection")
        elif (
            step.fields is not None
            and script is None
            and any(is_selection(each) for each in step.fields.entries)
        ):
            yield Found(step.line, f"{step.name} is a selection")


@family.rule(
    "L314",
    "error",
    "a run step that leaves its process behind",
    source="run lasts as long as its script: with & at the end it is over at once; the Java "
    "nucleus says FINISHED, nucleus lite's unit becomes inactive and systemd ends what is left",
    fix="delete the &; begin the last command with exec",
)
def background(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`command &` as the end of run."""
    for step in recipe.steps:
        if step.name == "run" and step.script is not None:
            script = step.script.text.rstrip()
            if _RUNS_ON.search(script[-200:]):
                yield Found(step.script.line_at(len(script)), "the last command runs on behind")
