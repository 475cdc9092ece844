#include <string.h>

#include "base/checksum.h"
#include "base/endian.h"
#include "store/kv_state.h"
#include "tests/unit/backends/kv_fixture.h"

/* What the stores make of failures that a healthy disk does not give, over a library that fails when it is told to. */

struct viv_kv_image {
    bool build;
};

/* A library whose images hold nothing but a mark: that of the last commit. */
static struct {
    struct viv_kv_image images[2];
    uint8_t mark[VIV_KV_MARK_BYTES];
    viv_status answer; /* of the next commits */
    unsigned commits, aborts, opened, closed;
} fake;

static viv_status fake_open(const char *path, bool build, bool durable, struct viv_kv_image **image)
{
    (void)path, (void)durable;
    fake.opened++;
    fake.images[build].build = build;
    *image = &fake.images[build];
    return VIV_OK;
}

static void fake_close(struct viv_kv_image *image)
{
    (void)image;
    fake.closed++;
}

static viv_status fake_read_mark(struct viv_kv_image *image, struct viv_buffer *out)
{
    (void)image;
    viv_buffer_append(out, fake.mark, sizeof fake.mark);
    return VIV_OK;
}

static viv_status fake_scan(struct viv_kv_image *image, struct viv_kv_feed *feed)
{
    (void)image, (void)feed;
    return VIV_OK;
}

static viv_status fake_write(struct viv_kv_image *image, const struct viv_kv_run *run, struct viv_kv_mark *mark)
{
    (void)image, (void)run, (void)mark;
    return VIV_OK;
}

static viv_status fake_commit(struct viv_kv_image *image, struct viv_kv_mark *mark)
{
    (void)image;
    fake.commits++;
    if (fake.answer == VIV_OK) {
        viv_kv_mark_encode(mark, fake.mark);
    }
    return fake.answer;
}

static void fake_abort(struct viv_kv_image *image)
{
    (void)image;
    fake.aborts++;
}

static const struct viv_kv_library fake_library = {
    .name = "fake",
    .takes_delta_in_runs = true,
    .open = fake_open,
    .close = fake_close,
    .read_mark = fake_read_mark,
    .scan = fake_scan,
    .write = fake_write,
    .commit = fake_commit,
    .abort = fake_abort,
};

static const struct viv_state_ops fake_state;

static viv_status fake_state_open(const struct viv_store_config *config, viv_gid gid, struct viv_state **state,
                                  struct viv_store_report *report)
{
    return viv_kv_state_open(&fake_state, &fake_library, config, gid, state, report);
}

static const struct viv_state_ops fake_state = {
    .name = "fake",
    .traits = VIV_STORE_DELTAS,
    .open = fake_state_open,
    VIV_KV_STATE_OPS,
};

static viv_status checkpoint(struct kv_fixture *kv, enum viv_checkpoint_kind kind, uint64_t zxid, viv_status answer)
{
    struct viv_buffer rows = {0};
    kv_put(&rows, 1, 1);
    fake.answer = answer;
    viv_status status = kv_checkpoint(kv, kind, zxid, &rows);
    viv_buffer_fini(&rows);
    return status;
}

VIV_TEST(kv_errors, an_io_error_is_answered_to_every_later_call_and_never_retried)
{
    static const viv_status terminal[] = {VIV_ERR_IO, VIV_ERR_SYSTEM};
    static const enum viv_checkpoint_kind kinds[] = {VIV_CHECKPOINT_FULL, VIV_CHECKPOINT_DELTA};
    for (unsigned i = 0; i < 4; i++) {
        memset(&fake, 0, sizeof fake);
        struct kv_fixture kv;
        struct viv_buffer found = {0};
        struct viv_state_mark mark;
        viv_status failure = terminal[i % 2];
        kv_start(&kv, &fake_state);
        cr_assert_eq(checkpoint(&kv, VIV_CHECKPOINT_FULL, 1, VIV_OK), VIV_OK);
        cr_assert_eq(checkpoint(&kv, kinds[i / 2], 2, failure), failure);
        cr_assert_eq(checkpoint(&kv, VIV_CHECKPOINT_FULL, 3, VIV_OK), failure);
        cr_assert_eq(kv_load(&kv, &found, &mark), failure);
        cr_assert_eq(fake.commits, 2);
        kv_finish(&kv);
        cr_assert_eq(fake.opened, fake.closed);
    }
}

VIV_TEST(kv_errors, a_full_disk_is_forgotten_and_the_image_opened_anew)
{
    memset(&fake, 0, sizeof fake);
    struct kv_fixture kv;
    struct viv_buffer found = {0};
    struct viv_state_mark mark;
    kv_start(&kv, &fake_state);
    cr_assert_eq(checkpoint(&kv, VIV_CHECKPOINT_FULL, 1, VIV_OK), VIV_OK);
    unsigned opened = fake.opened;
    cr_assert_eq(checkpoint(&kv, VIV_CHECKPOINT_DELTA, 2, VIV_ERR_NOSPACE), VIV_ERR_NOSPACE);
    cr_assert_eq(fake.closed, opened, "what the library still held of the unit must not become durable later");
    cr_assert_eq(kv_load(&kv, &found, &mark), VIV_OK);
    cr_assert_eq(mark.zxid_start, 1);
    cr_assert_eq(fake.opened, opened + 1);
    cr_assert_eq(checkpoint(&kv, VIV_CHECKPOINT_DELTA, 3, VIV_OK), VIV_OK);
    kv_finish(&kv);
    cr_assert_eq(fake.opened, fake.closed);
}

VIV_TEST(kv_errors, damage_in_an_image_being_written_is_the_disks_failure_and_damage_below_a_delta_is_not)
{
    static const enum viv_checkpoint_kind whole[] = {VIV_CHECKPOINT_FULL, VIV_CHECKPOINT_INSTALL};
    for (unsigned i = 0; i < 2; i++) {
        memset(&fake, 0, sizeof fake);
        struct kv_fixture kv;
        kv_start(&kv, &fake_state);
        cr_assert_eq(checkpoint(&kv, VIV_CHECKPOINT_FULL, 1, VIV_OK), VIV_OK);
        cr_assert_eq(checkpoint(&kv, VIV_CHECKPOINT_DELTA, 2, VIV_ERR_CORRUPT), VIV_ERR_CORRUPT);
        cr_assert_eq(checkpoint(&kv, whole[i], 3, VIV_OK), VIV_OK);
        cr_assert_eq(checkpoint(&kv, whole[i], 4, VIV_ERR_CORRUPT), VIV_ERR_IO);
        cr_assert_eq(checkpoint(&kv, whole[i], 5, VIV_OK), VIV_ERR_IO);
        kv_finish(&kv);
        cr_assert_eq(fake.opened, fake.closed);
    }
}

VIV_TEST(kv_mark, rot_is_told_from_another_version_and_from_another_server)
{
    struct viv_store_config config = {.state_dir = "x", .server_id = 3, .cluster = {7, 8}};
    struct viv_kv_mark mark, found;
    uint8_t bytes[VIV_KV_MARK_BYTES];
    viv_kv_mark_init(&mark, &config, 2, 99);
    mark.mark = (struct viv_state_mark){5, 6, 7};
    viv_kv_mark_add(&mark, VIV_BYTES_LITERAL("k"), VIV_BYTES_LITERAL("k"), VIV_BYTES_LITERAL("v"));
    viv_kv_mark_encode(&mark, bytes);
    struct viv_bytes whole = {bytes, sizeof bytes};
    cr_assert_eq(viv_kv_mark_decode("test", whole, &config, 2, &found), VIV_OK);
    cr_assert_eq(found.mark.zxid_end, 6);
    cr_assert_eq(found.sum, mark.sum);
    cr_assert_eq(found.salt, 99);
    cr_assert_eq(viv_kv_mark_decode("test", whole, &config, 3, &found), VIV_ERR_FOREIGN);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(viv_kv_mark_decode("test", whole, &config, 2, &found), VIV_ERR_CORRUPT, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < sizeof bytes; size++) {
        cr_assert_eq(viv_kv_mark_decode("test", viv_bytes_of(bytes, size), &config, 2, &found), VIV_ERR_CORRUPT);
    }
    viv_store_le32(bytes + 4, 2);
    viv_store_le32(bytes + sizeof bytes - 4, viv_crc32c(0, bytes, sizeof bytes - 4));
    cr_assert_eq(viv_kv_mark_decode("test", whole, &config, 2, &found), VIV_ERR_VERSION);
}

VIV_TEST(kv_mark, the_sum_does_not_depend_on_the_order_and_a_removed_row_leaves_no_trace)
{
    struct viv_store_config config = {.state_dir = "x"};
    struct viv_kv_mark forward, backward;
    viv_kv_mark_init(&forward, &config, 0, 0);
    viv_kv_mark_init(&backward, &config, 0, 0);
    viv_kv_mark_add(&forward, VIV_BYTES_LITERAL("a"), VIV_BYTES_LITERAL("a"), VIV_BYTES_LITERAL("bc"));
    viv_kv_mark_add(&forward, VIV_BYTES_LITERAL("d"), VIV_BYTES_LITERAL("d"), VIV_BYTES_LITERAL(""));
    viv_kv_mark_add(&backward, VIV_BYTES_LITERAL("d"), VIV_BYTES_LITERAL("d"), VIV_BYTES_LITERAL(""));
    viv_kv_mark_add(&backward, VIV_BYTES_LITERAL("ab"), VIV_BYTES_LITERAL("ab"), VIV_BYTES_LITERAL("c"));
    cr_assert_neq(forward.sum, backward.sum, "where the key ends counts");
    viv_kv_mark_remove(&backward, VIV_BYTES_LITERAL("ab"), VIV_BYTES_LITERAL("ab"), VIV_BYTES_LITERAL("c"));
    viv_kv_mark_add(&backward, VIV_BYTES_LITERAL("a"), VIV_BYTES_LITERAL("a"), VIV_BYTES_LITERAL("bc"));
    cr_assert_eq(forward.sum, backward.sum);
    cr_assert_eq(forward.rows, backward.rows);
}
