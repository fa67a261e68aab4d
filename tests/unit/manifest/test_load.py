"""Every mistake in a manifest is named by its path, its line, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.manifest import ManifestError, load, parse
from tidegate.manifest.detect import detect

MINIMAL = "app: hello\nservices: {web: {port: 8080}}\n"


def faults(text: str, environment: str | None = None) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse(text, environment)
    return [str(fault) for fault in caught.value.faults]


def test_the_smallest_manifest() -> None:
    manifest = parse(MINIMAL)
    web = manifest.services["web"]
    assert (manifest.app, manifest.repository, manifest.source.branch) == ("hello", "hello", "main")
    assert (web.port, web.cpu, web.memory, web.count.desired) == (8080, 256, 512, 1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("app: hello\nservices:\n  web:\n    prot: 80", "line 4, services.web.prot: unknown key; did you mean port?"),
        (
            "app: hello\nservices:\n  web:\n    health: {pth: /x}",
            "line 4, services.web.health.pth: unknown key; did you mean path?",
        ),
        (
            "app: hello\nservices:\n  web:\n    cpu: 300",
            "line 3, services.web: cpu 300 is not a Fargate size; use one of 256, 512, 1024, 2048, 4096, 8192, 16384",
        ),
        (
            "app: hello\nservices:\n  web: {cpu: 256, memory: 4096}",
            "line 3, services.web: memory 4096 does not go with cpu 256 on Fargate; use 512, 1024, 2048",
        ),
        (
            "app: hello\nservices:\n  web: {memory: 512MB}",
            "line 3, services.web.memory: input should be a valid integer, unable to parse string as an integer",
        ),
        ("services: {web: {}}", "app: it is missing"),
        ("app: hello", "services: it is missing"),
        (
            "app: Hello\nservices: {web: {}}",
            "line 1, app: 'Hello' is not a name: lower-case letters, digits and -, a letter first, 30 at the most",
        ),
        (
            "app: hello\nservices:\n  web:\n    sidecars: {}",
            "line 4, services.web.sidecars: sidecars are not offered yet",
        ),
        (
            "app: hello\nservices:\n  web:\n    count: {min: 3, max: 2}",
            "line 4, services.web.count: min <= desired <= max does not hold: 3, 3, 2",
        ),
        (
            "app: hello\nservices:\n  web:\n    health: {interval: 5, timeout: 5}",
            "line 4, services.web.health: timeout must be less than interval: 5 is not less than 5",
        ),
        (
            "app: hello\nservices:\n  web:\n    secrets: {KEY: plain-text}",
            "line 4, services.web.secrets: KEY is 'plain-text', but a secret reads ssm:/name of an SSM parameter",
        ),
        (
            "app: hello\nservices: {web: {}}\nsource: {provider: svn}",
            "line 3, source.provider: 'svn' is none of 'codecommit'",
        ),
        (
            "app: hello\nservices: {web: {}}\nenvironments:\n  staging: {services: {wbe: {}}}",
            "line 4, environments.staging.services.wbe: there is no such service; there are web",
        ),
        (
            "app: hello\nservices: {web: {}}\npipeline: {stages: [prod]}",
            "line 3, pipeline.stages.0: there is no environment 'prod'; there are local",
        ),
    ],
)
def test_mistakes(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_all_mistakes_are_told_at_once() -> None:
    found = faults("app: hello\nservices:\n  web:\n    prot: 80\n    health: {path: x}")
    assert len(found) == 2


def test_what_is_not_yaml() -> None:
    assert faults("app: [\n")[0].startswith("line 2, not YAML: ")
    assert faults("") == ["it is empty, or not a mapping of keys"]


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"tidegate\.yml: there is none in .*; run tidegate init"):
        load(tmp_path / "tidegate.yml")


def test_an_environment_overrides_a_service() -> None:
    text = MINIMAL + "environments:\n  staging:\n    services: {web: {cpu: 512, memory: 1024, count: {max: 5}}}\n"
    staging, local = parse(text, "staging").services["web"], parse(text, "local").services["web"]
    assert (staging.cpu, staging.count.max, staging.count.desired, staging.port) == (512, 5, 1, 8080)
    assert (local.cpu, local.count.max) == (256, 1)


def test_an_override_has_its_path_in_its_fault() -> None:
    text = MINIMAL + "environments:\n  staging:\n    services:\n      web: {cpu: 300}\n"
    assert faults(text, "staging")[0].startswith("line 6, environments.staging.services.web: cpu 300")
    assert "there is no 'prod'; there are local, staging" in faults(text, "prod")[0]


def test_numbers_and_truth_values_become_environment_variables() -> None:
    manifest = parse("app: a\nservices: {web: {environment: {N: 1, T: true, S: x}}}")
    assert manifest.services["web"].environment == {"N": "1", "T": "true", "S": "x"}


def test_what_a_repository_says_of_itself(tmp_path: Path) -> None:
    root = tmp_path / "My Shop!"
    root.mkdir()
    assert detect(root) is None
    (root / "Dockerfile").write_text("FROM x\nEXPOSE 3000/tcp\n")
    found = detect(root)
    assert found is not None
    assert (found.app, found.service, found.port) == ("my-shop", "web", 3000)
    assert parse(found.manifest()).services["web"].port == 3000
    (root / "Dockerfile").write_text("FROM x\n")
    worker = detect(root)
    assert worker is not None
    assert parse(worker.manifest()).services["worker"].port is None


def test_the_example_is_a_manifest() -> None:
    example = Path(__file__).parents[3] / "examples" / "hello" / "tidegate.yml"
    for environment in ("local", "production"):
        load(example, environment)
