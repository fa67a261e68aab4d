"""CodeCommit: repositories, their branches and files, and Git over HTTP."""
