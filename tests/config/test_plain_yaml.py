"""Protects the reading of yaml: all that is meant is read as before, and what is meant to do harm is not."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from zoo.config.yaml_limits import (
    DEEPEST,
    LONGEST,
    MOST_CHARACTERS,
    MOST_VALUES,
    BeyondLimitError,
    count_values,
    load_yaml,
)

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_our_own_files_are_far_from_the_limits(path):
    text = path.read_text()
    assert load_yaml(text) == yaml.safe_load(text)
    assert len(text) < MOST_CHARACTERS / 10
    assert count_values(text) < MOST_VALUES / 10


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("3", 1),
        ("[]", 1),
        ("[1, 2]", 3),
        ("{a: 1, b: [2]}", 6),
        ("{a: &x [1, 2], b: *x}", 9),
        ("{a: &x 1, b: *x}", 5),
        ("{a: &x [1, &y [2]], b: *x, c: *y}", 14),
        ("'[1, 2]'", 3),
        ("{a: '[1, 2]'}", 5),
        ("'''[1]'''", 2),
        ("{a: &x '[1, 2]', b: *x}", 9),
    ],
)
def test_values_are_counted(text, count):
    assert count_values(text) == count


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#" * (MOST_CHARACTERS + 1), "200,000 characters"),
        ("a" * (LONGEST + 1), "10,000 characters in one value"),
        ("[" + "1," * MOST_VALUES + "]", "20,000 values"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "50 levels"),
        ("'" + "[" * DEEPEST + "]" * DEEPEST + "'", "50 levels"),
        ("- " * (DEEPEST + 1) + "x", "50 levels"),
        ("? " * (DEEPEST + 1) + "x", "50 levels"),
        ("&a [*a]", "alias of what it is part of"),
        ("'&a [*a]'", "alias of what it is part of"),
        ("[&a 1, &a [*a]]", "alias of what it is part of"),
        ("[*a]", "alias"),
        ("{a: &x [" + "1," * 200 + "], b: &y [" + "*x," * 100 + "]}", "20,000 values"),
    ],
)
def test_what_is_beyond_the_limits_is_refused(text, said):
    with pytest.raises(BeyondLimitError, match=said):
        load_yaml(text)


def test_limits_are_those_that_are_said():
    assert load_yaml("[" * DEEPEST + "]" * DEEPEST) is not None
    assert len(load_yaml("[" + "1," * (MOST_VALUES - 1) + "]")) == MOST_VALUES - 1
    assert load_yaml("a" * LONGEST) == "a" * LONGEST


@pytest.mark.parametrize("text", ["{a: 1, a: 2}", "a: 1\nb: {c: 1, d: 2, c: 3}", "- {a: 1}\n- {b: 1, b: 1}"])
def test_a_key_is_there_once(text):
    with pytest.raises(yaml.MarkedYAMLError, match="twice"):
        load_yaml(text)


def test_the_same_key_in_two_mappings_is_no_mistake():
    assert load_yaml("{a: {x: 1}, b: {x: 1}, c: [x, x]}") == {"a": {"x": 1}, "b": {"x": 1}, "c": ["x", "x"]}


@given(st.text(alphabet="ab:-[]{}&*<'\"|>?!#, \n", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        count_values(text)
    except yaml.YAMLError as error:
        assert str(error)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_what_is_written_is_read_back(value):
    assert yaml.safe_load(yaml.safe_dump(value)) == value
    assert load_yaml(yaml.safe_dump({"value": value})) == {"value": value}
