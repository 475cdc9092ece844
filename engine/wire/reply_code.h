#ifndef VIV_WIRE_REPLY_CODE_H
#define VIV_WIRE_REPLY_CODE_H

/* ZooKeeper's refusal codes (client-protocol.md §5.2). They are data in a reply, never the failure of a function. */
enum viv_reply_code {
    VIV_REPLY_OK = 0,
    VIV_REPLY_SYSTEM_ERROR = -1, /* ours: the disk of the leader is full, nothing was written */
    VIV_REPLY_RUNTIME_INCONSISTENCY = -2,
    VIV_REPLY_MARSHALLING_ERROR = -5,
    VIV_REPLY_UNIMPLEMENTED = -6,
    VIV_REPLY_BAD_ARGUMENTS = -8,
    VIV_REPLY_NEW_CONFIG_NO_QUORUM = -13,
    VIV_REPLY_RECONFIG_IN_PROGRESS = -14,
    VIV_REPLY_NO_NODE = -101,
    VIV_REPLY_NO_AUTH = -102,
    VIV_REPLY_BAD_VERSION = -103,
    VIV_REPLY_NO_CHILDREN_FOR_EPHEMERALS = -108,
    VIV_REPLY_NODE_EXISTS = -110,
    VIV_REPLY_NOT_EMPTY = -111,
    VIV_REPLY_SESSION_EXPIRED = -112,
    VIV_REPLY_INVALID_ACL = -114,
    VIV_REPLY_AUTH_FAILED = -115,
    VIV_REPLY_SESSION_MOVED = -118,
    VIV_REPLY_NOT_READ_ONLY = -119,
    VIV_REPLY_EPHEMERAL_ON_LOCAL_SESSION = -120,
    VIV_REPLY_NO_WATCHER = -121,
    VIV_REPLY_RECONFIG_DISABLED = -123,
    VIV_REPLY_SESSION_CLOSED_REQUIRE_AUTH = -124,
    VIV_REPLY_QUOTA_EXCEEDED = -125,
    VIV_REPLY_THROTTLED = -127, /* ours: a limit of this server is reached that time may lift */
};

#endif /* VIV_WIRE_REPLY_CODE_H */
