"""L5xx: what is too large for nucleus lite's fixed buffers, or for gdk and the cloud."""

from collections.abc import Iterator

from localcore.recipes.lint.document import Mapping, Node, Scalar, Sequence, plain
from localcore.recipes.lint.recipe_file import RecipeFile, mapping_of, text_of
from localcore.recipes.lint.rules import LITE, Family, Found, Inputs

family = Family()

# A file must leave room in 8,196 bytes (ggl-recipe); 6.2 KB were read, 8.2 KB were not.
LITE_RECIPE_BYTES = 8_000
GDK_RECIPE_BYTES = 16_000
LITE_SCRIPT_BYTES = 10_000
LITE_UNIT_BYTES = 2_048
LITE_POLICY_BYTES = 4_096
LITE_OBJECT_BYTES = 16 * 1024
_LITE_DEPTH = 15
# sizeof(GgObject) and sizeof(GgKV) of aws-greengrass-component-sdk, on 64 bits.
_OBJECT_BYTES = 11
_PAIR_BYTES = 21
# The usual paths and user of a device, for the size of a unit.
_ROOT = "/var/lib/greengrass"
_RUNNER = "/usr/bin/recipe-runner"
_USER = "gg_component"


@family.rule(
    "L501",
    "error",
    "a recipe too large for nucleus lite",
    source="aws-greengrass-lite ggl-recipe reads into 8,196 bytes; measured: 6.2 KB works, 8.2 KB "
    'is "could not open recipe file"',
    fix="shorten it to 8,000 bytes: move scripts into artifacts, comments into the repository",
    nuclei=LITE,
)
def recipe_for_lite(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """The file's size."""
    if recipe.size_bytes > LITE_RECIPE_BYTES:
        yield Found(1, f"the file has {recipe.size_bytes:,} bytes of {LITE_RECIPE_BYTES:,}")


@family.rule(
    "L502",
    "error",
    "a recipe too large for gdk",
    source="gdk 1.6.2 MAX_RECIPE_FILE_SIZE_BYTES, after the cloud's limit of 16 KB",
    fix="shorten it to 16,000 bytes: move scripts into artifacts",
)
def recipe_for_gdk(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """The file's size."""
    if recipe.size_bytes > GDK_RECIPE_BYTES:
        yield Found(1, f"the file has {recipe.size_bytes:,} bytes of {GDK_RECIPE_BYTES:,}")


@family.rule(
    "L503",
    "error",
    "a script too large for nucleus lite",
    source="aws-greengrass-lite recipe-runner MAX_SCRIPT_LENGTH",
    fix="move it into an artifact",
    nuclei=LITE,
)
def script(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Before substitution."""
    for step in recipe.steps:
        size = 0 if step.script is None else _size(step.script.text)
        if size > LITE_SCRIPT_BYTES:
            yield Found(step.line, f"{step.name} has {size:,} bytes of {LITE_SCRIPT_BYTES:,}")


@family.rule(
    "L504",
    "error",
    "a systemd unit too large for nucleus lite",
    source="aws-greengrass-lite recipe2unit MAX_UNIT_FILE_BUF_SIZE, 2,048 bytes; reckoned with "
    f"root folder {_ROOT} and user {_USER}",
    fix="shorten the description, or depend on fewer components",
    nuclei=LITE,
)
def unit(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """What recipe2unit would write for the run step."""
    size = unit_bytes(recipe)
    if size > LITE_UNIT_BYTES:
        line = recipe.line_of("ComponentDependencies")
        yield Found(line, f"the generated unit has {size:,} bytes of {LITE_UNIT_BYTES:,}")


def unit_bytes(recipe: RecipeFile) -> int:
    """The size of the unit of a run step, line by line as unit_file_generator.c writes it."""
    name, description = recipe.name, text_of(recipe.root.find("ComponentDescription"))
    lines = [
        "[Unit]", "StartLimitInterval=3600", "StartLimitBurst=3",
        "Description=" + description.splitlines()[0] if description else "Description=",
        "PartOf=greengrass-lite.target",
        "Wants=ggl.core.ggipcd.service", "After=ggl.core.ggipcd.service",
    ]  # fmt: skip
    for dependency in recipe.dependencies:
        if dependency.kind is None or dependency.name.startswith("aws.greengrass.Nucleus"):
            continue
        word = "BindsTo" if text_of(dependency.kind) == "HARD" else "Wants"
        lines += [f"{word}=ggl.{dependency.name}.service", f"After=ggl.{dependency.name}.service"]
    lines += [
        "", "[Service]", "Restart=on-failure", "RestartSec=1",
        f"WorkingDirectory={_ROOT}/work/{name}",
        f'Environment="AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT={_ROOT}/gg-ipc.socket"',
        "Type=exec", f"ExecStart={_RUNNER} -n {name} -v {recipe.version} -p run",
        f"SyslogIdentifier={name}", "TimeoutSec=120", f"User={_USER}", f"Group={_USER}",
        "", "[Install]", "WantedBy=greengrass-lite.target",
    ]  # fmt: skip
    return sum(_size(line) + 1 for line in lines)


@family.rule(
    "L505",
    "error",
    "policies too large for nucleus lite",
    source="aws-greengrass-lite ipc_authz.c reads the policies of one service into 4,096 bytes: 11 "
    "for a value, 21 for a key, and the texts; then every request of that service is refused",
    fix="use fewer and shorter resources, and no policyDescription",
    nuclei=LITE,
)
def policies(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Each service of accessControl."""
    services = recipe.access_control
    for entry in () if services is None else services.entries:
        size = lite_bytes(entry.value)
        if size > LITE_POLICY_BYTES:
            yield Found(
                entry.line, f"{entry.key:.60} takes {size:,} bytes of {LITE_POLICY_BYTES:,} on lite"
            )


@family.rule(
    "L506",
    "error",
    "a recipe with too many parts for nucleus lite",
    source="aws-greengrass-lite GGL_COMPONENT_RECIPE_MAX_LEN: 16,384 bytes hold a recipe's values "
    "at 11 bytes and its keys at 21; GG_MAX_OBJECT_DEPTH is 15",
    fix="move configuration into an artifact; nest less",
    nuclei=LITE,
)
def parts(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Values and depth; the texts have room of their own."""
    size = _cells(recipe.root)
    if size > LITE_OBJECT_BYTES:
        yield Found(1, f"the recipe takes {size:,} bytes of {LITE_OBJECT_BYTES:,} on lite")
    depth = _depth(recipe.root)
    if depth > _LITE_DEPTH:
        yield Found(1, f"the recipe is {depth} levels deep; lite reads {_LITE_DEPTH}")


@family.rule(
    "L507",
    "warning",
    "a default configuration that a merge cannot repeat on nucleus lite",
    source="aws-greengrass-lite deployment_queue.c DEPLOYMENT_MEM_SIZE: a whole request, "
    "components, merges and paths, has 5,000 bytes",
    fix="merge single keys, never the whole configuration; keep tables in artifacts",
    nuclei=LITE,
)
def request(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Configuration without accessControl, which nobody merges as a whole."""
    configuration = mapping_of(recipe.root.find("ComponentConfiguration"))
    defaults = recipe.defaults
    if configuration is None or defaults is None:
        return
    kept = tuple(entry for entry in defaults.entries if entry.key != "accessControl")
    size = lite_bytes(Mapping(defaults.line, kept))
    if size > 5_000:
        yield Found(defaults.line, f"DefaultConfiguration takes {size:,} bytes of 5,000 on lite")


def lite_bytes(node: Node) -> int:
    """What a value takes in one of nucleus lite's arenas: cells and texts."""
    texts = 0
    for text in _texts(node):
        texts += _size(text)
    return _cells(node) + texts


def _cells(node: Node) -> int:
    """Bytes of a node's children; the node itself is a cell of its parent."""
    if isinstance(node, Mapping):
        return sum(_PAIR_BYTES + _cells(entry.value) for entry in node.entries)
    if isinstance(node, Sequence):
        return sum(_OBJECT_BYTES + _cells(item) for item in node.items)
    return 0


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, Scalar):
        yield str(plain(node)) if node.kind != "string" else node.text
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _texts(item)
    else:
        for entry in node.entries:
            yield entry.key
            yield from _texts(entry.value)


def _depth(node: Node) -> int:
    if isinstance(node, Mapping):
        return 1 + max((_depth(entry.value) for entry in node.entries), default=0)
    if isinstance(node, Sequence):
        return 1 + max((_depth(item) for item in node.items), default=0)
    return 1


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
