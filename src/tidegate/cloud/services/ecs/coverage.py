"""What of ECS is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    without_effect={
        "ephemeralStorage": "tasks share this machine's disk, which has no quotas",
        "availabilityZoneRebalancing": "the subnets' zones are all this machine",
        "appProtocol": "Service Connect alone reads it",
    },
    left_out=(
        LeftOut(
            "Fargate has no container instances",
            "RegisterContainerInstance DeregisterContainerInstance DescribeContainerInstances ListContainerInstances "
            "UpdateContainerAgent UpdateContainerInstancesState StartTask PutAttributes DeleteAttributes "
            "ListAttributes",
        ),
        LeftOut(
            "it is what the agent of a container instance says to ECS, and Fargate has none",
            "DiscoverPollEndpoint SubmitAttachmentStateChanges SubmitContainerStateChange SubmitTaskStateChange",
        ),
        LeftOut(
            "a cluster on Fargate has the capacity providers FARGATE and FARGATE_SPOT, which nobody makes",
            "CreateCapacityProvider UpdateCapacityProvider DeleteCapacityProvider",
        ),
        LeftOut(
            "daemons run on container instances, and Fargate has none; give the task a sidecar",
            "CreateDaemon UpdateDaemon DeleteDaemon DescribeDaemon ListDaemons DescribeDaemonDeployments "
            "ListDaemonDeployments DescribeDaemonRevisions RegisterDaemonTaskDefinition DeleteDaemonTaskDefinition "
            "DescribeDaemonTaskDefinition ListDaemonTaskDefinitions",
        ),
        LeftOut(
            "use a service with a load balancer, an express service, or `tidegate up`",
            "CreateGateway UpdateGateway DeleteGateway DescribeGateway ListGateways "
            "DescribeGatewayResources DescribeGatewayRoute ListGatewayRoutes AssociateGatewayWithCluster "
            "DisassociateGatewayFromCluster ListGatewayClusterAssociations",
            concerns=True,
        ),
        LeftOut("it is not built yet", "ListServicesByNamespace", concerns=True),
    ),
)
