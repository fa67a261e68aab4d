"""How many resources wait for each other in a row, beside what AWS CDK makes for the same service and pipeline.

A stack takes as long as its longest chain of waits. Ours are several stacks, one made after the other, so that their
chains add up; CDK's is one. Needs npm, which fetches aws-cdk-lib.

    python -m benchmarks.graph_depth
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import show
from tidegate.manifest import Stage, parse
from tidegate.template.environment import environment_template
from tidegate.template.image import image_template
from tidegate.template.pipeline import pipeline_template
from tidegate.template.service import service_template

_PEER = Path(__file__).parent / "cdk"
_MANIFEST = "app: hello\nservices: {web: {port: 8080, count: {min: 2, desired: 2, max: 4}, scaling: {cpu: 70}}}\n"


def longest_chain(template: Mapping[str, Any]) -> list[str]:
    """Return the longest chain of resources of which each waits for the one before."""
    resources = template["Resources"]
    known: dict[str, list[str]] = {}

    def chain(title: str) -> list[str]:
        if title not in known:
            before = [chain(each) for each in sorted(set(_mentions(resources[title]))) if each in resources]
            known[title] = [*max(before, key=len, default=[]), title]
        return known[title]

    return max((chain(title) for title in resources), key=len)


def _mentions(node: Any) -> Iterator[str]:
    """Yield the logical ids that something refers to."""
    if isinstance(node, list):
        for each in node:
            yield from _mentions(each)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "DependsOn":
            yield from [value] if isinstance(value, str) else value
        elif key == "Ref":
            yield value
        elif key == "Fn::GetAtt":
            yield value.split(".")[0] if isinstance(value, str) else value[0]
        elif key == "Fn::Sub":
            text = value if isinstance(value, str) else value[0]
            yield from re.findall(r"\$\{([A-Za-z0-9]+)[.}]", text)
        yield from _mentions(value)


def ours() -> dict[str, Any]:
    """Return our templates of the app by their stacks."""
    manifest = parse(_MANIFEST)
    stages = [Stage(environment="local")]
    return {
        "image": image_template(manifest, stages).to_dict(),
        "environment": environment_template(manifest, "local").to_dict(),
        "service": service_template(manifest, "local", "web").to_dict(),
        "pipeline": pipeline_template(manifest, stages).to_dict(),
    }


def peer() -> Any:
    """Return CDK's template of the same app."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(_PEER, folder, dirs_exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        done = subprocess.run(["node", "app.js"], cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    """Print each stack's chain, and ours beside CDK's."""
    templates = ours()
    chains = {stack: longest_chain(template) for stack, template in templates.items()}
    for stack, chain in chains.items():
        print(f"{stack}: {len(chain)} of {len(templates[stack]['Resources'])} resources: {' > '.join(chain)}")
    theirs = peer()
    chain = longest_chain(theirs)
    print(f"CDK: {len(chain)} of {len(theirs['Resources'])} resources: {' > '.join(chain)}")
    # the environment is made while the first image is built, and the longer of both is waited for
    whole = max(len(chains["image"]), len(chains["environment"])) + len(chains["service"]) + len(chains["pipeline"])
    deepest = max(map(len, chains.values()))
    show(
        "longest chain of waits, the deepest of our stacks",
        f"ours {deepest}, CDK {len(chain)}; ours one after the other {whole}",
        deepest / len(chain),
        goal="at most 1.0",
        met=deepest <= len(chain),
    )


if __name__ == "__main__":
    main()
