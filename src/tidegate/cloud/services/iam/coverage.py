"""What of IAM is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    recorded={
        "CreateInstanceProfile DeleteInstanceProfile GetInstanceProfile ListInstanceProfiles "
        "AddRoleToInstanceProfile RemoveRoleFromInstanceProfile": "nothing here runs on an instance",
    },
    left_out=(
        LeftOut(
            "nobody signs in here: there is no console",
            "ChangePassword CreateLoginProfile DeleteLoginProfile GetLoginProfile UpdateLoginProfile "
            "CreateVirtualMFADevice DeactivateMFADevice DeleteVirtualMFADevice EnableMFADevice GetMFADevice "
            "ListMFADeviceTags ListMFADevices ListVirtualMFADevices ResyncMFADevice TagMFADevice UntagMFADevice "
            "UpdateAccountPasswordPolicy GetAccountPasswordPolicy DeleteAccountPasswordPolicy CreateAccountAlias "
            "DeleteAccountAlias ListAccountAliases",
        ),
        LeftOut(
            "there is no identity provider here",
            "AddClientIDToOpenIDConnectProvider CreateOpenIDConnectProvider CreateSAMLProvider "
            "DeleteOpenIDConnectProvider DeleteSAMLProvider GetOpenIDConnectProvider GetSAMLProvider "
            "ListOpenIDConnectProviderTags ListOpenIDConnectProviders ListSAMLProviderTags ListSAMLProviders "
            "RemoveClientIDFromOpenIDConnectProvider TagOpenIDConnectProvider TagSAMLProvider "
            "UntagOpenIDConnectProvider UntagSAMLProvider UpdateOpenIDConnectProviderThumbprint UpdateSAMLProvider "
            "DisableOutboundWebIdentityFederation EnableOutboundWebIdentityFederation "
            "GetOutboundWebIdentityFederationInfo",
        ),
        LeftOut(
            "the local cloud has one account, of no organization",
            "AcceptDelegationRequest AcquireRole AssociateDelegationRequest CreateDelegationRequest "
            "GetDelegationRequest ListDelegationRequests RejectDelegationRequest SendDelegationToken "
            "UpdateDelegationRequest DisableOrganizationsRootCredentialsManagement "
            "DisableOrganizationsRootSessions EnableOrganizationsRootCredentialsManagement "
            "EnableOrganizationsRootSessions GenerateOrganizationsAccessReport GetOrganizationsAccessReport "
            "ListOrganizationsFeatures GetAccountProperties PutAccountProperties GetHumanReadableSummary "
            "GetRoleTemplateVersion SetSecurityTokenServicePreferences",
        ),
        LeftOut(
            "certificates are ACM's here, and git speaks HTTP",
            "DeleteServerCertificate GetServerCertificate ListServerCertificateTags ListServerCertificates "
            "TagServerCertificate UntagServerCertificate UpdateServerCertificate UploadServerCertificate "
            "DeleteSigningCertificate ListSigningCertificates UpdateSigningCertificate UploadSigningCertificate "
            "DeleteSSHPublicKey GetSSHPublicKey ListSSHPublicKeys UpdateSSHPublicKey UploadSSHPublicKey",
        ),
        LeftOut(
            "it is for the people of a company; what runs here has roles",
            "AddUserToGroup AttachGroupPolicy CreateGroup DeleteGroup DeleteGroupPolicy DetachGroupPolicy GetGroup "
            "GetGroupPolicy ListAttachedGroupPolicies ListGroupPolicies ListGroups ListGroupsForUser PutGroupPolicy "
            "RemoveUserFromGroup UpdateGroup PutUserPermissionsBoundary DeleteUserPermissionsBoundary "
            "GenerateCredentialReport GetCredentialReport",
        ),
        LeftOut(
            "it is not built yet",
            "DeleteServiceLinkedRole GetServiceLinkedRoleDeletionStatus GenerateServiceLastAccessedDetails "
            "GetServiceLastAccessedDetails GetServiceLastAccessedDetailsWithEntities GetAccessKeyLastUsed "
            "GetAccountAuthorizationDetails GetAccountSummary GetContextKeysForCustomPolicy "
            "GetContextKeysForPrincipalPolicy ListInstanceProfileTags ListInstanceProfilesForRole ListPolicyTags "
            "ListUserTags ListPoliciesGrantingServiceAccess SimulateCustomPolicy TagInstanceProfile TagPolicy TagUser "
            "UntagInstanceProfile UntagPolicy UntagUser UpdateUser ResetServiceSpecificCredential "
            "UpdateServiceSpecificCredential",
            concerns=True,
        ),
    ),
)
