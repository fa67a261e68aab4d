"""What of S3 is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    left_out=(
        LeftOut(
            "it is for analysing buckets of many objects",
            "CreateBucketMetadataConfiguration CreateBucketMetadataTableConfiguration "
            "DeleteBucketMetadataConfiguration DeleteBucketMetadataTableConfiguration GetBucketMetadataConfiguration "
            "GetBucketMetadataTableConfiguration UpdateBucketMetadataAnnotationTableConfiguration "
            "UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration "
            "DeleteBucketAnalyticsConfiguration GetBucketAnalyticsConfiguration ListBucketAnalyticsConfigurations "
            "PutBucketAnalyticsConfiguration DeleteBucketInventoryConfiguration GetBucketInventoryConfiguration "
            "ListBucketInventoryConfigurations PutBucketInventoryConfiguration DeleteBucketMetricsConfiguration "
            "GetBucketMetricsConfiguration ListBucketMetricsConfigurations PutBucketMetricsConfiguration "
            "SelectObjectContent",
        ),
        LeftOut(
            "objects have one storage class here",
            "DeleteBucketIntelligentTieringConfiguration GetBucketIntelligentTieringConfiguration "
            "ListBucketIntelligentTieringConfigurations PutBucketIntelligentTieringConfiguration RestoreObject",
        ),
        LeftOut(
            "it is of directory buckets",
            "CreateSession ListDirectoryBuckets RenameObject",
        ),
        LeftOut(
            "it is for sites and browsers; a pipeline's bucket serves neither",
            "DeleteBucketCors PutBucketCors DeleteBucketWebsite PutBucketWebsite GetObjectTorrent "
            "PutBucketRequestPayment PutBucketAccelerateConfiguration",
        ),
        LeftOut(
            "there is no other region's bucket to copy to",
            "DeleteBucketReplication PutBucketReplication",
        ),
        LeftOut("it needs Lambda", "WriteGetObjectResponse"),
        LeftOut(
            "the bucket policy says who may",
            "GetBucketAbac PutBucketAbac",
        ),
        LeftOut(
            "it is the old form of the lifecycle configuration",
            "GetBucketLifecycle PutBucketLifecycle GetBucketNotification PutBucketNotification",
        ),
        LeftOut(
            "objects here are not locked",
            "GetObjectLegalHold PutObjectLegalHold GetObjectRetention PutObjectRetention PutObjectLockConfiguration",
        ),
        LeftOut(
            "objects have tags and metadata here, no annotations",
            "DeleteObjectAnnotation GetObjectAnnotation ListObjectAnnotations PutObjectAnnotation",
        ),
        LeftOut("it is not built yet", "PutBucketLogging UpdateObjectEncryption", concerns=True),
    ),
)
