"""What lifecycle policies expire: the examples of AWS's guide, and what must hold for any policy."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecr.plan import GRACE, Image, plan, read_policy

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def image(name: str, days: float, *tags: str, **more: Any) -> Image:
    return Image(name, tags, NOW - timedelta(days=days), **more)


def rule(priority: int, status: str = "any", /, **selection: Any) -> dict[str, Any]:
    if "countType" not in selection:
        selection = {"countType": "imageCountMoreThan", "countNumber": 1, **selection}
    return {"rulePriority": priority, "selection": {"tagStatus": status, **selection}, "action": {"type": "expire"}}


def expired(images: list[Image], *rules: dict[str, Any]) -> dict[str, int]:
    return dict(plan(read_policy(json.dumps({"rules": rules})), images, NOW).expired)


def prefix(name: str, **more: Any) -> dict[str, Any]:
    return {"tagPrefixList": [name], **more}


PUSHED = [image("A", 10, "beta-1", "prod-1"), image("B", 9, "beta-2", "prod-2"), image("C", 8, "beta-3")]


def test_an_image_of_a_higher_rule_is_counted_but_not_expired_by_a_lower_one() -> None:
    assert expired(PUSHED, rule(1, "tagged", **prefix("prod")), rule(2, "tagged", **prefix("beta"))) == {"A": 1}


def test_rules_apply_in_the_order_of_their_priority_not_of_their_place() -> None:
    assert expired(PUSHED, rule(2, "tagged", **prefix("prod")), rule(1, "tagged", **prefix("beta"))) == {"A": 1, "B": 1}


def test_any_counts_everything() -> None:
    images = [image("A", 12, "alpha-1"), image("B", 11, "beta-1"), image("C", 10), image("D", 9, "alpha-2")]
    assert expired(images, rule(1, "tagged", **prefix("alpha")), rule(2)) == {"A": 1, "C": 2, "B": 2}


def test_age() -> None:
    images = [image("A", 15, "v1"), image("B", 14, "v2"), image("C", 13.9, "v3")]
    days = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}
    decided = plan(read_policy(json.dumps({"rules": [rule(1, **days)]})), images, NOW)
    assert dict(decided.expired) == {"A": 1, "B": 1}
    assert decided.next == images[2].pushed_at + timedelta(days=14)


def test_every_prefix_and_every_pattern_has_to_be_met_by_some_tag() -> None:
    images = [image("A", 3, "prod-web"), image("B", 2, "prod-1", "web-1"), image("C", 1, "prod-2", "web-2")]
    both = {"tagPrefixList": ["prod", "web"]}
    assert expired(images, rule(1, "tagged", **both)) == {"B": 1}
    assert expired(images, rule(1, "tagged", tagPatternList=["*web*"])) == {"A": 1, "B": 1}
    assert expired([*images, image("D", 4, "pro?")], rule(1, "tagged", tagPatternList=["pro?"])) == {}


def test_untagged_images_wait_until_an_index_could_have_come() -> None:
    fresh = [Image("A", (), NOW - GRACE / 2), Image("B", (), NOW - GRACE / 3)]
    decided = plan(read_policy(json.dumps({"rules": [rule(1, "untagged")]})), fresh, NOW)
    assert decided.expired == ()
    assert decided.next == fresh[0].pushed_at + GRACE
    later = plan(read_policy(json.dumps({"rules": [rule(1, "untagged")]})), fresh, NOW + GRACE)
    assert later.expired == (("A", 1),)


def test_an_image_of_an_index_stays_with_it() -> None:
    images = [image("child", 9), image("other", 8), image("index", 7, "v1", children=("child",))]
    assert expired(images, rule(1, "untagged", countNumber=1)) == {}
    assert expired([*images, image("last", 6)], rule(1, "untagged", countNumber=1)) == {"other": 1}


def test_what_refers_to_an_image_goes_with_it() -> None:
    images = [image("old", 9, "v1"), image("signature", 9, subject="old"), image("new", 8, "v2")]
    images.append(image("of the signature", 1, subject="signature"))
    assert expired(images, rule(1)) == {"old": 1, "signature": 1, "of the signature": 1}


images_strategy = st.lists(
    st.builds(
        Image,
        st.text("abcdef", min_size=4, max_size=4),
        st.lists(st.sampled_from(["prod-1", "prod-2", "dev-1", "v1"]), unique=True, max_size=2).map(tuple),
        st.integers(0, 40 * 86_400).map(lambda seconds: NOW - timedelta(seconds=seconds)),
        st.lists(st.text("abcdef", min_size=4, max_size=4), max_size=2).map(tuple),
        st.none() | st.text("abcdef", min_size=4, max_size=4),
    ),
    unique_by=lambda each: each.digest,
    max_size=20,
)
rules_strategy = st.tuples(
    st.sampled_from([{}, {"tagPrefixList": ["prod"]}, {"tagPatternList": ["dev*"]}]),
    st.sampled_from(
        [
            {"countType": "imageCountMoreThan", "countNumber": 2},
            {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": 20},
        ]
    ),
).map(lambda pair: [rule(1, "tagged" if pair[0] else "untagged", **pair[0], **pair[1]), rule(2, countNumber=3)])


@given(images_strategy, rules_strategy)
def test_for_any_policy(images: list[Image], rules: list[dict[str, Any]]) -> None:
    parsed = read_policy(json.dumps({"rules": rules}))
    decided = plan(parsed, images, NOW)
    gone = dict(decided.expired)
    held = {child for each in images for child in each.children}
    assert len(gone) == len(decided.expired)
    assert gone.keys() <= {each.digest for each in images}
    assert not gone.keys() & held
    assert decided.next is None or decided.next > NOW
    # carried out, the same policy has nothing more to say, but about what was held
    left = [each for each in images if each.digest not in gone]
    again = dict(plan(parsed, left, NOW).expired)
    assert again.keys() <= held


@given(st.integers(1, 10), st.integers(0, 20))
def test_a_count_keeps_the_newest(keep: int, number: int) -> None:
    images = [image(f"i{day}", day, "v") for day in range(number)]
    assert expired(images, rule(1, countNumber=keep)).keys() == {f"i{day}" for day in range(keep, number)}


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([], "empty"),
        ([rule(1), rule(1, "untagged")], "rulePriority must be unique"),
        ([rule(1), rule(2, "untagged")], "any must have the highest rulePriority"),
        ([rule(1, "untagged"), rule(2, "untagged")], "only one rule may select untagged"),
        ([rule(1, "tagged")], "requires either tagPrefixList or tagPatternList"),
        ([rule(1, "tagged", tagPrefixList=["a"], tagPatternList=["b"])], "requires either"),
        ([rule(1, "untagged", tagPrefixList=["a"])], "only allowed with tagStatus tagged"),
        ([rule(1, "tagged", tagPatternList=["*a*b*c*d*"])], "more than 4 wildcards"),
        ([rule(1, "tagged", tagPrefixList=["a"]), rule(2, "tagged", tagPrefixList=["a"])], "the same tags"),
        ([rule(0)], "lower than the required minimum"),
        ([rule(1, countNumber=0)], "lower than the required minimum"),
        ([rule(1, countNumber="1")], "lower than the required minimum"),
        ([rule(1, countUnit="days", countType="imageCountMoreThan", countNumber=1)], "countUnit is not allowed"),
        ([rule(1, countType="sinceImagePushed", countNumber=1)], "countUnit: days is required"),
        ([rule(1, "maybe")], "not found in enum"),
        ([{**rule(1), "color": "red"}], "not allowed by the schema"),
        ([{"rulePriority": 1}], "missing required properties"),
        (["no rule"], "allowed primitive type"),
    ],
)
def test_a_policy_that_cannot_be(rules: list[Any], why: str) -> None:
    with pytest.raises(ServiceError, match=why) as caught:
        read_policy(json.dumps({"rules": rules}))
    assert caught.value.code == "InvalidParameterException"


@pytest.mark.parametrize(
    "selection",
    [
        {"countType": "sinceImagePulled", "countUnit": "days", "countNumber": 1},
        {"countType": "imageCountMoreThan", "countNumber": 1, "storageClass": "archive"},
    ],
)
def test_what_needs_the_archive_is_refused_by_name(selection: dict[str, Any]) -> None:
    with pytest.raises(ServiceError, match="NotImplemented"):
        read_policy(json.dumps({"rules": [rule(1, **selection)]}))
