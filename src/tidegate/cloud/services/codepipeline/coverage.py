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
            "it is not built yet",
            "AcknowledgeJob CreateCustomActionType DeleteCustomActionType GetActionType GetJobDetails "
            "ListDeployActionExecutionTargets PollForJobs "
            "PutActionRevision PutJobFailureResult PutJobSuccessResult UpdateActionType",
            concerns=True,
        ),
    ),
)
