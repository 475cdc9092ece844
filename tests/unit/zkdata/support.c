#include "tests/unit/zkdata/support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "zkdata/snapshot.h"

const char *zk_dataset(const char *name)
{
    static char path[512];
    const char *top = getenv("VIV_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/datasets/zookeeper-3.8/%s", top == NULL ? "." : top, name);
    return path;
}

/* ---- folders ---- */

char *zk_folder_new(void)
{
    char *folder = strdup("/tmp/viv-zkdata-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    return folder;
}

static void remove_all(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        unlink(path);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            char below[1024];
            snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
            remove_all(below);
        }
    }
    closedir(directory);
    rmdir(path);
}

void zk_folder_free(char *folder)
{
    remove_all(folder);
    free(folder);
}

static bool is_gz(const char *name)
{
    size_t size = strlen(name);
    return size > 3 && strcmp(name + size - 3, ".gz") == 0;
}

static void read_whole(const char *path, bool unpack, struct viv_buffer *out)
{
    gzFile file = unpack ? gzopen(path, "rb") : NULL;
    FILE *plain = unpack ? NULL : fopen(path, "rb");
    cr_assert(file != NULL || plain != NULL, "%s cannot be read", path);
    int got;
    do {
        uint8_t *to = viv_buffer_reserve(out, 1 << 16);
        got = unpack ? gzread(file, to, 1 << 16) : (int)fread(to, 1, 1 << 16, plain);
        cr_assert_geq(got, 0);
        out->size += (size_t)got;
    } while (got > 0);
    if (unpack) {
        gzclose(file);
    } else {
        fclose(plain);
    }
}

void zk_folder_add(const char *folder, const char *name, const char *dataset_file)
{
    char path[1024];
    struct viv_buffer bytes = {0};
    read_whole(zk_dataset(dataset_file), is_gz(dataset_file) && !is_gz(name), &bytes);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
    viv_buffer_fini(&bytes);
}

void zk_folder_add_all(const char *folder, const char *name, const char *dataset_folder)
{
    DIR *directory = opendir(zk_dataset(dataset_folder));
    cr_assert_not_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') {
            char from[512], to[512];
            snprintf(from, sizeof from, "%s/%s", dataset_folder, entry->d_name);
            snprintf(to, sizeof to, "%s/%s", name, entry->d_name);
            zk_folder_add(folder, to, from);
        }
    }
    closedir(directory);
}

/* ---- comparing ---- */

struct comparison {
    const struct viv_tree *tree;
    json_t *znodes, *sessions;
    size_t seen, sessions_seen;
    struct viv_buffer text;
};

static void differ(struct comparison *comparison, struct viv_bytes path, const char *what)
{
    if (comparison->text.size < 1000) {
        viv_buffer_printf(&comparison->text, "%.*s: %s; ", (int)path.size, (const char *)path.data, what);
    }
}

static bool data_is(const struct viv_jute_slice *data, const json_t *expected)
{
    if (json_is_null(expected)) {
        return data->null;
    }
    size_t size = json_string_length(expected);
    uint8_t *bytes = malloc(size + 1);
    int unpacked = EVP_DecodeBlock(bytes, (const unsigned char *)json_string_value(expected), (int)size);
    const char *text = json_string_value(expected);
    unpacked -= size >= 2 ? (text[size - 1] == '=') + (text[size - 2] == '=') : 0;
    bool is_same = !data->null && data->bytes.size == (size_t)unpacked &&
                   (unpacked == 0 || memcmp(data->bytes.data, bytes, (size_t)unpacked) == 0);
    free(bytes);
    return is_same;
}

static bool acl_is(struct viv_bytes list, const json_t *expected)
{
    struct viv_jute_reader reader = viv_jute_reader_of(list);
    int32_t count = viv_jute_read_count(&reader, 12);
    if ((size_t)count != json_array_size(expected)) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        struct viv_acl_entry entry;
        viv_acl_entry_decode(&reader, &entry);
        const json_t *wanted = json_array_get(expected, (size_t)i);
        if (entry.perms != json_integer_value(json_array_get(wanted, 0)) ||
            !viv_bytes_equal(entry.scheme.bytes, viv_bytes_text(json_string_value(json_array_get(wanted, 1)))) ||
            !viv_bytes_equal(entry.id.bytes, viv_bytes_text(json_string_value(json_array_get(wanted, 2))))) {
            return false;
        }
    }
    return true;
}

static const char *kind_of(int64_t owner)
{
    if (owner == 0) {
        return "persistent";
    }
    if (owner == VIV_OWNER_CONTAINER) {
        return "container";
    }
    return ((uint64_t)owner & VIV_OWNER_TTL_MARK) == VIV_OWNER_TTL_MARK ? "ttl" : "ephemeral";
}

static void compare_stat(struct comparison *comparison, const struct viv_zk_node *node, const json_t *expected)
{
    struct viv_stat stat;
    viv_znode_stat(&node->znode, &stat);
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {
        {"czxid", stat.czxid},           {"mzxid", stat.mzxid},
        {"ctime", stat.ctime},           {"mtime", stat.mtime},
        {"version", stat.version},       {"cversion", stat.cversion},
        {"aversion", stat.aversion},     {"ephemeralOwner", stat.ephemeral_owner},
        {"dataLength", stat.data_bytes}, {"numChildren", stat.child_count},
        {"pzxid", stat.pzxid},
    };
    const json_t *wanted = json_object_get(expected, "stat");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (json_integer_value(json_object_get(wanted, fields[i].name)) != fields[i].value) {
            differ(comparison, node->path, fields[i].name);
        }
    }
    if (json_integer_value(json_object_get(expected, "stored_cversion")) != node->znode.child_counter) {
        differ(comparison, node->path, "stored_cversion");
    }
    char owner[32];
    snprintf(owner, sizeof owner, "0x%016" PRIx64, (uint64_t)node->znode.owner);
    if (strcmp(json_string_value(json_object_get(expected, "stored_owner")), owner) != 0) {
        differ(comparison, node->path, "stored_owner");
    }
}

static viv_status compare_node(void *ctx, const struct viv_zk_node *node)
{
    struct comparison *comparison = ctx;
    char *path = strndup((const char *)node->path.data, node->path.size);
    const json_t *expected = json_object_get(comparison->znodes, path);
    free(path);
    if (expected == NULL) {
        differ(comparison, node->path, "not expected");
        return VIV_OK;
    }
    comparison->seen++;
    if (strcmp(json_string_value(json_object_get(expected, "kind")), kind_of(node->znode.owner)) != 0) {
        differ(comparison, node->path, "kind");
    }
    if (!data_is(&node->znode.data, json_object_get(expected, "data"))) {
        differ(comparison, node->path, "data");
    }
    if (!acl_is(node->acl, json_object_get(expected, "acl"))) {
        differ(comparison, node->path, "acl");
    }
    compare_stat(comparison, node, expected);
    return VIV_OK;
}

static void compare_session(void *ctx, int64_t session_id, int32_t timeout_ms)
{
    struct comparison *comparison = ctx;
    char name[32];
    snprintf(name, sizeof name, "0x%" PRIx64, (uint64_t)session_id);
    const json_t *timeout = json_object_get(comparison->sessions, name);
    comparison->sessions_seen++;
    if (timeout == NULL || json_integer_value(timeout) != timeout_ms) {
        differ(comparison, viv_bytes_text(name), "session");
    }
}

const char *zk_compare(const struct viv_tree *tree, const char *expected)
{
    static char answer[2048];
    struct viv_buffer text = {0};
    read_whole(zk_dataset(expected), is_gz(expected), &text);
    json_error_t error;
    json_t *whole = json_loadb((const char *)text.data, text.size, 0, &error);
    cr_assert_not_null(whole, "%s: %s", expected, error.text);
    struct comparison comparison = {
        .tree = tree, .znodes = json_object_get(whole, "znodes"), .sessions = json_object_get(whole, "sessions")};
    viv_status status = viv_zk_visit(tree, VIV_BYTES_LITERAL("/"), compare_node, &comparison);
    cr_assert_eq(status, VIV_OK);
    viv_tree_sessions(tree, compare_session, &comparison);
    struct viv_bytes all = VIV_BYTES_LITERAL("all");
    if (comparison.seen != json_object_size(comparison.znodes)) {
        differ(&comparison, all, "znodes are missing");
    }
    if (comparison.sessions_seen != json_object_size(comparison.sessions)) {
        differ(&comparison, all, "sessions are missing");
    }
    if ((int64_t)viv_tree_digest(tree) != json_integer_value(json_object_get(whole, "tree_digest"))) {
        differ(&comparison, all, "tree_digest");
    }
    if (viv_tree_zxid(tree) != strtoull(json_string_value(json_object_get(whole, "zxid")), NULL, 16)) {
        differ(&comparison, all, "zxid");
    }
    snprintf(answer, sizeof answer, "%.*s", (int)comparison.text.size,
             comparison.text.size == 0 ? "" : (const char *)comparison.text.data);
    viv_buffer_fini(&comparison.text);
    viv_buffer_fini(&text);
    json_decref(whole);
    return answer;
}
