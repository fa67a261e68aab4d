"""The article's Part 2, networking and cluster: a network, a cluster, a load balancer with its listeners."""

from __future__ import annotations

from troposphere import Ref, Template, ecs

from tidegate.manifest import Manifest
from tidegate.template import names
from tidegate.template.balancer import add_balancer
from tidegate.template.exports import export
from tidegate.template.network import add_network


def environment_template(manifest: Manifest, environment: str) -> Template:
    """Return the template of the stack APP-ENV."""
    template = Template()
    template.set_version()
    template.set_description(f"{manifest.app} in {environment}: network, cluster, load balancer. Made by Tidegate")
    stack = names.environment_stack(manifest.app, environment)
    add_network(template, manifest, environment)
    template.add_resource(
        ecs.Cluster(
            "Cluster",
            ClusterName=names.cluster(manifest.app, environment),
            # both, whether a service uses them or not: one that still does would keep the other from being taken away
            CapacityProviders=["FARGATE", "FARGATE_SPOT"],
        )
    )
    export(template, stack, "Cluster", Ref("Cluster"))
    imported = manifest.environment(environment).load_balancer
    if imported is None and any(service.routed for service in manifest.services_in(environment).values()):
        add_balancer(template, manifest, environment)
    elif imported is not None and imported.url is not None:
        export(template, stack, "Url", imported.url)
    return template
