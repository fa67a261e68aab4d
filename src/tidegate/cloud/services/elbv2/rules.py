"""What a rule says: its conditions and actions checked, and written out in full as AWS shows them. Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from math import prod
from typing import Any

from tidegate.cloud.errors import ServiceError, not_offered

_CONFIGS = {
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "path-pattern": "PathPatternConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
_OLD_STYLE = ("host-header", "path-pattern")  # those that may have `Values` of their own
_ONCE = ("host-header", "http-request-method", "path-pattern", "source-ip")
_WITH_REGEX = ("host-header", "http-header", "path-pattern")
_LONGEST = 128
_LONGEST_REWRITE = 1024
_MOST_VALUES = 5
_TRANSFORMS = {"host-header-rewrite": "HostHeaderRewriteConfig", "url-rewrite": "UrlRewriteConfig"}
_HOST = re.compile(r"[A-Za-z0-9._*?-]+")
_PATH = re.compile(r"""[A-Za-z0-9_\-.$/~"'@:+&*?()!,;=%#\[\]|^`<>{}\\]*""")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,40}")
_METHOD = re.compile(r"[A-Z_-]{1,40}")
# what Python's expressions have and RE2's, which routes are matched by, have not: looking around, back at a group, …
_NOT_RE2 = re.compile(r"\(\?(?!:|i\)|i:|P<)|\\[0-9EGHKNPQRUXZceghklmopuy]|[*+?}]\+|\[[^\]]*\\b")
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_MOST_REPEATS = 1000  # of an expression, those inside each other multiplied
_PORT = re.compile(r"#\{port\}|[0-9]{1,5}")
_REDIRECT_DEFAULTS = {
    "Protocol": "#{protocol}",
    "Port": "#{port}",
    "Host": "#{host}",
    "Path": "/#{path}",
    "Query": "#{query}",
}
_CONTENT_TYPES = ("text/plain", "text/css", "text/html", "application/javascript", "application/json")
_HEAVIEST = 999
_LONGEST_STICK = 604800


def checked_conditions(conditions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a rule's conditions written out; raise ValidationError, InvalidConfigurationRequest."""
    if not conditions:
        raise _invalid("A condition must be specified")
    checked = [_condition(each) for each in conditions]
    for field in _ONCE:
        if sum(each["Field"] == field for each in checked) > 1:
            raise _invalid(f"Rules can contain only one '{field}' condition")
    values = sum(len(_values(each)) for each in checked)
    if values > _MOST_VALUES:
        raise _invalid(f"A rule can only have '{_MOST_VALUES}' condition values")
    return checked


def checked_actions(actions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return actions written out; raise ValidationError, InvalidLoadBalancerAction, or refuse by name."""
    if not actions:
        raise _invalid("An action must be specified")
    for each in actions:
        if each["Type"] not in ("forward", "redirect", "fixed-response"):
            raise not_offered(f"elbv2: the action {each['Type']}")
    if len(actions) > 1:
        raise ServiceError(
            "InvalidLoadBalancerAction",
            "You must specify exactly one action of type forward, redirect or fixed-response, and it must be the last",
        )
    return [_action(actions[0])]


def checked_transforms(transforms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a rule's transforms; raise ValidationError.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-transforms.html
    """
    if len({each["Type"] for each in transforms}) < len(transforms):
        raise _invalid("A rule can only have one transform of each type")
    return [_transform(each) for each in transforms]


def _transform(given: Mapping[str, Any]) -> dict[str, Any]:
    kind = given["Type"]
    rewrites = given.get(_TRANSFORMS[kind], {}).get("Rewrites", ())
    if len(rewrites) != 1 or any(name in given for other, name in _TRANSFORMS.items() if other != kind):
        raise _invalid(f"A transform of the type '{kind}' must have a '{_TRANSFORMS[kind]}' with exactly one rewrite")
    regex, replacement = rewrites[0]["Regex"], rewrites[0]["Replace"]
    _check_regex(regex, _LONGEST_REWRITE)
    groups = [int(each) for each in re.findall(r"\$([0-9])", replacement)]
    if len(replacement) > _LONGEST_REWRITE or not _is_plain(replacement) or " " in replacement:
        raise _invalid(f"Replace value '{replacement}' is not valid")
    if max(groups, default=0) > re.compile(regex).groups:
        raise _invalid(f"Replace value '{replacement}' names a group that the regex value '{regex}' does not have")
    return {"Type": kind, _TRANSFORMS[kind]: {"Rewrites": [{"Regex": regex, "Replace": replacement}]}}


def _condition(given: Mapping[str, Any]) -> dict[str, Any]:
    field = given.get("Field")
    if field not in _CONFIGS:
        raise _invalid(f"Condition field '{field}' must be one of '[{', '.join(_CONFIGS)}]'")
    strangers = [name for name in _CONFIGS.values() if name != _CONFIGS[field] and name in given]
    if strangers:
        raise _invalid(f"The '{strangers[0]}' configuration does not go with the field '{field}'")
    config = dict(given.get(_CONFIGS[field], {}))
    for name in ("Values", "RegexValues"):
        plain = given.get(name)
        if plain and (field not in (_OLD_STYLE if name == "Values" else _WITH_REGEX)):
            raise _invalid(f"'{name}' cannot be used with the field '{field}'; use '{_CONFIGS[field]}'")
        if plain and config.get(name) and plain != config[name]:
            raise _invalid(f"You cannot specify both '{name}' and '{_CONFIGS[field]}'")
        if plain:
            config[name] = list(plain)
    if bool(config.get("Values")) is bool(config.get("RegexValues")):
        raise _invalid(f"A condition of the field '{field}' must have either values or regex values")
    _check_config(field, config)
    shown: dict[str, Any] = {"Field": field, _CONFIGS[field]: config}
    if field in _OLD_STYLE and config.get("Values"):
        shown["Values"] = config["Values"]
    if config.get("RegexValues"):
        shown["RegexValues"] = config["RegexValues"]
    return shown


def _check_config(field: str, config: Mapping[str, Any]) -> None:
    for text in config.get("RegexValues", ()):
        _check_regex(text)
    if field == "http-header" and not _HEADER_NAME.fullmatch(config.get("HttpHeaderName", "")):
        raise _invalid("A condition of the field 'http-header' must have the name of a header")
    if field == "http-header" and config["HttpHeaderName"].lower() == "host":
        raise _invalid("The HTTP header 'host' cannot be used in an 'http-header' condition; use 'host-header'")
    if config.get("IpAddressType", "ipv4") != "ipv4":
        raise not_offered("elbv2: conditions on IPv6 addresses")
    for value in config.get("Values", ()):
        text = str(value.get("Value", "")) if isinstance(value, Mapping) else value
        key = str(value.get("Key", "")) if isinstance(value, Mapping) else ""
        if max(len(text), len(key)) > _LONGEST or not text:
            raise _invalid(f"Condition value '{text}' must be between 1 and {_LONGEST} characters long")
        _check_value(field, text)


def _check_value(field: str, text: str) -> None:
    match field:
        case "host-header":
            fits = _HOST.fullmatch(text) is not None
        case "path-pattern":
            fits = _PATH.fullmatch(text) is not None
        case "http-request-method":
            fits = _METHOD.fullmatch(text) is not None
        case "source-ip":
            fits = _is_range(text)
        case _:
            fits = True
    if not fits:
        raise _invalid(f"Condition value '{text}' contains a character that is not valid, for the field '{field}'")


def _is_range(text: str) -> bool:
    try:
        network = ip_network(text)
    except ValueError:
        return False
    if network.version == 6:
        raise not_offered("elbv2: conditions on IPv6 addresses")
    return "/" in text


def _check_regex(text: str, longest: int = _LONGEST) -> None:
    try:
        re.compile(text)
    except re.error:
        raise _invalid(f"Regex value '{text}' is not a valid regular expression") from None
    repeats = prod(max(int(least), int(most or 0), 1) for least, most in _REPEAT.findall(text))
    if len(text) > longest or not _is_plain(text) or _NOT_RE2.search(text) or repeats > _MOST_REPEATS:
        raise _invalid(f"Regex value '{text}' is not a valid regular expression")


def _values(condition: Mapping[str, Any]) -> list[Any]:
    config = condition[_CONFIGS[condition["Field"]]]
    return [*config.get("Values", ()), *config.get("RegexValues", ())]


def _action(given: Mapping[str, Any]) -> dict[str, Any]:
    action: dict[str, Any] = {"Type": given["Type"]}
    if "Order" in given:
        action["Order"] = given["Order"]
    match given["Type"]:
        case "forward":
            return {**action, **_forward(given)}
        case "redirect":
            return {**action, "RedirectConfig": _redirect(given.get("RedirectConfig"))}
        case _:
            return {**action, "FixedResponseConfig": _fixed_response(given.get("FixedResponseConfig"))}


def _forward(given: Mapping[str, Any]) -> dict[str, Any]:
    config = given.get("ForwardConfig") or {}
    groups = [dict(each) for each in config.get("TargetGroups", ())]
    arn = given.get("TargetGroupArn")
    if not groups and arn:
        groups = [{"TargetGroupArn": arn}]
    if not groups or any("TargetGroupArn" not in each for each in groups):
        raise _invalid("A target group ARN must be specified")
    if arn and [each["TargetGroupArn"] for each in groups] != [arn]:
        raise _invalid("You cannot specify both a target group ARN and a forward configuration that differs from it")
    if len(groups) > _MOST_VALUES:
        raise ServiceError("TooManyUniqueTargetGroupsPerLoadBalancer", "A forward action has at most 5 target groups")
    if len({each["TargetGroupArn"] for each in groups}) < len(groups):
        raise _invalid("A target group can be specified only once in a forward action")
    for each in groups:
        each.setdefault("Weight", 1)
        if not 0 <= each["Weight"] <= _HEAVIEST:
            raise _invalid(f"The weight for each target group must be between 0 and {_HEAVIEST}, inclusive")
    stickiness = dict(config.get("TargetGroupStickinessConfig") or {"Enabled": False})
    stickiness.setdefault("Enabled", False)
    seconds = stickiness.get("DurationSeconds")
    if stickiness["Enabled"] and not (seconds is not None and 1 <= seconds <= _LONGEST_STICK):
        raise _invalid(f"Target group stickiness duration must be between 1 and {_LONGEST_STICK} seconds, inclusive")
    single = {"TargetGroupArn": groups[0]["TargetGroupArn"]} if len(groups) == 1 else {}
    return {**single, "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}}


def _redirect(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        raise _invalid("A redirect configuration must be specified")
    config = {**_REDIRECT_DEFAULTS, **given}
    if all(config[name] == value for name, value in _REDIRECT_DEFAULTS.items()):
        raise ServiceError(
            "InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop"
        )
    port = config["Port"]
    if not _PORT.fullmatch(port) or (port.isdecimal() and not 1 <= int(port) <= 65535):
        raise _invalid(f"Redirect port '{port}' must be an integer value between 1 and 65535, or '#{{port}}'")
    if not config["Path"].startswith("/"):
        raise _invalid("Redirect path must start with a '/'")
    for name in ("Host", "Path", "Query"):
        if not _is_plain(config[name]) or " " in config[name]:
            raise _invalid(f"Redirect {name.lower()} '{config[name]}' contains a character that is not valid")
    if config["Query"].startswith("?"):
        raise _invalid("Redirect query must not start with a '?'")
    return config


def _fixed_response(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        raise _invalid("A fixed response configuration must be specified")
    content_type = given.get("ContentType")
    if content_type and content_type not in _CONTENT_TYPES:
        raise _invalid(f"The content type '{content_type}' must be one of '[{', '.join(_CONTENT_TYPES)}]'")
    return dict(given)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _invalid(why: str) -> ServiceError:
    return ServiceError("ValidationError", why)


def same(one: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether two lists of actions or conditions, written out, say the same."""
    return [dict(each) for each in one] == [dict(each) for each in other]
