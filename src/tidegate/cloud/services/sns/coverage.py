"""What of SNS is only recorded."""

from tidegate.cloud.coverage import Coverage

COVERAGE = Coverage(
    recorded={
        "Subscribe ConfirmSubscription Publish PublishBatch": "nothing leaves this machine: no message is delivered",
    },
)
