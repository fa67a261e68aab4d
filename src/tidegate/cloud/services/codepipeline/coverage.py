"""What of CodePipeline is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    left_out=(
        LeftOut(
            "third-party actions are run by AWS's partners",
            "AcknowledgeThirdPartyJob GetThirdPartyJobDetails PollForThirdPartyJobs PutThirdPartyJobFailureResult "
            "PutThirdPartyJobSuccessResult",
        ),
        LeftOut(
            "it is of the first kind of pipelines; a pipeline V2 has triggers",
            "PutWebhook DeleteWebhook ListWebhooks RegisterWebhookWithThirdParty DeregisterWebhookWithThirdParty",
        ),
        LeftOut(
            "it is of action types that AWS makes for its partners: there is no operation that makes one",
            "GetActionType UpdateActionType",
        ),
        LeftOut(
            "it is of deployments to instances and to EKS, which are not offered",
            "ListDeployActionExecutionTargets",
        ),
    ),
)
