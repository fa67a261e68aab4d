"""Passwords, made by chance.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.secretsmanager.api.shared import invalid

if TYPE_CHECKING:
    from types_boto3_secretsmanager import type_defs as t

_USUAL_LENGTH = 32


class PasswordsApi:
    """Makes passwords and keeps none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @operation()
    async def get_random_password(
        self, context: Context, request: t.GetRandomPasswordRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return a password of all kinds of characters that are not excluded, one of each unless told otherwise."""
        excluded = set(request.get("ExcludeCharacters", ""))
        kinds = [
            "" if request.get("ExcludeLowercase") else string.ascii_lowercase,
            "" if request.get("ExcludeUppercase") else string.ascii_uppercase,
            "" if request.get("ExcludeNumbers") else string.digits,
            "" if request.get("ExcludePunctuation") else string.punctuation,
            " " if request.get("IncludeSpace") else "",
        ]
        allowed = [kept for kind in kinds if kind and (kept := "".join(each for each in kind if each not in excluded))]
        length = request.get("PasswordLength", _USUAL_LENGTH)
        if not allowed:
            raise invalid("The password can't be generated because every type of character is excluded.")
        required = allowed if request.get("RequireEachIncludedType", True) else []
        if length < len(required):
            raise invalid("Password length is too short based on the required types.")
        one_of_each = "".join(self._clock.text(kind, 1) for kind in required)
        password = one_of_each + self._clock.text("".join(allowed), length - len(one_of_each))
        return {"RandomPassword": self._clock.shuffled(password)}
