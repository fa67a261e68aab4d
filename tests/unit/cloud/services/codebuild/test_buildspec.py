"""What is wrong with a buildspec is said by the name of its key."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.codebuild.buildspec import BuildspecError, Retry, parse

HEAD = "version: 0.2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cache: {path: [a]}", "unknown key path in cache"),
        ("cache: {action: both}", "invalid cache/action: both"),
        ("cache: {key: a, fallback-keys: [a, b, c, d, e, f]}", "6 are more than the 5"),
        ("reports: {r: {files: [a], format: JUNITXML}}", "unknown key format in reports/r"),
        ("reports: {r: {files: [a], file-format: junit}}", "invalid reports/r/file-format: JUNIT"),
        ("reports: {r: {}}", "reports/r/files is missing"),
        ("proxy: {logs: yes}", "does not offer proxy/logs"),
        ("proxy: {artifacts: no}", "unknown key artifacts in proxy"),
        ("env: {variable: {}}", "unknown key variable in env"),
        ("env: {shell: powershell.exe}", "env/shell powershell.exe"),
        ("env: {git-credential-helper: perhaps}", "invalid env/git-credential-helper: perhaps"),
        ("environment_variables: {plaintext: {A: b}}", "unknown key environment_variables in the buildspec"),
        ("phases: {build: {on-failure: retry}}", "invalid phases/build/on-failure: retry"),
        ("phases: {build: {on-failure: RETRY-101}}", "the count must be from 0 to 100"),
        ("phases: {build: {runtime-versions: {python: 3.x}}}", "unknown key runtime-versions in phases/build"),
        ("artifacts: {files: [a], type: zip}", "unknown key type in artifacts"),
        ("artifacts: {files: [a], secondary-artifacts: {b: {secondary-artifacts: {}}}}", "artifacts/secondary"),
        ("phases: {build: {run-as: somebody}}", "it cannot run them as somebody"),
        ("a: !!int b", "cannot be read"),
        ("a: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(BuildspecError) as caught:
        parse(HEAD + text, "root")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "retry"),
    [
        ("RETRY", Retry(3, ".*")),
        ("RETRY-0", Retry(0, ".*")),
        ("RETRY-12-a-b", Retry(12, "a-b")),
        ("RETRY-.*Error: no.*", Retry(3, ".*Error: no.*")),
    ],
)
def test_retries(text: str, retry: Retry) -> None:
    assert parse(f"{HEAD}phases: {{build: {{on-failure: '{text}'}}}}", "root").phases["build"].retry == retry


@given(st.text(max_size=200))
def test_no_text_is_more_than_an_error(text: str) -> None:
    for whole in (text, HEAD + text):
        with contextlib.suppress(BuildspecError):
            parse(whole, "root")
