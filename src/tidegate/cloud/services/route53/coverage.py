"""What of Route 53 is only recorded."""

from tidegate.cloud.coverage import Coverage

_WHY = "private zones resolve in the tasks of their VPC; no name server answers from public ones"

COVERAGE = Coverage(recorded={"CreateHostedZone ChangeResourceRecordSets": _WHY})
