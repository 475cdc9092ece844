#include "zkdata/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/log.h"

enum { SNAPSHOT_VERSION = 2, SESSION_BYTES = 12, ACL_ROW_BYTES_MIN = 12, READ_BYTES = 1 << 20 };

#define SNAPSHOT_MAGIC     0x5a4b534e
#define UNPACKED_BYTES_MAX (UINT64_C(8) << 30)
#define OPEN_UNSAFE_KEY    (-1)

struct acl_row {
    int64_t key;
    struct viv_bytes list;
};

struct snapshot {
    const char *file;
    struct viv_buffer bytes;
    struct viv_jute_reader reader;
    struct acl_row *acls; /* ascending keys */
    size_t acl_count;
    uint32_t adler; /* of the bytes before `sealed` */
    size_t sealed;
};

static viv_status damaged(const struct snapshot *snapshot, const char *what)
{
    viv_log(VIV_LOG_ERROR, "zkdata", what, "file=%s offset=%zu", snapshot->file,
            snapshot->bytes.size - snapshot->reader.rest.size);
    return VIV_ERR_CORRUPT;
}

/* gzread passes plain files through unchanged, so both forms are read by the same loop. */
static viv_status read_file(struct snapshot *snapshot)
{
    gzFile file = gzopen(snapshot->file, "rb");
    if (file == NULL) {
        viv_log(VIV_LOG_ERROR, "zkdata", "cannot open the snapshot", "file=%s errno=\"%s\"", snapshot->file,
                strerror(errno));
        return errno == ENOENT ? VIV_ERR_NOT_FOUND : VIV_ERR_SYSTEM;
    }
    viv_status status = VIV_OK;
    for (;;) {
        int got = gzread(file, viv_buffer_reserve(&snapshot->bytes, READ_BYTES), READ_BYTES);
        if (got < 0) {
            status = damaged(snapshot, "the compressed snapshot cannot be unpacked");
        }
        if (got <= 0) {
            break;
        }
        snapshot->bytes.size += (size_t)got;
        if (snapshot->bytes.size > UNPACKED_BYTES_MAX) {
            viv_log(VIV_LOG_ERROR, "zkdata", "the snapshot is larger than 8 GiB unpacked", "file=%s", snapshot->file);
            status = VIV_ERR_LIMIT;
            break;
        }
    }
    gzclose(file);
    return status;
}

static viv_status read_header(struct snapshot *snapshot, struct viv_zk_snapshot_info *info)
{
    struct viv_jute_reader *reader = &snapshot->reader;
    int32_t magic = viv_jute_read_int(reader);
    int32_t version = viv_jute_read_int(reader);
    viv_jute_read_long(reader);
    if (reader->bad || magic != SNAPSHOT_MAGIC || version != SNAPSHOT_VERSION) {
        return damaged(snapshot, "this is not a ZooKeeper snapshot");
    }
    int32_t sessions = viv_jute_read_count(reader, SESSION_BYTES);
    if (sessions < 0 || reader->bad) {
        return damaged(snapshot, "the session table is damaged");
    }
    viv_jute_read_raw(reader, (size_t)sessions * SESSION_BYTES);
    info->sessions = (uint64_t)sessions;
    return VIV_OK;
}

static int compare_acl_rows(const void *a, const void *b)
{
    int64_t left = ((const struct acl_row *)a)->key;
    int64_t right = ((const struct acl_row *)b)->key;
    return left < right ? -1 : left > right;
}

static viv_status read_acls(struct snapshot *snapshot, struct viv_zk_snapshot_info *info)
{
    struct viv_jute_reader *reader = &snapshot->reader;
    int32_t count = viv_jute_read_count(reader, ACL_ROW_BYTES_MIN);
    if (count < 0 || reader->bad) {
        return damaged(snapshot, "the ACL table is damaged");
    }
    snapshot->acls = viv_alloc_zeroed((size_t)count, sizeof *snapshot->acls);
    for (int32_t i = 0; i < count; i++) {
        snapshot->acls[i].key = viv_jute_read_long(reader);
        snapshot->acls[i].list = viv_acl_list_read(reader);
    }
    snapshot->acl_count = (size_t)count;
    qsort(snapshot->acls, snapshot->acl_count, sizeof *snapshot->acls, compare_acl_rows);
    info->acls = snapshot->acl_count;
    return reader->bad ? damaged(snapshot, "the ACL table is damaged") : VIV_OK;
}

static struct viv_bytes find_acl(const struct snapshot *snapshot, int64_t key)
{
    if (key == OPEN_UNSAFE_KEY) {
        return viv_acl_open_unsafe();
    }
    struct acl_row wanted = {.key = key};
    const struct acl_row *row = bsearch(&wanted, snapshot->acls, snapshot->acl_count, sizeof wanted, compare_acl_rows);
    return row == NULL ? (struct viv_bytes){0} : row->list;
}

static void read_node(struct snapshot *snapshot, struct viv_zk_node *node)
{
    struct viv_jute_reader *reader = &snapshot->reader;
    node->data = viv_jute_read_buffer(reader);
    node->acl = find_acl(snapshot, viv_jute_read_long(reader));
    node->czxid = (uint64_t)viv_jute_read_long(reader);
    node->mzxid = (uint64_t)viv_jute_read_long(reader);
    node->ctime_ms = viv_jute_read_long(reader);
    node->mtime_ms = viv_jute_read_long(reader);
    node->version = viv_jute_read_int(reader);
    node->child_counter = viv_jute_read_int(reader);
    node->aversion = viv_jute_read_int(reader);
    node->owner = viv_jute_read_long(reader);
    node->pzxid = (uint64_t)viv_jute_read_long(reader);
}

static viv_status read_nodes(struct snapshot *snapshot, viv_zk_node_fn *visit, struct viv_zk_snapshot_info *info,
                             void *ctx)
{
    for (;;) {
        struct viv_jute_slice path = viv_jute_read_buffer(&snapshot->reader);
        if (!snapshot->reader.bad && viv_bytes_equal(path.bytes, VIV_BYTES_LITERAL("/"))) {
            return VIV_OK;
        }
        struct viv_zk_node node = {.path = path.bytes.size == 0 ? VIV_BYTES_LITERAL("/") : path.bytes};
        read_node(snapshot, &node);
        if (snapshot->reader.bad || path.null) {
            return damaged(snapshot, "a znode of the snapshot is damaged");
        }
        info->nodes++;
        VIV_TRY(visit(ctx, &node));
    }
}

/* A seal is the running Adler-32 of everything before it, and the string "/". */
static viv_status check_seal(struct snapshot *snapshot)
{
    size_t offset = snapshot->bytes.size - snapshot->reader.rest.size;
    VIV_ASSERT(offset >= snapshot->sealed);
    snapshot->adler =
        (uint32_t)adler32_z(snapshot->adler, snapshot->bytes.data + snapshot->sealed, offset - snapshot->sealed);
    snapshot->sealed = offset;
    int64_t stored = viv_jute_read_long(&snapshot->reader);
    struct viv_jute_slice end = viv_jute_read_buffer(&snapshot->reader);
    if (snapshot->reader.bad || stored != (int64_t)snapshot->adler ||
        !viv_bytes_equal(end.bytes, VIV_BYTES_LITERAL("/"))) {
        return damaged(snapshot, "the checksum of the snapshot is wrong");
    }
    return VIV_OK;
}

static viv_status read_trailer(struct snapshot *snapshot, struct viv_zk_snapshot_info *info)
{
    VIV_TRY(check_seal(snapshot));
    if (snapshot->reader.rest.size == 0) {
        return VIV_OK;
    }
    info->digest_zxid = (uint64_t)viv_jute_read_long(&snapshot->reader);
    viv_jute_read_int(&snapshot->reader);
    info->digest = (uint64_t)viv_jute_read_long(&snapshot->reader);
    VIV_TRY(check_seal(snapshot));
    info->has_digest = true;
    if (snapshot->reader.rest.size == 0) {
        return VIV_OK;
    }
    viv_jute_read_long(&snapshot->reader); /* 3.9: the last zxid, known from the file's name */
    return check_seal(snapshot);
}

viv_status viv_zk_snapshot_read(const char *file, viv_zk_node_fn *visit, struct viv_zk_snapshot_info *info, void *ctx)
{
    struct snapshot snapshot = {.file = file, .adler = 1};
    struct viv_zk_snapshot_info got = {0};
    viv_status status = read_file(&snapshot);
    if (status == VIV_OK) {
        snapshot.reader = viv_jute_reader_of(viv_buffer_bytes(&snapshot.bytes));
        got.raw_bytes = snapshot.bytes.size;
        status = read_header(&snapshot, &got);
    }
    if (status == VIV_OK) {
        status = read_acls(&snapshot, &got);
    }
    if (status == VIV_OK) {
        status = read_nodes(&snapshot, visit, &got, ctx);
    }
    if (status == VIV_OK) {
        status = read_trailer(&snapshot, &got);
    }
    if (status == VIV_OK) {
        *info = got;
    }
    free(snapshot.acls);
    viv_buffer_fini(&snapshot.bytes);
    return status;
}
