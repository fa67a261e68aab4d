"""Nothing is silently ignored: every parameter of every operation that is built is read somewhere, or refused."""

from __future__ import annotations

import re
from pathlib import Path

import tidegate.cloud
from tidegate.cloud.daemon import Cloud, Settings

SERVICES = Path(tidegate.cloud.__file__).parent / "services"
# read by the gateway or by `paging` for all
GENERAL = frozenset({"Marker", "MaxItems", "DryRun"})
PACKAGES = {"application-autoscaling": "applicationautoscaling", "codestar-connections": "codeconnections"}


def test_every_parameter_is_read_or_refused(tmp_path: Path) -> None:
    cloud = Cloud(Settings(tmp_path))
    ignored = []
    for service, names in cloud.dispatcher.operations().items():
        package = SERVICES / PACKAGES.get(service, service)
        source = "\n".join(path.read_text() for path in package.rglob("*.py"))
        words = set(re.findall(r"\w+", source))
        for name in names:
            shape = cloud.models.operation(service, name).input_shape
            members = shape.members if shape is not None else {}
            ignored += [f"{service}:{name} {each}" for each in members if each not in words | GENERAL]
    cloud.close()
    assert not ignored, "\n".join(ignored)
