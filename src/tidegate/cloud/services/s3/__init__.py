"""S3: buckets, objects and their versions, uploads in parts; bytes in files, the rest in the store."""
