"""What of CodeBuild is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    without_effect={
        "batchReportMode": "no build's status is reported to a provider",
        "bucketOwnerAccess": "there is one account",
        "modes": "LOCAL_SOURCE and LOCAL_DOCKER_LAYER_CACHE: sources and layers are on this machine anyway",
    },
    left_out=(
        LeftOut(
            "builds run on this machine, not on a fleet",
            "BatchGetFleets CreateFleet DeleteFleet ListFleets UpdateFleet",
        ),
        LeftOut(
            "there are no other accounts to share with, and no public",
            "PutResourcePolicy GetResourcePolicy DeleteResourcePolicy ListSharedProjects ListSharedReportGroups "
            "UpdateProjectVisibility",
        ),
        LeftOut(
            "a sandbox is a build that one types into; use a shell on this machine",
            "BatchGetCommandExecutions BatchGetSandboxes ListCommandExecutionsForSandbox ListSandboxes "
            "ListSandboxesForProject StartCommandExecution StartSandbox StartSandboxConnection StopSandbox",
        ),
        LeftOut(
            "a repository elsewhere reaches a build by CodeConnections",
            "ImportSourceCredentials ListSourceCredentials DeleteSourceCredentials CreateWebhook UpdateWebhook "
            "DeleteWebhook",
        ),
    ),
)
