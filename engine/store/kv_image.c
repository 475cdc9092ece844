#include "store/kv_image.h"

#include <inttypes.h>
#include <time.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"
#include "base/log.h"

enum { MARK_FORMAT = 1, FEED_BLOCK_BYTES = 1 << 20, KEY_BYTES_SHOWN = 16 };

/* "VIVK" read as a little-endian number. */
static const uint32_t MARK_MAGIC = 0x4b564956;

void viv_kv_mark_init(struct viv_kv_mark *mark, const struct viv_store_config *config, viv_gid gid, uint64_t salt)
{
    VIV_ASSERT(mark != NULL && config != NULL);
    *mark = (struct viv_kv_mark){
        .cluster = {config->cluster[0], config->cluster[1]}, .server_id = config->server_id, .gid = gid, .salt = salt};
}

void viv_kv_mark_encode(const struct viv_kv_mark *mark, uint8_t out[VIV_KV_MARK_BYTES])
{
    VIV_ASSERT(mark->mark.zxid_start <= mark->mark.zxid_end);
    const uint64_t words[] = {
        mark->cluster[0],    mark->cluster[1],  (uint64_t)mark->server_id, mark->mark.zxid_start,
        mark->mark.zxid_end, mark->mark.digest, mark->previous_start,      mark->salt,
        mark->rows,          mark->sum,
    };
    viv_store_le32(out, MARK_MAGIC);
    viv_store_le32(out + 4, MARK_FORMAT);
    viv_store_le64(out + 8, mark->gid);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        viv_store_le64(out + 16 + 8 * i, words[i]);
    }
    viv_store_le32(out + VIV_KV_MARK_BYTES - 4, viv_crc32c(0, out, VIV_KV_MARK_BYTES - 4));
}

static bool is_foreign(const struct viv_kv_mark *mark, const struct viv_store_config *config, viv_gid gid)
{
    bool named = config->cluster[0] != 0 || config->cluster[1] != 0;
    bool found = mark->cluster[0] != 0 || mark->cluster[1] != 0;
    bool other = mark->cluster[0] != config->cluster[0] || mark->cluster[1] != config->cluster[1];
    return (named && found && other) || mark->server_id != config->server_id || mark->gid != gid;
}

static viv_status mark_damaged(const char *store, const struct viv_store_config *config, viv_gid gid)
{
    viv_log(VIV_LOG_ERROR, store, "the image's mark is damaged; have this server rebuilt from its leader",
            "state_dir=%s gid=%u", config->state_dir, gid);
    return VIV_ERR_CORRUPT;
}

viv_status viv_kv_mark_decode(const char *store, struct viv_bytes bytes, const struct viv_store_config *config,
                              viv_gid gid, struct viv_kv_mark *mark)
{
    const uint8_t *at = bytes.data;
    /* The checksum ends the record in every version, so rot is never mistaken for another version. */
    if (bytes.size < 12 || viv_load_le32(at + bytes.size - 4) != viv_crc32c(0, at, bytes.size - 4) ||
        viv_load_le32(at) != MARK_MAGIC) {
        return mark_damaged(store, config, gid);
    }
    if (viv_load_le32(at + 4) != MARK_FORMAT || bytes.size != VIV_KV_MARK_BYTES) {
        viv_log(VIV_LOG_ERROR, store, "the image has a format that this build does not read",
                "state_dir=%s format=%u known=%d", config->state_dir, viv_load_le32(at + 4), MARK_FORMAT);
        return VIV_ERR_VERSION;
    }
    uint64_t word[10];
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++) {
        word[i] = viv_load_le64(at + 16 + 8 * i);
    }
    struct viv_kv_mark found = {.cluster = {word[0], word[1]},
                                .server_id = (int64_t)word[2],
                                .mark = {word[3], word[4], word[5]},
                                .previous_start = word[6],
                                .salt = word[7],
                                .rows = word[8],
                                .sum = word[9],
                                .gid = (viv_gid)viv_load_le64(at + 8)};
    if (found.mark.zxid_start > found.mark.zxid_end) {
        return mark_damaged(store, config, gid);
    }
    if (is_foreign(&found, config, gid)) {
        viv_log(VIV_LOG_ERROR, store, "the image belongs to another ensemble, server or group",
                "state_dir=%s server=%" PRId64 " wanted_server=%" PRId64 " gid=%u wanted_gid=%u", config->state_dir,
                found.server_id, config->server_id, found.gid, gid);
        return VIV_ERR_FOREIGN;
    }
    *mark = found;
    return VIV_OK;
}

uint32_t viv_kv_row_crc(struct viv_bytes key, struct viv_bytes value)
{
    return viv_crc32c(viv_crc32c((uint32_t)key.size, key.data, key.size), value.data, value.size);
}

static uint64_t row_hash(struct viv_bytes key, struct viv_bytes value)
{
    return XXH64(value.data, value.size, XXH64(key.data, key.size, 0));
}

static bool was_looked_at(const struct viv_kv_mark *mark, struct viv_bytes place)
{
    return mark->looked_upto.size > 0 && viv_bytes_compare(place, mark->looked_upto) <= 0;
}

void viv_kv_mark_add(struct viv_kv_mark *mark, struct viv_bytes place, struct viv_bytes key, struct viv_bytes value)
{
    uint64_t hash = row_hash(key, value);
    mark->rows++;
    mark->sum += hash;
    if (was_looked_at(mark, place)) {
        mark->looked_rows++;
        mark->looked_sum += hash;
    }
}

void viv_kv_mark_remove(struct viv_kv_mark *mark, struct viv_bytes place, struct viv_bytes key, struct viv_bytes value)
{
    uint64_t hash = row_hash(key, value);
    mark->rows--;
    mark->sum -= hash;
    if (was_looked_at(mark, place)) {
        mark->looked_rows--;
        mark->looked_sum -= hash;
    }
}

viv_status viv_kv_row_damaged(const char *store, struct viv_bytes key)
{
    char hex[2 * KEY_BYTES_SHOWN + 1] = "";
    for (size_t i = 0; i < key.size && i < KEY_BYTES_SHOWN; i++) {
        static const char digits[] = "0123456789abcdef";
        hex[2 * i] = digits[key.data[i] >> 4];
        hex[2 * i + 1] = digits[key.data[i] & 15];
        hex[2 * i + 2] = '\0';
    }
    viv_log(VIV_LOG_ERROR, store, "a stored row is damaged", "key=0x%s key_bytes=%zu", hex, key.size);
    return VIV_ERR_CORRUPT;
}

static viv_status hand_on(struct viv_kv_feed *feed)
{
    if (feed->block.size == 0) {
        return VIV_OK;
    }
    if (feed->report != NULL) {
        feed->report->bytes += feed->block.size;
    }
    viv_status status = feed->rows(feed->ctx, viv_buffer_bytes(&feed->block));
    viv_buffer_clear(&feed->block);
    return status;
}

viv_status viv_kv_feed_row(struct viv_kv_feed *feed, uint32_t crc, struct viv_bytes key, struct viv_bytes value)
{
    if (crc != viv_kv_row_crc(key, value)) {
        return viv_kv_row_damaged(feed->store, key);
    }
    viv_kv_mark_add(&feed->seen, key, key, value);
    viv_row_append(&feed->block, &(struct viv_row){VIV_ROW_PUT, key, value});
    return feed->block.size < FEED_BLOCK_BYTES ? VIV_OK : hand_on(feed);
}

viv_status viv_kv_feed_end(struct viv_kv_feed *feed, const struct viv_kv_mark *expected)
{
    if (feed->seen.rows != expected->rows || feed->seen.sum != expected->sum) {
        viv_log(VIV_LOG_ERROR, feed->store,
                "the image does not hold the rows it should; have this server rebuilt from "
                "its leader",
                "rows=%" PRIu64 " expected_rows=%" PRIu64 " sum=%016" PRIx64 " expected_sum=%016" PRIx64,
                feed->seen.rows, expected->rows, feed->seen.sum, expected->sum);
        return VIV_ERR_CORRUPT;
    }
    VIV_TRY(hand_on(feed));
    if (feed->report != NULL) {
        feed->report->rows += feed->seen.rows;
    }
    return VIV_OK;
}

void viv_kv_feed_fini(struct viv_kv_feed *feed)
{
    viv_buffer_fini(&feed->block);
}

viv_status viv_kv_look_row(struct viv_kv_look *look, uint32_t crc, struct viv_bytes place, struct viv_bytes key,
                           struct viv_bytes value)
{
    if (crc != viv_kv_row_crc(key, value)) {
        return viv_kv_row_damaged(look->store, key);
    }
    look->mark->looked_rows++;
    look->mark->looked_sum += row_hash(key, value);
    viv_buffer_clear(&look->upto);
    viv_buffer_append_bytes(&look->upto, place);
    return VIV_OK;
}

uint64_t viv_kv_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
