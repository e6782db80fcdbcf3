"""Recipe variables: what is known is filled in, everything else stays as it is."""

from hypothesis import given
from hypothesis import strategies as st

from localcore.recipes.interpolate import Facts, Interpolation

FACTS = {
    "a": Facts(
        {("artifacts", "path"): "/art/a", ("work", "path"): "/work/a"},
        {
            "rate": 5,
            "half": 0.5,
            "on": True,
            "none": None,
            "map": {"b": [1], "a": "x"},
            "s": "{work:path}",
        },
    ),
    "b": Facts({("artifacts", "path"): "/art/b"}, {"port": 8088}),
    "c": Facts({("artifacts", "path"): "/art/c"}, {}),
}
FILL = Interpolation("a", FACTS, ("b",)).fill


def test_known_variables_are_filled_in() -> None:
    assert FILL("run {artifacts:path}/x --work {work:path}") == "run /art/a/x --work /work/a"


def test_configuration_is_written_as_the_nucleus_writes_it() -> None:
    script = "{configuration:/rate} {configuration:/half} {configuration:/on} {configuration:/none}"
    assert FILL(script) == "5 0.5 true null"
    assert FILL("{configuration:/map}") == '{"a":"x","b":[1]}'
    assert FILL("{configuration:/map/b/0}") == "1"


def test_a_direct_dependencys_facts_can_be_named_and_no_others() -> None:
    assert FILL("{b:artifacts:path} {b:configuration:/port}") == "/art/b 8088"
    assert FILL("{c:artifacts:path}") == "{c:artifacts:path}"


def test_what_was_filled_in_is_not_looked_at_again() -> None:
    assert FILL("{configuration:/s}") == "{work:path}"


def test_what_is_not_known_stays_as_it_is() -> None:
    for text in (
        "{nothing:here}",
        "{configuration:/absent}",
        "{configuration:rate}",
        "${VAR} ${VAR:-x}",
        "awk '{print $1}'",
        '{"json": 1}',
        "{artifacts:}",
        "{:}",
    ):
        assert FILL(text) == text


def test_maps_and_lists_are_filled_in_throughout() -> None:
    assert FILL({"{work:path}": ["{work:path}", 5]}) == {"{work:path}": ["/work/a", 5]}


@given(st.text(st.sampled_from("{}:/ab.$ \n"), max_size=40))
def test_text_without_known_variables_never_changes(text: str) -> None:
    assert Interpolation("a", {"a": Facts({}, {})}).fill(text) == text


@given(st.text(), st.text())
def test_a_variable_is_filled_in_wherever_it_stands(before: str, after: str) -> None:
    plain = before.replace("{", "").replace("}", "")
    rest = after.replace("{", "").replace("}", "")
    assert FILL(plain + "{work:path}" + rest) == plain + "/work/a" + rest
