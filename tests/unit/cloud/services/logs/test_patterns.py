"""Filter patterns, by the examples of their documentation and beyond."""

from __future__ import annotations

import pytest

from tidegate.cloud.services.logs.patterns import InvalidPatternError, compiled

ACCESS = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
EVENT = """{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
 "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true, "off": false,
 "bandwidth": 75, "text": "75", "a b": "spaced", "user": {"id": 1, "email": "John.Stiles@example.com"}, "big": 1e3}"""


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR] A fatal exception has occurred", True),
        ("ERROR", "Exiting with ERRORCODE: -1", True),
        ("ERROR", "error", False),
        ("ERROR ARGUMENTS", "[ERROR 419] INVALID ARGUMENTS", True),
        ("ERROR ARGUMENTS", "[ERROR 400] BAD REQUEST", False),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR SERVER", False),
        (r'"say \"hi\""', 'to say "hi" twice', True),
        ("?ERROR ?ARGUMENTS", "INVALID ARGUMENTS", True),
        ("?ERROR ?ARGUMENTS", "all is well", False),
        ("ERROR ?ARGUMENTS", "[ERROR 400] BAD REQUEST", True),  # beside others an optional term says nothing
        ("ERROR -ARGUMENTS", "[ERROR 400] BAD REQUEST", True),
        ("ERROR -ARGUMENTS", "[ERROR 419] INVALID ARGUMENTS", False),
        ('-"all is well"', "all is well", False),
        ("-DEBUG", "INFO", True),
        ("%AUTHORIZED%", "UNAUTHORIZED", True),
        ("%^5[0-9][0-9]$%", "503", True),
        ("%^5[0-9][0-9]$%", "5033", False),
    ],
)
def test_terms(pattern: str, message: str, expected: bool) -> None:
    assert compiled(pattern)(message) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{$.eventType=UpdateTrail}", True),
        ('{ $.eventType = "Update*" }', True),
        ('{ $.eventType = "*Trail" }', True),
        ('{ $.eventType != "UpdateTrail" }', False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[*] = "another value" }', True),
        ('{ $.arrayKey[5] = "value" }', False),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.eventType IS NULL }", False),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.SomeObject NOT EXISTS }", False),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.off IS FALSE }", True),
        ("{ $.off is true }", False),
        ("{ $.bandwidth > 70 }", True),
        ("{ $.bandwidth >= 75 && $.bandwidth <= 75.0 }", True),
        ("{ $.bandwidth < 75 }", False),
        ("{ $.bandwidth = 75 }", True),
        ("{ $.text = 75 }", True),
        ("{ $.bandwidth = 7* }", True),
        ("{ $.big = 1000 }", True),
        ("{ $.['a b'] = spaced }", True),
        ("{ $.user.email = %Stiles@% }", True),
        ('{ ($.user.id = 1) && ($.user.email = "John.Doe@example.com" || $.bandwidth = 75) }', True),
        ('{ $.user.id = 1 && $.user.email = "x" || $.bandwidth = 75 }', True),  # && binds closer
        ('{ $.user.id = 2 && ($.user.email = "x" || $.bandwidth = 75) }', False),
        ("{ $.missing = 1 }", False),
        ("{ $.user = 1 }", False),
    ],
)
def test_properties(pattern: str, expected: bool) -> None:
    assert compiled(pattern)(EVENT) is expected
    assert compiled(pattern)("no JSON") is False


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ip, identity, user, timestamp, request, status_code, bytes]", True),
        ("[ip, identity, user, timestamp, request, status_code]", False),
        ("[ip, identity, user, timestamp, request, status_code, bytes, more]", False),
        ("[ip, identity, user, timestamp, request =*html*, status_code=4*, bytes]", True),
        ("[ip, identity, user, timestamp, request =*png*, status_code=4*, bytes]", False),
        ("[..., status_code=404, bytes]", True),
        ("[..., status_code=4*, bytes > 1000]", True),
        ("[..., bytes > 2000]", False),
        ('[ip, user != "x", ...]', True),
        ("[..., status_code=404 || status_code=410, bytes]", True),
        ("[..., status_code=400 || status_code=410, bytes]", False),
        ("[..., (status_code=400 || status_code=404) && status_code != 405, bytes]", True),
        ("[ip=%127\\.0\\.0\\.[0-9]%, ..., bytes]", True),
        ("[...]", True),
        ("[,,,,,,]", True),
    ],
)
def test_fields(pattern: str, expected: bool) -> None:
    assert compiled(pattern)(ACCESS) is expected


@pytest.mark.parametrize(
    "pattern",
    ['"open', "{ $.a }", "{ $.a = }", "{ $.a = 1", "{ $.a = 1 } x", "{ $.a > text }", "[a, b", "[..., a, ...]", "a:b",
     "%(sub)%", "%[%", "{ a = 1 }", "[a =]", "{ $.a = 1 && }"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError):
        compiled(pattern)
