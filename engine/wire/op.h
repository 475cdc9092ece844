#ifndef VIV_WIRE_OP_H
#define VIV_WIRE_OP_H

/* Opcodes of the client protocol; the same numbers are the types of transactions (client-protocol.md §5,
 * on-disk-format.md §2.2). */
enum viv_op {
    VIV_OP_NOTIFICATION = 0,
    VIV_OP_CREATE = 1,
    VIV_OP_DELETE = 2,
    VIV_OP_EXISTS = 3,
    VIV_OP_GET_DATA = 4,
    VIV_OP_SET_DATA = 5,
    VIV_OP_GET_ACL = 6,
    VIV_OP_SET_ACL = 7,
    VIV_OP_GET_CHILDREN = 8,
    VIV_OP_SYNC = 9,
    VIV_OP_PING = 11,
    VIV_OP_GET_CHILDREN2 = 12,
    VIV_OP_CHECK = 13,
    VIV_OP_MULTI = 14,
    VIV_OP_CREATE2 = 15,
    VIV_OP_RECONFIG = 16,
    VIV_OP_CHECK_WATCHES = 17,
    VIV_OP_REMOVE_WATCHES = 18,
    VIV_OP_CREATE_CONTAINER = 19,
    VIV_OP_DELETE_CONTAINER = 20,
    VIV_OP_CREATE_TTL = 21,
    VIV_OP_MULTI_READ = 22,
    VIV_OP_AUTH = 100,
    VIV_OP_SET_WATCHES = 101,
    VIV_OP_SASL = 102,
    VIV_OP_GET_EPHEMERALS = 103,
    VIV_OP_GET_ALL_CHILDREN_NUMBER = 104,
    VIV_OP_SET_WATCHES2 = 105,
    VIV_OP_ADD_WATCH = 106,
    VIV_OP_WHO_AM_I = 107,
    VIV_OP_GET_CHILDREN_PAGE = 0x56495601, /* ours, far outside ZooKeeper's numbers, whose servers answer it with -6 and
                                              close: a children list in pieces (wire/records.h) */
    VIV_OP_CREATE_SESSION = -10,
    VIV_OP_CLOSE_SESSION = -11,
    VIV_OP_ERROR = -1,
};

enum viv_xid { VIV_XID_NOTIFICATION = -1, VIV_XID_PING = -2, VIV_XID_AUTH = -4, VIV_XID_SET_WATCHES = -8 };

enum viv_event_type {
    VIV_EVENT_NODE_CREATED = 1,
    VIV_EVENT_NODE_DELETED = 2,
    VIV_EVENT_NODE_DATA_CHANGED = 3,
    VIV_EVENT_NODE_CHILDREN_CHANGED = 4,
};

enum viv_perm { VIV_PERM_READ = 1, VIV_PERM_WRITE = 2, VIV_PERM_CREATE = 4, VIV_PERM_DELETE = 8, VIV_PERM_ADMIN = 16 };

#endif /* VIV_WIRE_OP_H */
