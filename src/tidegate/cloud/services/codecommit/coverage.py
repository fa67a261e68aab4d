"""What of CodeCommit is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    left_out=(
        LeftOut(
            "a trigger calls a Lambda function or a topic of people; a pipeline starts by itself",
            "GetRepositoryTriggers PutRepositoryTriggers TestRepositoryTriggers",
        ),
        LeftOut(
            "comments are talk about a change, which no pipeline hears",
            "DeleteCommentContent GetComment GetCommentReactions GetCommentsForComparedCommit "
            "GetCommentsForPullRequest PostCommentForComparedCommit PostCommentForPullRequest PostCommentReply "
            "PutCommentReaction UpdateComment",
        ),
        LeftOut("repositories are not encrypted here", "UpdateRepositoryEncryptionKey"),
        LeftOut(
            "it is not built yet; merge with git and push",
            "AssociateApprovalRuleTemplateWithRepository BatchAssociateApprovalRuleTemplateWithRepositories "
            "BatchDescribeMergeConflicts BatchDisassociateApprovalRuleTemplateFromRepositories "
            "CreateApprovalRuleTemplate CreatePullRequest CreatePullRequestApprovalRule CreateUnreferencedMergeCommit "
            "DeleteApprovalRuleTemplate DeletePullRequestApprovalRule DescribeMergeConflicts "
            "DescribePullRequestEvents DisassociateApprovalRuleTemplateFromRepository "
            "EvaluatePullRequestApprovalRules GetApprovalRuleTemplate GetBlobDifferences GetMergeCommit "
            "GetMergeConflicts GetMergeOptions GetPullRequest GetPullRequestApprovalStates "
            "GetPullRequestOverrideState ListApprovalRuleTemplates "
            "ListAssociatedApprovalRuleTemplatesForRepository ListFileCommitHistory ListPullRequests "
            "ListRepositoriesForApprovalRuleTemplate MergeBranchesByFastForward MergeBranchesBySquash "
            "MergeBranchesByThreeWay MergePullRequestByFastForward MergePullRequestBySquash "
            "MergePullRequestByThreeWay OverridePullRequestApprovalRules UpdateApprovalRuleTemplateContent "
            "UpdateApprovalRuleTemplateDescription UpdateApprovalRuleTemplateName "
            "UpdatePullRequestApprovalRuleContent UpdatePullRequestApprovalState UpdatePullRequestDescription "
            "UpdatePullRequestStatus UpdatePullRequestTitle",
            concerns=True,
        ),
    ),
)
