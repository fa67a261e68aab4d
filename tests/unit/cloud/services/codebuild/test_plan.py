"""What follows a phase, and what a buildspec says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.codebuild.buildspec import Artifact, Cache, ReportFiles, parse
from tidegate.cloud.services.codebuild.plan import after, outcome

PHASES = ["PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD", "UPLOAD_ARTIFACTS"]
REACTIONS = st.sampled_from(["", "on-failure: ABORT", "on-failure: CONTINUE"])


@given(st.lists(st.booleans(), min_size=7, max_size=7), st.lists(REACTIONS, min_size=4, max_size=4))
def test_every_build_comes_to_its_end_in_order(successes: list[bool], reactions: list[str]) -> None:
    names = ["install", "pre_build", "build", "post_build"]
    text = "version: 0.2\nphases:\n" + "".join(
        f"  {name}:\n    commands: [x]\n    {reaction}\n" for name, reaction in zip(names, reactions, strict=True)
    )
    spec = parse(text, "root")
    phase, walked = "PROVISIONING", []
    while phase != "FINALIZING":
        walked.append(phase)
        phase = after(phase, successes[PHASES.index(phase)], spec)
    assert walked == PHASES[: len(walked)]
    if all(successes):
        assert walked == PHASES
    if not (successes[0] and successes[1]):
        assert "INSTALL" not in walked


def test_the_worst_phase_is_the_builds_status() -> None:
    assert outcome(["SUCCEEDED", "SUCCEEDED"]) == "SUCCEEDED"
    assert outcome(["SUCCEEDED", "FAILED", "SUCCEEDED"]) == "FAILED"
    assert outcome(["FAILED", "STOPPED"]) == "STOPPED"


def test_a_whole_buildspec() -> None:
    spec = parse(
        """version: 0.2
env:
  shell: bash
  variables: {A: 1, B: true}
  exported-variables: [A]
  git-credential-helper: yes
phases:
  install:
    runtime-versions: {python: 3.11}
  build:
    on-failure: ABORT
    commands:
      - one
      - |
        two
        three
    finally: last
reports:
  unit: {files: ['*.xml']}
artifacts:
  files: imagedefinitions.json
  name: build-$(date +%Y)
  discard-paths: yes
  secondary-artifacts:
    Other:
      files: ['**/*']
      base-directory: dist
cache:
  paths: ['/root/.cache/**/*']
""",
        "root",
    )
    assert spec.variables == {"A": "1", "B": "true"}
    assert spec.git_credential_helper
    assert spec.phases["install"].runtimes == {"python": "3.11"}
    assert spec.phases["build"].commands == ("one", "two\nthree\n")
    assert (spec.phases["build"].final, spec.phases["build"].on_failure) == (("last",), "ABORT")
    assert spec.artifacts == Artifact(("imagedefinitions.json",), "build-$(date +%Y)", discard_paths=True)
    assert spec.secondary_artifacts["Other"].base == "dist"
    assert spec.reports == (ReportFiles("unit", ("*.xml",), "JUNITXML"),)
    assert spec.cache == Cache(("/root/.cache/**/*",))
