#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/endian.h"
#include "tests/support/viv_test.h"
#include "tests/unit/zkdata/support.h"
#include "zkdata/log.h"
#include "zkdata/recover.h"
#include "zkdata/snapshot.h"
#include "zkdata/snapshot_writer.h"
#include "zkdata/source.h"

/* Whole directories of a real server (datasets/zookeeper-3.8), recovered and compared with what that server served. */

static viv_status recover(const char *folder, const struct viv_zk_recovery_options *options,
                          struct viv_zk_recovered *out)
{
    struct viv_zk_directory directory;
    viv_status status = viv_zk_directory_read(folder, NULL, &directory);
    if (status == VIV_OK) {
        status = viv_zk_recover(&directory, options, out);
        viv_zk_directory_fini(&directory);
    }
    return status;
}

static const struct viv_zk_recovery_options newest = {0};

struct dataset {
    const char *folder, *expected;
    uint64_t digests_min;
    uint64_t torn, rejected;
};

static const struct dataset datasets[] = {
    {"basic", "basic/expected.json", 60, 0, 0},
    {"torn-tail", "torn-tail/expected.json", 60, 1, 0},
    {"snappy", "snappy/expected.json", 0, 0, 0},
    {"synthetic-3.9-layout", "synthetic-3.9-layout/expected.json", 0, 0, 0},
    {"snap-and-log", "snap-and-log/expected.json.gz", 140, 0, 0},
    {"fuzzy-snapshot", "fuzzy-snapshot/expected.json.gz", 280, 0, 0},
    {"fuzzy-long", "fuzzy-long/expected.json.gz", 2000, 0, 0},
    {"bulk-20k", "bulk-20k/expected.json.gz", 30, 0, 0},
    {"quorum-member", "quorum-member/expected.json", 3, 0, 0},
};

VIV_TEST(zkdata_recover, every_directory_of_a_real_server_gives_the_state_it_served)
{
    for (size_t i = 0; i < sizeof datasets / sizeof datasets[0]; i++) {
        const struct dataset *set = &datasets[i];
        struct viv_zk_recovered got;
        cr_assert_eq(recover(zk_dataset(set->folder), &newest, &got), VIV_OK, "%s", set->folder);
        cr_assert_str_eq(zk_compare(got.tree, set->expected), "", "%s: %s", set->folder,
                         zk_compare(got.tree, set->expected));
        cr_assert_eq(got.digest_mismatches, 0, "%s", set->folder);
        cr_assert_geq(got.digests_compared, set->digests_min, "%s: %lu digests", set->folder,
                      (unsigned long)got.digests_compared);
        cr_assert_eq(got.torn_files, set->torn, "%s", set->folder);
        cr_assert_eq(got.snapshots_rejected, set->rejected, "%s", set->folder);
        viv_tree_free(got.tree);
    }
}

VIV_TEST(zkdata_recover, the_comparison_finds_one_changed_field)
{
    struct viv_zk_recovered got;
    cr_assert_eq(recover(zk_dataset("torn-tail"), &newest, &got), VIV_OK);
    cr_assert_str_neq(zk_compare(got.tree, "basic/expected.json"), "", "one transaction is missing");
    viv_tree_free(got.tree);
}

VIV_TEST(zkdata_recover, a_log_alone_gives_the_content_of_the_snapshot_that_followed_it)
{
    char *folder = zk_folder_new();
    zk_folder_add(folder, "version-2/snapshot.0", "bulk-20k/log-only/version-2/snapshot.0.gz");
    zk_folder_add(folder, "version-2/log.1", "bulk-20k/log-only/version-2/log.1.gz");
    struct viv_zk_recovered replayed;
    struct viv_tree *loaded;
    struct viv_zk_snapshot_info info;
    const struct viv_zk_recovery_options upto = {.upto_zxid = 0x5149};
    cr_assert_eq(recover(folder, &upto, &replayed), VIV_OK);
    cr_assert_eq(viv_zk_snapshot_load(zk_dataset("bulk-20k/version-2/snapshot.5149.gz"), 0x5149, &loaded, &info),
                 VIV_OK);
    cr_assert_eq(replayed.zxid, 0x5149);
    cr_assert_gt(replayed.digests_compared, 20000);
    cr_assert_eq(replayed.digest_mismatches, 0);
    cr_assert_eq(viv_tree_digest(replayed.tree), viv_tree_digest(loaded));
    cr_assert_eq(viv_tree_digest_extra(replayed.tree), viv_tree_digest_extra(loaded));
    viv_tree_free(replayed.tree);
    viv_tree_free(loaded);
    zk_folder_free(folder);
}

VIV_TEST(zkdata_recover, the_past_is_read_as_far_back_as_an_exact_snapshot_reaches)
{
    struct viv_zk_recovered got;
    struct viv_zk_recovery_options options = {.upto_zxid = 0x26};
    cr_assert_eq(recover(zk_dataset("basic"), &options, &got), VIV_OK);
    cr_assert_eq(got.zxid, 0x26);
    viv_tree_free(got.tree);
    options.upto_zxid = 0x1b00; /* the newer of the two snapshots is too new for it */
    cr_assert_eq(recover(zk_dataset("snap-and-log"), &options, &got), VIV_OK);
    cr_assert_eq(got.snapshot_zxid, 0x1ac8);
    cr_assert_eq(got.zxid, 0x1b00);
    viv_tree_free(got.tree);
    options.upto_zxid = 0x1a00; /* inside what the only snapshot was fuzzy over */
    cr_assert_eq(recover(zk_dataset("fuzzy-snapshot"), &options, &got), VIV_ERR_TRIMMED);
    options.upto_zxid = 0x5000; /* not yet */
    cr_assert_eq(recover(zk_dataset("basic"), &options, &got), VIV_ERR_TRIMMED);
}

VIV_TEST(zkdata_recover, epochs_and_myid_are_taken_over)
{
    struct viv_zk_directory directory;
    struct viv_zk_recovered got;
    cr_assert_eq(viv_zk_directory_read(zk_dataset("quorum-member"), NULL, &directory), VIV_OK);
    cr_assert(directory.has_myid);
    cr_assert_eq(directory.myid, 1);
    cr_assert_eq(viv_zk_recover(&directory, &newest, &got), VIV_OK);
    cr_assert_eq(got.current_epoch, 2);
    cr_assert_eq(got.accepted_epoch, 2);
    viv_tree_free(got.tree);
    directory.current_epoch = 1; /* older than the transactions */
    cr_assert_eq(viv_zk_recover(&directory, &newest, &got), VIV_ERR_CORRUPT);
    directory.has_current_epoch_draft = true;
    directory.current_epoch_draft = 2;
    cr_assert_eq(viv_zk_recover(&directory, &newest, &got), VIV_OK);
    viv_tree_free(got.tree);
    directory.current_epoch = 3;
    cr_assert_eq(viv_zk_recover(&directory, &newest, &got), VIV_ERR_CORRUPT, "newer than what was accepted");
    viv_zk_directory_fini(&directory);
}

/* ---- damage, as recorded from a real server (torn-cases.json) ---- */

enum { LAST = 68292, END = 68405, MID = 63756 };

struct edit {
    int64_t cut_to;     /* -1: not cut */
    int64_t at;         /* -1: nothing written */
    const char *bytes;  /* written there */
    size_t size;        /* of them; 0: flip the byte */
    const char *added;  /* a file's name, or NULL */
    int64_t added_size; /* bytes of log.1 in it; -1: the snapshot.4d */
    int64_t added_cut, added_flip;
    const char *removed;
};

#define CUT(n)                                                                                                         \
    {                                                                                                                  \
        .cut_to = (n), .at = -1                                                                                        \
    }
#define WRITE(n, text)                                                                                                 \
    {                                                                                                                  \
        .cut_to = -1, .at = (n), .bytes = (text), .size = sizeof(text) - 1                                             \
    }
#define FLIP(n)                                                                                                        \
    {                                                                                                                  \
        .cut_to = -1, .at = (n)                                                                                        \
    }
#define ADD(name, n)                                                                                                   \
    {                                                                                                                  \
        .cut_to = -1, .at = -1, .added = (name), .added_size = (n)                                                     \
    }

/* In the order of the file. */
static const struct edit edits[] = {
    CUT(END - 1),
    CUT(LAST + 40),
    CUT(LAST + 10),
    CUT(LAST + 4),
    CUT(END),
    WRITE(END - 1, "\0"),
    WRITE(MID - 1, "\0"),
    {.cut_to = -1, .at = LAST, .bytes = NULL, .size = END - LAST},
    FLIP(LAST + 30),
    FLIP(MID + 30),
    WRITE(LAST + 8, "\x7f\xff\xff\xff"),
    WRITE(LAST + 8, "\xff\xff\xff\xfe"),
    WRITE(LAST + 8, "\xff\xff\xff\xff"),
    ADD("log.4e", 0),
    ADD("log.4e", 10),
    ADD("log.4e", 16),
    {.cut_to = -1, .at = -1, .removed = "snapshot.0"},
    WRITE(0, "XXXX"),
    {.cut_to = -1, .at = -1, .added = "snapshot.4d", .added_size = -1, .added_flip = 1000},
    {.cut_to = -1, .at = -1, .added = "snapshot.4d", .added_size = -1, .added_cut = 300},
    {.cut_to = -1, .at = -1, .added = "snapshot.4d", .added_size = -1, .removed = "log.1"},
};

static void edit_log(const char *path, const struct edit *edit)
{
    static const char zeros[END - LAST];
    if (edit->cut_to >= 0) {
        cr_assert_eq(truncate(path, edit->cut_to), 0);
    }
    if (edit->at >= 0) {
        FILE *file = fopen(path, "r+b");
        cr_assert_not_null(file);
        fseek(file, (long)edit->at, SEEK_SET);
        int old = fgetc(file);
        fseek(file, (long)edit->at, SEEK_SET);
        char flipped = (char)(old ^ 1);
        const char *bytes = edit->size == 0 ? &flipped : edit->bytes == NULL ? zeros : edit->bytes;
        cr_assert_eq(fwrite(bytes, 1, edit->size == 0 ? 1 : edit->size, file), edit->size == 0 ? 1 : edit->size);
        fclose(file);
    }
}

static void append_source(const char *path, struct viv_buffer *out)
{
    struct viv_zk_source *source;
    struct viv_bytes window;
    cr_assert_eq(viv_zk_source_open(path, &source), VIV_OK);
    do {
        cr_assert_eq(viv_zk_source_next(source, &window), VIV_OK);
        viv_buffer_append_bytes(out, window);
    } while (window.size > 0);
    viv_zk_source_close(source);
}

static void add_file(const char *folder, const struct edit *edit)
{
    char path[512];
    struct viv_buffer bytes = {0};
    if (edit->added_size < 0) {
        append_source(zk_dataset("snappy/version-2/snapshot.4d.snappy"), &bytes);
        bytes.size = edit->added_cut > 0 ? (size_t)edit->added_cut : bytes.size;
        bytes.data[edit->added_flip] ^= edit->added_flip > 0 ? 1 : 0;
    } else {
        append_source(zk_dataset("basic/version-2/log.1"), &bytes);
        bytes.size = (size_t)edit->added_size;
    }
    snprintf(path, sizeof path, "%s/version-2/%s", folder, edit->added);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
    viv_buffer_fini(&bytes);
}

static void make_case(const char *folder, const struct edit *edit)
{
    char path[512];
    zk_folder_add_all(folder, "version-2", "basic/version-2");
    snprintf(path, sizeof path, "%s/version-2/log.1", folder);
    edit_log(path, edit);
    if (edit->added != NULL) {
        add_file(folder, edit);
    }
    if (edit->removed != NULL) {
        snprintf(path, sizeof path, "%s/version-2/%s", folder, edit->removed);
        cr_assert_eq(unlink(path), 0);
    }
}

VIV_TEST(zkdata_recover, torn_and_damaged_files_end_as_they_did_on_a_real_server)
{
    json_error_t error;
    json_t *whole = json_load_file(zk_dataset("torn-cases.json"), 0, &error);
    cr_assert_not_null(whole);
    const json_t *cases = json_object_get(whole, "cases");
    cr_assert_eq(json_array_size(cases), sizeof edits / sizeof edits[0]);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *torn = json_array_get(cases, i);
        const char *what = json_string_value(json_object_get(torn, "mutation"));
        const json_t *zxid = json_object_get(torn, "zxid");
        char *folder = zk_folder_new();
        make_case(folder, &edits[i]);
        struct viv_zk_recovered got = {0};
        viv_status status = recover(folder, &newest, &got);
        if (json_is_null(zxid)) {
            cr_assert_eq(status, VIV_ERR_CORRUPT, "%s", what);
        } else {
            cr_assert_eq(status, VIV_OK, "%s", what);
            cr_assert_eq(got.zxid, strtoull(json_string_value(zxid), NULL, 16), "%s: 0x%lx", what,
                         (unsigned long)got.zxid);
            viv_tree_free(got.tree);
        }
        zk_folder_free(folder);
    }
    json_decref(whole);
}

VIV_TEST(zkdata_recover, logs_without_a_snapshot_are_replayed_only_when_that_is_asked_for)
{
    char *folder = zk_folder_new();
    zk_folder_add(folder, "version-2/log.1", "basic/version-2/log.1");
    struct viv_zk_recovered got;
    cr_assert_eq(recover(folder, &newest, &got), VIV_ERR_CORRUPT);
    cr_assert_eq(recover(folder, &(struct viv_zk_recovery_options){.trust_empty = true}, &got), VIV_OK);
    cr_assert_str_eq(zk_compare(got.tree, "basic/expected.json"), "");
    viv_tree_free(got.tree);
    zk_folder_free(folder);
}

VIV_TEST(zkdata_recover, an_empty_log_is_passed_over_only_at_the_end)
{
    char *folder = zk_folder_new();
    zk_folder_add_all(folder, "version-2", "snap-and-log/version-2");
    char path[512];
    snprintf(path, sizeof path, "%s/version-2/log.1acb", folder);
    cr_assert_eq(truncate(path, 0), 0);
    struct viv_zk_recovered got;
    cr_assert_eq(recover(folder, &newest, &got), VIV_ERR_CORRUPT);
    zk_folder_free(folder);
}

VIV_TEST(zkdata_recover, files_of_the_other_kind_in_split_directories_are_refused)
{
    char *folder = zk_folder_new();
    char logs[256];
    struct viv_zk_directory directory;
    zk_folder_add(folder, "version-2/snapshot.0", "basic/version-2/snapshot.0");
    zk_folder_add(folder, "logs/version-2/log.1", "basic/version-2/log.1");
    snprintf(logs, sizeof logs, "%s/logs", folder);
    cr_assert_eq(viv_zk_directory_read(folder, logs, &directory), VIV_OK);
    struct viv_zk_recovered got;
    cr_assert_eq(viv_zk_recover(&directory, &newest, &got), VIV_OK);
    cr_assert_str_eq(zk_compare(got.tree, "basic/expected.json"), "");
    viv_tree_free(got.tree);
    viv_zk_directory_fini(&directory);
    zk_folder_add(folder, "logs/version-2/snapshot.0", "basic/version-2/snapshot.0");
    cr_assert_eq(viv_zk_directory_read(folder, logs, &directory), VIV_ERR_INVALID);
    zk_folder_free(folder);
}

/* ---- transactions that no data set holds ---- */

static void write_log_file(const char *folder, const struct viv_buffer *entries, size_t count)
{
    char path[512];
    struct viv_buffer file = {0};
    viv_zk_log_write_header(&file);
    for (size_t i = 0; i < count; i++) {
        viv_zk_log_write_entry(&file, viv_buffer_bytes(&entries[i]));
    }
    snprintf(path, sizeof path, "%s/version-2/log.1", folder);
    FILE *out = fopen(path, "wb");
    cr_assert_not_null(out);
    cr_assert_eq(fwrite(file.data, 1, file.size, out), file.size);
    fclose(out);
    viv_buffer_fini(&file);
}

static void make_create(struct viv_buffer *entry, uint64_t zxid, const char *path, int64_t session_id)
{
    const struct viv_txn_header header = {.session_id = session_id, .zxid = zxid, .type = VIV_OP_CREATE};
    const struct viv_create_txn txn = {.path = viv_bytes_text(path),
                                       .acl = viv_acl_open_unsafe(),
                                       .ephemeral = session_id != 0,
                                       .parent_cversion = (int32_t)zxid};
    viv_txn_header_encode(entry, &header);
    viv_create_txn_encode(entry, &txn, VIV_OP_CREATE);
}

VIV_TEST(zkdata_recover, a_digest_that_differs_is_counted_and_does_not_stop_the_recovery)
{
    char *folder = zk_folder_new();
    struct viv_buffer entries[2] = {{0}};
    struct viv_zk_recovered got;
    zk_folder_add(folder, "version-2/snapshot.0", "basic/version-2/snapshot.0");
    for (size_t i = 0; i < 2; i++) {
        make_create(&entries[i], i + 1, i == 0 ? "/a" : "/b", 0);
        viv_jute_write_int(&entries[i], 2);
        viv_jute_write_long(&entries[i], 12345);
    }
    write_log_file(folder, entries, 2);
    cr_assert_eq(recover(folder, &newest, &got), VIV_OK);
    cr_assert_eq(got.digest_mismatches, 2);
    cr_assert_eq(got.first_mismatch_zxid, 1);
    cr_assert_eq(got.zxid, 2);
    viv_tree_free(got.tree);
    viv_buffer_fini(&entries[0]);
    viv_buffer_fini(&entries[1]);
    zk_folder_free(folder);
}

VIV_TEST(zkdata_recover, ephemerals_of_sessions_that_are_gone_go_too)
{
    char *folder = zk_folder_new();
    struct viv_buffer entries[2] = {{0}};
    struct viv_zk_recovered got;
    struct viv_znode node;
    zk_folder_add(folder, "version-2/snapshot.0", "basic/version-2/snapshot.0");
    make_create(&entries[0], 1, "/a", 0);
    make_create(&entries[1], 2, "/b", 77);
    write_log_file(folder, entries, 2);
    cr_assert_eq(recover(folder, &newest, &got), VIV_OK);
    cr_assert_eq(got.ephemerals_dropped, 1);
    cr_assert(viv_tree_find(got.tree, VIV_BYTES_LITERAL("/a"), &node));
    cr_assert_not(viv_tree_find(got.tree, VIV_BYTES_LITERAL("/b"), &node));
    viv_tree_free(got.tree);
    viv_buffer_fini(&entries[0]);
    viv_buffer_fini(&entries[1]);
    zk_folder_free(folder);
}

/* ---- the way back ---- */

static void write_snapshot(struct viv_tree *tree, const char *folder, const struct viv_zk_snapshot_form *form,
                           size_t slice_bytes)
{
    struct viv_buffer bytes = {0};
    struct viv_zk_snapshot_writer *writer = viv_zk_snapshot_writer_begin(tree, form);
    while (viv_zk_snapshot_writer_step(writer, slice_bytes, &bytes)) {
    }
    char path[512];
    snprintf(path, sizeof path, "%s/version-2", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/version-2/snapshot.%lx%s", folder,
             (unsigned long)viv_zk_snapshot_writer_zxid(writer), viv_zk_packing_ending(form->packing));
    viv_zk_snapshot_writer_end(writer);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
    viv_buffer_fini(&bytes);
}

VIV_TEST(zkdata_recover, a_written_snapshot_comes_back_the_same_in_every_packing_and_layout)
{
    static const struct viv_zk_snapshot_form forms[] = {
        {VIV_ZK_PLAIN, false, false}, {VIV_ZK_PLAIN, true, true},  {VIV_ZK_GZIP, true, false},
        {VIV_ZK_SNAPPY, true, false}, {VIV_ZK_SNAPPY, true, true}, {VIV_ZK_GZIP, false, false},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct viv_zk_recovered first, again;
        char *folder = zk_folder_new();
        cr_assert_eq(recover(zk_dataset("bulk-20k"), &newest, &first), VIV_OK);
        write_snapshot(first.tree, folder, &forms[i], i % 2 == 0 ? 777 : 1 << 20);
        cr_assert_eq(recover(folder, &newest, &again), VIV_OK);
        cr_assert_str_eq(zk_compare(again.tree, "bulk-20k/expected.json.gz"), "");
        cr_assert_eq(again.digests_compared, forms[i].has_digest ? 1 : 0);
        cr_assert_eq(again.digest_mismatches, 0);
        viv_tree_free(first.tree);
        viv_tree_free(again.tree);
        zk_folder_free(folder);
    }
}

VIV_TEST(zkdata_recover, an_unfinished_snapshot_can_be_given_up)
{
    struct viv_tree *tree = viv_tree_new();
    struct viv_buffer bytes = {0};
    const struct viv_zk_snapshot_form form = {VIV_ZK_GZIP, true, true};
    struct viv_zk_snapshot_writer *writer = viv_zk_snapshot_writer_begin(tree, &form);
    cr_assert(viv_zk_snapshot_writer_step(writer, 1, &bytes));
    viv_zk_snapshot_writer_end(writer);
    viv_buffer_fini(&bytes);
    viv_tree_free(tree);
}

VIV_TEST(zkdata_recover, a_fresh_tree_is_written_as_the_file_of_a_fresh_server)
{
    struct viv_tree *tree = viv_tree_new();
    struct viv_buffer ours = {0}, theirs = {0};
    const struct viv_zk_snapshot_form form = {VIV_ZK_PLAIN, false, false};
    struct viv_zk_snapshot_writer *writer = viv_zk_snapshot_writer_begin(tree, &form);
    while (viv_zk_snapshot_writer_step(writer, 100, &ours)) {
    }
    viv_zk_snapshot_writer_end(writer);
    append_source(zk_dataset("basic/version-2/snapshot.0"), &theirs);
    cr_assert_eq(ours.size, 424, "all but the digest section, which there says that nothing was applied");
    cr_assert_eq(memcmp(ours.data, theirs.data, 59), 0, "header and tables");
    viv_buffer_fini(&ours);
    viv_buffer_fini(&theirs);
    viv_tree_free(tree);
}
