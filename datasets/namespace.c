#include "datasets/namespace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/rng.h"

/* A shape is a trunk and a function that appends one unit (a topic, a collection, a table part) at a time. Nodes wait
 * in `pending` as {u32 path size, u32 data size, path, data}. */

struct viv_namespace {
    const struct shape *shape;
    uint64_t left, unit;
    struct viv_rng rng;
    struct viv_buffer pending;
    size_t taken;
};

typedef void unit_fn(struct viv_namespace *space);

struct shape {
    const char *name;
    const char *const *trunk;
    unit_fn *unit;
};

static void add(struct viv_namespace *space, struct viv_buffer *path, size_t data_bytes)
{
    static const char text[] = "{\"controller_epoch\":1,\"leader\":3,\"version\":1,\"leader_epoch\":0,\"isr\":[3,1,2]}";

    uint8_t *head = viv_buffer_extend(&space->pending, 8);
    viv_store_le32(head, (uint32_t)path->size);
    viv_store_le32(head + 4, (uint32_t)data_bytes);
    viv_buffer_append_bytes(&space->pending, viv_buffer_bytes(path));
    for (size_t done = 0; done < data_bytes;) {
        size_t part = data_bytes - done < sizeof text - 1 ? data_bytes - done : sizeof text - 1;
        viv_buffer_append(&space->pending, text, part);
        done += part;
    }
    viv_buffer_clear(path);
}

static void topic_unit(struct viv_namespace *space, struct viv_buffer *path)
{
    /* Kind of events -> partitions, as in the sample: a fifth of the topics each. */
    static const struct {
        const char *name;
        unsigned partitions;
    } kinds[] = {{"orders", 3}, {"billing", 6}, {"web", 12}, {"sensor", 12}, {"audit", 24}};

    unsigned kind = (unsigned)(space->unit % 5);
    char topic[64];
    struct viv_buffer name = {0};
    viv_buffer_printf(&name, "%s.events.%03" PRIu64, kinds[kind].name, space->unit);
    VIV_ASSERT(name.size < sizeof topic);
    memcpy(topic, name.data, name.size);
    topic[name.size] = 0;
    viv_buffer_fini(&name);
    viv_buffer_printf(path, "/brokers/topics/%s", topic);
    add(space, path, 90 + 13 * kinds[kind].partitions);
    viv_buffer_printf(path, "/brokers/topics/%s/partitions", topic);
    add(space, path, 0);
    for (unsigned i = 0; i < kinds[kind].partitions; i++) {
        viv_buffer_printf(path, "/brokers/topics/%s/partitions/%u", topic, i);
        add(space, path, 0);
        viv_buffer_printf(path, "/brokers/topics/%s/partitions/%u/state", topic, i);
        add(space, path, 80);
    }
    viv_buffer_printf(path, "/config/topics/%s", topic);
    add(space, path, 60);
}

static void collection_unit(struct viv_namespace *space, struct viv_buffer *path)
{
    static const struct {
        const char *suffix;
        size_t data_bytes;
    } parts[] = {{"", 27},      {"/collectionprops.json", 3}, {"/leader_elect", 0}, {"/leaders", 0},
                 {"/terms", 0}, {"/state.json", 888}};
    static const char *const of_shard[] = {"/leader_elect/shard%u", "/leader_elect/shard%u/election",
                                           "/leaders/shard%u", "/terms/shard%u"};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        viv_buffer_printf(path, "/solr/collections/coll%02" PRIu64 "%s", space->unit, parts[i].suffix);
        add(space, path, parts[i].data_bytes);
    }
    for (unsigned shard = 1; shard <= 3; shard++) {
        for (size_t i = 0; i < sizeof of_shard / sizeof of_shard[0]; i++) {
            viv_buffer_printf(path, "/solr/collections/coll%02" PRIu64, space->unit);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            viv_buffer_printf(path, of_shard[i], shard);
#pragma GCC diagnostic pop
            add(space, path, i == 3 ? 33 : 0);
        }
    }
}

static void region_unit(struct viv_namespace *space, struct viv_buffer *path)
{
    char server[64];
    struct viv_buffer name = {0};
    viv_buffer_printf(&name, "rs%02" PRIu64 ".example,16020,1700000000000", space->unit);
    VIV_ASSERT(name.size < sizeof server);
    memcpy(server, name.data, name.size);
    server[name.size] = 0;
    viv_buffer_fini(&name);
    viv_buffer_printf(path, "/hbase/replication/rs/%s", server);
    add(space, path, 0);
    for (unsigned peer = 0; peer < 3; peer++) {
        viv_buffer_printf(path, "/hbase/replication/rs/%s/peer%u", server, peer);
        add(space, path, 0);
        for (unsigned i = 0; i < 44; i++) {
            viv_buffer_printf(path, "/hbase/replication/rs/%s/peer%u/rs%02" PRIu64 ".example%%2C16020%%2C%u", server,
                              peer, space->unit, 1700000000U + i);
            add(space, path, 30);
        }
    }
    for (unsigned table = 0; table < 29; table++) {
        viv_buffer_printf(path, "/hbase/table/ns%u:tbl%04" PRIu64, table % 7, space->unit * 29 + table);
        add(space, path, 24);
    }
}

/* 570 topics, 55 collections and 24 region servers in the sample: 24 : 2 : 1. */
static void cluster_unit(struct viv_namespace *space)
{
    struct viv_buffer path = {0};
    topic_unit(space, &path);
    if (space->unit % 10 == 9) {
        collection_unit(space, &path);
    }
    if (space->unit % 24 == 23) {
        region_unit(space, &path);
    }
    viv_buffer_fini(&path);
}

/* One table part on one replica, and for every seventh part a block in the one large directory. */
static void mergetree_unit(struct viv_namespace *space)
{
    enum { PARTS_PER_TABLE = 4000 };
    struct viv_buffer path = {0};
    uint64_t table = space->unit / PARTS_PER_TABLE;
    uint64_t part = space->unit % PARTS_PER_TABLE;
    char root[96];
    struct viv_buffer name = {0};
    viv_buffer_printf(&name, "/clickhouse/tables/%08" PRIx64 "-4b7d-4c22-9e1f-%012" PRIx64 "/shard-%02" PRIu64,
                      viv_mix64(table) >> 32, viv_mix64(table + 1) >> 16, table % 16);
    VIV_ASSERT(name.size < sizeof root);
    memcpy(root, name.data, name.size);
    root[name.size] = 0;
    if (part == 0) {
        size_t shard = (size_t)(strrchr(root, '/') - root);
        viv_buffer_printf(&path, "%.*s", (int)shard, root);
        add(space, &path, 0);
        static const char *const folders[] = {"", "/replicas", "/replicas/replica-0001",
                                              "/replicas/replica-0001/parts"};
        for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
            viv_buffer_printf(&path, "%s%s", root, folders[i]);
            add(space, &path, 0);
        }
    }
    viv_buffer_printf(&path, "%s/replicas/replica-0001/parts/2024%02" PRIu64 "_%" PRIu64 "_%" PRIu64 "_0", root,
                      part % 12 + 1, 100000 + part, 100000 + part);
    add(space, &path, viv_rng_below(&space->rng, 100) < 38 ? 0 : 82);
    if (space->unit % 8 == 0) {
        viv_buffer_printf(&path,
                          "/clickhouse/tables/00000000-4b7d-4c22-9e1f-000000000000/shard-01/blocks/all_%020" PRIu64
                          "_%020" PRIu64,
                          viv_rng_next(&space->rng), space->unit);
        add(space, &path, 0);
    }
    viv_buffer_fini(&name);
    viv_buffer_fini(&path);
}

static void flat_unit(struct viv_namespace *space)
{
    struct viv_buffer path = {0};
    viv_buffer_printf(&path, "/flat/n%010" PRIu64, space->unit);
    add(space, &path, 100);
    viv_buffer_fini(&path);
}

static const char *const cluster_trunk[] = {"/brokers",
                                            "/brokers/ids",
                                            "/brokers/seqid",
                                            "/brokers/topics",
                                            "/config",
                                            "/config/topics",
                                            "/config/changes",
                                            "/admin",
                                            "/admin/delete_topics",
                                            "/solr",
                                            "/solr/collections",
                                            "/solr/live_nodes",
                                            "/solr/overseer",
                                            "/hbase",
                                            "/hbase/rs",
                                            "/hbase/table",
                                            "/hbase/replication",
                                            "/hbase/replication/rs",
                                            "/hbase/replication/peers",
                                            NULL};
static const char *const mergetree_trunk[] = {"/clickhouse",
                                              "/clickhouse/tables",
                                              "/clickhouse/tables/00000000-4b7d-4c22-9e1f-000000000000",
                                              "/clickhouse/tables/00000000-4b7d-4c22-9e1f-000000000000/shard-01",
                                              "/clickhouse/tables/00000000-4b7d-4c22-9e1f-000000000000/shard-01/blocks",
                                              NULL};
static const char *const flat_trunk[] = {"/flat", NULL};

static const struct shape shapes[] = {
    {"cluster", cluster_trunk, cluster_unit},
    {"mergetree", mergetree_trunk, mergetree_unit},
    {"flat", flat_trunk, flat_unit},
};

const char *const viv_namespace_shapes[] = {"cluster", "mergetree", "flat", NULL};

static const struct shape *find_shape(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            return &shapes[i];
        }
    }
    return NULL;
}

struct viv_namespace *viv_namespace_open(const char *shape, uint64_t count, uint64_t seed)
{
    const struct shape *found = find_shape(shape);
    if (found == NULL) {
        return NULL;
    }
    struct viv_namespace *space = viv_alloc_zeroed(1, sizeof *space);
    space->shape = found;
    space->left = count;
    viv_rng_init(&space->rng, seed);
    struct viv_buffer path = {0};
    for (const char *const *node = found->trunk; *node != NULL; node++) {
        viv_buffer_append_bytes(&path, viv_bytes_text(*node));
        add(space, &path, 0);
    }
    viv_buffer_fini(&path);
    return space;
}

void viv_namespace_close(struct viv_namespace *space)
{
    viv_buffer_fini(&space->pending);
    free(space);
}

bool viv_namespace_next(struct viv_namespace *space, struct viv_namespace_node *node)
{
    if (space->left == 0) {
        return false;
    }
    if (space->taken == space->pending.size) {
        viv_buffer_clear(&space->pending);
        space->taken = 0;
        space->shape->unit(space);
        space->unit++;
    }
    VIV_ASSERT(space->pending.size - space->taken >= 8);
    const uint8_t *head = space->pending.data + space->taken;
    node->path = viv_bytes_of(head + 8, viv_load_le32(head));
    node->data = viv_bytes_of(node->path.data + node->path.size, viv_load_le32(head + 4));
    space->taken += 8 + node->path.size + node->data.size;
    space->left--;
    return true;
}
