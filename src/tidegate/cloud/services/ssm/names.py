"""Names of parameters: what they may be, the ARNs and selectors that stand for them. Pure.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tidegate.cloud.errors import ServiceError

_ALLOWED = re.compile(r"^[a-zA-Z0-9_.\-/]+$")
_LONGEST = 1011  # characters of the ARN
_DEEPEST = 15  # levels
_LABEL = re.compile(r"^[a-zA-Z0-9_.-]+$")
PUBLIC = "/aws/service/"
_NO_PREFIX = 'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).'
_NO_PATH = (
    'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of '
    "sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 "
    "symbols .-_"
)
_PATH_RULES = (
    "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "
    '"/". It can\'t be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the '
    "following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if "
    'specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.'
)


class Wanted(NamedTuple):
    """A parameter that is asked for: its name, and the version or the label that is wanted of it (`3`, `prod`)."""

    name: str
    selector: str | None = None


def canonical(name: str) -> str:
    """Return a name as AWS keeps it: one that is no path has no slash before it."""
    return name[1:] if name.startswith("/") and name.count("/") == 1 else name


def arn_of(region: str, account: str, name: str) -> str:
    """Return a parameter's ARN; AWS's own have no account."""
    owner = "" if name.startswith(PUBLIC) else account
    return f"arn:aws:ssm:{region}:{owner}:parameter/{name.lstrip('/')}"


def wanted(text: str, region: str, account: str) -> Wanted:
    """Return what a name, an ARN, or one of them with a selector asks for; raise ValidationException.

    The ARN of another region or account asks for a name that nobody has.
    """
    if text.startswith("arn:"):
        parts = text.split(":", 6)
        if len(parts) < 6 or parts[2] != "ssm" or not parts[5].startswith("parameter/"):
            raise ServiceError("ValidationException", f"Invalid parameter ARN: {text}")
        own = parts[5].removeprefix("parameter/")
        name = f"/{own}" if "/" in own else own
        if (parts[3], parts[4]) not in ((region, account), (region, "")):
            name = text
        return Wanted(name, parts[6] if len(parts) > 6 else None)
    name, colon, selector = text.partition(":")
    if "/" in name and not name.startswith("/"):
        raise ServiceError("ValidationException", _NO_PATH)
    return Wanted(canonical(name), selector if colon else None)


def check_new(name: str, arn: str) -> None:
    """Raise what AWS answers for a name that no parameter can have."""
    if "/" in name and not name.startswith("/"):
        raise ServiceError("ValidationException", "Parameter name must be a fully qualified name.")
    first = name.lstrip("/").lower()
    is_path = name.count("/") > 1
    if first.startswith("aws") and is_path:
        raise ServiceError("AccessDeniedException", f"No access to reserved parameter name: {name}.")
    if first.startswith(("aws", "ssm")):
        raise ServiceError("ValidationException", _NO_PATH if is_path else _NO_PREFIX)
    if not _ALLOWED.match(name) or "//" in name:
        raise ServiceError("ValidationException", _NO_PATH)
    if name.endswith("/"):
        raise ServiceError("ValidationException", "Parameter name must not end with slash.")
    if len([part for part in name.split("/") if part]) > _DEEPEST:
        raise ServiceError(
            "HierarchyLevelLimitExceededException",
            f"A hierarchy can have a maximum of {_DEEPEST} levels. For more information, see Requirements and "
            "constraints for parameter names in the AWS Systems Manager User Guide.",
        )
    if len(arn) > _LONGEST:
        raise ServiceError(
            "ValidationException", f"Parameter name, with the full ARN, can be at most {_LONGEST} characters long."
        )


def check_path(path: str) -> None:
    """Raise ValidationException for a path of which nothing can be listed."""
    if not path.startswith("/") or "//" in path or not _ALLOWED.match(path):
        raise ServiceError("ValidationException", _PATH_RULES)


def is_below(name: str, path: str, *, recursive: bool) -> bool:
    """Return whether a parameter stands in a path: right in it, or anywhere below with `recursive`."""
    whole, base = f"/{name.lstrip('/')}", path.rstrip("/") + "/"
    return whole.startswith(base) and (recursive or "/" not in whole[len(base) :])


def is_label(text: str) -> bool:
    """Return whether a text can be the label of a version.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
    """
    return bool(_LABEL.match(text)) and not text[0].isdigit() and not text.lower().startswith(("aws", "ssm"))
