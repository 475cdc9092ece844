#ifndef VIV_EXPERIMENTS_LAB_ETCD_MESSAGES_H
#define VIV_EXPERIMENTS_LAB_ETCD_MESSAGES_H

#include "base/bytes.h"

/* The few messages of etcd's key-value service (etcdserverpb of 3.4) that the lab needs, in Protocol Buffers, each
 * behind gRPC's five bytes (a flag, a size). Pure functions; what is read may be any bytes. */

enum { VIV_ETCD_PREFIX_BYTES = 5 };

/* Requests; appended to `out`, prefix and all. */
void viv_etcd_put(struct viv_buffer *out, struct viv_bytes key, struct viv_bytes value);
void viv_etcd_range(struct viv_buffer *out, struct viv_bytes key, bool serializable);
void viv_etcd_delete(struct viv_buffer *out, struct viv_bytes key);
/* A transaction: Put, if the key has no version yet. */
void viv_etcd_create(struct viv_buffer *out, struct viv_bytes key, struct viv_bytes value);

/* The one message of a reply, without its prefix. False: that is not what the bytes are. */
bool viv_etcd_message(struct viv_bytes body, struct viv_bytes *message);
/* Of a RangeResponse: whether there was a key, and the value of the first. False: malformed. */
bool viv_etcd_read_range(struct viv_bytes message, bool *is_found, struct viv_bytes *value);
/* Of a DeleteRangeResponse: how many keys went. */
bool viv_etcd_read_delete(struct viv_bytes message, uint64_t *deleted);
/* Of a TxnResponse: whether its condition held. */
bool viv_etcd_read_txn(struct viv_bytes message, bool *succeeded);

#endif /* VIV_EXPERIMENTS_LAB_ETCD_MESSAGES_H */
