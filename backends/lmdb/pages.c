#include "backends/lmdb/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/endian.h"
#include "base/log.h"
#include "store/file_io.h"

enum {
    PAGE_HEADER_BYTES = 16, /* u64 number, u16 unused, u16 flags, u16 lower, u16 upper (overflow: u32 page count) */
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    NODE_HEADER_BYTES = 8, /* leaf: u32 value size, u16 flags, u16 key size; branch: u48 page, u16 key size */
    NODE_BIG = 1,          /* the value is the number of its first overflow page */
    NODE_TREE = 2,         /* the value is a tree record */
    TREE_BYTES = 48,       /* u32, u16 flags, u16 depth, u64 x 3, u64 entries, u64 root */
    META_TREES_AT = PAGE_HEADER_BYTES + 24,
    META_LAST_PAGE_AT = META_TREES_AT + 2 * TREE_BYTES,
    META_TXN_AT = META_LAST_PAGE_AT + 8,
    META_BYTES = META_TXN_AT + 8,
    FREE_TREE_FLAGS = 8, /* keys are integers */
    DEPTH_MAX = 32,
    KEY_BYTES_MAX = 511,
    PAGE_BYTES_MIN = 512,
};

static const uint64_t NO_PAGE = UINT64_MAX;

enum tree_kind { FREE_TREE, MAIN_TREE, ROW_TREE };

struct check {
    const uint8_t *map;
    int fd;
    struct viv_lmdb_look *look; /* NULL: at everything */
    uint64_t rows_looked_at;
    viv_status row_status;
    bool is_paused;
    struct viv_buffer page; /* what is read only to know that it can be */
    size_t page_bytes;
    uint64_t page_count; /* of the newest state; the file may be longer */
    uint8_t *used;       /* a bit per page */
    uint8_t *free;
    const char *fault; /* first thing found wrong */
    uint64_t fault_page;
};

struct tree {
    enum tree_kind kind;
    bool is_looked_at; /* in part: from look->after on */
    unsigned depth;
    uint64_t entries, entries_seen;
};

/* A node of a page, cut out and inside it. */
struct node {
    struct viv_bytes key;
    unsigned flags;
    uint64_t child;         /* branch */
    size_t value_size;      /* leaf */
    const uint8_t *payload; /* leaf: the value, or the page number of a big one */
};

static bool fault(struct check *check, uint64_t page, const char *text)
{
    if (check->fault == NULL) {
        check->fault = text;
        check->fault_page = page;
    }
    return false;
}

/* Counts a page as reached, once. */
static bool claim(struct check *check, uint8_t *bits, uint64_t page)
{
    if (page < 2 || page >= check->page_count) {
        return fault(check, page, "a page number outside the file");
    }
    uint8_t bit = (uint8_t)(1u << (page & 7));
    if (((check->used[page >> 3] | check->free[page >> 3]) & bit) != 0) {
        return fault(check, page, "a page that is used twice");
    }
    bits[page >> 3] |= bit;
    return true;
}

/* A page that the device refuses would otherwise end the process where it is mapped. */
static bool can_read(struct check *check, uint64_t page)
{
    viv_buffer_clear(&check->page);
    uint8_t *room = viv_buffer_reserve(&check->page, check->page_bytes);
    return pread(check->fd, room, check->page_bytes, (off_t)(page * check->page_bytes)) == (ssize_t)check->page_bytes ||
           fault(check, page, "a page that cannot be read");
}

static bool claim_used(struct check *check, const struct tree *tree, uint64_t page)
{
    if (tree->is_looked_at) {
        check->look->bytes += check->page_bytes;
    }
    return claim(check, check->used, page) && can_read(check, page);
}

static const uint8_t *page_at(const struct check *check, uint64_t page)
{
    return check->map + page * check->page_bytes;
}

/* Bytes a node takes on its page; 0 when it does not fit there. */
static size_t cut_node(const struct check *check, const uint8_t *page, unsigned index, bool is_branch,
                       struct node *node)
{
    size_t upper = viv_load_le16(page + 14), at = viv_load_le16(page + PAGE_HEADER_BYTES + 2 * index);
    if (at < upper || at % 2 != 0 || at + NODE_HEADER_BYTES > check->page_bytes) {
        return 0;
    }
    const uint8_t *header = page + at;
    size_t key_size = viv_load_le16(header + 6);
    *node =
        (struct node){.key = {header + NODE_HEADER_BYTES, key_size}, .payload = header + NODE_HEADER_BYTES + key_size};
    size_t payload_size = 0;
    if (is_branch) {
        node->child = viv_load_le32(header) | (uint64_t)viv_load_le16(header + 4) << 32;
    } else {
        node->value_size = viv_load_le32(header);
        node->flags = viv_load_le16(header + 4);
        payload_size = node->flags & NODE_BIG ? 8 : node->value_size;
    }
    size_t size = NODE_HEADER_BYTES + key_size + payload_size;
    size += size & 1;
    return key_size <= KEY_BYTES_MAX && size <= check->page_bytes - at ? size : 0;
}

static int compare_keys(const struct tree *tree, struct viv_bytes a, struct viv_bytes b)
{
    if (tree->kind != FREE_TREE) {
        return viv_bytes_compare(a, b);
    }
    uint64_t left = viv_load_le64(a.data), right = viv_load_le64(b.data);
    return (left > right) - (left < right);
}

static bool check_big_value(struct check *check, const struct tree *tree, const struct node *node, uint64_t *first)
{
    *first = viv_load_le64(node->payload);
    if (!claim_used(check, tree, *first)) {
        return false;
    }
    const uint8_t *page = page_at(check, *first);
    uint64_t pages = viv_load_le32(page + 12);
    uint64_t needed = (PAGE_HEADER_BYTES + (uint64_t)node->value_size + check->page_bytes - 1) / check->page_bytes;
    if (viv_load_le64(page) != *first || viv_load_le16(page + 10) != PAGE_OVERFLOW || pages < needed ||
        pages > check->page_count - *first) {
        return fault(check, *first, "a damaged overflow page");
    }
    for (uint64_t i = 1; i < pages; i++) {
        if (!claim_used(check, tree, *first + i)) {
            return false;
        }
    }
    return true;
}

/* A list of free pages: u64 count, page numbers. */
static bool check_free_list(struct check *check, uint64_t page, const uint8_t *list, size_t size)
{
    uint64_t count = size < 8 ? 0 : viv_load_le64(list);
    if (size < 8 || count > size / 8 - 1) {
        return fault(check, page, "a damaged list of free pages");
    }
    for (uint64_t i = 1; i <= count; i++) {
        if (!claim(check, check->free, viv_load_le64(list + 8 * i))) {
            return false;
        }
    }
    return true;
}

static bool check_tree(struct check *check, const uint8_t *record, enum tree_kind kind, bool is_looked_at);

static bool look_at_row(struct check *check, struct viv_bytes key, struct viv_bytes value)
{
    check->rows_looked_at++;
    check->row_status = check->look->row(check->look->ctx, key, value);
    return check->row_status == VIV_OK;
}

static bool check_value(struct check *check, const struct tree *tree, uint64_t page, const struct node *node)
{
    const uint8_t *value = node->payload;
    if (node->flags == NODE_BIG && tree->kind != MAIN_TREE) {
        uint64_t first;
        if (!check_big_value(check, tree, node, &first)) {
            return false;
        }
        value = page_at(check, first) + PAGE_HEADER_BYTES;
    } else if (node->flags != (tree->kind == MAIN_TREE ? NODE_TREE : 0)) {
        return fault(check, page, "a node of a kind that we never write");
    }
    switch (tree->kind) {
    case FREE_TREE:
        return check_free_list(check, page, value, node->value_size);
    case MAIN_TREE: {
        bool is_looked_at = check->look != NULL && viv_bytes_equal(node->key, viv_bytes_text(check->look->table));
        return node->value_size == TREE_BYTES ? check_tree(check, value, ROW_TREE, is_looked_at)
                                              : fault(check, page, "a damaged tree record");
    }
    case ROW_TREE:
        break;
    }
    return !tree->is_looked_at || look_at_row(check, node->key, viv_bytes_of(value, node->value_size));
}

static bool check_header(struct check *check, const struct tree *tree, uint64_t page_number, bool is_branch,
                         unsigned *node_count)
{
    const uint8_t *page = page_at(check, page_number);
    size_t lower = viv_load_le16(page + 12), upper = viv_load_le16(page + 14);
    unsigned least = is_branch && tree->kind != FREE_TREE ? 2 : 1;
    if (viv_load_le64(page) != page_number || viv_load_le16(page + 10) != (is_branch ? PAGE_BRANCH : PAGE_LEAF) ||
        lower < PAGE_HEADER_BYTES + 2 * least || lower % 2 != 0 || upper < lower || upper > check->page_bytes) {
        return fault(check, page_number, "a damaged page header");
    }
    *node_count = (unsigned)(lower - PAGE_HEADER_BYTES) / 2;
    return true;
}

/* Where a subtree's keys must lie: low <= key < high; a NULL bound is none. */
struct range {
    const struct viv_bytes *low, *high;
};

static bool is_in_order(const struct tree *tree, const struct node *node, const struct viv_bytes *last,
                        struct range range)
{
    if (tree->kind == FREE_TREE && node->key.size != 8) {
        return false;
    }
    return (last == NULL || compare_keys(tree, *last, node->key) < 0) &&
           (range.low == NULL || compare_keys(tree, *range.low, node->key) <= 0) &&
           (range.high == NULL || compare_keys(tree, node->key, *range.high) < 0);
}

/* Each node fits and is in order, and together they fill the page from `upper` to its end. */
static bool check_nodes(struct check *check, const struct tree *tree, uint64_t page_number, bool is_branch,
                        unsigned node_count, struct range range)
{
    const uint8_t *page = page_at(check, page_number);
    size_t bytes = 0;
    struct node node;
    struct viv_bytes last = {0};
    /* The first key of a branch stands for "everything below" and is never compared. */
    unsigned first_compared = is_branch ? 1 : 0;
    for (unsigned i = 0; i < node_count; i++) {
        size_t size = cut_node(check, page, i, is_branch, &node);
        if (size == 0) {
            return fault(check, page_number, "a node outside its page");
        }
        if (i >= first_compared && !is_in_order(tree, &node, i > first_compared ? &last : NULL, range)) {
            return fault(check, page_number, "keys out of order");
        }
        last = node.key;
        bytes += size;
    }
    return bytes == check->page_bytes - viv_load_le16(page + 14) || fault(check, page_number, "overlapping nodes");
}

/* Whether a look leaves out what lies below `high` (NULL: without end), because it was there before or ends here. */
static bool leaves_out(struct check *check, const struct tree *tree, const struct viv_bytes *high)
{
    const struct viv_lmdb_look *look = check->look;
    if (!tree->is_looked_at) {
        return false;
    }
    check->is_paused = check->is_paused || (look->bytes >= look->bytes_max && check->rows_looked_at > 0);
    return check->is_paused || (high != NULL && viv_bytes_compare(*high, look->after) <= 0);
}

static bool check_page(struct check *check, struct tree *tree, uint64_t page_number, unsigned level, struct range range)
{
    bool is_branch = level < tree->depth;
    unsigned node_count;
    if (leaves_out(check, tree, range.high)) {
        return true;
    }
    if (!claim_used(check, tree, page_number) || !check_header(check, tree, page_number, is_branch, &node_count) ||
        !check_nodes(check, tree, page_number, is_branch, node_count, range)) {
        return false;
    }
    const uint8_t *page = page_at(check, page_number);
    for (unsigned i = 0; i < node_count; i++) {
        struct node node, next;
        cut_node(check, page, i, is_branch, &node);
        if (!is_branch) {
            tree->entries_seen++;
            bool was_looked_at = tree->is_looked_at && viv_bytes_compare(node.key, check->look->after) <= 0;
            if (!was_looked_at && !check_value(check, tree, page_number, &node)) {
                return false;
            }
            continue;
        }
        bool is_last = i + 1 == node_count;
        if (!is_last) {
            cut_node(check, page, i + 1, is_branch, &next);
        }
        struct range child = {i == 0 ? range.low : &node.key, is_last ? range.high : &next.key};
        if (!check_page(check, tree, node.child, level + 1, child)) {
            return false;
        }
    }
    return true;
}

static bool check_tree(struct check *check, const uint8_t *record, enum tree_kind kind, bool is_looked_at)
{
    struct tree tree = {.kind = kind,
                        .is_looked_at = is_looked_at,
                        .depth = viv_load_le16(record + 6),
                        .entries = viv_load_le64(record + 32)};
    uint64_t root = viv_load_le64(record + 40);
    if (viv_load_le16(record + 4) != (kind == FREE_TREE ? FREE_TREE_FLAGS : 0) || tree.depth > DEPTH_MAX ||
        (root == NO_PAGE) != (tree.depth == 0)) {
        return fault(check, root, "a damaged tree record");
    }
    if (root != NO_PAGE && !check_page(check, &tree, root, 1, (struct range){NULL, NULL})) {
        return false;
    }
    return is_looked_at || tree.entries == tree.entries_seen ||
           fault(check, root, "a tree with another number of rows than it says");
}

/* Pages 0 and 1 are the two states that commits write in turn; the one with the higher transaction is in force. */
static bool check_file(struct check *check, size_t file_bytes)
{
    check->page_bytes = PAGE_BYTES_MIN; /* until it is known */
    if (!can_read(check, 0)) {
        return false;
    }
    check->page_bytes = viv_load_le32(check->map + META_TREES_AT);
    if (check->page_bytes < PAGE_BYTES_MIN || check->page_bytes > 65536 ||
        (check->page_bytes & (check->page_bytes - 1)) != 0 || file_bytes < 2 * check->page_bytes) {
        return fault(check, 0, "a damaged page size");
    }
    if (!can_read(check, 1)) {
        return false;
    }
    const uint8_t *meta = page_at(check, 0), *other = page_at(check, 1);
    if (viv_load_le64(other + META_TXN_AT) > viv_load_le64(meta + META_TXN_AT)) {
        meta = other;
    }
    uint64_t last_page = viv_load_le64(meta + META_LAST_PAGE_AT);
    if (last_page < 1 || last_page >= file_bytes / check->page_bytes ||
        viv_load_le32(meta + META_TREES_AT) != check->page_bytes) {
        return fault(check, 0, "a damaged first page, or a file that lost its end");
    }
    check->page_count = last_page + 1;
    check->used = viv_alloc_zeroed(check->page_count / 8 + 1, 1);
    check->free = viv_alloc_zeroed(check->page_count / 8 + 1, 1);
    bool is_sound = check_tree(check, meta + META_TREES_AT, FREE_TREE, false) &&
                    check_tree(check, meta + META_TREES_AT + TREE_BYTES, MAIN_TREE, false);
    free(check->used);
    free(check->free);
    return is_sound;
}

static viv_status check_map(const char *path, int fd, size_t bytes, struct viv_lmdb_look *look)
{
    if (bytes < META_BYTES) {
        viv_log(VIV_LOG_ERROR, "lmdb", "the image's file is too short", "file=%s offset=%zu", path, bytes);
        return VIV_ERR_CORRUPT;
    }
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        viv_log(VIV_LOG_ERROR, "lmdb", "a system call failed", "call=mmap path=%s bytes=%zu error=%s", path, bytes,
                strerror(errno));
        return VIV_ERR_SYSTEM;
    }
    if (look == NULL) {
        madvise(map, bytes, MADV_WILLNEED);
    }
    struct check check = {.map = map, .fd = fd, .look = look};
    bool is_sound = check_file(&check, bytes);
    viv_buffer_fini(&check.page);
    munmap(map, bytes);
    if (look != NULL) {
        look->is_end = !check.is_paused;
        VIV_TRY(check.row_status);
    }
    if (!is_sound) {
        viv_log(VIV_LOG_ERROR, "lmdb", "the image's file is damaged", "file=%s offset=%llu page=%llu found=\"%s\"",
                path, (unsigned long long)(check.fault_page * check.page_bytes), (unsigned long long)check.fault_page,
                check.fault);
    }
    return is_sound ? VIV_OK : VIV_ERR_CORRUPT;
}

static viv_status check_path(const char *path, struct viv_lmdb_look *look)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;
    viv_status status;
    if (fd < 0 || fstat(fd, &file) != 0) {
        int error = errno;
        viv_log(VIV_LOG_ERROR, "lmdb", "the image's file is missing or cannot be opened", "file=%s error=\"%s\"", path,
                strerror(error));
        /* The directory is ours and has its final name: a file that is not in it was lost. */
        status = error == ENOENT ? VIV_ERR_CORRUPT : viv_file_status(-error);
    } else {
        status = check_map(path, fd, (size_t)file.st_size, look);
    }
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

viv_status viv_lmdb_pages_check(const char *path)
{
    return check_path(path, NULL);
}

viv_status viv_lmdb_pages_look(const char *path, struct viv_lmdb_look *look)
{
    look->bytes = 0;
    return check_path(path, look);
}
