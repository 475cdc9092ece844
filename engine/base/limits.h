#ifndef VIV_BASE_LIMITS_H
#define VIV_BASE_LIMITS_H

/* Every maximum of the engine, with its reason. Reaching one is a reply code, a closed connection or a
 * configuration error, never a crash. */

/* ZooKeeper's default jute.maxbuffer: clients apply the same bound to replies. */
#define VIV_FRAME_BYTES_MAX_DEFAULT 1048575
/* An entry holds a request of one frame plus header, ACLs resolved and multi overhead; readers of the wire and of
 * the log refuse more before they allocate. */
#define VIV_ENTRY_BYTES_MAX (64 << 20)
/* A stored ACL list goes out in one reply; `auth` entries multiply with the identities of a connection. */
#define VIV_ACL_BYTES_MAX (1 << 20)
/* The top byte of a session id carries the server id; 0xff marks TTL nodes. */
#define VIV_SID_MAX 254
/* ZooKeeper ensembles rarely exceed 13 servers; quorum sets are bit masks over member indexes. */
#define VIV_MEMBERS_MAX 64
/* Of a voter in hierarchical quorums: 64 of them add up without overflow. */
#define VIV_WEIGHT_MAX 1000000
/* Entries kept in memory for learners that come back (DIFF without touching the disk). */
#define VIV_HISTORY_BYTES_MAX (64 << 20)
/* Proposals in flight at a leader before it stops reading from clients. */
#define VIV_OUTSTANDING_MAX 100000
/* The same per connection; ZooKeeper's globalOutstandingLimit default. */
#define VIV_OUTSTANDING_PER_CONNECTION_MAX 1000
/* Bytes of the requests behind those two numbers: a few of the longest frames, and what the log takes in a breath. */
#define VIV_OUTSTANDING_BYTES_PER_CONNECTION_MAX (4 << 20)
#define VIV_OUTSTANDING_BYTES_MAX                (64 << 20)
/* How long a connection may be without a session; ZooKeeper's default. */
#define VIV_HANDSHAKE_MS_MAX 10000
/* Watches of one connection, and of all of a server: about 200 bytes each with its path. */
#define VIV_WATCHES_PER_CONNECTION_MAX 100000
#define VIV_WATCHES_MAX                4000000
/* A client that comes back sets all its watches anew; ZooKeeper's Java client in frames of 128 KiB, its C client in a
 * single one, of whatever length. Room for the most that a connection may hold, with paths of 160 bytes. */
#define VIV_SET_WATCHES_FRAME_BYTES_MAX (16 << 20)
/* Sessions: a leader keeps a deadline for each, and every server a row. */
#define VIV_SESSIONS_MAX 200000
/* New sessions, each a transaction: a storm of them must leave room for the old sessions that come back with it. */
#define VIV_NEW_SESSIONS_BURST_MAX      2000
#define VIV_NEW_SESSIONS_PER_SECOND_MAX 1000
/* One answer: a long list is made at one go, and stands in memory until its client has read it. */
#define VIV_REPLY_BYTES_MAX (4 << 20)
/* All identities of one connection: they travel with each of its writes. */
#define VIV_IDENTITY_BYTES_MAX (64 << 10)
/* Unsent reply bytes after which a connection is not read from any more. */
#define VIV_OUTPUT_PAUSE_BYTES (1 << 20)
/* Reply bytes of one connection that it may leave unread: replies have no size limit of their own in the protocol, and
 * one that no client takes must not fill the memory. More closes the connection. */
#define VIV_OUTPUT_BYTES_MAX (256 << 20)
/* Reply bytes of all connections that writes let go in one turn: who waits for a write is not paused, and a crowd that
 * waits for one commit gets everything at once. Over it, each that has asked for more than VIV_OUTPUT_PAUSE_BYTES
 * in that turn, and has a write behind, is closed. */
#define VIV_OUTPUT_BYTES_TURN_MAX (128 << 20)
/* Lists of children that are read page by page: each removal of a node looks at all of them. */
#define VIV_LISTINGS_MAX                1000
#define VIV_LISTINGS_PER_CONNECTION_MAX 8
/* One page of such a list: short enough to be served between others' requests. */
#define VIV_LISTING_PAGE_NAMES_MAX 10000
#define VIV_LISTING_PAGE_BYTES_MAX (256 << 10)
/* A connection with more unsent reply bytes must get on: when it takes nothing for so long it is closed. One reply of
 * any length still passes, and so does what waited behind one write, as long as it is read. */
#define VIV_OUTPUT_STALL_BYTES (8 << 20)
#define VIV_OUTPUT_STALL_MS    5000
/* Reply bytes made in one turn of the loop, after which further connections wait for a later turn, first come first
 * served: many who ask for much must neither fill the memory nor keep others waiting. About ten milliseconds. */
#define VIV_TURN_REPLY_BYTES_MAX (16 << 20)
/* From fewer unsent bytes on a connection that was held back is answered again. */
#define VIV_OUTPUT_DRAINED_BYTES (256 << 10)
/* Unsent reply bytes of all connections together. Over it, those that hold most of them are closed. */
#define VIV_OUTPUT_BYTES_TOTAL_MAX (256 << 20)
/* New connections a second and at once: a crowd that comes back after a failure is let in at a pace at which those who
 * are in are still served. */
#define VIV_CONNECTIONS_PER_SECOND 1000
#define VIV_CONNECTIONS_BURST      2000
/* Descriptors that clients cannot take: stores, peers, the admin port. */
#define VIV_DESCRIPTORS_RESERVED 64
/* How long a client may take to send one frame: one that lets it drip holds memory and a descriptor. */
#define VIV_FRAME_MS_MAX 30000
/* Unsent bytes of one link between servers. A learner that takes nothing would fill its leader's memory until it is
 * overdue; more cuts it off, and it comes back for what it missed. Holds what a slow one is sent to catch up: log that
 * was read, and the history. */
#define VIV_LINK_UNSENT_BYTES_MAX (256 << 20)
/* From this many unsent bytes on no more of the log is read for learners. */
#define VIV_LINK_READ_PAUSE_BYTES (64 << 20)
/* Election messages longer than this close the connection (ZooKeeper's own bound). */
#define VIV_ELECTION_FRAME_BYTES_MAX 524288
/* The text of a configuration of the ensemble. A full one takes less, and a vote carries two. */
#define VIV_MEMBERS_TEXT_BYTES_MAX (128 << 10)

#endif /* VIV_BASE_LIMITS_H */
