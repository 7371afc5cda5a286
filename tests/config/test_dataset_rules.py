"""The rules of the blend, each broken once or more, with the whole message."""

import pytest

from tests.config.broken_rules import Broken, Load, each_of, message_of

BROKEN: Broken = [
    (
        "blend_has_parts",
        "dataset.blend=[]",
        "dataset.blend = []: must have at least one part; add a table [[dataset.blend]] with name and prefix",
    ),
    (
        "blend_parts_are_named",
        "dataset.blend.1.name=",
        'dataset.blend.1.name = "": must not be empty; it names this part\'s validation loss',
    ),
    (
        "blend_parts_are_named",
        "dataset.blend.0.prefix=",
        'dataset.blend.0.prefix = "": must not be empty; give the path of the dataset without .bin/.idx',
    ),
    (
        "blend_parts_are_named",
        "dataset.blend.0.prefix=tokens/books.idx",
        'dataset.blend.0.prefix = "tokens/books.idx": must not have the ending; write "tokens/books"',
    ),
    (
        "blend_names_differ",
        "dataset.blend.1.name=books",
        'dataset.blend: 2 parts are named "books"; give each its own, so that their losses can be told apart',
    ),
    (
        "weights_for_all_or_none",
        "dataset.blend.0.weight=0.3",
        (
            'dataset.blend: part "code" has weight = 0 and others have more; '
            "give every part a positive weight, or none and use epochs"
        ),
    ),
    (
        "blend_names_are_tags",
        'dataset.blend.1.name="open/web math"',
        (
            'dataset.blend.1.name = "open/web math": must be letters, digits, "_", "." and "-", and begin with one of the '
            'first two; write for example "open_web_math"'
        ),
    ),
    (
        "blend_names_are_tags",
        "dataset.blend.1.name=数学",
        (
            'dataset.blend.1.name = "数学": must be letters, digits, "_", "." and "-", and begin with one of the '
            'first two; write for example "part_1"'
        ),
    ),
    (
        "blend_prefixes_differ",
        "dataset.blend.1.prefix=tokens//code/../books",
        (
            'dataset.blend: parts "books" and "code" have the same prefix "tokens/books"; '
            "name it once and give that part epochs or a weight"
        ),
    ),
    (
        "weights_replace_epochs",
        "dataset.blend.0.weight=1 dataset.blend.1.weight=2 dataset.blend.1.epochs=3",
        ("dataset.blend.1.epochs = 3.0: has no effect beside weight = 2.0; set epochs to 1, or every weight to 0"),
    ),
]


@each_of(BROKEN)
def test_a_broken_rule_says_what_to_change(load: Load, overrides: str, message: str) -> None:
    assert message_of(load, overrides) == message


@pytest.mark.parametrize(
    "overrides",
    [
        "dataset.blend.0.name=2024-10.books_v1",
        "dataset.blend.0.weight=0.3 dataset.blend.1.weight=7",
    ],
)
def test_what_only_just_keeps_the_rules_is_accepted(load: Load, overrides: str) -> None:
    load(*overrides.split())
