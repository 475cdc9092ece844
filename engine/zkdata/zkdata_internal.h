#ifndef VIV_ZKDATA_ZKDATA_INTERNAL_H
#define VIV_ZKDATA_ZKDATA_INTERNAL_H

/* Numbers of ZooKeeper's files (on-disk-format.md §2.1 and §3.2), for the readers and writers of this room. */

#define VIV_ZK_SNAPSHOT_MAGIC 0x5a4b534eU
#define VIV_ZK_LOG_MAGIC      0x5a4b4c47U
/* What ends the nodes of a snapshot and each of its seals: the string "/". */
#define VIV_ZK_END_OF_PART "\0\0\0\1/"

enum {
    VIV_ZK_FILE_HEADER_BYTES = 16,
    VIV_ZK_FILE_VERSION = 2,
    VIV_ZK_DIGEST_VERSION = 2,
    VIV_ZK_DIGEST_BYTES = 12,
    VIV_ZK_END_OF_PART_BYTES = 5,
    VIV_ZK_SEAL_BYTES = 8 + VIV_ZK_END_OF_PART_BYTES,
    VIV_ZK_RECORD_HEAD_BYTES = 12,
    VIV_ZK_RECORD_END = 'B',
};

#endif /* VIV_ZKDATA_ZKDATA_INTERNAL_H */
