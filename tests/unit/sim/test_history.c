#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tests/support/viv_test.h"
#include "tests/unit/sim/book.h"

static viv_status read_text(const char *text, size_t size, struct viv_sim_history *history)
{
    FILE *file = fmemopen((void *)(uintptr_t)text, size, "r");
    viv_status status = viv_sim_history_read(history, file);
    fclose(file);
    return status;
}

static char *written(const struct viv_sim_history *history, size_t *size)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, size);
    cr_assert_eq(viv_sim_history_write(history, file), VIV_OK);
    fclose(file);
    return text;
}

VIV_TEST(sim_history, what_is_written_is_read_back)
{
    struct viv_sim_history history = {.header = {.has_log = true, .clock_percent_max = 200, .wall_ms = INT64_MAX}};
    struct viv_sim_history copy = {0};
    size_t size, again_size;
    for (int kind = 0; kind < VIV_SIM_RECORD_KINDS; kind++) {
        viv_sim_history_add(&history, &(struct viv_sim_record){.kind = kind,
                                                               .time_ns = kind * 1000,
                                                               .client = 7,
                                                               .server = 254,
                                                               .xid = -8,
                                                               .type = INT32_MIN,
                                                               .code = -110,
                                                               .timeout_ms = INT32_MAX,
                                                               .session_id = INT64_MIN,
                                                               .zxid = UINT64_MAX,
                                                               .digest = 0xfedcba9876543210,
                                                               .bytes = VIV_BYTES_LITERAL("\0\xff a")});
    }
    char *text = written(&history, &size);
    cr_assert_eq(read_text(text, size, &copy), VIV_OK);
    char *again = written(&copy, &again_size);
    cr_assert(size == again_size && memcmp(text, again, size) == 0);
    cr_assert_eq(copy.count, VIV_SIM_RECORD_KINDS);
    free(text);
    free(again);
    viv_sim_history_fini(&history);
    viv_sim_history_fini(&copy);
}

VIV_TEST(sim_history, what_is_no_history_is_refused)
{
    static const char *const texts[] = {
        "",
        "{}\n",
        "{\"history\":2}\n",
        "{\"history\":1,\"colour\":3}\n",
        "{\"history\":1,\"has_log\":2}\n",
        "{\"history\":1}\nnonsense\n",
        "{\"history\":1}\n{\"kind\":\"lost\",\"time_ns\":1}\n",
        "{\"history\":1}\n{\"kind\":\"lost\",\"client\":1}\n",
        "{\"history\":1}\n{\"kind\":\"lost\",\"client\":4294967296,\"time_ns\":1}\n",
        "{\"history\":1}\n{\"kind\":\"left\",\"client\":1,\"time_ns\":1}\n",
        "{\"history\":1}\n{\"kind\":\"lost\",\"client\":-1,\"time_ns\":1}\n",
        "{\"history\":1}\n{\"kind\":\"lost\",\"client\":1,\"time_ns\":2}\n{\"kind\":\"lost\",\"client\":1,\"time_ns\":"
        "1}\n",
        "{\"history\":1}\n{\"kind\":\"commit\",\"zxid\":1,\"time_ns\":1,\"bytes\":\"0\"}\n",
        "{\"history\":1}\n{\"kind\":\"commit\",\"zxid\":1,\"time_ns\":1,\"bytes\":\"0g\"}\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct viv_sim_history history = {0};
        size_t size = strlen(texts[i]);
        viv_status status = read_text(size == 0 ? "\n" : texts[i], size == 0 ? 1 : size, &history);
        cr_assert_eq(status, VIV_ERR_MALFORMED, "%s", texts[i]);
        viv_sim_history_fini(&history);
    }
}

/* Whatever stands in a file, the reader and the checkers come to an end: what still can be read is checked. */
VIV_TEST(sim_history, damaged_histories_harm_nobody)
{
    struct viv_book book;
    struct viv_rng rng;
    size_t size;
    const char *rounds = getenv("VIV_FUZZ_ROUNDS");
    viv_book_open(&book, "zookeeper.jsonl");
    char *text = written(&book.history, &size);
    viv_rng_init(&rng, 1);
    for (long round = rounds == NULL ? 100 : atol(rounds); round > 0; round--) {
        struct viv_sim_history history = {0};
        struct viv_check_report report = {0};
        char *damaged = viv_alloc(size);
        memcpy(damaged, text, size);
        for (size_t i = viv_rng_below(&rng, 8); i-- > 0;) {
            size_t at = viv_rng_below(&rng, size);
            damaged[at] = damaged[at] >= '0' && damaged[at] <= '9' ? (char)('0' + viv_rng_below(&rng, 10))
                                                                   : damaged[viv_rng_below(&rng, size)];
        }
        if (read_text(damaged, size, &history) == VIV_OK) {
            viv_check_history(&history, &report);
        }
        viv_check_report_fini(&report);
        viv_sim_history_fini(&history);
        free(damaged);
    }
    free(text);
    viv_book_close(&book);
}
