"""Whether buildspec.yml can be read at all: found before anything is made, not by the first build."""

from __future__ import annotations

import yaml

from tidegate.deploy.errors import UserError

_NEXT = "mend it, git commit -am 'Mend the buildspec', then tidegate up"


def check_buildspec(text: str) -> None:
    """Raise `UserError` where a buildspec is not YAML, or has no phases.

    https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark, why = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        place = "" if mark is None else f"line {mark.line + 1}, "
        raise UserError("buildspec.yml", f"{place}not YAML: {why}", _NEXT) from None
    if not isinstance(document, dict) or not isinstance(document.get("phases"), dict):
        raise UserError("buildspec.yml", "it has no phases, so that a build would do nothing", _NEXT)
