"""The table of what is offered is of this code, and complete."""

from __future__ import annotations

from botocore import xform_name
from botocore.model import StructureShape

from tests import coverage
from tests.generate import COVERAGE
from tidegate.cloud.gateway.models import Models


def test_the_table_is_of_this_code() -> None:
    assert COVERAGE.read_text() == coverage.text(), "run: python -m tests.generate"


def test_every_operation_of_a_whole_service_is_built_or_left_out_for_a_reason() -> None:
    wrong = []
    for service in coverage.services():
        said = [name for each in service.coverage.left_out for name in each.operations.split()]
        said_recorded = [name for names in service.coverage.recorded for name in names.split()]
        wrong += [f"{service.name} has no {each}" for each in {*said, *said_recorded} - set(service.known.values())]
        wrong += [f"{service.name} {each} is left out, and built" for each in said if xform_name(each) in service.built]
        wrong += [f"{service.name} {each} is left out twice" for each in said if said.count(each) > 1]
        if service.coverage.whole:
            unsaid = set(service.known.values()) - set(said)
            wrong += [f"{service.name} {each} is neither" for each in unsaid if xform_name(each) not in service.built]
    assert wrong == []


def test_what_is_without_effect_is_a_parameter() -> None:
    models, wrong = Models(), []
    for service in coverage.services():
        model = models.service(service.name)
        shapes = [model.shape_for(name) for name in model.shape_names] if service.coverage.without_effect else []
        members = {name for shape in shapes if isinstance(shape, StructureShape) for name in shape.members}
        wrong += [name for names in service.coverage.without_effect for name in names.split() if name not in members]
    assert wrong == []


def test_every_operation_that_is_built_is_used_by_a_test() -> None:
    assert coverage.untested() == []
