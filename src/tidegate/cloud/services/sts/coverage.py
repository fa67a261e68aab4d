"""What of STS is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    left_out=(
        LeftOut(
            "there is no identity provider here",
            "AssumeRoleWithSAML AssumeRoleWithWebIdentity GetWebIdentityToken",
        ),
        LeftOut(
            "the local cloud has one account",
            "AssumeRoot GetDelegatedAccessToken",
        ),
        LeftOut("use AssumeRole", "GetFederationToken"),
        LeftOut("a denial says here what it denies, unencoded", "DecodeAuthorizationMessage"),
    ),
)
